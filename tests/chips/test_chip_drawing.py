"""Chips as pictures: arrays of any number of bands are drawn wherever pictures are."""

import io

import numpy as np
import pytest
from PIL import Image

from spacer_like.chips.chip_drawing import drawn, drawn_chips
from spacer_like.chips.chip_source import open_chips
from spacer_like.chips.messages import BuildIndexMsg, CutRasterMsg, EncodeChipsMsg, FindSimilarMsg, VisualizeChipMsg
from spacer_like.chips.rasters.chip_files import chip_file
from spacer_like.chips.tasks.exports import visualize_chip
from spacer_like.chips.tasks.rasters import cut_raster
from spacer_like.chips.tasks.search import build_index, encode_chips, find_similar
from spacer_like.extractors import BandStatisticsExtractor
from spacer_like.location import DataLocation
from spacer_like.storage import clear_memory_storage, read_bytes, write_bytes
from spacer_like.tile_server.places import Places, PlacesOptions

from .raster_making import planetscope

PLACED = (10, 0, 300_000, 0, -10, 4_900_000)


@pytest.fixture(autouse=True)
def empty_storage():
    clear_memory_storage()
    yield
    clear_memory_storage()


def at(key: str) -> DataLocation:
    return DataLocation("memory", key)


def ramp(bands: int, dtype: str = "uint16") -> np.ndarray:
    """Values that rise from left to right, further bands by less; [bands, 32, 32]."""
    rows = np.broadcast_to(np.linspace(1000, 4000, 32), (32, 32))
    return np.stack([rows / (band + 1) for band in range(bands)]).astype(dtype)


@pytest.mark.parametrize("ending", ["npy", "tif"])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_three_bands_are_colours_and_one_is_grey_from_the_lowest_to_the_highest_value(ending, dtype):
    picture = drawn(chip_file(ramp(6, dtype), ending, transform=PLACED, crs="EPSG:32633"), f"a.{ending}")
    assert (picture.shape, picture.dtype) == ((32, 32, 3), np.uint8)
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    assert red.max() == 255
    assert blue.min() == 0
    assert (red > green).all()
    assert (green > blue).any()
    grey = drawn(chip_file(ramp(2, dtype), ending, transform=PLACED, crs="EPSG:32633"), f"a.{ending}", 16)
    assert grey.shape == (16, 16, 3)
    assert (grey[..., 0] == grey[..., 2]).all()
    assert (np.diff(grey[0, :, 0].astype(int)) > 0).all()


def test_pixels_without_data_are_black_and_take_no_part():
    pixels = ramp(3).astype(np.float32)
    pixels[:, :4] = np.nan
    whole = pixels.copy()
    whole[:, :4] = -9999
    for data, nodata in ((pixels, None), (whole, -9999.0)):
        picture = drawn(chip_file(data, "npy"), "a.npy", nodata=nodata)
        assert not picture[:4].any()
        assert picture[4:].max() == 255
    assert not drawn(chip_file(np.full((1, 8, 8), np.nan, np.float32), "npy"), "a.npy").any()


def test_a_picture_stays_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert (drawn(chip_file(np.moveaxis(pixels, -1, 0), "png"), "a.png") == pixels).all()


def put_chips(n: int = 6) -> list[str]:
    for number in range(n):
        pixels = ramp(4)
        pixels[0] += np.uint16(400 * number)
        write_bytes(at(f"chips/{number}.npy"), chip_file(pixels, "npy"))
    write_bytes(at("chips/broken.npy"), b"none")
    encode_chips(
        EncodeChipsMsg(chips_loc=at("chips"), embeddings_loc=at("e.safetensors"), extractor=BandStatisticsExtractor())
    )
    build_index(BuildIndexMsg(embeddings_locs=[at("e.safetensors")], index_loc=at("i.safetensors")))
    return [f"{number}.npy" for number in range(n)]


def test_what_cannot_be_read_is_left_out_and_named():
    names = put_chips(2)
    with open_chips(at("chips"), arrays=None) as chips:
        assert [name for name, _ in drawn_chips(chips, [*names, "broken.npy"], 16)] == names
        assert [chip.name for chip in chips.unreadable] == ["broken.npy"]


def test_pictures_and_arrays_lie_in_one_folder():
    put_chips(1)
    write_bytes(at("chips/a.png"), chip_file(ramp(3, "uint8"), "png"))
    with open_chips(at("chips"), arrays=None) as chips:
        assert chips.names == ["0.npy", "a.png", "broken.npy"]
        assert sorted(name for name, _ in drawn_chips(chips, ["0.npy", "a.png"], 16)) == ["0.npy", "a.png"]


def test_the_page_of_places_shows_arrays(tmp_path):
    planetscope(tmp_path / "scene.tif")
    scene, chips, vectors = (DataLocation.local(tmp_path / name) for name in ("scene.tif", "chips", "e.safetensors"))
    manifest = chips.below("manifests/scene.parquet")
    fields = {"grid": "pixels", "size": 64, "dtype": "source", "format": "npy"}
    cut_raster(CutRasterMsg(raster_loc=scene, chips_loc=chips, manifest_loc=manifest, **fields))
    encode_chips(EncodeChipsMsg(chips_loc=chips, embeddings_loc=vectors, extractor=BandStatisticsExtractor()))
    places = Places(PlacesOptions([vectors], chips, at("answers")))
    with Image.open(io.BytesIO(places.picture(0))) as picture:
        assert np.asarray(picture).std() > 20


def test_a_contact_sheet_shows_arrays_and_a_query_that_is_one():
    pytest.importorskip("matplotlib")
    put_chips()
    write_bytes(at("query.npy"), read_bytes(at("chips/3.npy")))
    query = {"image_loc": at("query.npy"), "extractor": BandStatisticsExtractor()}
    for given in ({"chip": "2.npy"}, query):
        find_similar(
            FindSimilarMsg(
                index_loc=at("i.safetensors"), chips_loc=at("chips"), contact_sheet_loc=at("sheet.png"), **given
            )
        )
        with Image.open(io.BytesIO(read_bytes(at("sheet.png")))) as sheet:
            colours = np.asarray(sheet.convert("RGB")).reshape(-1, 3).astype(int)
        # Six ramps from dark to red: there is neither an empty square nor grey alone.
        assert (colours[:, 0] - colours[:, 2] > 60).mean() > 0.05


def test_a_chip_that_is_an_array_is_shown_with_its_labels():
    pytest.importorskip("matplotlib")
    put_chips(2)
    visualize_chip(VisualizeChipMsg(chips_loc=at("chips"), chip="1.npy", picture_loc=at("chip.png")))
    assert read_bytes(at("chip.png")).startswith(b"\x89PNG")
