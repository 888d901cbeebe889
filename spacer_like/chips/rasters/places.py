"""The places of a grid that a raster covers: which become chips, and where their pixels lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.chips.geography import belongs_to_zone, cells_around
from spacer_like.chips.grid import NORTH_EDGE, ROOT_SIDE, SOUTHERN_OFFSET, WEST_EDGE, Cell, epsg_of_zone, side_of_zoom
from spacer_like.chips.rasters.raster import Raster
from spacer_like.exceptions import SpacerInputError, TileError
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from numpy.typing import NDArray

MERCATOR_SIDE = 2 * math.pi * 6_378_137.0
"""Width of the world in Web Mercator (EPSG:3857), in metres."""
_MERCATOR_LATITUDE = 85.051128
_MOST_PLACES = 2**20
_ARD_ZOOMS = range(12, 27)
_XYZ_ZOOMS = range(27)
# Points along each side of a raster, and rows of such points across it.
_POINTS = 33


class Place(NamedTuple):
    """A place of a grid.

    Fields:
        name: as in the names of chips.
        column, row: of its corner in the north-west, in pixels of the lattice.
    """

    name: str
    column: int
    row: int


@dataclass(frozen=True)
class Lattice:
    """The pixels that some chips are made of, and the chips' places in them, row by row.

    Fields:
        epsg: of the projection; None: the pixels are those of the raster itself.
        west, north: of the corner, in the projection's metres.
        pixel: width of a pixel in metres.
        width, height: in pixels.
        size: width and height of a chip in pixels.
        zoom: of the places; None: windows of pixels.
    """

    epsg: int | None
    west: float
    north: float
    pixel: float
    width: int
    height: int
    size: int
    zoom: int | None
    places: tuple[Place, ...]


def windows(raster: Raster, size: int, stride: int | None) -> Lattice:
    """The windows of a raster's own pixels; those at its right and lower side may reach beyond it.

    Raises:
        SpacerInputError: there are more than a million.
    """
    step = stride or size
    columns, rows = range(0, raster.width, step), range(0, raster.height, step)
    _check_count(raster, len(columns) * len(rows))
    places = tuple(Place(f"P{column}-{row}", column, row) for row in rows for column in columns)
    return Lattice(None, 0.0, 0.0, 1.0, raster.width, raster.height, size, None, places)


def ard_lattices(raster: Raster, size: int, zoom: int | None) -> list[Lattice]:
    """The cells of UTM zones that a raster may show something of, a lattice for each zone.

    A raster in the projection of a zone has cells of that zone; another one has in each zone the cells that belong to
    it, see `geography.belongs_to_zone`.

    Raises:
        SpacerInputError: the raster does not say where it lies, lies where the grid has no cells, or covers too many.
    """
    longitudes, latitudes = positions(raster)
    own = _zone_of(raster)
    box = _box(longitudes, latitudes)
    zoom = _nearest_zoom(ROOT_SIDE, size, pixel_metres(raster), _ARD_ZOOMS) if zoom is None else zoom
    lattices = []
    for zone in [own] if own else _zones(box):
        cells = cells_around(box, zone, zoom)
        cells = cells if own else [cell for cell in cells if belongs_to_zone(cell)]
        if cells:
            _check_count(raster, len(cells))
            lattices.append(_of_cells(cells, zone, zoom, size))
    return _found(lattices, raster, "84° north and south")


def xyz_lattices(raster: Raster, size: int, zoom: int | None) -> list[Lattice]:
    """The places of Web Mercator that a raster may show something of: a lattice, or two beside the 180th meridian.

    Raises:
        As `ard_lattices`.
    """
    box = web_box(raster)
    if zoom is None:
        # Mercator's metres are longer than those on the ground by the latitude.
        stretched = 1 / max(math.cos(math.radians((box[1] + box[3]) / 2)), 0.05)
        zoom = _nearest_zoom(MERCATOR_SIDE, size, pixel_metres(raster) * stretched, _XYZ_ZOOMS)
    lattices = []
    for columns, rows in _web_ranges(box, zoom):
        _check_count(raster, len(columns) * len(rows))
        lattices.append(_of_tiles(columns, rows, zoom, size))
    return _found(lattices, raster, "85° north and south")


def web_box(raster: Raster) -> tuple[float, float, float, float]:
    """West, south, east, north of a raster in degrees; the west is larger than the east across the 180th meridian.

    Raises:
        SpacerInputError: as `positions`.
    """
    return _box(*positions(raster))


def web_lattice(
    box: tuple[float, float, float, float], name: str, zoom: int, column: int, row: int, size: int
) -> Lattice:
    """The lattice of a raster in Web Mercator with one place alone, whose pixels are those of the chip there.

    Args:
        box: of the raster, see `web_box`; name: what errors call it.

    Raises:
        SpacerInputError: the raster has no such place.
    """
    for columns, rows in _web_ranges(box, zoom):
        if column in columns and row in rows:
            if len(columns) * len(rows) > _MOST_PLACES:
                # Nobody cuts so many: the place alone is enough.
                columns, rows = range(column, column + 1), range(row, row + 1)
            return _of_tiles(columns, rows, zoom, size, (column, row))
    raise SpacerInputError(f"The raster '{name}' does not lie at {zoom}/{column}/{row}.")


def _web_ranges(box: tuple[float, float, float, float], zoom: int) -> list[tuple[range, range]]:
    """Columns and rows of the places of a zoom that a box of degrees touches."""
    n = 2**zoom
    west, south, east, north = box
    south, north = max(south, -_MERCATOR_LATITUDE), min(north, _MERCATOR_LATITUDE)
    if south > north:
        return []
    rows = _rows(north, south, n)
    return [
        (range(_bounded((begin + 180) / 360 * n, n), _bounded((end + 180) / 360 * n, n) + 1), rows)
        for begin, end in ([(west, east)] if west <= east else [(west, 180.0), (-180.0, east)])
    ]


def positions(raster: Raster) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitudes and latitudes of points all over a raster, its sides included: float64 [n], those that are on earth.

    Raises:
        SpacerInputError: the raster does not say where it lies, or lies nowhere on earth.
    """
    if raster.crs is None:
        raise SpacerInputError(
            f"The raster '{raster.name}' does not say where it lies: cut it into windows of its pixels (grid pixels)."
        )
    import_extra("pyproj", "Locating a raster on earth", "geo")
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    columns, rows = np.meshgrid(np.linspace(0, raster.width, _POINTS), np.linspace(0, raster.height, _POINTS))
    xs, ys = raster.transform * (columns.ravel(), rows.ravel())
    try:
        transformer = Transformer.from_crs(raster.crs.to_wkt(), 4326, always_xy=True)
        longitudes, latitudes = transformer.transform(xs, ys)
        pole = transformer.transform([0.0, 0.0], [90.0, -90.0], direction="INVERSE")
    except ProjError:
        raise TileError(
            f"The raster '{raster.name}' is in a projection that has no way to longitude and latitude."
        ) from None
    longitudes, latitudes = np.asarray(longitudes), np.asarray(latitudes)
    good = np.isfinite(longitudes) & np.isfinite(latitudes) & (np.abs(latitudes) <= 90)
    if not good.any():
        raise TileError(f"The raster '{raster.name}' lies nowhere on earth by what it says of its place.")
    longitudes, latitudes = longitudes[good], latitudes[good]
    for x, y, latitude in zip(*pole, (90.0, -90.0), strict=True):
        if _is_inside(raster, x, y):
            longitudes = np.append(longitudes, np.linspace(-180, 180, 9))
            latitudes = np.append(latitudes, np.full(9, latitude))
    return longitudes, latitudes


