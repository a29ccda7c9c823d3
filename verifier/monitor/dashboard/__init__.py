"""The pages: read-only, without scripts, over the history alone."""
