#!/bin/sh
# Runs a command where a folder lies on a disk of its own, with one page left: a lock fits there, and
# no backup. Begun in a mount namespace of its own (`unshare`), the disk ends with it.
set -eu
folder=$1
shift
disk=$folder.disk
mkdir "$disk"
mount -t tmpfs -o mode=700 disk "$disk"
cp -a "$folder/." "$disk"
used=$(df --output=used -B1 "$disk" | tail -n 1)
mount -o "remount,size=$((used + $(getconf PAGESIZE)))" disk "$disk"
mount --bind "$disk" "$folder"
status=0
"$@" || status=$?
umount "$folder"
find "$folder" -mindepth 1 -delete
cp -a "$disk/." "$folder"
umount "$disk"
rmdir "$disk"
exit "$status"
