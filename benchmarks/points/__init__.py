"""The points family against PySpacer: its measures, the programs that they run, and the material that those work on.

Most programs take the package's name as their first argument and run under both: the interfaces are the same.
"""
