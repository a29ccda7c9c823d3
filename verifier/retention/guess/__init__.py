"""What snapshots tell of how they came about: when they are made, and what `forget` keeps."""
