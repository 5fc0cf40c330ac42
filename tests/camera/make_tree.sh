#!/bin/bash
# make_tree.sh DIR: a Debian trixie of this machine's architecture in DIR/root with libcamera, whose virtual pipeline is
# a camera without hardware, and in DIR/root/opt/venv the real picamera2 beside the wheels that
# deploy/constraints-trixie.txt names. Needs root, mmdebstrap and a network.
set -euo pipefail
dir=$1
here=$(cd "$(dirname "$0")" && pwd)
constraints=$here/../../deploy/constraints-trixie.txt
# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | head -n 1)
packages=python3-venv,python3-dev,gcc,libc6-dev,libcap-dev,libgl1,libglib2.0-0t64,python3-numpy
packages=$packages,python3-libcamera,libcamera-ipa

mmdebstrap --quiet --mode=root --variant=minbase --include=$packages trixie "$dir/root" \
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main"
cp "$constraints" "$dir/root/opt/constraints.txt"
mkdir -p "$dir/root/project" "$dir/root/scratch" "$dir/root/usr/share/libcamera/pipeline/virtual"
touch "$dir/root/etc/pip.conf" "$dir/root/usr/share/libcamera/pipeline/virtual/virtual.yaml"
"$here/enter.sh" "$dir/root" "$dir" sh -ec '
    python3 -m venv --system-site-packages /opt/venv
    /opt/venv/bin/pip install --quiet --no-compile --constraint /opt/constraints.txt \
        picamera2==0.3.38 onnxruntime opencv-python-headless
    /opt/venv/bin/python -c "import onnxruntime, cv2"'
