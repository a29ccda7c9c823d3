"""Signed reports: each an in-toto statement in a DSSE envelope that names the one before it."""
