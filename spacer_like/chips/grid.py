"""The grid of tiles and chips: a quadtree of squares for each UTM zone, in the zone's own metres.

A zone's root is a square of 20,480 km around easting 500,000 and northing 0 of the northern projection. Each square has
four in it: 0 is north-west, 1 north-east, 2 south-west, 3 south-east, and their digits, the largest square's first, are
a cell's quadkey: as many as its zoom. Tiles are cells of zoom 12, 5000 m wide; a pixel is one of zoom 26.

In the southern half, whose quadkeys begin with 2 or 3, bounds are metres of the southern projection, whose northings
are 10,000 km larger. All bounds are exact in binary floating point: two cells that touch have the very same number.

This is the grid of Maxar's Analysis-Ready Data, as the package ``maxar-ard-grid`` has it.

>>> cell_at(33, 650_000.0, 4_900_000.0, 12).name
'Z33-120000213310'
>>> Cell(33, "120000213310").bounds
(650000.0, 4895000.0, 655000.0, 4900000.0)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from typing_extensions import Self

from spacer_like.data_classes.chip_names import TILE_ZOOM as TILE_ZOOM
from spacer_like.exceptions import TileError

ROOT_SIDE = 20_480_000.0
"""Width of a cell of zoom 0, in metres."""
WEST_EDGE = -9_740_000.0
"""Easting of the root's west side."""
NORTH_EDGE = 10_240_000.0
"""Northing of the root's north side, in the northern projection."""
SOUTHERN_OFFSET = 10_000_000.0
"""What northings of the southern projection have more than those of the northern one."""
N_ZONES = 60
PIXEL_ZOOM = 26
"""The zoom whose cells are pixels, and the largest there is."""
PIXEL = 5000 / 16384
"""Width of a pixel, in metres."""
TILE_PIXELS = 2 ** (PIXEL_ZOOM - TILE_ZOOM)
"""Width of a cell of zoom 12, in pixels."""
BUFFER_PIXELS = 512
"""What a whole tile has more than its cell on each of its sides, in pixels."""

# More than a million cells in one list are a mistake.
_MOST_LEVELS = 10
_QUADKEY = re.compile(r"[0-3]{0,26}")
_NAME = re.compile(r"Z(\d{2})-([0-3]{1,26})")
_COLUMN_BITS = str.maketrans("0123", "0101")
_ROW_BITS = str.maketrans("0123", "0011")


