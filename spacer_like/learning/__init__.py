"""Classifiers and their metrics from features and labels."""
