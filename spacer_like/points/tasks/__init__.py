"""The tasks of the points family: read, compute, write."""
