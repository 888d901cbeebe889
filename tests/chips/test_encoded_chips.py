"""Chips that are encoded anew: of decoded blocks, and of strips that GDAL reads."""

import numpy as np
import pytest
import rasterio
from PIL import Image

from spacer_like.chips.cutting import decoded_blocks
from spacer_like.chips.grid import Cell
from spacer_like.data_classes import DataLocation
from spacer_like.storage import clear_memory_storage, write_bytes

from .chip_checking import FIRST, GTIFF, Expected, check_against_gdal, corner_mask, cut
from .tile_making import CELL, PIXEL, ground, make_tile, texture


@pytest.fixture(autouse=True)
def _no_chips():
    yield
    clear_memory_storage()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiles")


@pytest.fixture(scope="module")
def tile(folder):
    """Three by three chips and the apron, with a mask."""
    return make_tile(folder / "tile.tif", mask=corner_mask)


@pytest.mark.parametrize("zoom", [15, 16, 18])
def test_blocks_are_encoded_anew_for_other_zooms(tile, zoom):
    found = cut(tile, zoom=zoom, quality=95)
    assert found.answer.way == "blocks"
    assert f"chips of zoom {zoom}" in found.answer.reason
    check_against_gdal(tile, found, tolerance=4)


@pytest.mark.parametrize("way", ["blocks", "strips"])
@pytest.mark.parametrize(("column", "row"), [(-512, -512), (-500, -300), (37, 2000)])
def test_chips_are_the_right_ones_wherever_the_tile_lies(tmp_path, way, column, row):
    path = make_tile(tmp_path / "t.tif", column=column, row=row, width=1300, height=1100, mask=corner_mask)
    found = cut(path, way=way, quality=95)
    assert found.answer.way == way
    check_against_gdal(path, found, tolerance=4)


@pytest.mark.parametrize("way", ["blocks", "strips"])
def test_beyond_the_tile_a_chip_is_black_and_not_what_the_one_before_showed(tmp_path, way):
    path = make_tile(tmp_path / "t.tif", column=-100, row=0, width=900, height=512)
    found = cut(path, way=way, quality=95)
    (name,) = (name for name, row in found.rows.items() if 0 < row["valid_fraction"] < 1)
    assert found.pixels(name)[:, :280].mean() > 40
    assert found.pixels(name)[:, 304:].mean() < 5


@pytest.mark.parametrize("zoom", [17, 18])
def test_each_block_is_decoded_once_and_kept_no_longer_than_its_chips_take(tmp_path, monkeypatch, zoom):
    """Chips that lie across blocks share them with those to the east and to the south."""
    decoded, kept = [], set()

    class Noted(decoded_blocks._Picture):
        def _pixels(self, block):
            decoded.append(bytes(block))
            kept.add(len(self._decoded))
            return super()._pixels(block)

    monkeypatch.setattr(decoded_blocks, "_Picture", Noted)
    path = make_tile(tmp_path / "t.tif", column=-500, row=-300, width=1536, height=3072)
    assert cut(path, way="blocks", zoom=zoom).made
    assert 12 <= len(decoded) == len(set(decoded)) <= 18
    # Two rows of three blocks.
    assert max(kept) < 6


@pytest.mark.parametrize("zoom", [14, 18])
def test_blocks_and_strips_find_the_same_chips(tile, zoom):
    changing = {"way", "n_bytes", "offset", "length"}

    def rows(way):
        found = cut(tile, way=way, zoom=zoom, size=16)
        return [{name: row[name] for name in row.keys() - changing} for row in found.rows.values()], found.made.keys()

    assert rows("blocks") == rows("strips")


def test_pixels_outside_the_raster_are_black(tmp_path):
    path = make_tile(tmp_path / "t.tif", column=100, row=0, width=412, height=512)
    for way in ("blocks", "strips"):
        found = cut(path, way=way, quality=95)
        pixels = found.pixels(FIRST)
        assert not pixels[:, :90].any()
        assert pixels[:, 110:].mean() > 60


def test_a_misaligned_tile_is_not_passed_through(tmp_path):
    path = make_tile(tmp_path / "t.tif", column=-500, width=1100, height=1100)
    assert cut(path).answer.reason == "The blocks of the tile do not lie on the cells of the grid."


@pytest.mark.parametrize("way", ["blocks", "strips"])
@pytest.mark.parametrize("size", [512, 256, 128, 200, 64, 600])
def test_chips_of_another_size(tile, way, size):
    found = cut(tile, size=size, way=way, quality=95)
    name = FIRST
    original, _ = Expected(tile).part(found.rows[name])
    pixels = found.pixels(name)
    assert pixels.shape == (size, size, 3)
    small = np.asarray(Image.fromarray(original).resize((size, size), Image.Resampling.BICUBIC))
    assert np.abs(pixels.astype(float) - small).mean() < 6


