"""What is measured of the family `tags`: embeddings, training, scoring, its files, and how well it tags."""
