"""The tasks of the rarity family: read, compute, write; a module for each kind of thing they make."""
