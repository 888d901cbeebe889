"""The square of ground that a picture shows, and where its pixels are in the grids of the zones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.geography import to_metres
from spacer_like.chips.grid import SOUTHERN_OFFSET, TILE_ZOOM, Cell
from spacer_like.exceptions import TileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.tile_server.tree_index import ZoneIndex

    Coordinates = tuple[NDArray[np.float64], NDArray[np.float64]]

WEB_MERCATOR = 3857
EARTH_RADIUS = 6378137.0
"""Of the sphere that Web Mercator takes the earth for, in metres."""
HALF_WORLD = math.pi * EARTH_RADIUS
"""Half the width of the world in Web Mercator, in metres."""
MOST_WEB_ZOOM = 24
MOST_ZONE_ZOOM = 22
ZONE_SIZE = 512
"""Pixels: those of zoom 17 in the zone's grid are the tiles' own."""
WEB_SIZES = (256, 512)
# Positions in between are interpolated: over 16 pixels a projection bends by less than a hundred-thousandth of one.
_STEP = 16


@dataclass(frozen=True)
class Footprint:
    """A picture's ground.

    Fields:
        epsg: the projection: Web Mercator, or that of `zone` in the hemisphere of the ground.
        bounds: west, south, east, north in metres of `epsg`.
        size: width and height in pixels.
        zone: 0 in Web Mercator.
        cell: of the zone's grid, None in Web Mercator.
        web_tile: zoom, column and row in Web Mercator; None in a zone's grid.
    """

    epsg: int
    bounds: tuple[float, float, float, float]
    size: int
    zone: int = 0
    cell: Cell | None = None
    web_tile: tuple[int, int, int] | None = None

    @classmethod
    def of_web_tile(cls, zoom: int, column: int, row: int, size: int = WEB_SIZES[0]) -> Footprint:
        """A tile of the Web Mercator pyramid; rows are counted from the north.

        Raises:
            TileError: there is no such tile.
        """
        if not 0 <= zoom <= MOST_WEB_ZOOM or not (0 <= column < 2**zoom and 0 <= row < 2**zoom):
            raise TileError(
                f"There is no tile {zoom}/{column}/{row}: zooms are 0 to {MOST_WEB_ZOOM}, columns and rows 0 to "
                "2^zoom - 1."
            )
        side = 2 * HALF_WORLD / 2**zoom
        west, north = column * side - HALF_WORLD, HALF_WORLD - row * side
        return cls(WEB_MERCATOR, (west, north - side, west + side, north), size, web_tile=(zoom, column, row))

    @classmethod
    def of_cell(cls, cell: Cell) -> Footprint:
        """A cell of a zone's grid.

        Raises:
            TileError: the cell is smaller than those of zoom 22.
        """
        if cell.zoom > MOST_ZONE_ZOOM:
            raise TileError(f"The cell {cell.name} is too small: zooms are 0 to {MOST_ZONE_ZOOM}.")
        return cls(cell.epsg, cell.bounds, ZONE_SIZE, cell.zone, cell)

    @property
    def pixel(self) -> float:
        """Width of a pixel in metres of the projection."""
        return (self.bounds[2] - self.bounds[0]) / self.size

    @property
    def shows_cells(self) -> bool:
        """Whether a cell of zoom 12 is wider than five pixels; if not there are too many of them to look at."""
        if self.cell is not None:
            return self.cell.zoom > TILE_ZOOM - 6
        _, latitudes = from_web_mercator(*(np.array(self.bounds)[axis] for axis in ([0, 2], [1, 3])))
        nearest = 0.0 if latitudes[0] <= 0 <= latitudes[1] else float(np.abs(latitudes).min())
        return self.pixel * float(np.cos(np.radians(nearest))) < 1000

    def ground_pixel(self, rows: slice) -> float:
        """Width of some of the pixels on the ground, in metres."""
        if self.zone:
            return self.pixel
        middle = self.bounds[3] - (rows.start + rows.stop) / 2 * self.pixel
        # How much Web Mercator enlarges at a latitude.
        return self.pixel / math.cosh(middle / EARTH_RADIUS)

    def may_show(self, zone: ZoneIndex) -> bool:
        """Whether tiles of a zone may be in the picture; in a zone's own grid only its own are."""
        if self.zone:
            return zone.zone == self.zone
        return zone.may_show(*self.degrees)

    @property
    def degrees(self) -> tuple[float, float, float, float]:
        """West, south, east and north of a tile of Web Mercator in degrees."""
        west, south, east, north = self.bounds
        longitudes, latitudes = from_web_mercator(np.array([west, east]), np.array([south, north]))
        return float(longitudes[0]), float(latitudes[0]), float(longitudes[1]), float(latitudes[1])

    def positions(self, zone: int) -> Coordinates:
        """Easting and northing of the centre of each pixel in a zone's northern projection.

        Both are float64 [size, size]; in a zone's own grid [1, size] and [size, 1]. Positions without a meaning
        in the projection are far outside of the grid.
        """
        west, _, _, north = self.bounds
        if self.zone:
            shift = SOUTHERN_OFFSET if self.cell is not None and self.cell.is_southern else 0.0
            steps = (np.arange(self.size) + 0.5) * self.pixel
            return np.asarray(west + steps, np.float64)[None], np.asarray(north - shift - steps, np.float64)[:, None]
        nodes = np.linspace(0.5, self.size - 0.5, self.size // _STEP + 1)
        xs, ys = np.meshgrid(west + nodes * self.pixel, north - nodes * self.pixel)
        eastings, northings = to_metres(zone)(*from_web_mercator(xs, ys))
        if not (np.isfinite(eastings).all() and np.isfinite(northings).all()):
            # A zone that ends in the picture: half of infinity would be no number, and no position.
            eastings, northings = (np.where(np.isfinite(values), values, 1e12) for values in (eastings, northings))
        return _between(eastings, self.size, nodes), _between(northings, self.size, nodes)


def to_web_mercator(longitudes: NDArray[np.float64], latitudes: NDArray[np.float64]) -> Coordinates:
    """Metres of Web Mercator (EPSG:3857); the poles, which it has none of, are far outside of the world."""
    angles = np.radians(np.clip(latitudes, -89.99, 89.99))
    return np.radians(longitudes) * EARTH_RADIUS, np.arcsinh(np.tan(angles)) * EARTH_RADIUS


def from_web_mercator(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> Coordinates:
    """Longitudes and latitudes of positions in Web Mercator."""
    return np.degrees(xs / EARTH_RADIUS), np.degrees(np.arctan(np.sinh(ys / EARTH_RADIUS)))


def _between(values: NDArray[np.float64], size: int, nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a grid of nodes has at each pixel, float64 [size, size], by bilinear interpolation."""
    positions = (np.arange(size) + 0.5 - nodes[0]) / (nodes[1] - nodes[0])
    before = np.minimum(positions.astype(np.int64), len(nodes) - 2)
    share = positions - before
    # Not by products of matrices, whose threads would be in each other's way.
    along = values[:, before] * (1 - share) + values[:, before + 1] * share
    between: NDArray[np.float64] = along[before] * (1 - share)[:, None] + along[before + 1] * share[:, None]
    return between
