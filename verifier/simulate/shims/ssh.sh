#!/bin/sh
# Stands in for ssh in a simulated cycle: the host's own script runs here, in the host's own folder,
# with no more of the caller's environment than ssh was told to send and sshd would accept.
sent=
while [ $# -gt 0 ]; do
  case $1 in
    -o)
      if [ "$2" = SendEnv=RESTIC_PASSWORD ]; then sent=${RESTIC_PASSWORD-}; fi
      shift 2
      ;;
    -p | -i | -l | -F) shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
host=${1#*@}
host=${host%.simulated}

# The simulated clock, where there is one, moves on to a host's turn, and when the last is over.
turn_clock() {
  if [ -e "$1/$host" ]; then
    read -r turn <"$1/$host"
    # shellcheck disable=SC2059 - the format is the eight bytes to write
    printf "$turn" 1<>"$SIMULATION/clock/cycle"
  fi
}

if [ -e "$SIMULATION/down/$host" ]; then
  turn_clock "$SIMULATION/over"
  echo "ssh: connect to host $host: No route to host" >&2
  exit 255
fi
cd "$SIMULATION/hosts/$host" || exit 255
turn_clock "$SIMULATION/turns"
env -i PATH="$SIMULATION/front:$PWD/bin:$PATH" HOME="$PWD" TZ="$TZ" RESTIC_PASSWORD="$sent" \
  RESTIC_CACHE_DIR="$SIMULATION/cache/$host" SIMULATION="$SIMULATION" SIMULATED_HOST="$host" \
  "$PWD$2"
status=$?
turn_clock "$SIMULATION/over"
exit $status
