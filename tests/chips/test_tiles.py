"""Tiles cut into chips, held against what GDAL reads out of them."""

import io
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import from_bounds

from spacer_like.chips.grid import Cell, chip_pixels
from spacer_like.chips.manifest import COLUMNS, Manifest, read_manifest
from spacer_like.chips.messages.tiles import ChipTileMsg, ChipTileReturnMsg
from spacer_like.chips.passthrough import jpeg_of_block
from spacer_like.chips.tasks.tiles import chip_tile
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, TileError
from spacer_like.storage import clear_memory_storage, exists, list_keys, read_bytes, write_bytes

from .tile_making import ACQUISITION, CELL, HYPHENATED, PIXEL, SOUTHERN_CELL, ground, make_tile, texture, tile_path

MANIFEST = DataLocation("memory", "manifest.parquet")
CHIPS = DataLocation("memory", "chips")
GTIFF = {"driver": "GTiff", "TILED": "YES", "BLOCKXSIZE": 512, "BLOCKYSIZE": 512}


@pytest.fixture(autouse=True)
def _no_chips():
    yield
    clear_memory_storage()


@dataclass
class Cut:
    answer: ChipTileReturnMsg
    manifest: Manifest

    @cached_property
    def rows(self) -> dict[str, dict]:
        """The rows of the manifest by chip."""
        return {row["chip"]: row for row in self.manifest.chips.to_pylist()}

    @cached_property
    def made(self) -> dict[str, dict]:
        return {name: row for name, row in self.rows.items() if row["n_bytes"] is not None}

    def jpeg(self, name) -> bytes:
        return read_bytes(DataLocation("memory", f"chips/{name[1:3]}/{name}"))

    def pixels(self, name) -> np.ndarray:
        """[height, width, bands], decoded by GDAL: other decoders round otherwise."""
        with (
            warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
            rasterio.open(io.BytesIO(self.jpeg(name))) as file,
        ):
            return file.read().transpose(1, 2, 0)


def cut(tile, **fields) -> Cut:
    loc = tile if isinstance(tile, DataLocation) else DataLocation("filesystem", str(tile))
    fields = {"zone": 33, "quadkey": CELL, "acquisition": ACQUISITION, "chips_loc": CHIPS} | fields
    answer = chip_tile(ChipTileMsg(tile_loc=loc, manifest_loc=MANIFEST, **fields))
    return Cut(answer, read_manifest(read_bytes(MANIFEST), "manifest"))


class Expected:
    """What GDAL reads of a tile, black and without data around it."""

    def __init__(self, path) -> None:
        with rasterio.open(path) as file:
            self.pixels = file.read().transpose(1, 2, 0)
            self.mask = file.dataset_mask() > 0
            self.transform = file.transform

    def part(self, row) -> tuple[np.ndarray, np.ndarray]:
        """Pixels [side, side, bands] and mask where a row of a manifest says that its chip is."""
        side = chip_pixels(len(row["quadkey"]))
        window = from_bounds(row["west"], row["south"], row["east"], row["north"], self.transform)
        left, top = round(window.col_off), round(window.row_off)
        height, width = self.mask.shape
        pixels, mask = np.zeros((side, side, self.pixels.shape[2]), np.uint8), np.zeros((side, side), bool)
        x, y = slice(max(left, 0), min(left + side, width)), slice(max(top, 0), min(top + side, height))
        if x.start < x.stop and y.start < y.stop:
            inside = slice(y.start - top, y.stop - top), slice(x.start - left, x.stop - left)
            pixels[inside], mask[inside] = self.pixels[y, x], self.mask[y, x]
        return pixels, mask


def check_against_gdal(path, found: Cut, tolerance: float) -> None:
    """The valid fraction of each chip of the cell, exactly, and the mean difference of its pixels in the raster."""
    expected = Expected(path)
    assert found.made
    for name, row in found.rows.items():
        pixels, mask = expected.part(row)
        assert row["valid_fraction"] == mask.mean(), name
        if name in found.made and mask.any():
            difference = np.abs(found.pixels(name).astype(float) - pixels)[mask]
            assert difference.mean() <= tolerance, name


def corner_mask(column, row, width, height):
    """No data in a corner beyond a slanted edge."""
    x, y = np.arange(column, column + width), np.arange(row, row + height)
    return x[None] * 2 + y[:, None] * 3 < 6200


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiles")


@pytest.fixture(scope="module")
def tile(folder):
    """Three by three chips and the apron, with a mask."""
    return make_tile(folder / "tile.tif", mask=corner_mask)


# Passthrough


def test_chips_that_pass_through_are_exactly_what_gdal_decodes(tile):
    found = cut(tile)
    assert (found.answer.way, found.answer.reason) == ("passthrough", None)
    check_against_gdal(tile, found, tolerance=0)


def test_the_compressed_picture_of_a_chip_is_the_block_bit_by_bit(tile):
    found = cut(tile)
    data = tile.read_bytes()
    for name, row in found.made.items():
        block = data[row["offset"] : row["offset"] + row["length"]]
        assert found.jpeg(name).endswith(block[2:])
        assert len(found.jpeg(name)) == row["n_bytes"]


