"""Pictures put together out of tiles: the first in front, and what it lacks filled by the next.

rio-tiler's `mosaic_reader` over `Reader.part` is no replacement: with tiles that are open already it takes 3 to 7 times
the CPU time where they are shown smaller (zooms 11 to 16 of the web) and 1.6 times at their own size; it knows neither
colours, masks beside tiles and storages as chips do, nor bounds for hostile files; and it brings 30 packages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.grid import TILE_ZOOM
from spacer_like.exceptions import SpacerError, TransientError
from spacer_like.tile_server.open_tile import Part
from spacer_like.tile_server.tree_index import BUFFER, cell_numbers, northern_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.tile_server.footprint import Coordinates, Footprint
    from spacer_like.tile_server.open_tiles import OpenTiles
    from spacer_like.tile_server.tree_index import IndexedTile, TreeIndex, ZoneIndex

logger = logging.getLogger(__name__)

MOST_CELLS = 64
"""More cells in one picture are not put together: each would be a few pixels."""
BLOCK_ZOOM = 17
"""Cells of this zoom are blocks of a tile."""
_MOST_LOOKED_AT = 4 * MOST_CELLS
MOST_READS = 256
"""The largest number of reads for one picture; pixels still missing then stay empty."""


@dataclass(frozen=True)
class Choice:
    """Which tiles are in front.

    Fields:
        acquisition: comes first; then, and without one, the newest.
        only: nothing else is shown.
    """

    acquisition: str | None = None
    only: bool = False

    def admits(self, tile: IndexedTile) -> bool:
        return not self.only or tile.acquisition == self.acquisition

    def order(self, tile: IndexedTile) -> tuple[bool, int]:
        return tile.acquisition != self.acquisition, tile.age


@dataclass
class Mosaic:
    """A picture put together.

    Fields:
        pixels: uint8 [size, size, 3], 0 where there is no data.
        has_data: bool [size, size].
        is_sure: False where a storage did not answer: the next time there may be more.
    """

    pixels: NDArray[np.uint8]
    has_data: NDArray[np.bool_]
    is_sure: bool = True

    @classmethod
    def empty(cls, size: int) -> Mosaic:
        return cls(np.zeros((size, size, 3), np.uint8), np.zeros((size, size), bool))


@dataclass(frozen=True)
class _ZoneInPicture:
    zone: ZoneIndex
    positions: Coordinates
    numbers: NDArray[np.int64]
    cells: list[int]
    """Numbers of the cells that there are tiles of."""


def put_together(footprint: Footprint, index: TreeIndex, choice: Choice, open_tiles: OpenTiles) -> Mosaic | None:
    """The picture of a footprint; None where it shows too many cells.

    Each position is shown by the tiles of the cell that it lies in; where these have no data, the buffers of the cells
    next to it are read. A tile that cannot be read is passed over.
    """
    if not footprint.shows_cells:
        return None
    zones = list(_zones_in(footprint, index))
    if sum(len(one.cells) for one in zones) > MOST_CELLS:
        return None
    mosaic = Mosaic.empty(footprint.size)
    painter = _Painter(footprint, mosaic, open_tiles)
    painter.paint(_own_areas(zones, choice))
    if not mosaic.has_data.all():
        painter.paint(_buffer_areas(zones, choice, ~mosaic.has_data))
    return mosaic


def _zones_in(footprint: Footprint, index: TreeIndex) -> Iterator[_ZoneInPicture]:
    for zone in index.zones.values():
        if footprint.may_show(zone):
            positions = footprint.positions(zone.zone)
            numbers = cell_numbers(*positions)
            cells = zone.cells_within(*_range(positions))
            if len(cells) <= _MOST_LOOKED_AT:
                cells = [number for number in cells if (numbers == number).any()]
            yield _ZoneInPicture(zone, positions, numbers, cells)


def _range(positions: Coordinates, margin: float = 0.0) -> tuple[float, float, float, float]:
    """West, south, east, north of some positions, and a margin around them."""
    eastings, northings = positions
    return (
        float(eastings.min()) - margin,
        float(northings.min()) - margin,
        float(eastings.max()) + margin,
        float(northings.max()) + margin,
    )


@dataclass(frozen=True)
class _Area:
    """A tile, and the pixels that it may show."""

    tile: IndexedTile
    positions: Coordinates
    mask: NDArray[np.bool_]
    rank: tuple[bool, int]


def _own_areas(zones: Sequence[_ZoneInPicture], choice: Choice) -> list[_Area]:
    return [
        area
        for one in zones
        for number in one.cells
        for area in _areas_of_cell(one, number, one.numbers == number, choice)
    ]


def _buffer_areas(zones: Sequence[_ZoneInPicture], choice: Choice, empty: NDArray[np.bool_]) -> list[_Area]:
    areas = []
    for one in zones:
        eastings, northings = np.broadcast_arrays(*one.positions)
        around = _range((eastings[empty], northings[empty]), BUFFER)
        for number in one.zone.cells_within(*around):
            west, south, east, north = northern_bounds(np.array(number)).tolist()
            near = (
                (eastings >= west - BUFFER)
                & (eastings <= east + BUFFER)
                & (northings >= south - BUFFER)
                & (northings <= north + BUFFER)
                # The cell's own pixels have been tried.
                & (one.numbers != number)
            )
            areas += _areas_of_cell(one, number, near, choice)
    return areas


def _areas_of_cell(one: _ZoneInPicture, number: int, mask: NDArray[np.bool_], choice: Choice) -> list[_Area]:
    return [
        _Area(tile, one.positions, mask, choice.order(tile)) for tile in one.zone.tiles[number] if choice.admits(tile)
    ]


class _Painter:
    def __init__(self, footprint: Footprint, mosaic: Mosaic, open_tiles: OpenTiles) -> None:
        self._footprint = footprint
        self._mosaic = mosaic
        self._open_tiles = open_tiles
        self._reads = 0

    def paint(self, areas: list[_Area]) -> None:
        has_data = self._mosaic.has_data
        for area in sorted(areas, key=lambda area: area.rank):
            wanted = area.mask & ~has_data
            if not wanted.any():
                continue
            self._reads += 1
            if self._reads > MOST_READS:
                logger.warning("A picture was left unfinished: more than %d tiles lie under it.", MOST_READS)
                return
            self._paint_area(area, wanted)
            if has_data.all():
                return

    def _paint_area(self, area: _Area, wanted: NDArray[np.bool_]) -> None:
        rows, columns = _extent(wanted.max(axis=1)), _extent(wanted.max(axis=0))
        eastings, northings = (values[_cut(values, rows, columns)] for values in area.positions)
        pixel = self._footprint.ground_pixel(rows)
        part = Part(self._footprint, rows, columns, area.tile.cell.zone, eastings, northings, pixel)
        try:
            with self._open_tiles.use(area.tile.loc, area.tile.cell) as open_tile:
                pixels, has_data = open_tile.read(part)
        except SpacerError as error:
            self._mosaic.is_sure &= not isinstance(error, TransientError)
            return
        shown = wanted[rows, columns] & has_data
        np.copyto(self._mosaic.pixels[rows, columns], pixels, where=shown[..., None])
        self._mosaic.has_data[rows, columns] |= shown


def _cut(values: NDArray[np.float64], rows: slice, columns: slice) -> tuple[slice, slice]:
    """Rows and columns of what may have only one of either."""
    height, width = values.shape
    return rows if height > 1 else slice(None), columns if width > 1 else slice(None)


def _extent(any_wanted: NDArray[np.bool_]) -> slice:
    positions = np.flatnonzero(any_wanted)
    return slice(int(positions[0]), int(positions[-1]) + 1)


def unchanged_block(footprint: Footprint, index: TreeIndex, choice: Choice, open_tiles: OpenTiles) -> bytes | None:
    """The JPEG that shows a footprint as it lies in the tree; None where a picture has to be put together.

    That is so where the first tile that has any data there has them everywhere, and has them as one block of JPEG.
    """
    cell = footprint.cell
    if cell is None or cell.zoom != BLOCK_ZOOM or cell.zone not in index.zones:
        return None
    zone = index.zones[cell.zone]
    tiles = [tile for tile in zone.tiles_of_cell(cell.parent(TILE_ZOOM)) if choice.admits(tile)]
    for tile in sorted(tiles, key=choice.order):
        try:
            with open_tiles.use(tile.loc, tile.cell) as open_tile:
                if (block := open_tile.block(cell)) is None:
                    return None
        except TransientError:
            return None
        except SpacerError:
            continue
        if block:
            return block
    return None
