"""Engines, which run many requests at once, here or elsewhere."""
