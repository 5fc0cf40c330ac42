#!/bin/bash
# Installs pi-infer on Raspberry Pi OS or Debian, bookworm or trixie, 64-bit. Safe to run again.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: sudo deploy/install.sh [--dry-run] [--release NAME] [--wheels DIR] [--with LIST]
       sudo deploy/install.sh --uninstall [--dry-run]

Installs python3-venv and, where the package exists, picamera2 by apt; pi-infer into
/opt/pi-infer/venv; the unit pi-infer.service; and the command /usr/local/bin/pi-infer.

  --dry-run       print every step and change nothing
  --release NAME  use the versions tested on bookworm or trixie, whatever this system says it is
  --wheels DIR    install from the wheels in DIR (pi-infer's own among them), without a package index
  --with LIST     install what is optional, too: ncnn (the other engine), mqtt, tty, with commas between them
  --uninstall     remove all that, but keep /etc/pi-infer, /opt/pi-infer/models, /var/lib/pi-infer and apt's packages
TEXT
}

PROJECT=$(cd "$(dirname "$0")/.." && pwd)
OS_RELEASE=${PI_INFER_OS_RELEASE:-/etc/os-release} # tests show other systems
PREFIX=/opt/pi-infer
VENV=$PREFIX/venv
BUILD=$PREFIX/build
UNIT=/etc/systemd/system/pi-infer.service
SETTINGS=/etc/pi-infer/pi-infer.env
COMMAND=/usr/local/bin/pi-infer
APT_GET=(env DEBIAN_FRONTEND=noninteractive apt-get)

DRY_RUN=no
RELEASE=
WHEELS=
WITH=
ACTION=install

fail() {
    echo "install.sh: error: $*" >&2
    exit 2
}

run() {
    echo "+ $*"
    [ "$DRY_RUN" = yes ] || "$@"
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
        --dry-run) DRY_RUN=yes ;;
        --uninstall) ACTION=uninstall ;;
        --release | --wheels | --with)
            [ -n "${2:-}" ] || fail "$1 needs a value; see --help"
            case $1 in
            --release) RELEASE=$2 ;;
            --wheels) WHEELS=$2 ;;
            --with) WITH=$2 ;;
            esac
            shift
            ;;
        -h | --help) usage && exit 0 ;;
        *) fail "unknown option $1; see --help" ;;
        esac
        shift
    done
}

require_root() {
    [ "$DRY_RUN" = yes ] || [ "$(id -u)" = 0 ] || fail "needs root: run sudo $0"
}

# The packages' architecture, not the kernel's: 32-bit Raspberry Pi OS runs on a 64-bit kernel.
require_64_bit() {
    local architecture
    architecture=$(dpkg --print-architecture) || fail "no dpkg here: this installer is for Raspberry Pi OS and Debian"
    case $architecture in
    arm64 | amd64) ;;
    *) fail "this system is 32-bit ($architecture) and onnxruntime is not made for it; install the 64-bit Raspberry Pi OS" ;;
    esac
}

choose_release() {
    if [ -z "$RELEASE" ]; then
        [ -r "$OS_RELEASE" ] || fail "cannot read $OS_RELEASE; name the release with --release bookworm or --release trixie"
        # shellcheck source=/dev/null
        RELEASE=$(. "$OS_RELEASE" && echo "${VERSION_CODENAME:-unknown}")
    fi
    CONSTRAINTS=$PROJECT/deploy/constraints-$RELEASE.txt
    case $RELEASE in
    bookworm | trixie) ;;
    *) fail "release $RELEASE is not tested (bookworm and trixie are); to try all the same: --release trixie" ;;
    esac
}

choose_package() {
    PACKAGE=$PROJECT
    [ -n "$WHEELS" ] || return 0
    [ -d "$WHEELS" ] || fail "no folder $WHEELS"
    PACKAGE=$(find "$WHEELS" -maxdepth 1 -name 'pi_infer-*.whl' | sort -V | tail -n 1)
    [ -n "$PACKAGE" ] || fail "no pi_infer-*.whl in $WHEELS; make it with: pip wheel --no-deps -w $WHEELS $PROJECT"
}

