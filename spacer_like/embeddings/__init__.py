"""Vectors of many images: what makes them, files of them, names, search and duplicates."""
