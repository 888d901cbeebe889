"""Whole jobs of many steps, each step a message; steps that are done and unchanged are not repeated."""
