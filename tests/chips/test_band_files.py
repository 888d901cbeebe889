"""Scenes whose bands are files of their own, cut into chips of all these bands."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from spacer_like.chips.messages import CutRastersMsg
from spacer_like.chips.rasters.manifest import read_raster_manifest
from spacer_like.exceptions import MessageError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.tasks import cut_rasters

from . import raster_making as made


def cut(folder, tmp_path, **fields):
    """Cut what a folder holds; the answer, and the rows of all manifests."""
    fields = {"format": "npy", "dtype": "source", "grid": "pixels", "size": 100} | fields
    locs = [DataLocation.local(folder)]
    answer = cut_rasters(CutRastersMsg(raster_locs=locs, chips_loc=DataLocation.local(tmp_path / "chips"), **fields))
    manifests = sorted((tmp_path / "chips" / "manifests").glob("*.parquet"))
    return answer, [row for one in manifests for row in read_raster_manifest(one.read_bytes(), "m").chips.to_pylist()]


def chip(tmp_path, name):
    return np.load(tmp_path / "chips" / name)


def test_files_that_differ_in_the_band_are_one_scene(tmp_path):
    paths = made.band_files(tmp_path / "in")
    answer, rows = cut(tmp_path / "in", tmp_path, bands=["B04", "B02", "B03"])
    assert (answer.n_rasters, answer.n_chips, answer.failed) == (1, 9, [])
    assert {row["chip"] for row in rows} >= {"P0-0_T33TUL.npy"}
    found = chip(tmp_path, "P100-200_T33TUL.npy")
    for index, band in enumerate(("B04", "B02", "B03")):
        with rasterio.open(paths[band]) as file:
            assert np.array_equal(found[..., index], file.read(1)[200:300, 100:200])


@pytest.mark.parametrize("grid", ["pixels", "ard", "xyz"])
def test_bands_of_other_resolutions_are_brought_to_the_finest(tmp_path, grid):
    paths = made.band_files(tmp_path / "in", B11=2, B04=1, B01=6)
    answer, rows = cut(tmp_path / "in", tmp_path, bands=["B11", "B04", "B01"], grid=grid, wanted="all_data")
    assert answer.failed == []
    row = next(row for row in rows if row["n_bytes"])
    assert row["scale"] == pytest.approx(1, abs=0.5)
    found = chip(tmp_path, row["chip"]).astype(int)
    for index, (band, factor) in enumerate((("B11", 2), ("B04", 1), ("B01", 6))):
        with (
            rasterio.open(paths[band]) as file,
            WarpedVRT(
                file,
                crs=row["crs"],
                transform=rasterio.Affine(*row["transform"]),
                width=100,
                height=100,
                resampling=Resampling.bilinear,
                XSCALE=factor / row["scale"],
                YSCALE=factor / row["scale"],
            ) as warped,
        ):
            apart = np.abs(found[..., index] - warped.read(1))
        assert np.quantile(apart, 0.99) <= (1 if grid != "xyz" else 12)


def test_scenes_share_a_range_of_values_and_chips_of_bytes_have_it(tmp_path):
    for name in ("S1_{band}.tif", "S2_{band}.tif"):
        made.band_files(tmp_path / "in", name)
    answer, _ = cut(tmp_path / "in", tmp_path, bands=["B04", "B03", "B02"], dtype="uint8", format="png")
    assert (answer.n_rasters, answer.n_chips) == (2, 18)
    assert answer.value_range[0] < 250
    assert answer.value_range[1] > 1800
    assert cut(tmp_path / "in", tmp_path, bands=["B04", "B03", "B02"], dtype="uint8", format="png")[0].n_skipped == 2


def test_a_template_names_files_that_differ_in_more_than_the_band(tmp_path):
    made.band_files(tmp_path / "in" / "R10m", "T33TUL_20260611_{band}_10m.tif", B04=1)
    made.band_files(tmp_path / "in" / "R20m", "T33TUL_20260611_{band}_20m.tif", B04=2, B11=2)
    made.band_files(tmp_path / "in" / "R10m", "T33TUL_20260613_{band}_10m.tif", B04=1, B11=1)
    answer, rows = cut(tmp_path / "in", tmp_path, bands=["B04", "B11"], band_files="*_{band}_?0m.tif")
    assert (answer.n_rasters, answer.failed) == (2, [])
    assert {row["chip"].partition("_")[2] for row in rows} == {"T33TUL-20260611.npy", "T33TUL-20260613.npy"}
    # The band at 10 m comes before that at 20.
    assert {row["scale"] for row in rows} == {1.0}
    assert len(rows) == 18


def test_files_that_do_not_belong_together_are_named(tmp_path):
    paths = made.band_files(tmp_path / "in")
    pixels = np.ones((1, 100, 100), "uint16")
    transform = rasterio.transform.from_origin(300_000, 4_900_020, 10, 10)
    made.make_raster(paths["B03"], pixels, "EPSG:32633", transform)
    answer, _ = cut(tmp_path / "in", tmp_path, bands=["B04", "B03"])
    assert "are no bands of one scene: their extents differ" in answer.failed[0].reason
    made.make_raster(paths["B03"], made.waves(1, 300, 300).astype("uint16"), "EPSG:32634", transform)
    answer, _ = cut(tmp_path / "in", tmp_path, bands=["B04", "B03"])
    assert "are no bands of one scene: they are in different projections" in answer.failed[0].reason
    made.make_raster(paths["B03"], made.waves(1, 300, 300).astype("uint8"), "EPSG:32633", transform)
    answer, _ = cut(tmp_path / "in", tmp_path, bands=["B04", "B03"])
    assert "are of several types: uint16, uint8" in answer.failed[0].reason


def test_a_scene_that_lacks_a_band_is_named(tmp_path):
    made.band_files(tmp_path / "in", "S1_{band}.tif")
    made.band_files(tmp_path / "in", "S2_{band}.tif", B04=1)
    with pytest.raises(SpacerInputError, match=r"S2_B04\.tif' has no file of the band 'B03'"):
        cut(tmp_path / "in", tmp_path, bands=["B04", "B03"])
    with pytest.raises(SpacerInputError, match=r"S1_B0\d\.tif' has no file of the band 'B99'"):
        cut(tmp_path / "in", tmp_path, bands=["B04", "B03", "B99"])
    with pytest.raises(
        SpacerInputError, match=r"No raster has a name like 'X_\{band\}\.tif' with one of the bands B04"
    ):
        cut(tmp_path / "in", tmp_path, bands=["B04"], band_files="X_{band}.tif")
    for band_files in ("{band", "*{band}**", "a/{band}.tif"):
        with pytest.raises(MessageError, match="band_files must have the word band in curly brackets"):
            cut(tmp_path / "in", tmp_path, bands=["B04"], band_files=band_files)


@pytest.mark.parametrize("bands", [["B04", "B03"], ["B03", "B04"]])
def test_of_two_bands_the_one_without_a_file_is_named_and_not_the_other(tmp_path, bands):
    made.band_files(tmp_path / "in", "S1_{band}.tif", B04=1)
    answer, _ = cut(tmp_path / "in", tmp_path, bands=bands, dtype="uint8")
    assert [one.reason for one in answer.failed] == [
        f"By its name the raster '{tmp_path / 'in' / 'S1_B04.tif'}' is the band 'B04' of a scene that has no file of "
        "the band 'B03': add that one, or leave the band out."
    ]


def test_files_that_hold_all_bands_are_rasters_of_their_own(tmp_path):
    made.sentinel(tmp_path / "in" / "a_B04.tif", side=200)
    answer, rows = cut(tmp_path / "in", tmp_path, bands=["B04", "B03"])
    assert (answer.n_rasters, len(rows)) == (1, 4)
    assert chip(tmp_path, rows[0]["chip"]).shape == (100, 100, 2)


def test_assets_that_are_called_like_the_bands_are_one_scene(tmp_path):
    made.band_files(tmp_path / "in", "T33_{band}.tif", B04=1, B08=1, SCL=2)
    assets = {name: {"href": f"T33_{file}.tif"} for name, file in {"red": "B04", "nir": "B08", "scl": "SCL"}.items()}
    item = tmp_path / "in" / "item.json"
    item.write_text(json.dumps({"type": "Feature", "id": "S2-33", "assets": assets}))
    answer, rows = cut(item, tmp_path, bands=["nir", "red"])
    assert (answer.n_rasters, {row["chip"].partition("_")[2] for row in rows}) == (1, {"S2-33.npy"})
    assert chip(tmp_path, rows[0]["chip"]).shape == (100, 100, 2)


@pytest.mark.parametrize("clouds", ["CLD", "beside"])
def test_the_clouds_of_places_may_be_a_file_of_their_own(tmp_path, clouds):
    transform = rasterio.transform.from_origin(300_000, 4_900_020, 10, 10)
    for index in range(2):
        names = [f"S{index}_B04", f"S{index}_B03"] if clouds == "CLD" else [f"S{index}"]
        for name in names:
            made.make_raster(
                tmp_path / "in" / f"{name}.tif", np.full((1, 300, 300), 90, "uint8"), "EPSG:32633", transform
            )
        cloudy = np.zeros((1, 150, 150), "uint8")
        # Its own half of each is cloudy.
        cloudy[..., index * 75 : (index + 1) * 75] = 1
        coarse = transform * rasterio.Affine.scale(2)
        made.make_raster(tmp_path / "in" / f"S{index}_CLD.tif", cloudy, "EPSG:32633", coarse)
    bands = {"bands": ["B04", "B03"], "clouds": "CLD"} if clouds == "CLD" else {"clouds": "*_CLD.tif"}
    answer, rows = cut(tmp_path / "in", tmp_path, grid="ard", size=64, zoom=14, overlap="best", **bands)
    assert (answer.n_rasters, answer.failed) == (2, [])
    full = [row for row in rows if row["n_bytes"]]
    assert {row["chip"].partition("_")[2] for row in full} == {"S0.npy", "S1.npy"}
    assert len({row["place"] for row in full}) == len(full)
    west = min(row["west"] for row in full)
    assert {row["chip"].partition("_")[2] for row in full if row["west"] == west} == {"S1.npy"}


def test_a_raster_without_its_file_of_clouds_fails_alone(tmp_path):
    made.sentinel(tmp_path / "in" / "a.tif", side=200)
    answer, _ = cut(tmp_path / "in", tmp_path, grid="ard", overlap="best", clouds="*_clouds.tif")
    assert "a_clouds.tif" in answer.failed[0].reason