# The extras that pip takes by name in EXTRAS; ncnn is installed by itself, for the package asks for four
# libraries of which the engine needs none.
choose_extras() {
    local extra names=()
    NCNN=no
    for extra in ${WITH//,/ }; do
        case $extra in
        ncnn) NCNN=yes ;;
        mqtt | tty) names+=("$extra") ;;
        *) fail "--with $extra: there are ncnn, mqtt and tty" ;;
        esac
    done
    EXTRAS=$(IFS=,; echo "${names[*]}")
    EXTRAS=${EXTRAS:+[$EXTRAS]}
}

have_package() {
    dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

apt_offers() {
    apt-cache show "$1" >/dev/null 2>&1
}

install_packages() {
    if have_package python3-venv && have_package python3-picamera2; then
        return
    fi
    run "${APT_GET[@]}" update || echo "apt-get update failed: going on with the package lists as they are"
    have_package python3-venv || run "${APT_GET[@]}" install -y --no-install-recommends python3-venv
    if have_package python3-picamera2 || apt_offers python3-picamera2; then
        run "${APT_GET[@]}" install -y --no-install-recommends python3-picamera2
    else
        echo "no package python3-picamera2 here (only Raspberry Pi OS has it): going on without the Pi camera"
    fi
}

# Only the system's own Python sees the system's picamera2 and libcamera.
make_environment() {
    local python="/usr/bin/python3"
    if "$VENV/bin/python" -c 'import pip' 2>/dev/null && [ "$(minor_version "$VENV/bin/python")" = "$(minor_version $python)" ]; then
        echo "keeping $VENV"
    else
        run $python -m venv --clear --system-site-packages "$VENV"
    fi
}

minor_version() {
    "$1" -c 'import sys; print(*sys.version_info[:2])'
}

install_package() {
    local pip=("$VENV/bin/python" -m pip install --no-cache-dir --disable-pip-version-check --constraint "$CONSTRAINTS")
    if [ -n "$WHEELS" ]; then
        pip+=(--no-index --find-links "$WHEELS")
        run "${pip[@]}" "$PACKAGE$EXTRAS"
        install_ncnn "${pip[@]}"
        return
    fi
    # Building leaves files behind: build a copy, so that none of root's end up in the user's folder.
    run rm -rf "$BUILD"
    run mkdir "$BUILD"
    run cp -r "$PROJECT"/{pyproject.toml,README.md,LICENSE,edge_runtime,export} "$BUILD"
    run "${pip[@]}" "$BUILD$EXTRAS"
    run rm -rf "$BUILD"
    install_ncnn "${pip[@]}"
}

install_ncnn() {
    [ "$NCNN" = no ] || run "$@" --no-deps ncnn
}

install_service() {
    run mkdir -p "$PREFIX/models"
    run install -D -m 644 "$PROJECT/systemd/pi-infer.service" "$UNIT"
    [ -e "$SETTINGS" ] || run install -D -m 644 "$PROJECT/systemd/pi-infer.env" "$SETTINGS"
    run ln -sfn "$VENV/bin/pi-infer" "$COMMAND"
    tell_systemd daemon-reload
    tell_systemd try-restart pi-infer # a running service takes the new version
}

tell_systemd() {
    if [ -d /run/systemd/system ]; then
        run systemctl "$@"
    else
        echo "systemd is not running here: no systemctl $*"
    fi
}

install_all() {
    require_64_bit
    choose_release
    choose_package
    choose_extras
    install_packages
    make_environment
    install_package
    install_service
    echo "Installed. Start it now and at every boot with: sudo systemctl enable --now pi-infer"
}

uninstall_all() {
    [ ! -e "$UNIT" ] || tell_systemd disable --now pi-infer
    run rm -rf "$VENV" "$BUILD"
    run rm -f "$UNIT" "$COMMAND"
    [ ! -d "$PREFIX" ] || run find "$PREFIX" -type d -empty -delete
    tell_systemd daemon-reload
    echo "Removed. Settings, networks and state are kept: /etc/pi-infer $PREFIX/models /var/lib/pi-infer"
}

parse "$@"
require_root
"${ACTION}_all"
