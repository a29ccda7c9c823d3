"""The nouns every other room shares, and the verdict drawn from them: no I/O, no clock."""