def pixel_metres(raster: Raster) -> float:
    """Width of a raster's pixels on the ground in the middle of it, in metres."""
    from pyproj import Geod, Transformer

    transformer = Transformer.from_crs(raster.crs.to_wkt(), 4326, always_xy=True)
    column, row = raster.width / 2, raster.height / 2
    # Over some pixels, since small numbers are rounded.
    step = max(1.0, min(raster.width, raster.height) / 8)
    corners = [raster.transform * at for at in ((column, row), (column + step, row), (column, row + step))]
    xs, ys = zip(*corners, strict=True)
    longitudes, latitudes = transformer.transform(xs, ys)
    if not np.isfinite([*longitudes, *latitudes]).all():
        raise TileError(f"The middle of the raster '{raster.name}' lies nowhere on earth.")
    geod = Geod(ellps="WGS84")
    sides = [geod.inv(longitudes[0], latitudes[0], longitudes[i], latitudes[i])[2] / step for i in (1, 2)]
    return math.sqrt(sides[0] * sides[1]) or 1.0


def _is_inside(raster: Raster, x: float, y: float) -> bool:
    if not (math.isfinite(x) and math.isfinite(y)) or raster.crs.is_geographic:
        return False
    column, row = ~raster.transform * (x, y)
    return bool(0 <= column <= raster.width and 0 <= row <= raster.height)


