"""Satellite tiles to chips, labels from maps, models of many labels, and places that look alike."""
