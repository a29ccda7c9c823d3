#!/bin/sh
# Stands before restic in a simulated cycle: a host's backup is dated with the simulated time.
if [ "$1" = backup ] && [ -n "${SIMULATED_HOST-}" ]; then
  shift
  read -r at <"$SIMULATION/time/$SIMULATED_HOST"
  set -- backup --time="$at" "$@"
fi
exec "$SIMULATION/bin/real-restic" "$@"