def _box(longitudes: NDArray[np.float64], latitudes: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """West, south, east, north of points with a margin; the west is larger than the east beside the 180th meridian."""
    turns = np.sort(np.unwrap(np.sort((longitudes + 180) % 360 - 180), period=360))
    # The largest gap between two points is outside of the raster.
    gaps = np.diff(np.append(turns, turns[0] + 360))
    at = int(gaps.argmax())
    west, east = float(turns[(at + 1) % len(turns)]), float(turns[at])
    width = (east - west) % 360
    margin = (width + 1e-9) / _POINTS
    if width + 2 * margin >= 360 - 1e-6 or (len(turns) == 1 and gaps[at] == 0):
        west, east = -180.0, 180.0
    else:
        west, east = (west - margin + 180) % 360 - 180, (east + margin + 180) % 360 - 180
    south, north = float(latitudes.min()), float(latitudes.max())
    margin = (north - south + 1e-9) / _POINTS
    return west, max(south - margin, -90.0), east, min(north + margin, 90.0)


def _zone_of(raster: Raster) -> int:
    """The zone whose projection a raster is in; 0: it is in another one."""
    epsg = raster.crs.to_epsg() or 0
    return epsg % 100 if epsg // 100 in (326, 327) and 1 <= epsg % 100 <= 60 else 0


def _zones(box: tuple[float, float, float, float]) -> list[int]:
    west, _, east, _ = box
    width = (east - west) % 360 if west != -180.0 or east != 180.0 else 360.0
    # A zone's cells reach a little into its neighbours.
    first = math.floor((west - 0.5 + 180) / 6)
    last = math.floor((west + width + 0.5 + 180) / 6)
    return sorted({index % 60 + 1 for index in range(first, last + 1)})


def _nearest_zoom(root: float, size: int, pixel: float, zooms: range) -> int:
    zoom = round(math.log2(root / (size * pixel)))
    return min(max(zoom, zooms.start), zooms.stop - 1)


def _of_cells(cells: list[Cell], zone: int, zoom: int, size: int) -> Lattice:
    side = side_of_zoom(zoom)
    columns, rows = [cell.column for cell in cells], [cell.row for cell in cells]
    left, top = min(columns), min(rows)
    southern = all(cell.is_southern for cell in cells)
    return Lattice(
        epsg=epsg_of_zone(zone, southern),
        west=WEST_EDGE + left * side,
        north=NORTH_EDGE - top * side + (SOUTHERN_OFFSET if southern else 0.0),
        pixel=side / size,
        width=(max(columns) - left + 1) * size,
        height=(max(rows) - top + 1) * size,
        size=size,
        zoom=zoom,
        places=tuple(Place(cell.name, (cell.column - left) * size, (cell.row - top) * size) for cell in cells),
    )


def _of_tiles(columns: range, rows: range, zoom: int, size: int, only: tuple[int, int] | None = None) -> Lattice:
    side = MERCATOR_SIDE / 2**zoom
    wanted = [(column, row) for row in rows for column in columns] if only is None else [only]
    return Lattice(
        epsg=3857,
        west=columns.start * side - MERCATOR_SIDE / 2,
        north=MERCATOR_SIDE / 2 - rows.start * side,
        pixel=side / size,
        width=len(columns) * size,
        height=len(rows) * size,
        size=size,
        zoom=zoom,
        places=tuple(
            Place(f"M{zoom:02d}-{column}-{row}", (column - columns.start) * size, (row - rows.start) * size)
            for column, row in wanted
        ),
    )


def _rows(north: float, south: float, n: int) -> range:
    def row(latitude: float) -> int:
        y = math.asinh(math.tan(math.radians(latitude)))
        return _bounded((1 - y / math.pi) / 2 * n, n)

    return range(row(north), row(south) + 1)


def _bounded(position: float, n: int) -> int:
    return min(max(math.floor(position), 0), n - 1)


def _check_count(raster: Raster, count: int) -> None:
    if count > _MOST_PLACES:
        raise SpacerInputError(
            f"The raster '{raster.name}' covers {count:,} places, more than {_MOST_PLACES:,}: ask for larger ones."
        )


def _found(lattices: list[Lattice], raster: Raster, limit: str) -> list[Lattice]:
    if not lattices:
        raise SpacerInputError(
            f"The raster '{raster.name}' lies where the grid has no places, which it has between {limit}."
        )
    return lattices


def lattices_of(raster: Raster, grid: str, size: int, zoom: int | None, stride: int | None) -> list[Lattice]:
    """The places of a grid that a raster may show something of, and some beside it; errors as `ard_lattices`."""
    if grid == "pixels":
        return [windows(raster, size, stride)]
    return (ard_lattices if grid == "ard" else xyz_lattices)(raster, size, zoom)


def transform_of(lattice: Lattice, raster: Raster) -> Any:
    """From pixels of a lattice to its projection, an affine.Affine."""
    if lattice.epsg is None:
        return raster.transform
    from rasterio.transform import from_origin

    return from_origin(lattice.west, lattice.north, lattice.pixel, lattice.pixel)
