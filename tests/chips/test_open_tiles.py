"""The tiles that a thread of the server keeps open, and the remote files below them."""

import io
import itertools
import os
import warnings

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from spacer_like import location, storage
from spacer_like.chips.grid import PIXEL, Cell
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import StorageUnavailableError, TileError
from spacer_like.storage import MemoryStorage, RemoteStorage
from spacer_like.storage.ranges import BLOCK_BYTES, PositionedFile, RemoteParts
from spacer_like.tile_server import open_tile, open_tiles
from spacer_like.tile_server.footprint import Footprint
from spacer_like.tile_server.open_tile import OpenTile, Part
from spacer_like.tile_server.open_tiles import OpenTiles

from .served_tree import EAST_CELL, GREEN, RED, SHARP_CELL, SOUTHERN_CELL, WEST_CELL, coarse_tile
from .tile_making import make_tile

CELLS = (WEST_CELL, EAST_CELL, SOUTHERN_CELL)
KEPT_BLOCKS = 16


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (open_tile, open_tiles):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture(scope="module")
def locs(tmp_path_factory):
    root = tmp_path_factory.mktemp("ard")
    return {cell: DataLocation("filesystem", str(coarse_tile(root, cell, RED))) for cell in CELLS}


@pytest.fixture
def opened(monkeypatch):
    """The tiles that have been opened, in their order."""
    made = []

    class Noted(OpenTile):
        def __init__(self, loc, cell):
            made.append(self)
            super().__init__(loc, cell)

    monkeypatch.setattr(open_tiles, "OpenTile", Noted)
    return made


def use(tiles, locs, *cells):
    for cell in cells:
        with tiles.use(locs[cell], cell):
            pass


def open_cells(opened, locs):
    names = {loc: cell for cell, loc in locs.items()}
    return [names[tile.loc] for tile in opened if not tile.file.closed]


