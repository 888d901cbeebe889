"""The layout of tiles, held against tifffile, and files that were made to do harm."""

import os
import struct
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.chips.cutting.cog import read_cog
from spacer_like.chips.cutting.placement import placed
from spacer_like.chips.grid import PIXEL, Cell
from spacer_like.chips.messages.tiles import ChipTileMsg
from spacer_like.chips.tasks.tiles import chip_tile
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import SpacerInputError, TileError
from spacer_like.storage import clear_memory_storage, exists, list_keys, write_bytes

from ..readers.refusals import refused_by_name
from .tile_making import ACQUISITION, CELL, make_tile

TILE = DataLocation("memory", "tile.tif")
MANIFEST = DataLocation("memory", "manifest.parquet")


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    yield
    clear_memory_storage()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_tile(
        tmp_path_factory.mktemp("cog") / "t.tif", width=1024, height=1024, mask=lower_half, OVERVIEWS="NONE"
    )


@pytest.fixture(scope="module")
def data(path):
    return path.read_bytes()


def lower_half(column, row, width, height):
    return np.broadcast_to(np.arange(row, row + height)[:, None] < 700, (height, width))


def cog_of(data: bytes):
    return read_cog(lambda offset, length: data[offset : offset + length], len(data), "t")


def cut(data: bytes, **fields):
    write_bytes(TILE, data)
    names = {"zone": 33, "quadkey": CELL, "acquisition": ACQUISITION, "chips_loc": DataLocation("memory", "chips")}
    return chip_tile(ChipTileMsg(tile_loc=TILE, manifest_loc=MANIFEST, **names | fields))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"BIGTIFF": "YES"},
        {"compress": "DEFLATE", "bands": 1},
        {"driver": "GTiff", "TILED": "YES", "ENDIANNESS": "BIG"},
        {"mask": None, "BLOCKSIZE": 256},
    ],
    ids=str,
)
def test_the_layout_is_what_tifffile_and_gdal_say(tmp_path, options):
    path = make_tile(tmp_path / "t.tif", **{"width": 1100, "height": 900, "mask": lower_half} | options)
    found = cog_of(path.read_bytes())
    with tifffile.TiffFile(path) as tiff, rasterio.open(path) as dataset:
        page = tiff.pages[0]
        assert (found.width, found.height, found.bands) == (page.imagewidth, page.imagelength, page.samplesperpixel)
        assert tuple(found.blocks.offsets) == page.dataoffsets
        assert tuple(found.blocks.lengths) == page.databytecounts
        assert (found.blocks.block_width, found.blocks.block_height) == (page.tilewidth, page.tilelength)
        assert found.jpeg_tables == (page.jpegtables or b"")
        masks = [page for page in tiff.pages if page.subfiletype == 4]
        assert found.has_mask == bool(masks)
        if masks:
            assert tuple(found.mask.offsets) == masks[0].dataoffsets
        assert found.origin == (dataset.transform.c, dataset.transform.f, dataset.transform.a)
        assert found.epsg == dataset.crs.to_epsg()


def test_only_the_beginning_of_a_tile_is_read_for_its_layout(path):
    reads = []

    def read(offset, length):
        reads.append((offset, length))
        with path.open("rb") as file:
            return os.pread(file.fileno(), length, offset)

    read_cog(read, path.stat().st_size, "t")
    assert reads == [(0, 2**16)]


@pytest.mark.parametrize("kept", [0, 4, 8, 300, 1000])
def test_a_tile_cut_short_in_its_directories_is_an_error(data, kept):
    with pytest.raises(TileError, match=r"no TIFF|is cut short|damaged"):
        cut(data[:kept])


@pytest.mark.parametrize("missing", [10, 10_000, 100_000])
def test_a_tile_cut_short_in_its_blocks_is_an_error_before_anything_is_written(data, missing):
    with pytest.raises(TileError, match=f"cut short: it has {len(data) - missing} bytes, and its blocks reach to byte"):
        cut(data[:-missing])
    assert not exists(MANIFEST)
    assert not list(list_keys(DataLocation("memory", "chips")))


@pytest.mark.parametrize(
    "data", [b"", b"II", b"II*\0", b"\x89PNG\r\n", b"II*\0\0\0\0\0", b"MM\0+\0\x09\0\0" + b"\0" * 8]
)
def test_another_file_is_no_tile(data):
    with pytest.raises(TileError, match=r"is no TIFF|has no directory"):
        cut(data)


