#!/bin/bash
# boot.sh ROOT SHARED WORK: boots the systemd of the tree ROOT in a container without a network, with the folder
# SHARED read-only at /shared. Whatever it writes is kept in memory, mounted on the empty folder WORK.
set -euo pipefail
root=$1 shared=$2 work=$3
if [ -z "${OWN_MOUNTS:-}" ]; then
    OWN_MOUNTS=yes exec unshare --mount --fork --kill-child "$0" "$@"
fi
mount --make-rprivate /
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/scratch" "$work/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/scratch" "$work/root"
tr -d - </proc/sys/kernel/random/uuid >"$work/root/etc/machine-id" # as after a first boot
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe \
    --bind-ro="$shared:/shared" --directory="$work/root" --boot </dev/null
