#!/bin/sh
# Stands in for ssh where a cycle runs scripts of the user's own: the command runs on the host's
# machine, by a shell, with no more of the caller's environment than ssh was told to send and sshd
# would accept. Options as in ssh(1).
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
sent=
take() {
  case $1 in
    SendEnv[=\ ]*RESTIC_PASSWORD*) sent=${RESTIC_PASSWORD-} ;;
  esac
}
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    -o) take "$2"; shift 2 ;;
    -o?*) take "${1#-o}"; shift ;;
    -[BbcDEeFIiJLlmOpQRSWw]) shift 2 ;;
    -?*) shift ;;
    *) break ;;
  esac
done
name=${1#ssh://}
name=${name#*@}
name=${name%%[:/]*}
shift
if [ "$1" = -- ]; then shift; fi
if [ ! -e "$SIMULATION/addresses/$name" ]; then
  echo "ssh: Could not resolve hostname $name: Name or service not known" >&2
  exit 255
fi
read -r host <"$SIMULATION/addresses/$name"

# The simulated clock moves on to a host's turn, and when the last is over.
turn_clock() {
  if [ -e "$1/$host" ]; then
    read -r turn <"$1/$host"
    # shellcheck disable=SC2059 - the format is the eight bytes to write
    printf "$turn" 1<>"$SIMULATION/clock/cycle"
  fi
}

if [ -e "$SIMULATION/down/$host" ]; then
  turn_clock "$SIMULATION/over"
  echo "ssh: connect to host $name: No route to host" >&2
  exit 255
fi
turn_clock "$SIMULATION/turns"
# The environment is cleaned behind the namespaces: what follows needs SIMULATION.
unshare --mount --uts "$SIMULATION/machine" "$host" \
  /usr/bin/env -i ${sent:+RESTIC_PASSWORD="$sent"} PATH=/usr/local/bin:/usr/bin:/bin HOME=/root \
  USER=root TZ="$TZ" /bin/sh -c "cd; $*"
status=$?
turn_clock "$SIMULATION/over"
exit $status
