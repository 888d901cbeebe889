"""Which files of a folder are the rasters that become chips, where chips lie in it too."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from spacer_like.chips.messages import CutRastersMsg
from spacer_like.chips.rasters.manifest import read_raster_manifest
from spacer_like.location import DataLocation
from spacer_like.tasks import cut_rasters

from . import raster_making as made


def cut(folder, chips, **fields):
    fields = {"grid": "pixels", "size": 32, "dtype": "source", "format": "tif"} | fields
    locs = {"raster_locs": [DataLocation.local(folder)], "chips_loc": DataLocation.local(chips)}
    return cut_rasters(CutRastersMsg(**locs, **fields))


@pytest.fixture
def folder(tmp_path):
    pixels = made.waves(1, 64, 64, 0, 255).astype("uint8")
    made.make_raster(tmp_path / "in" / "scene.tif", pixels, "EPSG:32633", from_origin(300_000, 4_900_020, 10, 10))
    return tmp_path / "in"


def test_chips_of_another_request_are_no_rasters(folder, tmp_path):
    assert cut(folder, folder / "chips").n_chips == 4
    assert cut(folder, tmp_path / "others", size=64).n_rasters == 1
    assert cut(folder / "chips", tmp_path / "smaller", size=16).n_rasters == 4


def test_chips_may_go_beside_the_folder_of_the_rasters(folder, tmp_path):
    assert cut(folder, tmp_path).n_chips == 4
    assert cut(folder, tmp_path).n_skipped == 1


def test_across_the_180th_meridian_chips_are_not_of_a_coarse_overview(tmp_path):
    path = tmp_path / "in" / "fiji.tif"
    transform = from_origin(179.9, -17, 0.001, 0.001)
    pixels = np.full((1, 200, 200), 9, "uint8")
    made.make_raster(path, pixels, "EPSG:4326", transform, tiled=True, blockxsize=128, blockysize=128, overviews=[4])
    with rasterio.open(path, "r+") as file:
        # An overview that is not of the raster's values shows which of them was read.
        file.write(np.full((1, 200, 200), 200, "uint8"))
    cut(tmp_path / "in", tmp_path / "chips", grid="xyz", size=64, wanted="all_data")
    manifest = next((tmp_path / "chips" / "manifests").iterdir())
    rows = [row for row in read_raster_manifest(manifest.read_bytes(), "m").chips.to_pylist() if row["n_bytes"]]
    assert {row["chip"].split("-")[1] for row in rows} > {"0"}
    for row in rows:
        assert 0.5 < row["scale"] < 2
        with rasterio.open(tmp_path / "chips" / row["chip"]) as chip:
            assert (chip.read() == 200).all()


def test_geotiffs_of_a_raster_without_a_place_on_earth_are_made_without_a_warning(tmp_path):
    made.scan(tmp_path / "in" / "map.tif")
    answer = cut(tmp_path / "in", tmp_path / "chips", size=200)
    assert (answer.failed, answer.n_chips) == ([], len(list((tmp_path / "chips").glob("*.tif"))))


def test_values_that_only_mark_holes_do_not_widen_the_range(tmp_path):
    pixels = np.linspace(0, 1, 64 * 64).reshape(1, 64, 64)
    # What some programs write without saying so, and what single precision does not hold.
    pixels[0, :8], pixels[0, 8, 0], pixels[0, 8, 1] = -1.797e308, 3.4e38, np.inf
    made.make_raster(tmp_path / "in" / "a.tif", pixels, "EPSG:32633", from_origin(300_000, 4_900_020, 10, 10))
    answer = cut(tmp_path / "in", tmp_path / "chips", dtype="uint8", format="npy")
    assert answer.failed == []
    low, high = answer.value_range
    assert 0 < low < high <= 1
    chip = np.load(next((tmp_path / "chips").glob("P0-0_*.npy"))).squeeze()
    assert not chip[:8].any()
    assert chip[8, :2].tolist() == [255, 255]
