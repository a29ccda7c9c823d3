"""The embedded history: every report, every run of the coordinator, every incident, in one file."""
