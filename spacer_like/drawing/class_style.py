"""Class names made fit to be drawn, and colours and shapes that tell classes apart.

Names may be of any type, any length and any characters. People with any colour vision can tell the colours apart: they
are those of M. Okabe and K. Ito, "Color Universal Design" (2008), without black. Shapes are for when there are more
classes than colours.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

ELLIPSIS = "…"

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


def plain_text(label: object) -> str:
    """One line without control or direction-changing characters, which could hide or reorder the text around them.

    >>> plain_text("Porites\\n sp.")
    'Porites sp.'
    """
    text = str(label)
    kept = "".join(" " if unicodedata.category(character).startswith(("C", "Z")) else character for character in text)
    return " ".join(kept.split()) or "(no name)"


def shorten(label: object, width: int) -> str:
    """At most `width` characters, the middle left out: names of one genus differ at their ends.

    >>> shorten("Pocillopora damicornis", 13)
    'Pocill…cornis'
    """
    text = plain_text(label)
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return text[: width - 1 - tail].rstrip() + ELLIPSIS + text[len(text) - tail :].lstrip()


def shorten_all(labels: list[object] | list[str], width: int) -> list[str]:
    """Each label shortened; those that became equal get a number, so that no two rows have one name."""
    shortened = [shorten(label, width) for label in labels]
    seen: dict[str, int] = {}
    distinct = []
    for text in shortened:
        seen[text] = seen.get(text, 0) + 1
        distinct.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return distinct
