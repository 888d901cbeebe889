"""Cut a tile into chips as one does without a chipper: chip by chip, with rasterio and Pillow or with rio-tiler.

usage: python -m benchmarks.chips.cut_by_peers window|masked-window|rio-tiler TILE SMALL_TILE FOLDER ZOOM

``masked-window`` reads the mask of each chip too, and sorts the chips by it.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.windows import Window

from benchmarks.chips.folders import APRON, FULL

QUALITY = 75


def windows(width: int, zoom: int) -> Iterator[tuple[str, Window]]:
    """Names and windows of the chips of a tile so many pixels wide that do not reach over its edge, row by row."""
    chip = 2 ** (26 - zoom)
    count = (min(width, FULL - APRON) - APRON) // chip
    for row in range(count):
        for column in range(count):
            yield f"{row:03}-{column:03}.jpg", Window(APRON + column * chip, APRON + row * chip, chip, chip)


def by_window(tile: Path, folder: Path, zoom: int) -> Counter[str]:
    """One file for all chips, a window and an image of Pillow for each."""
    counts: Counter[str] = Counter()
    with rasterio.open(tile) as raster:
        for name, window in windows(raster.width, zoom):
            pixels = raster.read(window=window)
            Image.fromarray(np.moveaxis(pixels, 0, -1).squeeze()).save(folder / name, quality=QUALITY)
            counts["chips"] += 1
    return counts


def by_masked_window(tile: Path, folder: Path, zoom: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    with rasterio.open(tile) as raster:
        for name, window in windows(raster.width, zoom):
            pixels = raster.read(window=window)
            mask = raster.dataset_mask(window=window)
            counts["all_data" if mask.all() else "partial_data" if mask.any() else "no_data"] += 1
            Image.fromarray(np.moveaxis(pixels, 0, -1).squeeze()).save(folder / name, quality=QUALITY)
            counts["chips"] += 1
    return counts


def by_rio_tiler(tile: Path, folder: Path, zoom: int) -> Counter[str]:
    """A part of the tile by its bounds, as rio-tiler gives it: with its mask, which a JPEG then lacks."""
    from rasterio.windows import bounds
    from rio_tiler.io import Reader

    counts: Counter[str] = Counter()
    with Reader(str(tile)) as reader:
        raster = reader.dataset
        for name, window in windows(raster.width, zoom):
            part = reader.part(
                bounds(window, raster.transform),
                bounds_crs=raster.crs,
                dst_crs=raster.crs,
                width=window.width,
                height=window.height,
            )
            (folder / name).write_bytes(part.render(img_format="JPEG", add_mask=False, quality=QUALITY))
            counts["chips"] += 1
    return counts


CUTTERS: dict[str, Callable[[Path, Path, int], Counter[str]]] = {
    "window": by_window,
    "masked-window": by_masked_window,
    "rio-tiler": by_rio_tiler,
}


def main(side: str, tile: Path, small_tile: Path, folder: Path, zoom: int) -> None:
    for name in ("few", "chips"):
        (folder / name).mkdir(parents=True)
    CUTTERS[side](small_tile, folder / "few", zoom)
    started, cpu_started = time.perf_counter(), time.process_time()
    counts = CUTTERS[side](tile, folder / "chips", zoom)
    cpu_seconds, seconds = time.process_time() - cpu_started, time.perf_counter() - started
    answer = {
        **counts,
        "task_seconds": seconds,
        "task_cpu_seconds": cpu_seconds,
        "cpu_seconds_each": cpu_seconds / counts["chips"],
        "chips_per_cpu_second": counts["chips"] / cpu_seconds,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
