"""Make tiles as large as real ones: a town from above, of 1/f noise, roofs with edges, and streets.

usage: python -m benchmarks.chips.make_tiles FOLDER SIDE
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from rasterio.windows import Window

from benchmarks.chips.folders import APRON, TILES, ZONE, tile_path

WEST, NORTH = 280_000.0, 4_885_000.0
"""The corner of the cell, in metres of its zone."""
PIXEL = 5000 / 16384
SQUARE = 2176
"""Width of what is drawn at once, an eighth of a whole tile."""
FEW = 2048
SLOPE = 1.1
ROOFS = 420
STREETS = 14
GRAIN = 2.5
QUALITY = 75


def noise(random: np.random.Generator) -> NDArray[np.float32]:
    """A field of amplitude 1/f^SLOPE, zero mean and unit deviation, float32 [SQUARE, SQUARE]; its edges fit."""
    spectrum = np.fft.rfft2(random.standard_normal((SQUARE, SQUARE), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(SQUARE)[:, None], np.fft.rfftfreq(SQUARE)[None, :])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(spectrum / frequency**SLOPE, s=(SQUARE, SQUARE))
    return (field / field.std()).astype(np.float32)


def town(random: np.random.Generator) -> NDArray[np.float32]:
    """What roofs and streets add to the brightness of the ground, float32 [SQUARE, SQUARE]."""
    layer = Image.new("L", (SQUARE, SQUARE), 128)
    draw = ImageDraw.Draw(layer)
    for _ in range(STREETS):
        ends = random.uniform(-200, SQUARE + 200, 4)
        draw.line([*ends], fill=int(random.integers(80, 175)), width=int(random.integers(10, 34)))
    for _ in range(ROOFS):
        centre, angle = random.uniform(0, SQUARE, 2), random.uniform(0, np.pi)
        along = np.array([np.cos(angle), np.sin(angle)]) * random.uniform(12, 60)
        across = np.array([-np.sin(angle), np.cos(angle)]) * random.uniform(10, 30)
        shade = int(random.integers(60, 200))
        for half, fill in ((1, shade), (-1, max(0, shade - 25))):  # The two sides of a roof.
            corners = [centre + along, centre - along, centre - along + half * across, centre + along + half * across]
            draw.polygon([tuple(corner) for corner in corners], fill=fill)
    return np.asarray(layer, np.float32) - 128


def rows_of_ground(side: int, random: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """The pixels of a square tile, uint8 [at most SQUARE, side, 3], from the north."""
    fields = np.stack([noise(random) for _ in range(3)])
    # Every sensor has noise of its own.
    grain = random.normal(0, GRAIN, (3, SQUARE, SQUARE)).astype(np.float32)
    mixing = np.column_stack([np.full(3, 20.0), random.normal(0, 4, (3, 2))]).astype(np.float32)
    for top in range(0, side, SQUARE):
        squares = []
        for _ in range(0, side, SQUARE):
            moved = np.roll(fields, random.integers(0, SQUARE, 2), (1, 2))[:, :: random.choice((-1, 1))]
            pixels = np.tensordot(mixing, moved, 1) + town(random) + np.float32(random.uniform(85, 135))
            pixels += np.roll(grain, random.integers(0, SQUARE, 2), (1, 2))
            squares.append(pixels.clip(1, 255).astype(np.uint8).transpose(1, 2, 0))
        yield np.concatenate(squares, 1)[: side - top, :side]


def has_data(columns: NDArray[np.int64], rows: NDArray[np.int64], side: int) -> NDArray[np.bool_]:
    """The mask: the swath ends along a slanted line, which leaves about a sixth of the tile without data."""
    return columns[None, :] + 0.35 * rows[:, None] < side


def write_plain(path: Path, side: int, bands: int, is_masked: bool) -> None:
    """The pixels as an uncompressed GeoTIFF."""
    transform = from_origin(WEST - APRON * PIXEL, NORTH + APRON * PIXEL, PIXEL, PIXEL)
    profile = {"width": side, "height": side, "count": bands, "dtype": "uint8"}
    place = {"crs": f"EPSG:326{ZONE:02d}", "transform": transform}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel"}
    with rasterio.open(path, "w", driver="GTiff", **profile, **place, **layout) as raster:
        if bands == 3:
            raster.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
        top = 0
        for pixels in rows_of_ground(side, np.random.default_rng(side)):
            window = Window(0, top, side, len(pixels))
            if is_masked:
                mask = has_data(np.arange(side), np.arange(top, top + len(pixels)), side)
                pixels = pixels * mask[..., None]
                raster.write_mask(mask, window=window)
            raster.write(pixels[..., :bands].transpose(2, 0, 1), window=window)
            top += len(pixels)


def write_tile(folder: Path, kind: str, side: int) -> None:
    """A tile as GDAL's COG driver writes it, in a tree of its own."""
    path = tile_path(folder, kind)
    path.parent.mkdir(parents=True)
    plain = folder / "plain.tif"
    write_plain(plain, side, 1 if kind == "pan" else 3, kind == "masked")
    options = {"compress": "JPEG", "quality": QUALITY} if kind in ("masked", "unmasked") else {"compress": "DEFLATE"}
    rasterio.shutil.copy(plain, path, driver="COG", num_threads=2, **options)
    plain.unlink()


def main(folder: Path, side: int) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_CACHEMAX=512):
        for kind in TILES:
            # As much again of DEFLATE would take minutes to write, and another gigabyte.
            write_tile(folder / kind, kind, side // 2 if kind == "deflate" else side)
            write_tile(folder / "few" / kind, kind, FEW)
    print(json.dumps({"tiles": len(TILES)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
