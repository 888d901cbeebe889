"""Rasters that say where they lie by files beside them, as scanned maps do."""

import numpy as np
import pytest
from PIL import Image
from pyproj import CRS
from rasterio import Affine

from spacer_like.chips.messages import CutRastersMsg
from spacer_like.chips.rasters.manifest import read_raster_manifest
from spacer_like.location import DataLocation
from spacer_like.tasks import cut_rasters

from . import raster_making as made

WORLD = "2.0\n0.0\n0.0\n-2.0\n300001.0\n4899999.0\n"
UTM = CRS.from_epsg(32633)
ESRI = UTM.to_wkt("WKT1_ESRI")


def scan(path, world=WORLD, prj=ESRI):
    """A scanned map with its files beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.moveaxis(made.waves(3, 200, 300).astype("uint8"), 0, -1)
    Image.fromarray(pixels).save(path)
    if world is not None:
        path.with_suffix(f".{path.suffix[1]}{path.suffix[-1]}w").write_text(world)
    if prj is not None:
        path.with_suffix(".prj").write_text(prj)
    return pixels


def cut(path, tmp_path, **fields):
    fields = {"grid": "pixels", "size": 100, "format": "npy"} | fields
    locs = [DataLocation.local(path)]
    answer = cut_rasters(CutRastersMsg(raster_locs=locs, chips_loc=DataLocation.local(tmp_path / "chips"), **fields))
    if answer.failed:
        return answer, []
    manifest = next((tmp_path / "chips" / "manifests").glob("*.parquet")).read_bytes()
    return answer, read_raster_manifest(manifest, "m").chips.to_pylist()


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("dialect", ["WKT1_ESRI", "WKT1_GDAL", "WKT2_2019"])
def test_a_world_file_and_its_projection_say_where_a_raster_lies(tmp_path, ending, dialect):
    scan(tmp_path / f"map.{ending}", prj=UTM.to_wkt(dialect))
    _, rows = cut(tmp_path / f"map.{ending}", tmp_path)
    assert {row["crs"] for row in rows} == {"EPSG:32633"}
    row = next(row for row in rows if row["place"] == "P100-0")
    # A world file names the middle of a pixel.
    assert Affine(*row["transform"]) == Affine(2, 0, 300_200, 0, -2, 4_900_000)


def test_such_rasters_are_warped_to_grids(tmp_path):
    pixels = scan(tmp_path / "map.png")
    _, rows = cut(tmp_path / "map.png", tmp_path, grid="ard", size=64, zoom=17, wanted="all_data")
    row = next(row for row in rows if row["n_bytes"])
    found = np.load(tmp_path / "chips" / row["chip"]).astype(int)
    assert row["way"] == "warp"
    step = 156.25 / 64
    columns = ((row["west"] - 300_000 + (np.arange(64) + 0.5) * step) / 2).astype(int)
    lines = ((4_900_000 - row["north"] + (np.arange(64) + 0.5) * step) / 2).astype(int)
    assert np.abs(found - pixels[lines][:, columns]).mean() < 12


def test_an_auxiliary_file_says_both(tmp_path):
    scan(tmp_path / "map.png", world=None, prj=None)
    wkt = UTM.to_wkt("WKT1_GDAL").replace('"', "&quot;")
    (tmp_path / "map.png.aux.xml").write_text(
        f"<PAMDataset>\n  <SRS dataAxisToSRSAxisMapping='1,2'>{wkt}</SRS>\n"
        "  <GeoTransform> 3.0e+05, 2.0, 0.0, 4.9e+06, 0.0, -2.0</GeoTransform>\n</PAMDataset>"
    )
    _, rows = cut(tmp_path / "map.png", tmp_path)
    assert rows[0]["crs"] == "EPSG:32633"
    assert Affine(*rows[0]["transform"]) == Affine(2, 0, 300_000, 0, -2, 4_900_000)


def test_a_changed_world_file_cuts_the_raster_again(tmp_path):
    scan(tmp_path / "map.png")
    assert cut(tmp_path / "map.png", tmp_path)[0].n_skipped == 0
    assert cut(tmp_path / "map.png", tmp_path)[0].n_skipped == 1
    (tmp_path / "map.pgw").write_text(WORLD.replace("300001.0", "310001.0"))
    answer, rows = cut(tmp_path / "map.png", tmp_path)
    assert answer.n_skipped == 0
    assert rows[0]["west"] == 310_000


@pytest.mark.parametrize(
    ("world", "prj", "sentence"),
    [
        ("1 2 3", None, "map.pgw' does not say by six numbers where its raster lies"),
        ("nan 0 0 1 0 0", None, "map.pgw' does not say by six numbers"),
        ("0 0 0 0 5 5", None, "map.pgw' says that the pixels of its raster have no extent"),
        ("0x10" * 99999, None, "map.pgw' does not say by six numbers"),
        (WORLD, "LOCAL", "map.prj' describes no projection that is known"),
        (WORLD, "/etc/passwd", "map.prj' describes no projection that is known"),
    ],
)
def test_malformed_ones_are_named(tmp_path, world, prj, sentence):
    scan(tmp_path / "map.png", world=world, prj=prj)
    assert sentence in cut(tmp_path / "map.png", tmp_path)[0].failed[0].reason


def test_what_the_raster_says_itself_counts(tmp_path):
    made.naip(tmp_path / "naip.tif")
    (tmp_path / "naip.tfw").write_text(WORLD)
    _, rows = cut(tmp_path / "naip.tif", tmp_path)
    assert rows[0]["crs"] == "EPSG:26911"


def test_half_of_a_place_is_none(tmp_path):
    scan(tmp_path / "map.png", prj=None)
    _, rows = cut(tmp_path / "map.png", tmp_path)
    assert rows[0]["crs"] is None
