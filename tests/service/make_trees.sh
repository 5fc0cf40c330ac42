#!/bin/bash
# make_trees.sh DIR: for each release NAME that the installer knows, a bootable Debian of this machine's architecture
# in DIR/NAME/root with the distribution's numpy, as picamera2 brings it on a Pi, and in DIR/NAME/wheels the wheels
# that deploy/constraints-NAME.txt names, and setuptools to build ours.
# Needs root, mmdebstrap, pip (of $PYTHON) and a network.
set -euo pipefail
dir=$1
project=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | head -n 1)
packages=systemd,systemd-sysv,dbus,procps,python3,python3-venv,python3-numpy
platforms=()
for tag in manylinux_2_{34,31,28,27,26,17} manylinux2014; do # pip takes only the tags it is given
    platforms+=(--platform "${tag}_$(uname -m)")
done

make() {
    local release=$1 python=$2
    "${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: "${platforms[@]}" \
        --python-version "$python" --implementation cp --abi "cp${python/./}" --abi abi3 --abi none \
        setuptools --requirement "$project/deploy/constraints-$release.txt" --dest "$dir/$release/wheels"
    mmdebstrap --quiet --mode=root --variant=minbase --include=$packages "$release" "$dir/$release/root" \
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main"
}

make bookworm 3.11
make trixie 3.13
