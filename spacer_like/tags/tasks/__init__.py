"""The tasks of the tags family, by what they work on."""
