"""Places that deliveries go to, a module each."""