def test_a_better_quality_has_more_bytes(tile):
    assert cut(tile, quality=90).answer.n_bytes > cut(tile, quality=50).answer.n_bytes


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"compress": "DEFLATE"}, "DEFLATE"),
        ({"compress": "DEFLATE", "bands": 1}, "DEFLATE"),
        ({"compress": "LZW", "PREDICTOR": "YES"}, "LZW"),
        ({"compress": "DEFLATE", "bands": 4}, "DEFLATE"),
        ({"compress": "DEFLATE", "mask": None}, "DEFLATE"),
        ({"compress": "DEFLATE", "mask": None, **GTIFF, "TILED": "NO"}, "DEFLATE"),
        ({"compress": "NONE", **GTIFF, "INTERLEAVE": "BAND"}, "no compression"),
    ],
    ids=str,
)
def test_other_tiles_are_read_in_strips(tmp_path, options, reason):
    for name in ("BLOCKXSIZE", "BLOCKYSIZE"):
        if options.get("TILED") == "NO":
            options.pop(name, None)
    path = make_tile(tmp_path / "t.tif", **{"width": 1536, "height": 1300, "mask": corner_mask} | options)
    found = cut(path, quality=95)
    assert found.answer.way == "strips"
    assert reason in found.answer.reason
    if options.get("bands") != 4:
        check_against_gdal(path, found, tolerance=4)
    else:
        assert found.pixels(next(iter(found.made))).shape == (512, 512, 3)


def test_a_value_for_no_data_counts_where_there_is_no_mask(tmp_path):
    noise = texture(1)

    def with_gap(column, row, width, height):
        pixels = ground(slice(column, column + width), slice(row, row + height), noise)
        pixels[:, :900] = 0
        return pixels

    path = make_tile(tmp_path / "t.tif", width=1536, height=1024, pixels=with_gap, compress="DEFLATE")
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.nodata = 0
    found = cut(path, quality=95)
    check_against_gdal(path, found, tolerance=4)
    assert 0 < found.rows[FIRST]["valid_fraction"] < 1


def test_sixteen_bits_are_stretched(tmp_path):
    path = make_tile(tmp_path / "t.tif", width=1024, height=1024, bands=1, dtype="uint16", compress="DEFLATE")
    found = cut(path, quality=95)
    low, high = found.manifest.header.stretch
    assert low < high
    name = FIRST
    with rasterio.open(path) as file:
        values = file.read(1, window=((512, 1024), (512, 1024))).astype(float)
    stretched = np.clip((values - low) / (high - low) * 255, 0, 255)
    assert np.abs(found.pixels(name)[..., 0] - stretched).mean() < 4


@pytest.mark.parametrize("pixel", [0.5, 0.2, 2.0])
def test_a_tile_of_other_pixels_is_resampled_to_the_grid(tmp_path, pixel):
    """A slope of brightness stays in its place on the ground."""

    def slope(column, row, width, height):
        east = (np.arange(column, column + width) + 0.5) * pixel
        return np.broadcast_to((east / 2)[None, :, None], (height, width, 1)).clip(0, 255).astype(np.uint8)

    path = make_tile(
        tmp_path / "t.tif",
        column=0,
        row=0,
        width=800,
        height=800,
        pixel=pixel,
        bands=1,
        pixels=slope,
        compress="DEFLATE",
    )
    found = cut(path)
    assert found.answer.way == "strips"
    first = found.rows[FIRST]
    assert first["column"] is None
    assert first["valid_fraction"] == 1
    east = (np.arange(512) + 0.5) * PIXEL
    assert np.abs(found.pixels(first["chip"]).mean((0, 2)) - east / 2).max() < 2


def test_a_tile_between_two_pixels_is_resampled(tmp_path):
    path = make_tile(tmp_path / "t.tif", column=-512.5, width=1100, height=1100, mask=corner_mask)
    found = cut(path)
    assert (found.answer.way, found.answer.reason) == ("strips", "The pixels of the tile are not those of the grid.")
    assert found.rows[FIRST]["valid_fraction"] > 0.9


def test_a_tile_in_the_projection_of_a_neighbouring_zone_is_reprojected(tmp_path):
    from rasterio.warp import transform

    west, _, _, north = Cell(33, CELL).bounds
    (x,), (y,) = transform("EPSG:32633", "EPSG:32632", [west], [north])
    origin = Cell(32, CELL).bounds
    path = make_tile(
        tmp_path / "t.tif",
        zone=32,
        column=(x - origin[0]) / PIXEL - 300,
        row=(origin[3] - y) / PIXEL - 300,
        width=1300,
        height=1300,
    )
    found = cut(path)
    assert found.answer.way == "strips"
    assert found.rows[FIRST]["valid_fraction"] > 0.9


def test_a_tile_in_memory_is_cut_as_one_on_a_disk(tmp_path):
    path = make_tile(tmp_path / "t.tif", width=1300, height=1300, mask=corner_mask, compress="DEFLATE")
    found = cut(path)
    from_disk = {name: found.jpeg(name) for name in found.made}
    loc = DataLocation("memory", "t.tif")
    write_bytes(loc, path.read_bytes())
    again = cut(loc)
    assert {name: again.jpeg(name) for name in again.made} == from_disk
