#!/bin/sh
# Stands in for ssh in a simulated cycle: the host's own script runs here, in the host's own folder,
# with no more of the caller's environment than sshd would accept.
while [ $# -gt 0 ]; do
  case $1 in
    -p | -o | -i | -l | -F) shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
host=${1#*@}
shift
if [ -e "$SIMULATION/down/$host" ]; then
  echo "ssh: connect to host $host: No route to host" >&2
  exit 255
fi
exec env -i PATH="$PATH" HOME="$SIMULATION/hosts/$host" TZ="$TZ" RESTIC_PASSWORD="${RESTIC_PASSWORD-}" \
  RESTIC_CACHE_DIR="$SIMULATION/cache/$host" SIMULATION="$SIMULATION" SIMULATED_HOST="$host" \
  "$SIMULATION/hosts/$host$1"
