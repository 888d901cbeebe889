"""Models of many labels: the split by cells, training, figures, and files."""
