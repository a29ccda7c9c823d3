"""The drill: restore a snapshot, look at the live tree, compare the two, and say what is so."""
