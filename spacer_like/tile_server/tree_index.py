"""What a tree of tiles holds: by zone and cell, the newest first; listed at the start, and again from time to time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.geography import central_meridian, to_degrees
from spacer_like.chips.grid import (
    BUFFER_PIXELS,
    NORTH_EDGE,
    PIXEL,
    TILE_ZOOM,
    WEST_EDGE,
    Cell,
    epsg_of_zone,
    side_of_zoom,
)
from spacer_like.chips.tree import find_tiles
from spacer_like.exceptions import DataNotFoundError, SpacerError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.chips.tree import Tile
    from spacer_like.location import DataLocation

logger = logging.getLogger(__name__)

CELL_SIDE = side_of_zoom(TILE_ZOOM)
BUFFER = BUFFER_PIXELS * PIXEL
"""What a tile shows beyond its cell on each side, in metres."""
_CELLS_ACROSS = 2**TILE_ZOOM
_WEB_NATIVE_ZOOM = 19


@dataclass(frozen=True)
class IndexedTile:
    """A tile of the tree.

    Fields:
        cell_number: of its cell in its zone, see `cell_numbers`.
        age: its index among all tiles of the tree, the newest first.
    """

    cell: Cell
    cell_number: int
    date: str
    acquisition: str
    loc: DataLocation
    age: int


@dataclass
class Acquisition:
    """A picture that a satellite took, of which the tree holds tiles."""

    name: str
    dates: set[str] = field(default_factory=set)
    zones: set[int] = field(default_factory=set)
    n_tiles: int = 0


def cell_numbers(eastings: NDArray[np.float64], northings: NDArray[np.float64]) -> NDArray[np.int64]:
    """The number of the cell of zoom 12 that each position lies in, -1 outside of the grid: row x 4096 + column.

    Args:
        eastings, northings: metres of a zone's northern projection, of shapes that go together.
    """
    columns = np.floor((eastings - WEST_EDGE) / CELL_SIDE)
    rows = np.floor((NORTH_EDGE - northings) / CELL_SIDE)
    # False for NaN, too.
    inside = (columns >= 0) & (columns < _CELLS_ACROSS), (rows >= 0) & (rows < _CELLS_ACROSS)
    numbers = _integers(rows, inside[1]) * _CELLS_ACROSS + _integers(columns, inside[0])
    return np.where(inside[0] & inside[1], numbers, -1)


def _integers(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.where(valid, values, 0.0).astype(np.int64)


def northern_bounds(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """West, south, east, north of cells in metres of their zone's northern projection, float64 [cells, 4]."""
    rows, columns = np.divmod(numbers, _CELLS_ACROSS)
    west, north = WEST_EDGE + columns * CELL_SIDE, NORTH_EDGE - rows * CELL_SIDE
    return np.stack([west, north - CELL_SIDE, west + CELL_SIDE, north], axis=-1)


