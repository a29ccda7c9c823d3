#!/bin/sh
# Stands before restic in a simulated cycle: a host's backup is dated with the simulated time.
if [ -n "${SIMULATED_HOST-}" ]; then
  exec "$SIMULATION/bin/real-restic" "$@" --time="$(cat "$SIMULATION/time/$SIMULATED_HOST")"
fi
exec "$SIMULATION/bin/real-restic" "$@"
