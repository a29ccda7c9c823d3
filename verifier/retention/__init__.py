"""What a policy keeps, release by release, and the promises it is held to. Pure."""
