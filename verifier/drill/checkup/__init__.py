"""Is everything in place: the machine, its programs, the repository, the hosts, room, timers."""
