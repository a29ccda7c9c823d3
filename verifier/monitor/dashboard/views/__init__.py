"""What each page shows: pure, from rows of the history and an instant to values for a template."""
