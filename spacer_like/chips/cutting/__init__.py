"""From tiles to chips: the layout of a tile, which chips lie where, and the three ways of making them."""