class TestOpenTiles:
    def test_a_tile_in_use_again_is_not_opened_again(self, locs, opened):
        tiles = OpenTiles(2)
        use(tiles, locs, WEST_CELL, EAST_CELL, WEST_CELL, EAST_CELL)
        assert len(opened) == len(tiles) == 2
        tiles.close()

    def test_as_many_are_open_as_the_capacity_says_and_the_one_used_longest_ago_is_closed(self, locs, opened):
        tiles = OpenTiles(2)
        use(tiles, locs, WEST_CELL, EAST_CELL, WEST_CELL, SOUTHERN_CELL)
        assert open_cells(opened, locs) == [WEST_CELL, SOUTHERN_CELL]
        tiles.close()

    def test_closing_closes_the_files_of_all(self, locs, opened):
        tiles = OpenTiles(3)
        use(tiles, locs, *CELLS)
        tiles.close()
        assert len(tiles) == 0
        assert all(tile.file.closed and tile.dataset.closed for tile in opened)

    def test_a_tile_is_opened_anew_after_ten_minutes(self, locs, opened, clock):
        tiles = OpenTiles(2)
        for passed, n_opened in ((0, 1), (600, 1), (1, 2), (600, 2), (1, 3)):
            clock.now += passed
            use(tiles, locs, WEST_CELL)
            assert len(opened) == n_opened
        assert open_cells(opened, locs) == [WEST_CELL]
        tiles.close()

    @pytest.mark.parametrize("ending", ["", ".msk"])
    def test_a_tile_is_opened_anew_once_it_or_its_mask_was_written(self, ending, tmp_path, opened):
        path = coarse_tile(tmp_path, WEST_CELL, GREEN)
        locs, tiles = {WEST_CELL: DataLocation("filesystem", str(path))}, OpenTiles(2)
        use(tiles, locs, WEST_CELL, WEST_CELL)
        assert len(opened) == 1
        changed = path.with_name(path.name + ending)
        if ending:
            changed.write_bytes(b"no mask at all")
        else:
            os.utime(changed, (1, 1))
        use(tiles, locs, WEST_CELL)
        assert len(opened) == 2
        assert open_cells(opened, locs) == [WEST_CELL]
        tiles.close()

    def test_a_broken_tile_is_tried_again_after_a_minute(self, tmp_path, opened, clock, caplog):
        locs, tiles = {WEST_CELL: broken(tmp_path, "a.tif")}, OpenTiles(2)
        for passed, n_tries in ((0, 1), (59.9, 1), (0.1, 2), (59.9, 2), (0.1, 3)):
            clock.now += passed
            with pytest.raises(TileError, match=r"a\.tif"):
                use(tiles, locs, WEST_CELL)
            assert len(opened) == n_tries
        assert len([one for one in caplog.records if "is passed over" in one.getMessage()]) == 3
        assert len(tiles) == 0

    def test_a_tile_that_was_broken_is_shown_once_it_is_mended(self, tmp_path, clock):
        path = coarse_tile(tmp_path, WEST_CELL, RED)
        data = path.read_bytes()
        path.write_bytes(b"none")
        locs, tiles = {WEST_CELL: DataLocation("filesystem", str(path))}, OpenTiles(2)
        with pytest.raises(TileError):
            use(tiles, locs, WEST_CELL)
        path.write_bytes(data)
        clock.now += 61
        use(tiles, locs, WEST_CELL, WEST_CELL)
        tiles.close()

    def test_only_a_bounded_number_of_broken_tiles_is_remembered_the_last_ones(self, tmp_path, opened, monkeypatch):
        monkeypatch.setattr(open_tiles, "_BROKEN_KEPT", 2)
        tiles, locs = OpenTiles(2), [broken(tmp_path, f"{number}.tif") for number in range(3)]
        for loc in (*locs, locs[2], locs[1], locs[0]):
            with pytest.raises(TileError):
                use(tiles, {WEST_CELL: loc}, WEST_CELL)
        assert [tile.loc for tile in opened] == [*locs, locs[0]]

    def test_a_storage_that_does_not_answer_is_asked_again_at_once(self, locs, opened):
        tiles = OpenTiles(2)
        for n_opened in (1, 2):
            with (
                pytest.raises(StorageUnavailableError, match="the network is cut"),
                tiles.use(locs[WEST_CELL], WEST_CELL),
            ):
                raise StorageUnavailableError("the network is cut")
            assert (len(opened), len(tiles)) == (n_opened, 0)
        assert all(tile.file.closed for tile in opened)

    @pytest.mark.parametrize("error", [TileError, RuntimeError, KeyboardInterrupt])
    def test_a_tile_is_closed_when_its_use_fails(self, error, locs, opened):
        tiles = OpenTiles(2)
        with pytest.raises(error, match="reading failed"), tiles.use(locs[WEST_CELL], WEST_CELL):
            raise error("reading failed")
        assert len(tiles) == 0
        assert opened[0].file.closed

    def test_a_tile_that_cannot_be_opened_leaves_no_file_open(self, tmp_path, monkeypatch):
        files, open_file = [], open_tile._open_file
        monkeypatch.setattr(open_tile, "_open_file", lambda loc: files.append(open_file(loc)) or files[-1])
        with pytest.raises(TileError):
            OpenTile(broken(tmp_path, "a.tif"), WEST_CELL)
        assert [file.closed for file in files] == [True]


@pytest.fixture(scope="module")
def tile(tmp_path_factory):
    path = tmp_path_factory.mktemp("inside") / "a.tif"
    make_tile(path, SHARP_CELL.quadkey, column=512, row=512, width=1124, height=1124)
    tile = OpenTile(DataLocation("filesystem", str(path)), SHARP_CELL)
    yield tile
    tile.close()


