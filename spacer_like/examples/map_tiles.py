"""Textured tiles drawn from real map data, so that pictures and labels of chips agree.

The extract of Helsinki is a kilometre wide and lies in one cell of zoom 12. It is moved as a whole until a corner of
four cells is in its midst: a model can then learn from some cells and be judged by another, and roads and buildings
cross their borders. © OpenStreetMap contributors, ODbL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.chips.grid import PIXEL, Cell, cell_at

if TYPE_CHECKING:
    import pyproj
    import shapely

ZONE, EPSG = 35, 32635
BLOCK = 512
BLOCK_METRES = BLOCK * PIXEL
ACQUISITION = "104001007E9B6900"
DATE = "2021-06-18"
JPEG_QUALITY = 75


@dataclass(frozen=True)
class Ground:
    """The texture of a label's elements; the label is described as in labels.json.

    Fields:
        tags: of elements that make the label, ``{key: values}``.
        colour: mean of red, green and blue; roughness: deviation of its noise; grain: pixels that share one value.
        stripes: period in pixels of dark stripes, 0 without.
        width: metres across of a line; None: areas are painted.
    """

    tags: Mapping[str, tuple[str, ...]]
    colour: tuple[int, int, int]
    roughness: float
    grain: int = 1
    stripes: int = 0
    width: float | None = None

    def is_meant_by(self, tags: Mapping[str, str]) -> bool:
        return any(tags.get(key) in values or (key in tags and "*" in values) for key, values in self.tags.items())


# What lies above comes later.
GROUNDS = {
    "green": Ground(
        {"landuse": ("grass",), "natural": ("scrub", "heath", "wood"), "leisure": ("park",)}, (70, 140, 60), 22, 4
    ),
    "water": Ground({"natural": ("water",), "landuse": ("basin", "pond")}, (25, 50, 110), 3, 8),
    "parking": Ground({"amenity": ("parking",)}, (90, 90, 100), 12, 1, 24),
    "building": Ground({"building": ("*",)}, (165, 80, 60), 8, 2, 10),
    "footway": Ground({"highway": ("footway", "cycleway", "path")}, (205, 195, 175), 8, 1, 0, 2.5),
    "road": Ground(
        {"highway": ("primary", "secondary", "tertiary", "residential", "unclassified")}, (45, 45, 50), 6, 2, 0, 9.0
    ),
    "rail": Ground({"railway": ("rail", "tram")}, (115, 60, 130), 10, 1, 5, 6.0),
}
EARTH = Ground({}, (175, 160, 130), 14, 2)


def labels() -> dict[str, dict[str, list[str]]]:
    """The labels and their tags, as labels.json holds them."""
    return {label: {key: list(values) for key, values in ground.tags.items()} for label, ground in GROUNDS.items()}


class MovedMap:
    """An extract moved to a corner of four cells.

    Args:
        source: an ``.osm.pbf`` extract with its bounds in the header.
        target: where the moved extract is written.
    """

    def __init__(self, source: Path, target: Path) -> None:
        import osmium

        reader = osmium.io.Reader(str(source))
        box = reader.header().box()
        reader.close()
        (west, south), (east, north) = ((corner.lon, corner.lat) for corner in (box.bottom_left, box.top_right))
        corners = _to_metres(np.array([(west, south), (east, south), (east, north), (west, north)]))
        middle = corners.mean(axis=0)
        near = cell_at(ZONE, float(middle[0]), float(middle[1]), 12)
        self.corner = (near.bounds[0], near.bounds[1])
        self.shift = np.array(self.corner) - middle
        self.outline = corners + self.shift
        self.path = target
        self._write(source)

    def _write(self, source: Path) -> None:
        import osmium

        nodes: Iterable[Any] = osmium.FileProcessor(source, osmium.osm.NODE)
        self._places = {node.id: (node.location.lon, node.location.lat) for node in nodes}
        metres = _to_metres(np.array(list(self._places.values()))) + self.shift
        moved = dict(zip(self._places, _to_degrees(metres).tolist(), strict=True))
        with osmium.SimpleWriter(str(self.path), overwrite=True) as writer:
            elements: Iterable[Any] = osmium.FileProcessor(source)
            for element in elements:
                writer.add(element.replace(location=moved[element.id]) if element.is_node() else element)

    @property
    def cells(self) -> list[Cell]:
        """The four cells of zoom 12 around the corner, from the north-west row by row."""
        x, y = self.corner
        return [cell_at(ZONE, x + east, y + north, 12) for north in (1, -1) for east in (-1, 1)]

    @cached_property
    def elements(self) -> dict[str, list[shapely.Geometry]]:
        """The geometries in metres of the elements that make each label: points, lines and areas."""
        import osmium

        found: dict[str, list[shapely.Geometry]] = {label: [] for label in GROUNDS}
        tagged = osmium.filter.EmptyTagFilter()
        for element in osmium.FileProcessor(self.path).with_areas().with_filter(tagged):
            tags = dict(element.tags)
            for label, ground in GROUNDS.items():
                # The extract cuts ways off at its end.
                if ground.is_meant_by(tags) and _is_of(element, tags, ground) and self._is_whole(element):
                    with suppress(RuntimeError):  # A line of one point.
                        found[label].append(_geometry(element))
        return found

    @cached_property
    def shapes(self) -> list[tuple[shapely.Geometry, int]]:
        """The shapes to paint with the numbers of their grounds, from 1, the lowest layer first."""
        return [
            (element.buffer(ground.width / 2) if ground.width and element.length else element, number)
            for number, (label, ground) in enumerate(GROUNDS.items(), 1)
            for element in self.elements[label]
            if element.area or (ground.width and element.length)
        ]

    def _is_whole(self, element: Any) -> bool:
        return not element.is_way() or all(node.ref in self._places for node in element.nodes)

    def write_tiles(self, tree: Path) -> list[Path]:
        """Write the tile of each cell into a tree of tiles, and give their paths."""
        swatches = np.stack([_swatch(ground, seed) for seed, ground in enumerate((EARTH, *GROUNDS.values()))])
        paths = []
        for cell in self.cells:
            path = tree / f"{ZONE:02d}" / cell.quadkey / DATE / f"{ACQUISITION}-visual.tif"
            path.parent.mkdir(parents=True)
            self._write_tile(path, cell, swatches)
            paths.append(path)
        return paths

    def _write_tile(self, path: Path, cell: Cell, swatches: NDArray[np.uint8]) -> None:
        """Write the part of a cell where there is map data, with a buffer of one block towards the other cells."""
        import shapely
        from rasterio.features import rasterize
        from rasterio.transform import Affine

        reach = np.abs(self.outline - self.corner).max(axis=0)
        columns, rows = (int(np.ceil(each / BLOCK_METRES)) for each in reach)
        is_west, is_north = cell.bounds[0] < self.corner[0], cell.bounds[1] >= self.corner[1]
        west = self.corner[0] - (columns if is_west else 1) * BLOCK_METRES
        north = self.corner[1] + (rows if is_north else 1) * BLOCK_METRES
        transform = Affine(PIXEL, 0, west, 0, -PIXEL, north)
        shape = ((rows + 1) * BLOCK, (columns + 1) * BLOCK)
        tile = shapely.box(west, north - shape[0] * PIXEL, west + shape[1] * PIXEL, north)
        inside = [each for each in self.shapes if each[0].intersects(tile)]
        grounds = rasterize(inside, shape, transform=transform, dtype="uint8")
        mask = rasterize([(shapely.Polygon(self.outline), 255)], shape, transform=transform, dtype="uint8")
        write_cog(path, _painted(grounds, swatches) * (mask[..., None] > 0), mask, transform)


def write_cog(path: Path, pixels: NDArray[np.uint8], mask: NDArray[np.uint8], transform: Any) -> None:
    """Write pixels [height, width, 3] as GDAL's COG driver does, with JPEG and an internal mask; without overviews."""
    import rasterio
    import rasterio.shutil
    from rasterio.io import MemoryFile

    height, width, bands = pixels.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": "uint8"}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
        with memory.open(**profile, crs=f"EPSG:{EPSG}", transform=transform, photometric="RGB") as raster:
            raster.write(pixels.transpose(2, 0, 1))
            raster.write_mask(mask)
        with memory.open() as raster:
            rasterio.shutil.copy(raster, path, driver="COG", compress="JPEG", quality=JPEG_QUALITY, overviews="NONE")


