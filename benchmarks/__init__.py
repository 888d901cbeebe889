"""How fast the package is, measured against the library that does the same: `python -m benchmarks --help`."""
