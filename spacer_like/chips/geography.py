"""Where cells are on the globe, in degrees of WGS84 (EPSG:4326); needs pyproj, of the extra `geo`.

A UTM zone's squares have sides that bend in longitude and latitude. Boxes are (west, south, east, north); one across
the 180th meridian has its west larger than its east, as in RFC 7946, 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.grid import NORTH_EDGE, WEST_EDGE, Cell, epsg_of_zone, side_of_zoom
from spacer_like.exceptions import TileError
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Transformation = Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], ...]]

Box = tuple[float, float, float, float]

HALF_ZONE = 3.0
"""Half the width of a zone, in degrees."""
# Data of a zone reach a little over its sides, never a zone's width.
_REACH = 2 * HALF_ZONE
_NORTHERNMOST = 84.0
# Points on each side of a square: at 16 a side of 5 km is missed by less than a millimetre.
_STEPS = 16
_MOST_CELLS = 2**20
UNITS_PER_DEGREE = 10_000_000
"""OpenStreetMap's coordinates are whole numbers of such units."""


def centre(cell: Cell) -> tuple[float, float]:
    """Longitude and latitude of a cell's centre.

    Raises:
        TileError: the cell is where its zone's projection has no meaning.
    """
    longitude, latitude = centres([cell])[0]
    return float(longitude), float(latitude)


def centres(cells: Sequence[Cell]) -> NDArray[np.float64]:
    """Longitudes and latitudes of the centres of cells of any zones, float64 [n, 2]; errors as `centre`."""
    points = np.empty((len(cells), 2), np.float64)
    of_projection: dict[int, list[int]] = {}
    for index, cell in enumerate(cells):
        of_projection.setdefault(cell.epsg, []).append(index)
    for epsg, some in of_projection.items():
        bounds = np.array([cells[index].bounds for index in some])
        middle = (bounds[:, :2] + bounds[:, 2:]) / 2
        points[some] = np.stack(to_degrees(epsg)(middle[:, 0], middle[:, 1]), axis=1)
    if not np.isfinite(points).all():
        raise _nowhere(cells[int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])])
    return points


def envelope(cell: Cell) -> Box:
    """The box that a cell just fits in; errors as `centre`."""
    west, south, east, north = cell.bounds
    offsets, latitudes = _outline(cell, (west, south, east, north))
    meridian = central_meridian(cell.zone)
    return (
        _wrapped(meridian + float(offsets.min())),
        float(latitudes.min()),
        _wrapped(meridian + float(offsets.max())),
        float(latitudes.max()),
    )


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


def belongs_to_zone(cell: Cell) -> bool:
    """Whether a cell is one of those that its zone has data of, rather than a neighbour's; errors as `centre`.

    It belongs to the zone where it lies in it, where it lies across the east side of it, and where it lies across the
    west side of it with at least half of its side that is nearer to the equator inside.
    """
    bounds = cell.bounds
    # The corners alone, as the grid's own definition has it.
    offsets, _ = _outline(cell, bounds, steps=1)
    west, east = float(offsets.min()), float(offsets.max())
    if east >= HALF_ZONE:
        return west <= HALF_ZONE
    if west >= -HALF_ZONE:
        return True
    # Sorted from the west, the side nearer to the equator has the second and the last corner.
    begin, end = np.sort(offsets)[[1, 3]]
    return bool(east >= -HALF_ZONE and end + HALF_ZONE >= -HALF_ZONE - begin)


def cells_around(box: Box, zone: int, zoom: int) -> list[Cell]:
    """The cells of a zone that may show something of a box: all that do, and some beside it; row by row.

    Of the box only the part counts that is less than 3 degrees beside the zone, and not nearer to a pole than 6.

    Raises:
        TileError: the box is none, or there are more than a million cells.
    """
    west, south, east, north = box
    if not all(map(math.isfinite, box)) or south > north:
        raise TileError(f"{box} is no box of west, south, east and north in degrees.")
    south, north = max(south, -_NORTHERNMOST), min(north, _NORTHERNMOST)
    cells: set[Cell] = set()
    if south <= north:
        for begin, end in _parts_near(west, east, central_meridian(zone)):
            cells.update(_cells_in((begin, south, end, north), zone, zoom))
    return sorted(cells, key=lambda cell: (cell.row, cell.column))


def central_meridian(zone: int) -> float:
    """The longitude in the middle of a zone."""
    return 6.0 * zone - 183.0


