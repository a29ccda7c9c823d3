#!/bin/sh
# Makes what follows a machine of its own: its root is put together of this machine's programs and of
# the simulation's folders, so that a script finds at their full paths what it looks for, and nothing
# else that it could harm. Runs in mount and UTS namespaces of its own: machine.sh NAME COMMAND...
set -eu
place=$SIMULATION/machines/$1
mount --no-mtab --all --fstab "$place/fstab"
hostname "$1"
shift
exec chroot "$place/root" "$@"