class TestOpenTile:
    """A tile of two blocks in each direction, and a hundred pixels more, that begins inside of its cell."""

    @staticmethod
    def cell(zoom, column, row):
        across = 2 ** (zoom - SHARP_CELL.zoom)
        return Cell.at(SHARP_CELL.zone, zoom, SHARP_CELL.column * across + column, SHARP_CELL.row * across + row)

    def read(self, tile, cell):
        footprint, everything = Footprint.of_cell(cell), slice(0, 512)
        return tile.read(
            Part(footprint, everything, everything, cell.zone, *footprint.positions(cell.zone), footprint.pixel)
        )

    @pytest.mark.parametrize("column", range(5))
    @pytest.mark.parametrize("row", range(5))
    def test_gives_out_the_blocks_that_lie_whole_in_it(self, column, row, tile):
        block = tile.block(self.cell(17, column, row))
        assert (block is not None) == (column in (1, 2) and row in (1, 2))
        _, has_data = self.read(tile, self.cell(17, column, row))
        assert has_data.all() == (block is not None)
        assert has_data.any() == (1 <= column <= 3 and 1 <= row <= 3)

    def test_gives_out_each_block_for_its_own_chip(self, tile):
        for column, row in itertools.product((1, 2), repeat=2):
            cell = self.cell(17, column, row)
            with Image.open(io.BytesIO(tile.block(cell))) as block:
                difference = np.asarray(block, int) - self.read(tile, cell)[0]
            assert np.abs(difference).mean() < 1

    @pytest.mark.parametrize(
        "options",
        [
            {"compress": "DEFLATE"},
            {"BLOCKSIZE": 256},
            {"bands": 4, "compress": "DEFLATE"},
            {"nodata": 0},
            {"has_mask_file": True},
            {"column": -0.25},
            {"row": -256},
            {"pixel": 2 * PIXEL, "width": 512, "height": 512},
            {"crs": "EPSG:32733", "row": -10_000_000 / PIXEL},
        ],
        ids=lambda options: " ".join(f"{name} {value}" for name, value in options.items()),
    )
    def test_gives_out_no_block_that_is_another_picture_than_the_chip(self, options, tmp_path):
        kind = {"column": 0, "row": 0, "width": 1024, "height": 1024, "has_mask_file": False, "nodata": None} | options
        has_mask_file, nodata = kind.pop("has_mask_file"), kind.pop("nodata")
        path = make_tile(tmp_path / "a.tif", SHARP_CELL.quadkey, **kind)
        if nodata is not None:
            with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
                file.nodata = nodata
        if has_mask_file:
            write_mask(path.with_name("a.tif.msk"), 1024)
        tile = OpenTile(DataLocation("filesystem", str(path)), SHARP_CELL)
        cell = self.cell(17, 0, 0)
        assert tile.block(cell) is None
        assert self.read(tile, cell)[1].any()
        tile.close()

    # Enlarged 32 times, pixels up to one beyond the picture are read with it.
    @pytest.mark.parametrize(
        ("column", "row", "has_any"),
        [
            *((31, 40, False), (40, 31, False), (31, 31, False), (32, 32, True), (40, 40, True), (102, 40, True)),
            *((40, 102, True), (103, 40, False), (40, 103, False), (103, 103, False), (0, 0, False), (127, 127, False)),
        ],
    )
    def test_is_shown_enlarged_up_to_its_edges_and_not_beyond(self, column, row, has_any, tile):
        pixels, has_data = self.read(tile, self.cell(22, column, row))
        assert has_data.any() == has_any
        assert pixels.any(axis=-1)[~has_data].sum() == 0

    @pytest.mark.parametrize(("column", "row"), [(31, 40), (40, 31), (31, 31)])
    def test_that_begins_just_beyond_an_enlarged_picture_has_nothing_in_it(self, column, row, tmp_path):
        path = make_tile(
            tmp_path / "a.tif", SHARP_CELL.quadkey, column=512 + 1 / 32, row=512 + 1 / 32, width=512, height=512
        )
        tile = OpenTile(DataLocation("filesystem", str(path)), SHARP_CELL)
        pixels, has_data = self.read(tile, self.cell(22, column, row))
        assert not has_data.any()
        assert not pixels.any()
        tile.close()


def write_mask(path, size):
    """A mask beside a tile: no data in the first rows."""
    mask = np.full((size, size), 255, np.uint8)
    mask[:10] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", dtype="uint8", count=1, width=size, height=size) as file:
            file.update_tags(INTERNAL_MASK_FLAGS_1="2")
            file.write(mask, 1)


def broken(folder, name):
    (folder / name).write_bytes(b"no tile")
    return DataLocation("filesystem", str(folder / name))


