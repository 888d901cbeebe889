"""Cover: the share of each class, with intervals that count photographs and not points."""
