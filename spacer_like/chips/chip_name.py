"""Names of chips: the cell that a chip shows, and the acquisition of its tile.

>>> chip = ChipName.parse("chips/33/Z33-03111121232201230_1050410012C31100.jpg")
>>> chip.zone, chip.zoom, chip.acquisition
(33, 17, '1050410012C31100')
>>> chip.tile_cell.name
'Z33-031111212322'
"""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import Self

from spacer_like.chips.grid import Cell
from spacer_like.data_classes.chip_names import ACQUISITION, CHIP_NAME, TILE_ZOOM, no_chip_name
from spacer_like.exceptions import TileError

ENDING = ".jpg"


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
        found = CHIP_NAME.fullmatch(text.replace("\\", "/").rpartition("/")[2])
        if found is None:
            raise no_chip_name(text)
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
