"""The rarity family against the loops that it replaces: measures, the programs that they run, and their material.

The peers are NumPy, pandas and the decoders themselves; PySpacer has no such family.
"""
