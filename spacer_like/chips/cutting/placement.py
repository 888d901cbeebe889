"""Where the chips of a cell lie in the raster of its tile."""

from __future__ import annotations

from dataclasses import dataclass

from spacer_like.chips.cutting.cog import Cog
from spacer_like.chips.grid import PIXEL, TILE_PIXELS, Cell, chip_pixels
from spacer_like.exceptions import TileError

# Of a pixel: what the georeference of a tile may be off, for it is written with decimals.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class Placement:
    """A cell of zoom 12 on the pixels of a raster, cut into chips.

    Fields:
        cell: the cell, zoom: that of its chips.
        column, row: of the cell's north-western corner, in pixels of the raster; negative where the raster begins
            inside the cell.
    """

    cell: Cell
    zoom: int
    column: int
    row: int

    @property
    def chip_pixels(self) -> int:
        """Width and height of a chip."""
        return chip_pixels(self.zoom)

    @property
    def chips_wide(self) -> int:
        """Chips in a row, and rows of chips."""
        return int(TILE_PIXELS // self.chip_pixels)


def placed(cog: Cog, cell: Cell, zoom: int) -> Placement | None:
    """Where a cell lies in its tile; None where the tile's pixels are not those of the cell's grid.

    Raises:
        TileError: the tile lies outside the cell.
    """
    if cog.origin is None or cog.epsg != cell.epsg:
        return None
    west, north, pixel = cog.origin
    if abs(pixel / PIXEL - 1) * max(cog.width, cog.height) > _TOLERANCE:
        return None
    bounds = cell.bounds
    column, row = (bounds[0] - west) / PIXEL, (north - bounds[3]) / PIXEL
    if not (-TILE_PIXELS < column < cog.width and -TILE_PIXELS < row < cog.height):
        raise outside(cog.name, cell)
    whole = round(column), round(row)
    if max(abs(column - whole[0]), abs(row - whole[1])) > _TOLERANCE:
        return None
    return Placement(cell, zoom, *whole)


def outside(name: str, cell: Cell) -> TileError:
    """The error of a tile that has nothing of its cell."""
    return TileError(f"The tile '{name}' lies outside the cell {cell.name}: give the cell that it is of.")
