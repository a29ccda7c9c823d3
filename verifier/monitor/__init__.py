"""Where reports go, and how they read when they arrive."""
