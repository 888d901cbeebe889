"""Rasters in the layouts that people have, warped to grids: each pixel has the value of its place on earth."""

from functools import partial

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.transform import Affine, from_origin

from spacer_like.chips.messages import CutRasterMsg
from spacer_like.chips.rasters.manifest import read_raster_manifest
from spacer_like.location import DataLocation
from spacer_like.tasks import cut_raster

from . import raster_making as made


def flat(path, crs, transform, side=(300, 200)):
    """A raster of two bands without a value for no data."""
    return made.make_raster(path, made.waves(2, side[1], side[0], 0, 10_000).astype("uint16"), crs, transform)


# How to make each, and the values of its bands as those of `raster_making.waves`.
LAYOUTS = {
    "Sentinel-2": (partial(made.sentinel, side=300), (200, 3000)),
    "NAIP": (made.naip, (0, 255)),
    "PlanetScope": (made.planetscope, (0, 10_000)),
    "a drone's orthomosaic": (made.orthomosaic, (0, 255)),
    "across 180 degrees": (
        partial(flat, crs="EPSG:4326", transform=from_origin(179.9, -17, 0.001, 0.001)),
        (0, 10_000),
    ),
    "beyond 180 degrees": (
        partial(flat, crs="EPSG:4326", transform=from_origin(200.0, 60, 0.001, 0.0005)),
        (0, 10_000),
    ),
    "near the north pole": (
        partial(flat, crs="EPSG:3413", transform=from_origin(400_000, -500_000, 100, 100)),
        (0, 10_000),
    ),
    "near the south pole": (partial(flat, crs="EPSG:3031", transform=from_origin(1e6, 1.1e6, 50, 50)), (0, 10_000)),
}


def values_at(file, columns, rows, span):
    """The bands' values at positions in pixels, by the formula that the raster was made by: [bands, n]."""
    x, y = columns - 0.5, rows - 0.5
    layers = [np.sin(x / (9 + band) + band) * np.cos(y / (13 - band % 7)) for band in range(file.count)]
    return (np.stack(layers) + 1) / 2 * (span[1] - span[0]) + span[0]


@pytest.mark.parametrize("grid", ["ard", "xyz"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_pixel_has_the_value_of_its_place(tmp_path, layout, grid):
    make, span = LAYOUTS[layout]
    path = make(tmp_path / "a.tif")
    manifest_loc = DataLocation.local(tmp_path / "m.parquet")
    cut_raster(
        CutRasterMsg(
            raster_loc=DataLocation.local(path),
            manifest_loc=manifest_loc,
            chips_loc=DataLocation.local(tmp_path / "chips"),
            grid=grid,
            size=48,
            dtype="source",
            format="npy",
            wanted="all_data",
        )
    )
    rows = [
        row
        for row in read_raster_manifest((tmp_path / "m.parquet").read_bytes(), "m").chips.to_pylist()
        if row["n_bytes"]
    ]
    assert rows
    across, down = np.meshgrid(np.arange(48) + 0.5, np.arange(48) + 0.5)
    with rasterio.open(path) as file:
        for row in rows[:: max(len(rows) // 6, 1)]:
            xs, ys = Affine(*row["transform"]) * (across.ravel(), down.ravel())
            xs, ys = Transformer.from_crs(row["crs"], file.crs.to_wkt(), always_xy=True).transform(xs, ys)
            if file.crs.is_geographic:
                # The turn in which the raster lies.
                middle = (file.transform * (file.width / 2, 0))[0]
                xs = xs + 360 * np.round((middle - xs) / 360)
            columns, lines = ~file.transform * (xs, ys)
            found = np.load(tmp_path / "chips" / row["chip"]).reshape(48 * 48, -1).T
            expected = values_at(file, columns, lines, span)[: len(found)]
            # Positions are right to an eighth of a pixel, and wider filters flatten the waves.
            assert np.quantile(np.abs(found - expected), 0.99) < 0.045 * (span[1] - span[0])
