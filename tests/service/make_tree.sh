#!/bin/bash
# make_tree.sh DIR: a bootable Debian trixie of this machine's architecture in DIR/root and, in DIR/wheels,
# the wheels that deploy/constraints-trixie.txt names, and setuptools to build ours.
# Needs root, mmdebstrap, pip (of $PYTHON) and a network.
set -euo pipefail
dir=$1
project=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | head -n 1)
packages=systemd,systemd-sysv,dbus,procps,python3,python3-venv
platforms=()
for tag in manylinux_2_{34,31,28,27,26,17} manylinux2014; do # pip takes only the tags it is given
    platforms+=(--platform "${tag}_$(uname -m)")
done

"${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: "${platforms[@]}" \
    --python-version 3.13 --implementation cp --abi cp313 --abi abi3 --abi none \
    setuptools --requirement "$project/deploy/constraints-trixie.txt" --dest "$dir/wheels"
mmdebstrap --quiet --mode=root --variant=minbase --include=$packages trixie "$dir/root" \
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main"
