"""How rare the pixels of an image are among all images of its collection, or of all collections."""
