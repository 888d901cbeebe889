"""What the family regression is measured with: made galaxies, pictures of the sky, and peers."""
