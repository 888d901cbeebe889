"""Chips of any raster: the places of a grid that it covers, their pixels, and the files made of them."""
