"""Chips that look alike: vectors, indexes and the search in them."""
