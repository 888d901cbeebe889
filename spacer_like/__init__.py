"""Features, labels, scores, models and chips out of many images, by messages, tasks and storage."""

__version__ = "0.1.0"