class ZoneIndex:
    """The tiles of a zone.

    Attributes:
        cell_numbers: int64, sorted: the cells that there are tiles of.
    """

    def __init__(self, zone: int, tiles: Iterable[IndexedTile]) -> None:
        self.zone = zone
        self.tiles: dict[int, list[IndexedTile]] = {}
        for tile in sorted(tiles, key=lambda tile: tile.age):
            self.tiles.setdefault(tile.cell_number, []).append(tile)
        self.cell_numbers = np.array(sorted(self.tiles), np.int64)

    def tiles_of_cell(self, cell: Cell) -> list[IndexedTile]:
        """The tiles of a cell of zoom 12, the newest first."""
        return self.tiles.get(cell.row * _CELLS_ACROSS + cell.column, [])

    def cells_within(self, west: float, south: float, east: float, north: float) -> list[int]:
        """Numbers of the cells with tiles that a box in metres of the northern projection touches."""
        own_west, own_south, own_east, own_north = self.bounds.T
        touched = (own_west <= east) & (own_east >= west) & (own_north >= south) & (own_south <= north)
        numbers: list[int] = self.cell_numbers[touched].tolist()
        return numbers

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """Of each cell, as `northern_bounds`."""
        return northern_bounds(self.cell_numbers)

    @cached_property
    def corners(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitudes and latitudes of each cell's corners, float64 [cells, 4]; the former may be beyond 180 degrees."""
        west, south, east, north = range(4)
        eastings, northings = self.bounds[:, [west, east, east, west]], self.bounds[:, [north, north, south, south]]
        longitudes, latitudes = to_degrees(epsg_of_zone(self.zone))(eastings, northings)
        meridian = central_meridian(self.zone)
        return meridian + (longitudes - meridian + 180) % 360 - 180, latitudes

    @property
    def middles(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude, from -180 to 180, and latitude of about the middle of each cell, float64 [cells]."""
        longitudes, latitudes = self.corners
        return (np.mean(longitudes, axis=1) + 180) % 360 - 180, np.mean(latitudes, axis=1)

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees of all that the zone's tiles show; may go beyond 180 degrees."""
        longitudes, latitudes = self.corners
        # A degree of latitude is 111 km. Sides of cells bend by metres.
        margin = 1.2 * BUFFER / 111_000
        wide = margin / max(float(np.cos(np.radians(np.abs(latitudes).max()))), 0.01)
        return (
            float(longitudes.min()) - wide,
            float(latitudes.min()) - margin,
            float(longitudes.max()) + wide,
            float(latitudes.max()) + margin,
        )

    def may_show(self, west: float, south: float, east: float, north: float) -> bool:
        """Whether a box of degrees may have something of this zone's tiles in it."""
        own_west, own_south, own_east, own_north = self.box
        return (
            south <= own_north
            and north >= own_south
            and any(west + turn <= own_east and east + turn >= own_west for turn in (-360.0, 0.0, 360.0))
        )


class TreeIndex:
    """The tiles of a tree.

    Attributes:
        zones: by their number, those that there are tiles of.
        acquisitions: by their name, the newest first.
    """

    def __init__(self, tiles: Sequence[Tile]) -> None:
        newest = sorted(sorted(tiles, key=lambda tile: tile[0]), key=lambda tile: tile[0].date, reverse=True)
        of_zone: dict[int, list[IndexedTile]] = {}
        self.acquisitions: dict[str, Acquisition] = {}
        for age, (path, loc) in enumerate(newest):
            cell = path.cell
            number = cell.row * _CELLS_ACROSS + cell.column
            of_zone.setdefault(path.zone, []).append(IndexedTile(cell, number, path.date, path.acquisition, loc, age))
            acquisition = self.acquisitions.setdefault(path.acquisition, Acquisition(path.acquisition))
            acquisition.dates.add(path.date)
            acquisition.zones.add(path.zone)
            acquisition.n_tiles += 1
        self.zones = {zone: ZoneIndex(zone, of_zone[zone]) for zone in sorted(of_zone)}
        self.n_tiles = len(newest)

    @property
    def n_cells(self) -> int:
        return sum(len(zone.tiles) for zone in self.zones.values())

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees of all that the tiles show; the whole width where 180 degrees lie in it.

        Without a tile it is the world.
        """
        boxes = [zone.box for zone in self.zones.values()]
        if not boxes:
            return -180.0, -85.0, 180.0, 85.0
        west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
        east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
        if west < -180 or east > 180:
            west, east = -180.0, 180.0
        return west, max(south, -85.0), east, min(north, 85.0)

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of about the middle of a cell: the middle of all may be where there is nothing."""
        longitudes, latitudes = next(iter(self.zones.values())).middles
        return float(longitudes[0]), float(latitudes[0])

    @property
    def native_zoom(self) -> int:
        """The zoom of Web Mercator whose pixels are nearly as large as the tiles'."""
        return _WEB_NATIVE_ZOOM

    def locations(self) -> set[str]:
        """The texts of all tiles' locations."""
        return {tile.loc.json_text for zone in self.zones.values() for tiles in zone.tiles.values() for tile in tiles}


class LiveTree:
    """The index of a tree, which is listed again from time to time.

    Args:
        ard_loc: the root of the tree.
        kind: of the tiles that are shown.
        zones: only these; None: all.
        refresh: seconds after which the tree is listed again; 0: never.

    Raises:
        DataNotFoundError: the tree has no tile.
        SpacerError: as `find_tiles`.
    """

    def __init__(
        self, ard_loc: DataLocation, kind: str = "visual", zones: Sequence[int] | None = None, refresh: float = 0
    ) -> None:
        self.name = ard_loc.display_name
        self.ard_loc = ard_loc
        self.kind = kind
        self._zones = zones
        self._refresh = refresh
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._index = self._listed()
        if not self._index.n_tiles:
            raise DataNotFoundError(
                f"'{ard_loc.display_name}' holds no tile: they lie in it like "
                f"33/031111212322/2015-05-28/1050410012C31100-{kind}.tif."
            )

    @property
    def index(self) -> TreeIndex:
        return self._index

    def start(self) -> None:
        """Look again from time to time, until `stop`."""
        if self._refresh > 0:
            self._thread = threading.Thread(target=self._look_again, name="tile-server-tree", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def _listed(self) -> TreeIndex:
        return TreeIndex(find_tiles(self.ard_loc, self._zones, self.kind))

    def _look_again(self) -> None:
        while not self._ended.wait(self._refresh):
            try:
                self._index = self._listed()
            except SpacerError as error:
                logger.warning("The tree could not be listed again: %s", error)
