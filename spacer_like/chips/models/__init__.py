"""Models of many labels: the split by cells, training, metrics, and files."""