def _cells_in(box: Box, zone: int, zoom: int) -> list[Cell]:
    begin, south, end, north = box
    xs, ys = _ring(begin, south, end, north, _STEPS)
    meridian = central_meridian(zone)
    # The northern projection goes on south of the equator with negative northings: the grid's own metres.
    eastings, northings = to_metres(zone)(xs + meridian, ys)
    # A box across the central meridian or the equator bulges there, perhaps between two points.
    if begin < 0 < end:
        more = to_metres(zone)(np.array([meridian, meridian]), np.array([south, north]))
        eastings, northings = np.append(eastings, more[0]), np.append(northings, more[1])
    if south < 0 < north:
        more = to_metres(zone)(np.array([begin + meridian, end + meridian]), np.zeros(2))
        eastings, northings = np.append(eastings, more[0]), np.append(northings, more[1])
    side = side_of_zoom(zoom)
    last = 2**zoom - 1
    first_column, last_column = _range((eastings - WEST_EDGE) / side, last)
    first_row, last_row = _range((NORTH_EDGE - northings) / side, last)
    if (last_column - first_column + 1) * (last_row - first_row + 1) > _MOST_CELLS:
        raise TileError(f"The box has more than {_MOST_CELLS} cells of zoom {zoom}: ask for a smaller one.")
    return [
        Cell.at(zone, zoom, column, row)
        for row in range(first_row, last_row + 1)
        for column in range(first_column, last_column + 1)
    ]


def _range(points: NDArray[np.float64], last: int) -> tuple[int, int]:
    # A margin for what bulges between two points: a thousandth of the extent, and of a cell.
    margin = 1e-3 * (1 + float(points.max() - points.min()))
    first = math.floor(float(points.min()) - margin)
    return min(max(first, 0), last), min(max(math.floor(float(points.max()) + margin), 0), last)


def _parts_near(west: float, east: float, meridian: float) -> list[tuple[float, float]]:
    """The parts of a range of longitudes that are near a meridian, as offsets from it."""
    width = east - west if east >= west else (east - west) % 360
    begin = (west - meridian + 180) % 360 - 180
    parts = []
    for turn in (-360.0, 0.0, 360.0):
        low, high = max(begin + turn, -_REACH), min(begin + turn + min(width, 360.0), _REACH)
        if low <= high:
            parts.append((low, high))
    return parts


def _outline(cell: Cell, bounds: Box, steps: int = _STEPS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points around a cell: offsets from its zone's central meridian in degrees, and latitudes, float64 [4 steps]."""
    longitudes, latitudes = to_degrees(cell.epsg)(*_ring(*bounds, steps))
    offsets = (longitudes - central_meridian(cell.zone) + 180) % 360 - 180
    if not (np.isfinite(offsets).all() and np.isfinite(latitudes).all()):
        raise _nowhere(cell)
    return offsets, latitudes


def _ring(
    west: float, south: float, east: float, north: float, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    along_x = np.linspace(west, east, steps + 1)
    along_y = np.linspace(south, north, steps + 1)
    xs = np.concatenate([along_x[:-1], np.full(steps, east), along_x[:0:-1], np.full(steps, west)])
    ys = np.concatenate([np.full(steps, south), along_y[:-1], np.full(steps, north), along_y[:0:-1]])
    return xs, ys


def _wrapped(longitude: float) -> float:
    return longitude - 360 if longitude > 180 else longitude + 360 if longitude < -180 else longitude


def _down(degrees: float) -> float:
    return math.floor(degrees * UNITS_PER_DEGREE) / UNITS_PER_DEGREE


def _up(degrees: float) -> float:
    return math.ceil(degrees * UNITS_PER_DEGREE) / UNITS_PER_DEGREE


def _nowhere(cell: Cell) -> TileError:
    return TileError(f"The cell {cell.name} is too far from its zone to have a longitude and latitude.")


@lru_cache
def to_degrees(epsg: int) -> Transformation:
    """From eastings and northings of a projection to longitudes and latitudes, arrays of float64."""
    return _transformation(epsg, 4326)


@lru_cache
def to_metres(zone: int) -> Transformation:
    """From longitudes and latitudes to eastings and northings of a zone's northern projection, arrays of float64.

    South of the equator northings are negative there: the metres of the grid itself.
    """
    return _transformation(4326, epsg_of_zone(zone))


def _transformation(from_epsg: int, to_epsg: int) -> Transformation:
    import_extra("pyproj", "Locating a cell on earth", "geo")
    from pyproj import Transformer

    return Transformer.from_crs(from_epsg, to_epsg, always_xy=True).transform
