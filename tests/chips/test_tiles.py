"""Tiles whose blocks become chips as they are, and tiles of which no chips can be made."""

import pytest

from spacer_like.chips.cutting.manifest import COLUMNS
from spacer_like.chips.cutting.passthrough import jpeg_of_block
from spacer_like.chips.grid import Cell
from spacer_like.chips.messages.tiles import ChipTileMsg
from spacer_like.chips.tasks.tiles import chip_tile
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, MessageError, TileError
from spacer_like.storage import clear_memory_storage, exists, list_keys

from .chip_checking import GTIFF, MANIFEST, check_against_gdal, corner_mask, cut
from .tile_making import ACQUISITION, CELL, HYPHENATED, SOUTHERN_CELL, ground, make_tile, texture, tile_path


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
    with pytest.raises(MessageError, match="manifest_loc would overwrite tile_loc"):
        chip_tile(
            ChipTileMsg(
                tile_loc=DataLocation("filesystem", str(tile)), manifest_loc=DataLocation("filesystem", str(tile))
            )
        )


def test_a_manifest_has_all_columns(tile):
    assert cut(tile).manifest.chips.column_names == list(COLUMNS)
