"""Rasters on the map: what the cutter cuts the server shows."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image
from rasterio.transform import from_origin

from spacer_like.chips.messages import CutRastersMsg
from spacer_like.chips.tasks.raster_sets import cut_rasters
from spacer_like.exceptions import SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.tile_server import raster_mosaic
from spacer_like.tile_server.raster_index import LiveRasters

from .raster_making import make_raster, naip, orthomosaic, planetscope, sentinel, waves
from .test_tile_server import serving


def at(path):
    return DataLocation("filesystem", str(path))


def asked(path, **fields):
    return CutRastersMsg(raster_locs=[at(path)], chips_loc=DataLocation("memory", "served"), grid="xyz", **fields)


def pixels_of(data):
    """Colours and where there is data, of a picture's bytes."""
    with Image.open(io.BytesIO(data)) as picture:
        image = np.asarray(picture.convert("RGBA"))
        return image[..., :3] * (image[..., 3:] > 0), image[..., 3] > 0


RASTERS = {
    "sentinel": (partial(sentinel, side=300), {"bands": ["red", "green", "blue"], "value_range": [0.0, 3000.0]}),
    "planetscope": (planetscope, {"bands": ["red", "green", "blue"]}),
    "naip": (naip, {}),
    "infrared": (naip, {"bands": ["nir"]}),
    "orthomosaic": (orthomosaic, {}),
}


@pytest.mark.parametrize(("kind", "deeper"), [*((kind, 0) for kind in RASTERS), ("sentinel", -2), ("sentinel", 1)])
def test_a_tile_shows_the_pixels_of_the_chip(kind, deeper, tmp_path):
    make, fields = RASTERS[kind]
    make(tmp_path / "scenes" / f"{kind}.tif")
    live = LiveRasters(asked(tmp_path / "scenes", **fields))
    zoom = live.index.native_zoom + deeper
    cut_rasters(
        CutRastersMsg(
            raster_locs=[at(tmp_path / "scenes")],
            chips_loc=at(tmp_path / "chips"),
            grid="xyz",
            format="png",
            zoom=zoom,
            **fields,
        )
    )
    chips = sorted((tmp_path / "chips").glob("*.png"))
    assert chips
    with serving(live) as client:
        for chip in chips[:: max(len(chips) // 4, 1)]:
            place = chip.name.partition("_")[0][1:]
            answer = client.get("/tiles/{}/{}/{}.png".format(*(str(int(part)) for part in place.split("-"))))
            assert answer.status_code == 200, answer.text
            shown, has_data = pixels_of(answer.content)
            cut, _ = pixels_of(chip.read_bytes())
            assert has_data.any()
            assert np.array_equal(shown, np.where(has_data[..., None], cut, 0))
            assert np.array_equal(shown, cut)


def plain(path, value, tags=None, side=256, crs="EPSG:3857", **options):
    """A raster of one grey at the corner of the world map's middle, 100 m wide pixels."""
    pixels = np.full((3, side, side), value, np.uint8)
    transform = from_origin(0, side * 100, 100, 100)
    return make_raster(path, pixels, crs, transform, tags=tags or {}, photometric="RGB", **options)


# All of a raster of `plain`: 25.6 km from the middle of the world.
TILE = "/tiles/10/512/511.png"


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """An old raster, a new one that has a hole, and one that does not say where it lies."""
    folder = tmp_path_factory.mktemp("two")
    mask = np.ones((256, 256), bool)
    mask[:128] = False
    plain(folder / "old.tif", 60, {"TIFFTAG_DATETIME": "2020:01:01 00:00:00"})
    plain(folder / "new.tif", 200, {"TIFFTAG_DATETIME": "2024:01:01 00:00:00"}, mask=mask)
    make_raster(folder / "scan.tif", waves(3, 64, 64).astype("uint8"), None, None)
    with serving(LiveRasters(asked(folder))) as client:
        yield client


def greys(answer):
    colours, has_data = pixels_of(answer.content)
    return set(np.unique(colours[has_data]).tolist())


class TestSeveral:
    def test_the_newest_lies_on_top_and_the_next_fills_its_holes(self, two):
        assert greys(two.get(TILE)) == {60, 200}

    def test_one_may_be_put_in_front_or_shown_alone(self, two):
        assert greys(two.get(TILE, params={"acquisition": "old"})) == {60}
        assert greys(two.get(TILE, params={"acquisition": "new", "only": "true"})) == {200}
        assert two.get(TILE, params={"acquisition": "none"}).status_code == 404

    def test_they_are_described(self, two):
        described = two.get("/tree.json").json()
        assert [one["name"] for one in described["acquisitions"]] == ["new", "old"]
        assert described["acquisitions"][0]["dates"] == ["2024-01-01"]
        assert (described["zones"], described["n_tiles"]) == ([], 2)
        west, south, east, north = two.get("/tilejson.json").json()["bounds"]
        assert west < 0.01 < 0.22 < east
        assert south < 0.01 < 0.22 < north
        listed = two.get("/list").text
        assert "2 rasters that can be shown" in listed
        assert "does not say where it lies" in listed

    def test_beside_them_there_is_nothing(self, two):
        assert two.get("/tiles/10/500/500.png").headers["x-tile-way"] == "empty"
        assert two.get("/zones/31/13/5/5.png").headers["x-tile-way"] in ("empty", "coverage")

    def test_a_sharp_tile_has_twice_the_pixels(self, two):
        with Image.open(io.BytesIO(two.get("/tiles/10/512/511@2x.png").content)) as picture:
            assert picture.size == (512, 512)


def test_only_outlines_are_shown_where_too_much_would_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(raster_mosaic, "MOST_READ", 1000)
    plain(tmp_path / "a.tif", 60)
    with serving(LiveRasters(asked(tmp_path))) as client:
        assert client.get("/tiles/7/64/63.png").headers["x-tile-way"] == "coverage"


def test_a_raster_that_breaks_later_is_passed_over(tmp_path):
    plain(tmp_path / "a.tif", 60)
    plain(tmp_path / "b.tif", 200)
    with serving(LiveRasters(asked(tmp_path))) as client:
        (tmp_path / "a.tif").write_bytes(b"II*\0" + b"\xff" * 50)
        assert greys(client.get(TILE)) == {200}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: make_raster(path, waves(1, 64, 64).astype("uint8"), None, None), "does not say where it lies"),
        (lambda path: path.write_bytes(b"<VRTDataset/>"), "no raster that can be read"),
        (lambda path: path.write_bytes(b"II*\0" + bytes(range(200))), "cannot be read"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_sentence(make, sentence, tmp_path):
    make(tmp_path / "a.tif")
    with pytest.raises(SpacerInputError, match=sentence):
        LiveRasters(asked(tmp_path))
