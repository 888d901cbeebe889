"""Names of chips: the cell that a chip shows, and the acquisition of its tile.

>>> chip = ChipName.parse("chips/33/Z33-03111121232201230_1050410012C31100.jpg")
>>> chip.zone, chip.zoom, chip.acquisition
(33, 17, '1050410012C31100')
>>> chip.tile_cell.name
'Z33-031111212322'
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from typing_extensions import Self

from spacer_like.chips.grid import TILE_ZOOM, Cell
from spacer_like.exceptions import TileError

ENDING = ".jpg"

# Acquisitions have hyphens where they are UUIDs; they become parts of paths.
ACQUISITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}")
_NAME = re.compile(
    rf"Z(\d{{2}})-([0-3]{{{TILE_ZOOM},26}})_({ACQUISITION.pattern}?)(?:\.(?i:jpe?g|png|webp|tiff?|npy))?"
)


# Of places of the other grids, see `rasters.places`.
_TILE = re.compile(r"M(\d{1,2})-(\d{1,9})-(\d{1,9})_")
_WINDOW = re.compile(r"P(\d{1,9})-(\d{1,9})_(.+?)(?:\.[A-Za-z0-9]+)?")
_CELL = re.compile(rf"(Z\d{{2}}-[0-3]{{{TILE_ZOOM}}})[0-3]*_")
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
        return Cell.parse(found[1]).name
    if found := _TILE.match(text):
        zoom, column, row = (int(part) for part in found.groups())
        up = min(zoom, _LEVELS_UP)
        return f"M{zoom - up}-{column >> up}-{row >> up}"
    if found := _WINDOW.fullmatch(text):
        column, row = (int(part) // _WINDOWS * _WINDOWS for part in found.groups()[:2])
        return f"P{column}-{row}_{found[3]}"
    return ChipName.parse(name).tile_cell.name


@dataclass(frozen=True, order=True)
class ChipName:
    """What the name of a chip says; its text is the name, ``Z33-03111121232201230_1050410012C31100.jpg``.

    Fields:
        zone: the UTM zone.
        quadkey: of the chip's cell, 12 to 26 digits.
        acquisition: of the tile that the chip was cut out of: letters, digits, hyphens and points.

    Raises:
        TileError: there is no such cell, or it is larger than a tile; no acquisition is called so.
    """

    zone: int
    quadkey: str
    acquisition: str

    def __post_init__(self) -> None:
        if len(self.quadkey) < TILE_ZOOM:
            raise TileError(
                f"The cell {self.cell.name} is larger than a tile: a chip's has {TILE_ZOOM} digits or more."
            )
        if not ACQUISITION.fullmatch(self.acquisition):
            raise TileError(
                f"{self.acquisition[:100]!r} is no acquisition: it must be of at most 100 letters, digits, hyphens and "
                "points."
            )
        # Refuses zones and quadkeys that are none.
        _ = self.cell

    @classmethod
    def parse(cls, text: str) -> Self:
        """The parts of a name, with or without folders before it and the ending of a chip's file behind it.

        Raises:
            TileError: not of that form.
        """
        found = _NAME.fullmatch(text.replace("\\", "/").rpartition("/")[2])
        if found is None:
            shown = text if len(text) <= 100 else f"{text[:97]}..."
            raise TileError(
                f"{shown!r} is no name of a chip: it must be like Z33-03111121232201230_1050410012C31100.jpg, the "
                "cell and the acquisition."
            )
        return cls(int(found[1]), found[2], found[3])

    @property
    def cell(self) -> Cell:
        """The square that the chip shows."""
        return Cell(self.zone, self.quadkey)

    @property
    def tile_cell(self) -> Cell:
        """The cell of zoom 12 whose tile the chip was cut out of."""
        return Cell(self.zone, self.quadkey[:TILE_ZOOM])

    @property
    def zoom(self) -> int:
        return len(self.quadkey)

    def __str__(self) -> str:
        return f"Z{self.zone:02d}-{self.quadkey}_{self.acquisition}{ENDING}"
