"""Colours that people with any colour vision tell apart, and shapes for when there are more classes than colours.

The colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008), without black.
"""

from __future__ import annotations

from typing import NamedTuple

BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
GREY = "#6B7280"
INK = "#1F2937"
FAINT = "#E5E7EB"

COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
SHAPES = ("o", "s", "^", "D", "v", "P", "h")


class Mark(NamedTuple):
    """How the points of one class are drawn: an RGB colour and a matplotlib marker."""

    colour: str
    shape: str


OTHER = Mark("#FFFFFF", "X")
"""The mark that classes share once there are more of them than marks."""


def marks(count: int) -> list[Mark]:
    """A mark for each of `count` classes.

    Neighbours differ in colour and in shape; the first 49 are all different, later ones share `OTHER`.
    """
    distinct = [
        Mark(COLOURS[index % len(COLOURS)], SHAPES[(index + index // len(COLOURS)) % len(SHAPES)])
        for index in range(min(count, len(COLOURS) * len(SHAPES)))
    ]
    return distinct + [OTHER] * (count - len(distinct))
