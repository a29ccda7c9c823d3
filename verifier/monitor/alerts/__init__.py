"""When people are told that something is too old: pure, on instants that the caller hands in."""
