"""The dashboard: its decisions, its pages, its API, its doors, and all of it in a real browser."""
