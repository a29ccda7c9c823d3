#!/bin/sh
# Stands before rclone where the off-site store is a server on this machine. That answers at once or
# not at all, and production's three times ten attempts would only take three quarters of a minute.
RCLONE_RETRIES=1 RCLONE_LOW_LEVEL_RETRIES=1
export RCLONE_RETRIES RCLONE_LOW_LEVEL_RETRIES
exec "$SIMULATION/bin/real-rclone" "$@"