def test_the_answer_counts_chips_of_each_class(tile):
    answer = cut(tile).answer
    assert answer.n_all_data + answer.n_partial_data + answer.n_no_data == 1024
    assert answer.n_chips == answer.n_all_data + answer.n_partial_data
    assert answer.n_all_data
    assert answer.n_partial_data


@pytest.mark.parametrize("wanted", ["all_data", "partial_data", "no_data"])
def test_only_wanted_chips_are_made(tile, wanted):
    found = cut(tile, wanted=wanted)
    classes = {row["nodata_class"] for row in found.made.values()}
    assert classes == set(
        ["all_data", "partial_data", "no_data"][: ["all_data", "partial_data", "no_data"].index(wanted) + 1]
    )
    names = {loc.filename for loc in list_keys(DataLocation("memory", "chips/33/"))}
    assert names == set(found.made)
    if wanted == "no_data":
        assert len(found.made) == 1024


def test_chips_that_are_left_in_the_tile_can_be_read_out_of_it(tile):
    written = cut(tile)
    left = cut(tile, chips_loc=None)
    data = tile.read_bytes()
    assert left.made.keys() == written.made.keys()
    for name, row in left.made.items():
        block = data[row["offset"] : row["offset"] + row["length"]]
        assert jpeg_of_block(left.manifest.header.chip_start, block) == written.jpeg(name)
        assert row["n_bytes"] == written.made[name]["n_bytes"]


def test_a_manifest_says_where_each_chip_lies(tile):
    for row in cut(tile).rows.values():
        cell = Cell(row["zone"], row["quadkey"])
        assert (row["west"], row["south"], row["east"], row["north"]) == cell.bounds
        assert row["epsg"] == cell.epsg
        assert row["chip"] == f"{cell.name}_{ACQUISITION}.jpg"


def test_the_same_message_gives_the_same_bytes(tile):
    def everything():
        return {loc.key: read_bytes(loc) for loc in list_keys(DataLocation("memory", ""))}

    cut(tile)
    first = everything()
    cut(tile)
    assert everything() == first
    assert len(first) > 4


@pytest.mark.parametrize(
    "options",
    [
        {"BIGTIFF": "YES"},
        {"mask": None},
        {"bands": 1},
        {"QUALITY": 95},
        {**GTIFF},
        {**GTIFF, "PHOTOMETRIC": "RGB"},
        {**GTIFF, "ENDIANNESS": "BIG"},
        {**GTIFF, "PHOTOMETRIC": "YCBCR", "JPEGTABLESMODE": 0},
        {**GTIFF, "PHOTOMETRIC": "YCBCR", "JPEGTABLESMODE": 3},
    ],
    ids=str,
)
def test_tiles_of_jpeg_of_every_kind_pass_through(tmp_path, options):
    path = make_tile(tmp_path / "t.tif", **{"width": 1536, "height": 1300, "mask": corner_mask} | options)
    found = cut(path)
    assert found.answer.way == "passthrough"
    check_against_gdal(path, found, tolerance=0)


def test_a_block_of_another_size_passes_through_at_its_zoom(tmp_path):
    path = make_tile(tmp_path / "t.tif", width=1024, height=1024, mask=corner_mask, BLOCKSIZE=256)
    found = cut(path, zoom=18)
    assert found.answer.way == "passthrough"
    check_against_gdal(path, found, tolerance=0)


def test_a_southern_tile(tmp_path):
    path = make_tile(tmp_path / "t.tif", SOUTHERN_CELL, width=1536, height=1536, mask=corner_mask)
    found = cut(path, quadkey=SOUTHERN_CELL)
    assert {row["epsg"] for row in found.rows.values()} == {32733}
    assert found.answer.way == "passthrough"
    check_against_gdal(path, found, tolerance=0)


def test_a_hole_has_no_data(tmp_path):
    noise = texture(1)

    def with_hole(column, row, width, height):
        pixels = ground(slice(column, column + width), slice(row, row + height), noise)
        pixels[:, max(512 - column, 0) : max(1024 - column, 0)] *= not 512 <= row < 1024
        return pixels

    path = make_tile(tmp_path / "t.tif", width=1536, height=1536, pixels=with_hole, SPARSE_OK=True)
    found = cut(path, wanted="no_data")
    assert found.answer.way == "passthrough"
    hole = next(row for row in found.rows.values() if (row["column"], row["row"]) == (512, 512))
    assert (hole["nodata_class"], hole["valid_fraction"], hole["offset"]) == ("no_data", 0.0, None)
    assert not found.pixels(hole["chip"]).any()
    assert found.answer.n_all_data == 3
    anew = cut(path, zoom=16, wanted="all_data")
    assert (anew.answer.n_all_data, anew.answer.n_partial_data) == (0, 1)


@pytest.mark.parametrize(("column", "row"), [(0, 0), (5120, 2048), (15872, 15872), (-512, 15872)])
def test_a_tile_smaller_than_its_cell(tmp_path, column, row):
    path = make_tile(tmp_path / "t.tif", column=column, row=row, width=1000, height=700)
    found = cut(path)
    assert found.answer.way == "passthrough"
    check_against_gdal(path, found, tolerance=0)
    first = next(iter(found.made.values()))
    assert (first["column"], first["row"]) == (max(0, -column), 0)


