#!/bin/bash
# make_tree.sh DIR: arm64 Debian trixies with python3 and the aarch64 wheels that deploy/constraints-trixie.txt names,
# in DIR/pi4 and DIR/pi5 (one tree; only what they say about the board differs), and the instruction counter
# DIR/count.so. Needs root, mmdebstrap, gcc, pip (of $PYTHON) and a network.
set -euo pipefail
dir=$1
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | head -n 1)
platforms=()
for tag in manylinux_2_{34,31,28,27,26,17} manylinux2014; do # pip takes only the tags it is given
    platforms+=(--platform "${tag}_aarch64")
done

mmdebstrap --quiet --mode=root --variant=extract --arch=arm64 --include=python3,libstdc++6,libgomp1,libgcc-s1 trixie \
    "$dir/pi4" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main"
for folder in bin sbin lib; do
    [ -e "$dir/pi4/$folder" ] || ln -s "usr/$folder" "$dir/pi4/$folder"
done
"${PYTHON:-python3}" -m pip install --quiet --no-deps --no-compile --only-binary=:all: "${platforms[@]}" \
    --python-version 3.13 --implementation cp --abi cp313 --abi abi3 --abi none \
    --requirement "$here/../../deploy/constraints-trixie.txt" --target "$dir/pi4/opt/site"
cp -al "$dir/pi4" "$dir/pi5"
for board in pi4 pi5; do
    "${PYTHON:-python3}" "$here/fake_board.py" "$dir/$board" $board
done
gcc -O2 -Wall -Wextra -shared -fPIC -fvisibility=hidden -o "$dir/count.so" "$here/count.c"
