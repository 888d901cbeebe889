"""Labels that look wrong, of points, of tags and of chips: one message, one task and one page for all of them."""
