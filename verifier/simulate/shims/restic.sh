#!/bin/sh
# Stands before restic in a simulated cycle: a host's backup is dated with the simulated time. That
# is a civil time, which comes twice when summer time ends: the zone file says which one is meant.
if [ "$1" = backup ] && [ -n "${SIMULATED_HOST-}" ]; then
  shift
  read -r at <"$SIMULATION/time/$SIMULATED_HOST"
  set -- backup --time="$at" "$@"
  TZ=$SIMULATION/zone/$SIMULATED_HOST
  export TZ
fi
exec "$SIMULATION/bin/real-restic" "$@"
