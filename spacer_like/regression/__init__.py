"""A number for each image by networks: how far a galaxy is inclined."""
