#!/bin/sh
# Stands before restic in a simulated cycle: a host's backup is dated with the simulated time.
if [ "$1" = backup ] && [ -n "${SIMULATED_HOST-}" ]; then
  shift
  set -- backup --time="$(cat "$SIMULATION/time/$SIMULATED_HOST")" "$@"
fi
exec "$SIMULATION/bin/real-restic" "$@"
