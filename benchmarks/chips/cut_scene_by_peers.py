"""Cut a scene into chips by rio-tiler, torchgeo or async-geotiff.

usage: python -m benchmarks.chips.cut_scene_by_peers rio-tiler|torchgeo|async-geotiff SCENE SMALL_SCENE FOLDER KIND

Scenes are paths, or of a bucket s3://... . Chips are those of `cut_scene`, which has data everywhere: only full ones.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window, bounds

SIZE, BANDS, RANGE, QUALITY = 256, (3, 2, 1), (0, 3000), 75
Boxes = list[tuple[str, tuple[float, float, float, float]]]


def windows(width: int, height: int) -> list[tuple[str, Window]]:
    """The windows of a raster that lie in it."""
    return [
        (f"P{column}-{row}", Window(column, row, SIZE, SIZE))
        for row in range(0, height - SIZE + 1, SIZE)
        for column in range(0, width - SIZE + 1, SIZE)
    ]


def by_rio_tiler(scene: str, folder: Path, kind: str) -> int:
    """The parts by their bounds, in the scene's projection or that of the grid, in the order of GDAL's cache."""
    from rio_tiler.io import Reader

    with Reader(scene) as reader:
        raster = reader.dataset
        if kind in ("pixels", "jpeg"):
            crs: Any = raster.crs
            boxes = [(name, bounds(window, raster.transform)) for name, window in windows(*raster.shape[::-1])]
        else:
            epsg, boxes = grid_boxes(kind, raster)
            crs = rasterio.crs.CRS.from_epsg(epsg)
        count = 0
        for name, box in boxes:
            part = reader.part(
                box,
                bounds_crs=crs,
                dst_crs=crs,
                width=SIZE,
                height=SIZE,
                indexes=BANDS if kind == "jpeg" else None,
                resampling_method="bilinear",
                reproject_method="bilinear",
            )
            if not part.mask.all():
                continue
            count += 1
            if kind == "jpeg":
                part.rescale(in_range=[RANGE])
                data = part.render(img_format="JPEG", add_mask=False, quality=QUALITY)
                (folder / f"{name}.jpg").write_bytes(data)
                continue
            np.save(folder / f"{name}.npy", np.moveaxis(part.data, 0, -1))
    return count


def grid_boxes(grid: str, raster: Any) -> tuple[int, Boxes]:
    """The code of a grid's projection, and its places that the raster covers, by name."""
    from rasterio.warp import transform_bounds

    if grid == "xyz":
        epsg, root, left, top, zoom = 3857, 40075016.685578488, -20037508.342789244, 20037508.342789244, 13
    else:
        epsg, root, left, top, zoom = 32633, 20_480_000.0, -9_740_000.0, 10_240_000.0, 13
    west, south, east, north = transform_bounds(raster.crs, epsg, *raster.bounds)
    side = root / 2**zoom
    columns = range(int((west - left) // side), int((east - left) // side) + 1)
    rows = range(int((top - north) // side), int((top - south) // side) + 1)
    return epsg, [
        (
            f"{column}-{row}",
            (left + column * side, top - (row + 1) * side, left + (column + 1) * side, top - row * side),
        )
        for row in rows
        for column in columns
    ]


def by_torchgeo(scene: str, folder: Path, kind: str) -> int:
    """The samples of a data set of the scene, of a sampler that goes through it in steps of a chip."""
    from torchgeo.datasets import RasterDataset
    from torchgeo.samplers import GridGeoSampler, Units

    class Scene(RasterDataset):
        filename_glob = Path(scene).name
        is_image = True

    dataset = Scene(scene)
    count = 0
    for query in GridGeoSampler(dataset, SIZE, SIZE, units=Units.PIXELS):
        image = dataset[query]["image"]
        if image.shape[1:] != (SIZE, SIZE):
            continue
        np.save(folder / f"{count}.npy", image.numpy())
        count += 1
    return count


def by_async_geotiff(scene: str, folder: Path, kind: str) -> int:
    """The tiles of the file, fetched together and decoded outside of Python, from which chips are cut."""
    import obstore
    from async_geotiff import GeoTIFF
    from async_geotiff import Window as Part

    async def work() -> int:
        bucket, _, key = scene.removeprefix("s3://").partition("/")
        store = obstore.store.S3Store(
            bucket,
            endpoint=os.environ["ENDPOINT"],
            access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
            secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
            region="us-east-1",
            client_options={"allow_http": True},
            virtual_hosted_style_request=False,
        )
        file = await GeoTIFF.open(key, store=store)
        count = 0
        for row in range(0, file.height - SIZE + 1, 2 * SIZE):
            height = min(2 * SIZE, (file.height - row) // SIZE * SIZE)
            strip = await file.read(window=Part(0, row, file.width, height))
            pixels = np.asarray(strip.data)
            for top in range(0, height, SIZE):
                for column in range(0, file.width - SIZE + 1, SIZE):
                    chip = pixels[:, top : top + SIZE, column : column + SIZE]
                    np.save(folder / f"P{column}-{row + top}.npy", np.moveaxis(chip, 0, -1))
                    count += 1
        return count

    return asyncio.run(work())


CUTTERS: dict[str, Callable[[str, Path, str], int]] = {
    "rio-tiler": by_rio_tiler,
    "torchgeo": by_torchgeo,
    "async-geotiff": by_async_geotiff,
}


def main(side: str, scene: str, small: str, folder: Path, kind: str) -> None:
    for name in ("few", "chips"):
        (folder / name).mkdir(parents=True)
    CUTTERS[side](small, folder / "few", kind)
    started, cpu_started = time.perf_counter(), time.process_time()
    count = CUTTERS[side](scene, folder / "chips", kind)
    cpu_seconds, seconds = time.process_time() - cpu_started, time.perf_counter() - started
    answer = {
        "chips": count,
        "task_seconds": seconds,
        "task_cpu_seconds": cpu_seconds,
        "cpu_seconds_each": cpu_seconds / count,
        "seconds_each": seconds / count,
        "chips_per_cpu_second": count / cpu_seconds,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5])