def _is_of(element: Any, tags: Mapping[str, str], ground: Ground) -> bool:
    """Whether an element counts in this form: a closed way is an area too, and only one of the two is drawn."""
    if element.is_relation():
        return False
    if element.is_way():
        return not _is_area(tags, ground) or not element.is_closed()
    return element.is_node() or not element.from_way() or _is_area(tags, ground)


def _is_area(tags: Mapping[str, str], ground: Ground) -> bool:
    return not ground.width or tags.get("area") == "yes"


def _geometry(element: Any) -> shapely.Geometry:
    """The geometry in metres of a node, a way or an area."""
    import osmium
    import shapely

    factory = osmium.geom.WKBFactory()
    make: dict[str, Callable[[Any], str]] = {
        "n": factory.create_point,
        "w": factory.create_linestring,
        "a": factory.create_multipolygon,
    }
    return shapely.transform(shapely.from_wkb(make[element.type_str()](element)), _to_metres)


def _painted(grounds: NDArray[np.uint8], swatches: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pixels [height, width, 3] of a map of grounds, block by block."""
    pixels = np.empty((*grounds.shape, 3), np.uint8)
    flat = swatches.reshape(-1, 3)
    place_in_swatch = np.arange(BLOCK * BLOCK).reshape(BLOCK, BLOCK)
    for top in range(0, grounds.shape[0], BLOCK):
        for left in range(0, grounds.shape[1], BLOCK):
            place = np.s_[top : top + BLOCK, left : left + BLOCK]
            pixels[place] = flat[grounds[place] * np.intp(BLOCK * BLOCK) + place_in_swatch]
    return pixels


def _swatch(ground: Ground, seed: int) -> NDArray[np.uint8]:
    """A block of a ground's texture, uint8 [512, 512, 3]."""
    random = np.random.default_rng(seed)
    coarse = random.normal(0, ground.roughness, (BLOCK // ground.grain, BLOCK // ground.grain, 1))
    noise = coarse.repeat(ground.grain, 0).repeat(ground.grain, 1)
    if ground.stripes:
        noise[:, np.arange(BLOCK) % ground.stripes < 2] -= 45
    return np.clip(noise + ground.colour, 0, 255).astype(np.uint8)


def _to_metres(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eastings and northings [n, 2] of longitudes and latitudes [n, 2]."""
    return _transformed(degrees, "EPSG:4326", f"EPSG:{EPSG}")


def _to_degrees(metres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes and latitudes [n, 2] of eastings and northings [n, 2]."""
    return _transformed(metres, f"EPSG:{EPSG}", "EPSG:4326")


def _transformed(points: NDArray[np.float64], source: str, target: str) -> NDArray[np.float64]:
    transformer = _transformer(source, target)
    return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))


@cache
def _transformer(source: str, target: str) -> pyproj.Transformer:
    import pyproj

    return pyproj.Transformer.from_crs(source, target, always_xy=True)
