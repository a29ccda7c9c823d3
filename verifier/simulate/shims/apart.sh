#!/bin/sh
# Runs a command on the coordinator, apart from the machine that it runs on: what belongs to that
# cannot be written to, there is no network but a loopback, and when the command ends, so does all
# that it has left running, as when a unit of systemd does. The first process in namespaces of its
# own (mount, UTS, IPC, network, PID): apart.sh PYTHON SEAL NAME COMMAND...
set -eu
python=$1 seal=$2
shift 2
mount -t proc -o nosuid,nodev,noexec proc /proc
for part in bus fs irq sys sysrq-trigger; do
  if [ -e "/proc/$part" ]; then mount --rbind "/proc/$part" "/proc/$part"; fi
done
mount --bind "$SIMULATION" "$SIMULATION"
"$python" -I -S "$seal" /proc "$SIMULATION"
# What mounts cannot keep out: disks by their numbers, the clock, the kernel itself.
status=0
setpriv --bounding-set=-mknod,-sys_time,-sys_boot,-sys_module,-sys_rawio,-syslog \
  "$SIMULATION/machine" "$@" || status=$?
exit "$status"
