"""How time and memory grow with the work: each measure in three sizes, a decade apart."""
