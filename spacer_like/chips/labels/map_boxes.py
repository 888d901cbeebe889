"""The boxes of longitude and latitude that map data are asked for in."""

from __future__ import annotations

import math

from spacer_like.chips.geography import Box, envelope
from spacer_like.chips.grid import Cell

UNITS_PER_DEGREE = 10_000_000
"""OpenStreetMap's coordinates are whole numbers of such units."""


def boxes_of(cell: Cell) -> list[Box]:
    """The box around a cell, in degrees: west, south, east, north, rounded outwards to OpenStreetMap's units.

    A cell across the 180th meridian has two of them.

    Raises:
        TileError: the cell is where its zone's projection has no meaning.
    """
    west, south, east, north = envelope(cell)
    box = (_down(west), _down(south), _up(east), _up(north))
    if west <= east:
        return [box]
    return [(box[0], box[1], 180.0, box[3]), (-180.0, box[1], box[2], box[3])]


def _down(degrees: float) -> float:
    return math.floor(degrees * UNITS_PER_DEGREE) / UNITS_PER_DEGREE


def _up(degrees: float) -> float:
    return math.ceil(degrees * UNITS_PER_DEGREE) / UNITS_PER_DEGREE
