"""Where chips are on a map: in the metres of their zone's grid, or, of several zones, in longitude and latitude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacer_like.chips.chip_name import ChipName
from spacer_like.chips.grid import (
    NORTH_EDGE,
    SOUTHERN_OFFSET,
    TILE_ZOOM,
    WEST_EDGE,
    Cell,
    epsg_of_zone,
    side_of_zoom,
)

_MOST_SQUARES = 1024
"""Squares along each side of an image at most."""
_LOWEST_ZOOM = 4


@dataclass(frozen=True)
class Mosaic:
    """Values of squares of a map.

    Fields:
        image: float64 [rows, columns] from the north, NaN where there is no chip; None where chips are of several
            zones.
        points: float64 [n, 2], longitude and latitude of the squares, where there is no image; values: float64 [n].
        bounds: west, south, east, north, in the units of `axes`.
        axes: names of the axes, with units.
        side: of a square, in metres.
        is_aggregated: whether a square stands for several positions.
        n_tiles: cells of zoom 12 that the chips are in.
        squeeze: what a unit to the east is long in units to the north.
    """

    image: NDArray[np.float64] | None
    points: NDArray[np.float64]
    values: NDArray[np.float64]
    bounds: tuple[float, float, float, float]
    axes: tuple[str, str]
    side: float
    is_aggregated: bool
    n_tiles: int
    squeeze: float

    @property
    def largest(self) -> float:
        """The largest value of a square."""
        return float(np.nanmax(self.values if self.image is None else self.image))


@dataclass(frozen=True)
class ChipPositions:
    """The cells of n chips: their zones, columns and rows, int64 [n], in the zoom of the largest of them."""

    zones: NDArray[np.int64]
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]
    zoom: int
    is_mixed: bool

    @classmethod
    def of(cls, names: Sequence[str]) -> ChipPositions:
        """The positions of chips by their names, at least one.

        Raises:
            TileError: a name has no cell.
        """
        cells = [ChipName.parse(name).cell for name in names]
        zooms = {cell.zoom for cell in cells}
        zoom = min(zooms)
        cells = [cell.parent(zoom) for cell in cells]
        numbers = np.array([(cell.zone, cell.column, cell.row) for cell in cells], np.int64)
        return cls(numbers[:, 0], numbers[:, 1], numbers[:, 2], zoom, len(zooms) > 1)

    def mosaic(self, values: NDArray[np.float64]) -> Mosaic:
        """A mosaic of values of the chips, float64 [n]; a square has the mean of all chips in it."""
        tiles = self._at(TILE_ZOOM)
        n_tiles = len(np.unique(np.stack([self.zones, *tiles]), axis=1).T)
        if len(np.unique(self.zones)) > 1:
            return self._scattered(values, n_tiles)
        zoom = self.zoom
        columns, rows = self.columns, self.rows
        while zoom > _LOWEST_ZOOM and max(np.ptp(columns), np.ptp(rows)) >= _MOST_SQUARES:
            zoom -= 1
            columns, rows = self._at(zoom)
        west, north = int(columns.min()), int(rows.min())
        n_rows, n_columns = int(rows.max()) - north + 1, int(columns.max()) - west + 1
        flat = (rows - north) * n_columns + columns - west
        counts = np.bincount(flat, minlength=n_rows * n_columns)
        with np.errstate(invalid="ignore"):
            image = np.bincount(flat, values, minlength=n_rows * n_columns) / counts
        zone, side = int(self.zones[0]), side_of_zoom(zoom)
        # Chips of both halves of the globe have the northern projection's negative northings.
        southern = bool((rows * side >= NORTH_EDGE).all())
        left = (WEST_EDGE + west * side) / 1000
        top = (NORTH_EDGE - north * side + (SOUTHERN_OFFSET if southern else 0)) / 1000
        epsg = epsg_of_zone(zone, southern)
        return Mosaic(
            image=image.reshape(n_rows, n_columns),
            points=np.empty((0, 2)),
            values=np.empty(0),
            bounds=(left, top - n_rows * side / 1000, left + n_columns * side / 1000, top),
            axes=(f"easting in km, EPSG:{epsg} (UTM zone {zone}{'S' if southern else 'N'})", "northing in km"),
            side=side,
            is_aggregated=zoom < self.zoom or self.is_mixed,
            n_tiles=n_tiles,
            squeeze=1.0,
        )

    def _scattered(self, values: NDArray[np.float64], n_tiles: int) -> Mosaic:
        from spacer_like.chips.geography import centres

        zoom = min(self.zoom, TILE_ZOOM)
        columns, rows = self._at(zoom)
        keys = np.stack([self.zones, columns, rows])
        squares, inverse = np.unique(keys, axis=1, return_inverse=True)
        inverse = inverse.ravel()
        means = np.bincount(inverse, values) / np.bincount(inverse)
        cells = [Cell.at(int(zone), zoom, int(column), int(row)) for zone, column, row in squares.T]
        points = centres(cells)
        margin = 0.05 * max(float(np.ptp(points, axis=0).max()), 0.2)
        west, south = (points.min(axis=0) - margin).tolist()
        east, north = (points.max(axis=0) + margin).tolist()
        return Mosaic(
            image=None,
            points=points,
            values=means,
            bounds=(west, south, east, north),
            axes=("longitude in degrees (WGS84)", "latitude in degrees"),
            side=side_of_zoom(zoom),
            is_aggregated=True,
            n_tiles=n_tiles,
            squeeze=float(np.cos(np.radians((south + north) / 2))),
        )

    def _at(self, zoom: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        shift = self.zoom - zoom
        return self.columns >> shift, self.rows >> shift
