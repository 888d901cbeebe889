"""What the names of chips look like in each grid, and which chips are of one group."""

from __future__ import annotations

import re

from spacer_like.exceptions import TileError

TILE_ZOOM = 12
"""The zoom of the cells that tiles show."""
# Acquisitions have hyphens where they are UUIDs; they become parts of paths.
ACQUISITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}")
CHIP_NAME = re.compile(
    rf"Z(\d{{2}})-([0-3]{{{TILE_ZOOM},26}})_({ACQUISITION.pattern}?)(?:\.(?i:jpe?g|png|webp|tiff?|npy))?"
)
# Of places of the other grids, see `chips.rasters.places`.
_TILE = re.compile(r"M(\d{1,2})-(\d{1,9})-(\d{1,9})_")
_WINDOW = re.compile(r"P(\d{1,9})-(\d{1,9})_(.+?)(?:\.[A-Za-z0-9]+)?")
_CELL = re.compile(rf"(Z(?:0[1-9]|[1-5]\d|60)-[0-3]{{{TILE_ZOOM}}})[0-3]{{0,14}}_")
_LEVELS_UP = 3
_WINDOWS = 1024
"""Pixels of a raster that windows of one group begin in, in each direction."""


def group_of(name: str) -> str:
    """The group of a chip, of whose members none is learnt from while others validate, because neighbours look alike.

    It is the cell of zoom 12, the tile of Web Mercator three levels up, or a square of 1,024 pixels of a raster.

    >>> group_of("Z33-03111121232201230_1050410012C31100.jpg"), group_of("M14-9327-4742_a.png")
    ('Z33-031111212322', 'M11-1165-592')
    >>> group_of("P512-2048_a.jpg")
    'P0-2048_a'

    Raises:
        TileError: the name is of none of these grids.
    """
    text = name.replace("\\", "/").rpartition("/")[2]
    if found := _CELL.match(text):
        return found[1]
    if found := _TILE.match(text):
        zoom, column, row = (int(part) for part in found.groups())
        up = min(zoom, _LEVELS_UP)
        return f"M{zoom - up}-{column >> up}-{row >> up}"
    if (window := window_of(text)) is not None:
        column, row = (part // _WINDOWS * _WINDOWS for part in window[:2])
        return f"P{column}-{row}_{window[2]}"
    raise no_chip_name(name)


def window_of(name: str) -> tuple[int, int, str] | None:
    """Column and row of the corner of a window of pixels, and its raster's name; None: the chip is none.

    >>> window_of("P512-2048_a.jpg")
    (512, 2048, 'a')
    """
    found = _WINDOW.fullmatch(name.replace("\\", "/").rpartition("/")[2])
    return None if found is None else (int(found[1]), int(found[2]), found[3])


def no_chip_name(text: str) -> TileError:
    """The error about a name that is none of a chip."""
    shown = text if len(text) <= 100 else f"{text[:97]}..."
    return TileError(
        f"{shown!r} is no name of a chip: it must be like Z33-03111121232201230_1050410012C31100.jpg, the cell and the "
        "acquisition."
    )
