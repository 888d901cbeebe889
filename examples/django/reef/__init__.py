"""Photographs with points; a network describes the points, and a classifier learns the labels that people give them."""
