"""Engines: what each adds to a message, how it grows, and what it survives."""