def test_the_path_names_what_the_message_leaves_out(tmp_path):
    path = make_tile(tile_path(tmp_path, acquisition=HYPHENATED), width=1024, height=1024)
    found = cut(path, zone=None, quadkey=None, acquisition=None)
    assert found.answer.acquisition == HYPHENATED
    assert set(found.made) == {f"Z33-{CELL}00000_{HYPHENATED}.jpg"}


def test_a_path_that_names_nothing_is_an_error(tile):
    with pytest.raises(TileError, match=r"no path of a tile.*Or give its zone, quadkey and acquisition"):
        cut(tile, acquisition=None)


def test_quadkeys_that_lost_their_zeros_get_them_back(tile):
    assert cut(tile, quadkey=CELL.lstrip("0")).answer.quadkey == CELL


# Blocks and strips


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
        pixels = found.pixels(f"Z33-{CELL}00000_{ACQUISITION}.jpg")
        assert not pixels[:, :90].any()
        assert pixels[:, 110:].mean() > 60


def test_a_misaligned_tile_is_not_passed_through(tmp_path):
    path = make_tile(tmp_path / "t.tif", column=-500, width=1100, height=1100)
    assert cut(path).answer.reason == "The blocks of the tile do not lie on the cells of the grid."


@pytest.mark.parametrize("way", ["blocks", "strips"])
@pytest.mark.parametrize("size", [512, 256, 128, 200, 64, 600])
def test_chips_of_another_size(tile, way, size):
    found = cut(tile, size=size, way=way, quality=95)
    name = f"Z33-{CELL}00000_{ACQUISITION}.jpg"
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
    assert 0 < found.rows[f"Z33-{CELL}00000_{ACQUISITION}.jpg"]["valid_fraction"] < 1


def test_sixteen_bits_are_stretched(tmp_path):
    path = make_tile(tmp_path / "t.tif", width=1024, height=1024, bands=1, dtype="uint16", compress="DEFLATE")
    found = cut(path, quality=95)
    low, high = found.manifest.header.stretch
    assert low < high
    name = f"Z33-{CELL}00000_{ACQUISITION}.jpg"
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
    first = found.rows[f"Z33-{CELL}00000_{ACQUISITION}.jpg"]
    assert first["column"] is None
    assert first["valid_fraction"] == 1
    east = (np.arange(512) + 0.5) * PIXEL
    assert np.abs(found.pixels(first["chip"]).mean((0, 2)) - east / 2).max() < 2


def test_a_tile_between_two_pixels_is_resampled(tmp_path):
    path = make_tile(tmp_path / "t.tif", column=-512.5, width=1100, height=1100, mask=corner_mask)
    found = cut(path)
    assert (found.answer.way, found.answer.reason) == ("strips", "The pixels of the tile are not those of the grid.")
    assert found.rows[f"Z33-{CELL}00000_{ACQUISITION}.jpg"]["valid_fraction"] > 0.9


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
    assert found.rows[f"Z33-{CELL}00000_{ACQUISITION}.jpg"]["valid_fraction"] > 0.9


def test_a_tile_in_memory_is_cut_as_one_on_a_disk(tmp_path):
    path = make_tile(tmp_path / "t.tif", width=1300, height=1300, mask=corner_mask, compress="DEFLATE")
    found = cut(path)
    from_disk = {name: found.jpeg(name) for name in found.made}
    loc = DataLocation("memory", "t.tif")
    write_bytes(loc, path.read_bytes())
    again = cut(loc)
    assert {name: again.jpeg(name) for name in again.made} == from_disk


# What cannot be done


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"way": "passthrough", "zoom": 16}, "cannot be cut by way of passthrough: Blocks have 512 x 512"),
        ({"way": "passthrough", "size": 100}, "Chips of 100 pixels are asked for"),
        ({"way": "passthrough", "quality": 75}, "A quality is asked for"),
        ({"chips_loc": None, "zoom": 18}, "cannot be left in it: Blocks have 512 x 512"),
        ({"quadkey": "031111212321"}, "lies outside the cell Z33-031111212321"),
        ({"quadkey": SOUTHERN_CELL}, "lies outside the cell"),
        ({"zone": 32}, "lies outside the cell Z32-"),
    ],
    ids=str,
)
def test_what_a_tile_does_not_allow_is_told(tile, fields, message):
    with pytest.raises(TileError, match=message):
        cut(tile, **fields)
    assert not exists(MANIFEST)


def test_a_missing_tile_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"nothing\.tif"):
        cut(tmp_path / "nothing.tif")


def test_a_manifest_does_not_replace_its_tile(tile):
    with pytest.raises(TileError, match="would replace the tile"):
        chip_tile(
            ChipTileMsg(
                tile_loc=DataLocation("filesystem", str(tile)), manifest_loc=DataLocation("filesystem", str(tile))
            )
        )


def test_a_manifest_has_all_columns(tile):
    assert cut(tile).manifest.chips.column_names == list(COLUMNS)
