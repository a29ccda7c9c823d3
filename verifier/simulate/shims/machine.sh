#!/bin/sh
# Makes what follows a machine of its own: its root is put together of the programs that are here and
# of the simulation's folders, so that a script finds at their full paths what it looks for, and
# nothing else. Runs in mount and UTS namespaces of its own: machine.sh NAME COMMAND...
set -eu
place=$SIMULATION/machines/$1
root=$place/root
hostname "$1"
shift
mount --no-mtab --all --fstab "$place/fstab"
mkdir "$root/dev"
mount -t tmpfs -o mode=0755 dev "$root/dev"
for device in full null random tty urandom zero; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
# Not by chroot: what root has left that way it finds again.
mkdir "$root/before"
cd "$root"
pivot_root . before
umount --lazy /before
rmdir /before
cd /
exec "$@"