def directory(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + body + struct.pack("<I", following)


def tiff(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    return b"II*\0" + struct.pack("<I", 8) + directory(entries, following) + b"\0" * 64


def test_directories_that_go_in_circles_are_an_error():
    with pytest.raises(TileError, match="come to no end"):
        cog_of(tiff([(256, 4, 1, 512)], following=8))


GREY = [(256, 4, 1, 512), (257, 4, 1, 512), (258, 3, 1, 8), (262, 3, 1, 1)]


def test_a_number_of_values_that_no_file_has_takes_no_memory():
    with pytest.raises(TileError, match="announces 4294967295 values"):
        cog_of(tiff([*GREY, (322, 4, 1, 16), (323, 4, 1, 16), (324, 4, 2**32 - 1, 8)]))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([(256, 4, 1, 2**31), (257, 4, 1, 512)], "a tile has 1 to"),
        ([(256, 4, 1, 0), (257, 4, 1, 512)], "a tile has 1 to"),
        ([(256, 2, 1, 65), (257, 4, 1, 512)], "holds no numbers"),
        ([(254, 4, 1, 1), (256, 4, 1, 5)], "has no picture"),
        ([*GREY, (322, 4, 1, 17), (323, 4, 1, 16)], "its blocks are 17"),
        ([*GREY, (322, 4, 1, 16), (323, 4, 1, 0)], "its blocks are 16 x 0"),
        ([*GREY, (322, 4, 1, 2**14 + 16), (323, 4, 1, 16)], "its blocks are 16400 x 16"),
        ([*GREY, (322, 4, 1, 512), (323, 4, 1, 512)], "it knows 0 offsets"),
        (
            [*GREY, (322, 4, 1, 512), (323, 4, 1, 512), (324, 4, 1, 8)],
            "of its 1 blocks it knows 1 offsets and 0 lengths",
        ),
        (
            [*GREY, (322, 4, 1, 512), (323, 4, 1, 512), (325, 4, 1, 8)],
            "of its 1 blocks it knows 0 offsets and 1 lengths",
        ),
        (
            [*GREY, (322, 4, 1, 256), (323, 4, 1, 512), (324, 4, 1, 8), (325, 4, 1, 8)],
            "of its 2 blocks it knows 1 offsets and 1 lengths",
        ),
        ([*GREY, (322, 4, 1, 512), (323, 4, 1, 512), (324, 4, 1, 8), (325, 4, 1, 4000)], "reach to byte 4008"),
        (
            [*GREY, (322, 4, 1, 512), (323, 4, 1, 512), (324, 4, 1, 8), (325, 4, 1, 2**31)],
            "announces 2147483648 bytes",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_that_cannot_be_are_refused(entries, message):
    with pytest.raises(TileError, match=message):
        cog_of(tiff(entries))


def test_numbers_below_zero_of_the_signed_kind_count_as_zero():
    blocks = cog_of(
        tiff([*GREY, (322, 4, 1, 512), (323, 4, 1, 512), (324, 9, 1, 2**32 - 8), (325, 9, 1, 2**32 - 9)])
    ).blocks
    assert (blocks.offsets, blocks.lengths) == ((0,), (0,))


def test_a_block_that_is_another_picture_does_not_become_a_chip(data):
    """A picture of 65,500 x 65,500 pixels would fill the memory of whoever decodes the chip."""
    blocks = cog_of(data).blocks
    place = data.index(b"\xff\xc0\x00\x11\x08\x02\x00\x02\x00", blocks.offsets[3])
    harmful = data[: place + 5] + b"\xff\xdc\xff\xdc" + data[place + 9 :]
    for fields in ({}, {"zoom": 18}):
        with pytest.raises(TileError, match="no picture of 512 x 512 pixels and 3 bands"):
            cut(harmful, **fields)
        assert not exists(MANIFEST)


@pytest.mark.parametrize("zoom", [17, 18])
def test_a_block_that_is_no_jpeg_is_an_error(data, zoom):
    blocks = cog_of(data).blocks
    place = blocks.offsets[3]
    with pytest.raises(TileError, match="no whole stream of JPEG"):
        cut(data[:place] + b"\0" * blocks.lengths[3] + data[place + blocks.lengths[3] :], zoom=zoom)


def test_a_damaged_block_cannot_be_encoded_anew(data):
    blocks = cog_of(data).blocks
    begin = blocks.offsets[3] + 700
    with pytest.raises(TileError, match="cannot be decoded"):
        cut(data[:begin] + b"\xff\xc0" * 2000 + data[begin + 4000 :], zoom=18)


def test_a_damaged_mask_is_an_error(data):
    mask = cog_of(data).mask
    offset, length = mask.offsets[3], mask.lengths[3]
    with pytest.raises(TileError, match="a block of its mask cannot be read"):
        cut(data[:offset] + b"\xff" * length + data[offset + length :])


def test_a_damaged_tile_that_gdal_reads_is_an_error(tmp_path):
    path = make_tile(tmp_path / "t.tif", width=1024, height=1024, bands=1, dtype="uint16", compress="DEFLATE")
    data = path.read_bytes()
    for damaged in (data[:-300_000], data[:-400_000] + b"\xff" * 400_000):
        with pytest.raises(TileError, match=r"The raster 'memory://tile\.tif' cannot be read"):
            cut(damaged)
        assert not exists(MANIFEST)


def test_blocks_that_fill_the_memory_are_not_read(tmp_path):
    path = make_tile(
        *(tmp_path / "t.tif",),
        width=1024,
        height=1024,
        bands=1,
        dtype="uint16",
        compress="DEFLATE",
        driver="GTiff",
        TILED="YES",
        BLOCKXSIZE=16384,
        BLOCKYSIZE=16384,
        SPARSE_OK=True,
        pixels=lambda c, r, w, h: np.zeros((h, w, 1), "uint16"),
    )
    with pytest.raises(TileError, match="blocks of 16384 x 16384 pixels"):
        cut(path.read_bytes())


@settings(max_examples=40, derandomize=True)
@given(changes=st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), min_size=1, max_size=6))
def test_whatever_the_directories_say_the_answer_is_chips_or_one_sentence(data, changes):
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place] = value
    for way in ("passthrough", "strips"):
        with refused_by_name(TILE.display_name, SpacerInputError):
            cut(bytes(damaged), way=way, wanted="all_data")
            assert exists(MANIFEST)


@pytest.mark.parametrize(
    ("east", "south", "is_placed"),
    [(0, 0, True), (0.009, -0.009, True), (0.011, 0, False), (-0.011, 0, False), (0, 0.011, False), (0, -0.011, False)],
)
def test_pixels_a_hundredth_off_the_grid_in_either_direction_are_not_those_of_the_cell(path, east, south, is_placed):
    cell, cog = Cell(33, CELL), cog_of(path.read_bytes())
    west, north, pixel = cog.origin
    whole = placed(cog, cell, 17)
    moved = replace(cog, origin=(west + east * PIXEL, north - south * PIXEL, pixel))
    assert placed(moved, cell, 17) == (whole if is_placed else None)
    assert whole is not None
