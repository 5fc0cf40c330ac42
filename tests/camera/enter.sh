#!/bin/sh
# enter.sh TREE SCRATCH COMMAND...: run a command in the tree, in mount and process namespaces of its own: the project
# is at /project (read-only), SCRATCH at /scratch, devices are few, the network and pip's settings are this machine's.
# SCRATCH/virtual.yaml, if it is there, says what cameras the virtual pipeline has.
set -eu
tree=$1
scratch=$2
project=$(cd "$(dirname "$0")/../.." && pwd)
shift 2
# shellcheck disable=SC2016 # the inner shell expands it
exec unshare --mount --pid --fork --kill-child sh -euc '
    tree=$1 scratch=$2 project=$3
    shift 3
    mount --make-rprivate /
    mount -t proc proc "$tree/proc"
    mount -t tmpfs tmpfs "$tree/run"
    mount -t tmpfs tmpfs "$tree/dev"
    for device in null zero full random urandom; do
        touch "$tree/dev/$device"
        mount --bind "/dev/$device" "$tree/dev/$device"
    done
    mkdir "$tree/dev/shm"
    for file in /etc/resolv.conf /etc/ssl/certs /etc/pip.conf; do
        [ ! -e "$file" ] || [ ! -e "$tree$file" ] || mount --bind "$file" "$tree$file"
    done
    mount --bind "$project" "$tree/project"
    mount -o remount,ro,bind "$tree/project"
    mount --bind "$scratch" "$tree/scratch"
    [ ! -e "$scratch/virtual.yaml" ] ||
        mount --bind "$scratch/virtual.yaml" "$tree/usr/share/libcamera/pipeline/virtual/virtual.yaml"
    exec chroot "$tree" "$@"' sh "$tree" "$scratch" "$project" "$@"
