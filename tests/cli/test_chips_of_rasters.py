"""``spacer-like chips cut`` on rasters that lie in no tree of tiles."""

import numpy as np
import pytest
from PIL import Image

from ..chips import raster_making as made
from .conftest import COLOURS


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    """A working folder with two rasters of 16 bits, which do not overlap."""
    monkeypatch.chdir(tmp_path)
    made.sentinel(tmp_path / "scenes" / "T33TUL_20260611.tif", side=200)
    made.planetscope(tmp_path / "scenes" / "planet.tif")
    return tmp_path


def test_a_folder_of_rasters_becomes_chips_by_one_command(scenes, command):
    said = command("chips", "cut", "scenes")
    assert (said.code, said.err) == (0, "")
    assert "of 2 rasters." in said.out
    assert "became 0 and 255." in said.out
    chips = list((scenes / "chips").glob("*.jpg"))
    assert {path.name.rpartition("_")[2] for path in chips} == {"T33TUL-20260611.jpg", "planet.jpg"}
    with Image.open(chips[0]) as chip:
        assert (chip.size, chip.mode) == ((256, 256), "RGB")
    again = command("chips", "cut", "scenes", "--json").json
    assert (again["ok"], again["n_rasters"], again["n_skipped"], again["n_chips"]) == (True, 2, 2, 0)


def test_windows_of_pixels_keep_the_values_of_all_bands(scenes, command):
    options = ("--grid", "pixels", "--size", 64, "--stride", 32, "--dtype", "source", "--format", "npy")
    said = command("chips", "cut", "scenes/planet.tif", *options, "--bands", "nir,red", "--json").json
    assert (said["ok"], said["n_chips"]) == (True, 100)
    chip = np.load(scenes / "chips" / "P32-64_planet.npy")
    assert np.array_equal(
        chip, np.moveaxis(made.waves(4, 300, 300, 0, 10_000).astype("uint16"), 0, -1)[64:128, 32:96, [3, 2]]
    )


@pytest.mark.parametrize("file_format", ["jpg", "png", "webp"])
def test_chips_of_rasters_go_on_as_those_of_tiles_do(scenes, command, file_format):
    cut = command("chips", "cut", "scenes", "--grid", "xyz", "--format", file_format, "--json").json
    sorted_chips = command("chips", "nodata", "chips", "--json").json
    assert sorted_chips["exact"]
    assert sorted_chips["n_all_data"] + sorted_chips["n_partial_data"] == cut["n_chips"]
    encoded = command("chips", "encode", "chips", "--extractor", COLOURS, "--json").json
    assert encoded["n_chips"] == cut["n_chips"]
    one = command("chips", "encode", "chips/manifests/planet_xyz.parquet", "--extractor", COLOURS, "--json").json
    assert one["n_chips"] == len(list((scenes / "chips").glob("*_planet.*")))


def test_chips_that_are_blown_up_pixels_are_told(scenes, command):
    said = command("chips", "cut", "scenes/T33TUL_20260611.tif", "--zoom", 17)
    assert said.code == 0
    assert "blown-up pixels: choose a smaller zoom or size." in said.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("scenes --zones 33", "The option --zones is of trees of tiles, and there is none here."),
        ("scenes --no-write", "The option --write is of trees of tiles"),
        ("scenes --bands swir", "has no band 'swir'"),
        ("scenes --bands 9", "has no band 9: it has 4"),
        ("scenes --range 5", "--range: it must have at least 2 items"),
        ("scenes --range 9,5", "it must be a smaller and a larger value"),
        ("scenes --dtype source", "jpg files have bytes only: with the dtype source, format is png, tif or npy"),
        ("scenes --grid pixels --zoom 13", "zoom is 12 to 26 of the grid ard"),
        ("nowhere", "There are no rasters in"),
        ("scenes/missing.tif", "missing.tif"),
        ("scenes --out scenes/planet.tif", "scenes/planet.tif"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(scenes, command, arguments, sentence):
    said = command("chips", "cut", *arguments.split())
    assert said.code == 64
    assert sentence in said.err
    assert "Traceback" not in said.err


def test_options_of_rasters_are_not_those_of_a_tree(scenes, command):
    from ..chips.tile_making import ACQUISITION, CELL, make_tile

    make_tile(scenes / "ard" / f"33/{CELL}/2015-05-28/{ACQUISITION}-visual.tif", column=0, row=0, width=512, height=512)
    said = command("chips", "cut", "ard", "--bands", "1,2,3")
    assert said.code == 64
    assert "The option --bands is not of trees of tiles" in said.err


def test_where_nothing_was_cut_no_folder_of_chips_is_named(scenes, command):
    said = command("chips", "cut", "scenes", "--bands", "B99")
    assert said.code == 64
    assert "2 rasters could not be cut." in said.out + said.err
    assert "Chips and manifests" not in said.out + said.err
    assert "Chips and manifests: chips" in command("chips", "cut", "scenes", "--bands", "B08").out
