"""Whole jobs of many steps, each step a request: what is done and unchanged is not done again."""
