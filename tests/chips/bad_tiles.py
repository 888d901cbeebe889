"""Tiles that are damaged, or that lie nowhere, or are of kinds that no satellite sends; each made for real."""

import struct
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin

from .tile_making import CELL, PIXEL, make_tile, north_west

SIZE = 1024
LOCAL = 'LOCAL_CS["a drawing",UNIT["metre",1]]'
ENGINEERING = (
    'ENGCRS["a site",EDATUM["a stone"],CS[Cartesian,2],AXIS["x",east,ORDER[1]],AXIS["y",north,ORDER[2]],'
    'LENGTHUNIT["metre",1]]'
)
WEST, NORTH = north_west()
PLACE = from_origin(WEST, NORTH, PIXEL, PIXEL)


def geotiff(
    path: Path, crs: object = "EPSG:32633", transform: Affine = PLACE, bands: int = 3, **options: object
) -> None:
    """A tile of stripes, of any place, kind and compression that GDAL writes."""
    kind = {"dtype": "uint8", "width": SIZE, "height": SIZE} | {
        name: options.pop(name) for name in ("dtype", "width", "height") if name in options
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        profile = {"driver": "GTiff", "count": bands, "crs": crs, "transform": transform, "tiled": True}
        with rasterio.open(path, "w", **(profile | kind | options)) as file:
            stripes = (np.arange(kind["width"]) % 2)[None, None].repeat(min(kind["height"], SIZE), axis=1)
            window = ((0, stripes.shape[1]), (0, stripes.shape[2]))
            file.write(stripes.repeat(bands, axis=0).astype(kind["dtype"]), window=window)


def jpeg(path: Path, **options: object) -> None:
    make_tile(path, width=SIZE, height=SIZE, **options)


def changed(path: Path, change: Callable[[bytearray], bytes | bytearray | None], **options: object) -> None:
    """A good tile whose bytes are then changed."""
    geotiff(path, **options)
    data = bytearray(path.read_bytes())
    path.write_bytes(change(data) or data)


def with_tag(tag: int, kind: int, value: int) -> Callable[[bytearray], None]:
    """A change of a tag's value in the first directory of a little-endian TIFF."""

    def change(data: bytearray) -> None:
        (directory,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, directory)
        for place in range(directory + 2, directory + 2 + 12 * count, 12):
            if struct.unpack_from("<H", data, place) == (tag,):
                struct.pack_into("<HII" if kind == 4 else "<HIH", data, place + 2, kind, 1, value)
                return
        raise LookupError(tag)

    return change


def with_doubles(tag: int, *values: float) -> Callable[[bytearray], None]:
    """A change of the numbers that a tag leads to."""

    def change(data: bytearray) -> None:
        (directory,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, directory)
        for place in range(directory + 2, directory + 2 + 12 * count, 12):
            if struct.unpack_from("<H", data, place) == (tag,):
                (offset,) = struct.unpack_from("<I", data, place + 8)
                struct.pack_into(f"<{len(values)}d", data, offset, *values)
                return
        raise LookupError(tag)

    return change


def folder(path: Path) -> None:
    path.mkdir()
    (path / "inside.txt").write_bytes(b"")


NAN = float("nan")
BAD_TILES: dict[str, Callable[[Path], object]] = {
    "in a local projection": partial(geotiff, crs=CRS.from_wkt(LOCAL)),
    "in an engineering projection": partial(geotiff, crs=CRS.from_wkt(ENGINEERING)),
    "in no projection": partial(geotiff, crs=None),
    "in geographic coordinates far beyond the globe": partial(geotiff, crs="EPSG:4326"),
    "in geographic coordinates at the pole": partial(
        geotiff, crs="EPSG:4326", transform=from_origin(-180, 90, 360 / SIZE, 180 / SIZE)
    ),
    "in another zone": partial(geotiff, crs="EPSG:32601"),
    "in coordinates from the centre of the earth": partial(geotiff, crs="EPSG:4978"),
    "in a vertical projection": partial(geotiff, crs="EPSG:5773"),
    "in a compound projection": partial(geotiff, crs=CRS.from_string("EPSG:32633+5773")),
    "in a polar projection": partial(geotiff, crs="EPSG:3031"),
    "without a place": partial(geotiff, transform=Affine.identity()),
    "rotated": partial(geotiff, transform=PLACE @ Affine.rotation(30)),
    "south up": partial(geotiff, transform=Affine(PIXEL, 0, WEST, 0, PIXEL, NORTH - SIZE * PIXEL)),
    "of pixels without width": partial(changed, change=with_doubles(33550, 0.0, 0.0, 0.0)),
    "of pixels that are no numbers": partial(changed, change=with_doubles(33550, NAN, NAN, 0.0)),
    "of pixels as wide as the sun": partial(changed, change=with_doubles(33550, 1e9, 1e9, 0.0)),
    "of pixels as wide as the earth": partial(changed, change=with_doubles(33550, 1e7, 1e7, 0.0)),
    "of endless pixels": partial(changed, change=with_doubles(33550, 1e308, 1e308, 0.0)),
    "at no number": partial(changed, change=with_doubles(33922, 0.0, 0.0, 0.0, NAN, NAN, 0.0)),
    "infinitely far away": partial(changed, change=with_doubles(33922, 0.0, 0.0, 0.0, float("inf"), 1e308, 0.0)),
    "of complex numbers": partial(geotiff, dtype="complex64"),
    "of doubles": partial(geotiff, dtype="float64"),
    "of signed bytes": partial(geotiff, dtype="int8"),
    "of long integers": partial(geotiff, dtype="int64"),
    "of one bit": partial(geotiff, bands=1, nbits=1),
    "of twelve bits": partial(geotiff, dtype="uint16", nbits=12),
    "of a palette": partial(geotiff, bands=1, photometric="palette"),
    "of cyan, magenta, yellow and black": partial(geotiff, bands=4, photometric="cmyk"),
    "of lightness and two colours": partial(geotiff, photometric="cielab"),
    "of two bands": partial(geotiff, bands=2),
    "of five bands": partial(geotiff, bands=5),
    "of three hundred bands": partial(geotiff, bands=300, width=64, height=64),
    "of bands one after the other": partial(geotiff, interleave="band"),
    "of rows": partial(geotiff, tiled=False),
    "of one pixel": partial(geotiff, width=1, height=1, tiled=False),
    "of no pixel": partial(changed, change=with_tag(256, 4, 0)),
    "of 2^31 pixels": partial(changed, change=with_tag(256, 4, 2**31 - 1)),
    "of blocks without a size": partial(changed, change=with_tag(322, 3, 0)),
    "of a wrong compression": partial(changed, change=with_tag(259, 3, 7)),
    "of an unknown compression": partial(changed, change=with_tag(259, 3, 61234)),
    "of LZW that is none": partial(changed, change=with_tag(259, 3, 5)),
    "of DEFLATE that is none": partial(changed, change=with_tag(259, 3, 8)),
    "of old JPEG": partial(changed, change=with_tag(259, 3, 6)),
    "of a wrong photometric": partial(changed, change=with_tag(262, 3, 6)),
    "with no bits": partial(changed, change=with_tag(258, 3, 0)),
    "cut short": partial(changed, change=lambda data: data[: len(data) // 2]),
    "cut to its head": partial(changed, change=lambda data: data[:8]),
    "of JPEG, cut short": lambda path: (jpeg(path), path.write_bytes(path.read_bytes()[:-2000])),
    "of JPEG, blackened": lambda path: (
        jpeg(path),
        path.write_bytes(path.read_bytes()[:20_000] + bytes(len(path.read_bytes()) - 20_000)),
    ),
    "empty": lambda path: path.write_bytes(b""),
    "of zeros": lambda path: path.write_bytes(bytes(100_000)),
    "of text": lambda path: path.write_text("<html>404</html>"),
    "a picture of another kind": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000)),
    "a folder": folder,
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
    "a link to itself": lambda path: path.symlink_to(path),
    "with ground control points": lambda path: with_points(path),
    "with alpha first": lambda path: alpha_first(path),
}
"""How to make each kind of tile at a path."""


def with_points(path: Path) -> None:
    from rasterio.control import GroundControlPoint

    geotiff(path, transform=Affine.identity())
    with rasterio.open(path, "r+") as file:
        points = [GroundControlPoint(row, col, WEST + col, NORTH - row) for row, col in ((0, 0), (0, 9), (9, 0))]
        file.gcps = points, CRS.from_epsg(32633)


def alpha_first(path: Path) -> None:
    geotiff(path, bands=4)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.alpha, ColorInterp.red, ColorInterp.green, ColorInterp.blue]


__all__ = ["BAD_TILES", "CELL"]
