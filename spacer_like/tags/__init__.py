"""Tags for whole images by example: embeddings, a classifier for each tag, classification, and people's corrections."""
