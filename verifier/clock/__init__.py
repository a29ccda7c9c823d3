"""Real and controlled time for process trees."""
