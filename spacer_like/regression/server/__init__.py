"""A server that predicts inclinations of images that people send. Needs the extra `galaxies`."""
