"""Make a scene like one of Sentinel-2: four bands of 16 bits at 10 m, a cloud optimized GeoTIFF of DEFLATE.

usage: python -m benchmarks.chips.make_scene FOLDER SIDE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin
from rasterio.windows import Window

from benchmarks.chips.folders import FAR_SCENE, FEW_SCENE, SCENES
from benchmarks.chips.make_tiles import SQUARE, noise

BANDS = ("B02", "B03", "B04", "B08")
WEST, NORTH, PIXEL = 300_000.0, 4_900_020.0, 10.0
# Reflectances times 10,000, and the noise of the sensor.
MEAN, SPREAD, GRAIN = 1200.0, 350.0, 12.0


def write_plain(path: Path, side: int) -> None:
    random = np.random.default_rng(side)
    fields = np.stack([noise(random) for _ in range(3)])
    mixing = np.column_stack([np.full(4, SPREAD), random.normal(0, 90, (4, 2))]).astype(np.float32)
    profile = {"width": side, "height": side, "count": len(BANDS), "dtype": "uint16", "nodata": 0}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel"}
    place = {"crs": "EPSG:32633", "transform": from_origin(WEST, NORTH, PIXEL, PIXEL)}
    with rasterio.open(path, "w", driver="GTiff", **profile, **layout, **place) as raster:
        for number, name in enumerate(BANDS, 1):
            raster.set_band_description(number, name)
        for top in range(0, side, SQUARE):
            for left in range(0, side, SQUARE):
                height, width = min(SQUARE, side - top), min(SQUARE, side - left)
                moved = np.roll(fields, random.integers(0, SQUARE, 2), (1, 2))[:, :height, :width]
                pixels = np.tensordot(mixing, moved, 1) + MEAN
                pixels += random.standard_normal(pixels.shape, np.float32) * GRAIN
                raster.write(pixels.clip(1, 20_000).astype(np.uint16), window=Window(left, top, width, height))


def write_scene(path: Path, side: int, block: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_name("plain.tif")
    write_plain(plain, side)
    options = {"compress": "DEFLATE", "predictor": 2, "blocksize": block, "interleave": "PIXEL"}
    rasterio.shutil.copy(plain, path, driver="COG", num_threads=2, **options)
    plain.unlink()


def main(folder: Path, side: int) -> None:
    with rasterio.Env(GDAL_CACHEMAX=512):
        for block in SCENES:
            write_scene(folder / f"scene-{block}.tif", side, block)
            write_scene(folder / "few" / f"scene-{block}.tif", FEW_SCENE, block)
        write_scene(folder / "far.tif", min(side, FAR_SCENE), 512)
    print(json.dumps({"scenes": len(SCENES)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