@dataclass(frozen=True, order=True)
class Cell:
    """A square of a zone's grid.

    Fields:
        zone: 1 to 60.
        quadkey: 0 to 26 digits.

    Raises:
        TileError: there is no such cell.
    """

    zone: int
    quadkey: str

    def __post_init__(self) -> None:
        _check_zone(self.zone)
        if not _QUADKEY.fullmatch(self.quadkey):
            raise TileError(
                f"{_quoted(self.quadkey)} is no quadkey: it must have at most {PIXEL_ZOOM} digits, each 0, 1, 2 or 3."
            )

    @classmethod
    def parse(cls, name: str) -> Self:
        """The cell of a name such as ``Z33-031111212322``.

        Raises:
            TileError: not of that form.
        """
        if found := _NAME.fullmatch(name):
            return cls(int(found[1]), found[2])
        raise TileError(f"{_quoted(name)} names no cell: it must be like Z33-031111212322.")

    @classmethod
    def at(cls, zone: int, zoom: int, column: int, row: int) -> Self:
        """The cell by its column, counted from the west, and its row, counted from the north.

        Raises:
            TileError: there is no such cell.
        """
        _check_zoom(zoom)
        if not (0 <= column < 2**zoom and 0 <= row < 2**zoom):
            raise TileError(f"There is no cell in column {column} and row {row} of zoom {zoom}.")
        # Binary numerals, read as decimal ones, are added digit by digit: no sum is above 3.
        digits = int(f"{column:b}") + 2 * int(f"{row:b}")
        return cls(zone, f"{digits:0{zoom}d}" if zoom else "")

    @property
    def name(self) -> str:
        return f"Z{self.zone:02d}-{self.quadkey}"

    @property
    def zoom(self) -> int:
        return len(self.quadkey)

    @property
    def column(self) -> int:
        return int(self.quadkey.translate(_COLUMN_BITS) or "0", 2)

    @property
    def row(self) -> int:
        return int(self.quadkey.translate(_ROW_BITS) or "0", 2)

    @property
    def side(self) -> float:
        """Width in metres."""
        return side_of_zoom(self.zoom)

    @property
    def is_southern(self) -> bool:
        """Whether the southern projection is this cell's; the root, which has both halves, is northern."""
        return self.quadkey[:1] in ("2", "3")

    @property
    def epsg(self) -> int:
        """The code of the projection that `bounds` are in."""
        return epsg_of_zone(self.zone, self.is_southern)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in metres of `epsg`, exact."""
        side = self.side
        west = WEST_EDGE + self.column * side
        north = NORTH_EDGE - self.row * side + (SOUTHERN_OFFSET if self.is_southern else 0.0)
        return west, north - side, west + side, north

    def parent(self, zoom: int) -> Cell:
        """The cell of a smaller or the same zoom that this one lies in.

        Raises:
            TileError: the zoom is larger than this cell's, or negative.
        """
        if not 0 <= zoom <= self.zoom:
            raise TileError(f"The cell {self.name} of zoom {self.zoom} lies in no cell of zoom {zoom}.")
        return Cell(self.zone, self.quadkey[:zoom])

    def children(self, zoom: int) -> list[Cell]:
        """The cells of a larger or the same zoom in this one: row by row from the north, each from the west.

        Raises:
            TileError: the zoom is smaller than this cell's, or more than 10 larger.
        """
        levels = zoom - self.zoom
        if not 0 <= levels <= _MOST_LEVELS or zoom > PIXEL_ZOOM:
            raise TileError(
                f"The cells of zoom {zoom} in {self.name}, which is of zoom {self.zoom}, cannot be listed: "
                f"ask for {self.zoom} to {min(self.zoom + _MOST_LEVELS, PIXEL_ZOOM)}."
            )
        quadkey = self.quadkey
        return [Cell(self.zone, quadkey + digits) for digits in _digits_row_by_row(levels)]


def cell_at(zone: int, easting: float, northing: float, zoom: int, southern: bool = False) -> Cell:
    """The cell that a point lies in; a point between two cells lies in the eastern, and in the southern one.

    Args:
        easting, northing: metres of the zone's northern projection, with `southern` of its southern one.

    Raises:
        TileError: the point is outside the grid, or there is no such zone or zoom.
    """
    _check_zoom(zoom)
    offset = SOUTHERN_OFFSET if southern else 0.0
    if not (math.isfinite(easting) and math.isfinite(northing)):
        raise TileError(f"The point ({easting}, {northing}) is nowhere in the grid of zone {zone}.")
    side = side_of_zoom(zoom)
    column = math.floor((easting - WEST_EDGE) / side)
    row = math.floor((NORTH_EDGE + offset - northing) / side)
    # Quotients are rounded; the sides of cells are not.
    column += (easting >= WEST_EDGE + (column + 1) * side) - (easting < WEST_EDGE + column * side)
    row += (northing <= NORTH_EDGE - (row + 1) * side + offset) - (northing > NORTH_EDGE - row * side + offset)
    if not (0 <= column < 2**zoom and 0 <= row < 2**zoom):
        raise TileError(f"The point ({easting}, {northing}) is outside the grid of zone {zone}.")
    return Cell.at(zone, zoom, column, row)


def zone_of_longitude(longitude: float) -> int:
    """The UTM zone of a longitude in degrees, which may be outside -180 to 180; the exceptions of UTM do not apply."""
    return math.floor((longitude + 180) / 6) % N_ZONES + 1


def epsg_of_zone(zone: int, southern: bool = False) -> int:
    """The EPSG code of a zone's projection."""
    _check_zone(zone)
    return (32700 if southern else 32600) + zone


def side_of_zoom(zoom: int) -> float:
    """Width of the cells of a zoom, in metres, exact."""
    return math.ldexp(ROOT_SIDE, -zoom)


def chip_pixels(zoom: int) -> int:
    """Width of the cells of a zoom, in pixels.

    Raises:
        TileError: no such zoom.
    """
    _check_zoom(zoom)
    return int(2 ** (PIXEL_ZOOM - zoom))


def _digits_row_by_row(levels: int) -> list[str]:
    """The last digits of the quadkeys of a cell's descendants, row by row."""
    if not levels:
        return [""]
    numerals = [int(f"{number:b}") for number in range(2**levels)]
    return [f"{column + 2 * row:0{levels}d}" for row in numerals for column in numerals]


def _check_zone(zone: int) -> None:
    if not 1 <= zone <= N_ZONES:
        raise TileError(f"There is no UTM zone {zone}: zones are 1 to {N_ZONES}.")


def _check_zoom(zoom: int) -> None:
    if not 0 <= zoom <= PIXEL_ZOOM:
        raise TileError(f"There is no zoom {zoom} in the grid: zooms are 0 to {PIXEL_ZOOM}.")


def _quoted(text: str) -> str:
    """A text as errors show it: short, and without what terminals obey."""
    return repr(text if len(text) <= 100 else f"{text[:97]}...")
