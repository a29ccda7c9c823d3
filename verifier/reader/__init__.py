"""The repository's bytes, read without restic: the second opinion. Never writes, never locks."""
