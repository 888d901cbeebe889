"""Features and labels in, classifiers and figures about them out."""
