"""A server that shows a tree of tiles as one map: XYZ and TMS tiles in Web Mercator, and tiles of the zones' own grid.

Needs the extra `geo`.
"""
