"""The tasks of the chips family: read, compute, write."""