class Counted(RemoteStorage):
    """A remote storage that notes what is read."""

    def __init__(self):
        self.kept = MemoryStorage()
        self.asked = []

    def location(self, key):
        return DataLocation("counted", key)

    def read(self, key):
        return self.kept.read(key)

    def read_range(self, key, start, length):
        self.asked.append((start // BLOCK_BYTES, length / BLOCK_BYTES))
        return self.kept.read_range(key, start, length)

    def size(self, key):
        return self.kept.size(key)

    def write(self, key, data):
        self.kept.write(key, data)

    def delete(self, key):
        self.kept.delete(key)

    def exists(self, key):
        return self.kept.exists(key)

    def list(self, prefix=""):
        return self.kept.list(prefix)


class TestRemoteFile:
    @pytest.fixture
    def counted(self, monkeypatch):
        counted = Counted()
        monkeypatch.setattr(location, "STORAGE_TYPES", [*location.STORAGE_TYPES])
        monkeypatch.setattr(storage, "_registered", {})
        storage.register_storage("counted", lambda bucket: counted)
        return counted

    @pytest.fixture
    def data(self, counted):
        data = np.random.default_rng(3).bytes(40 * BLOCK_BYTES + 7)
        counted.write("tile", data)
        return data

    @staticmethod
    def read(file, first, n_blocks=1):
        file.seek(first * BLOCK_BYTES)
        return file.read(n_blocks * BLOCK_BYTES)

    def test_a_read_fetches_the_blocks_it_touches_in_one_request(self, counted, data):
        file = PositionedFile(RemoteParts(counted, "tile"))
        for start, length, asked in (
            (5, 1, (0, 1)),
            (2 * BLOCK_BYTES - 1, 2, (1, 2)),
            (4 * BLOCK_BYTES, BLOCK_BYTES, (4, 1)),
            (3 * BLOCK_BYTES - 1, 5 * BLOCK_BYTES, (3, 5)),
        ):
            file.seek(start)
            counted.asked.clear()
            assert file.read(length) == data[start : start + length]
            assert counted.asked == [asked]
            assert file.tell() == start + length

    def test_nothing_is_asked_for_beyond_the_end(self, counted, data):
        file = PositionedFile(RemoteParts(counted, "tile"))
        file.seek(-3, os.SEEK_END)
        assert file.read(100) == data[-3:]
        assert file.read(1) == b""
        assert counted.asked == [(40, 7 / BLOCK_BYTES)]

    def test_sixteen_blocks_are_kept_and_the_one_read_longest_ago_is_dropped(self, counted, data):
        file = PositionedFile(RemoteParts(counted, "tile"))
        for block in (*range(KEPT_BLOCKS), 0, KEPT_BLOCKS):
            self.read(file, block)
        counted.asked.clear()
        for block in (0, *range(2, KEPT_BLOCKS + 1)):
            assert self.read(file, block) == data[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
        assert not counted.asked
        self.read(file, 1)
        assert counted.asked == [(1, 1)]

    @pytest.mark.parametrize("n_blocks", [KEPT_BLOCKS, KEPT_BLOCKS + 1, 30])
    def test_a_read_of_any_length_takes_no_more_memory_than_it_gives_and_the_blocks_kept(self, n_blocks, counted, data):
        file = PositionedFile(RemoteParts(counted, "tile"))
        # Blocks on either side of what is missing are kept already.
        for block in (4, 4 + n_blocks - 1):
            self.read(file, block)
        counted.asked.clear()
        assert self.read(file, 4, n_blocks) == data[4 * BLOCK_BYTES : (4 + n_blocks) * BLOCK_BYTES]
        assert counted.asked == [(5, n_blocks - 2)]
        assert len(file.parts._blocks) <= KEPT_BLOCKS == file.parts._kept_blocks

    @pytest.mark.parametrize("kept", [BLOCK_BYTES, 2 * BLOCK_BYTES - 1, 39 * BLOCK_BYTES])
    def test_a_file_that_became_shorter_is_named(self, kept, counted, data):
        file = PositionedFile(RemoteParts(counted, "tile"))
        counted.write("tile", data[:kept])
        assert self.read(file, 0) == data[:BLOCK_BYTES]
        with pytest.raises(StorageUnavailableError, match=r"^'.*tile' has changed while it was read\.$"):
            self.read(file, kept // BLOCK_BYTES)
