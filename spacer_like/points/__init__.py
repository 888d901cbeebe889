"""Random points in an image: crop, extract, train, classify."""
