"""The worlds in which a timeline can run: the model, real decisions, the real cycle."""
