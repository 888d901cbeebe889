"""Bytes to pixels, and pixels to crops."""
