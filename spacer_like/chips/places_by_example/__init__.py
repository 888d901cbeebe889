"""Places that are looked for by examples: a person says yes or no to some chips, and all are ranked anew."""
