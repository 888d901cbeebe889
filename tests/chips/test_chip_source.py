"""Chips, wherever they are: files, or blocks that are still in their tiles."""

import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spacer_like import progress
from spacer_like.chips.chip_source import open_chips
from spacer_like.chips.cutting.cog import read_cog
from spacer_like.chips.cutting.manifest import Manifest, ManifestHeader, chip_table
from spacer_like.chips.cutting.passthrough import chip_start
from spacer_like.chips.grid import Cell
from spacer_like.chips.messages import ChipTileMsg
from spacer_like.chips.tasks.tiles import chip_tile
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import (
    DataNotFoundError,
    ImageError,
    ReadOnlyStorageError,
    StorageUnavailableError,
    TableError,
    TileError,
)
from spacer_like.storage import clear_memory_storage, read_bytes, register_storage, storage_factory, write_bytes
from spacer_like.storage.memory import MemoryStorage
from spacer_like.storage.ranges import Range, RangesReader

from .tile_making import ACQUISITION, CELL, make_tile

# rasterio's way with its dependency affine.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

CHIPS = DataLocation("memory", "chips")


@pytest.fixture(autouse=True)
def empty_memory():
    clear_memory_storage()
    yield
    clear_memory_storage()


def photograph(seed: int, size: int = 64) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    stream = BytesIO()
    Image.fromarray(coarse).resize((size, size)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def chip_name(number: int) -> str:
    return f"Z33-{CELL}{number:05d}_{ACQUISITION}.jpg"


def store(*paths: str, root: DataLocation = CHIPS) -> None:
    for seed, path in enumerate(paths):
        write_bytes(root.below(path), photograph(seed))


@pytest.fixture(scope="module")
def tile(tmp_path_factory) -> bytes:
    """A tile of 3 x 3 blocks, each of which is a chip of the cell's north-western corner."""
    path = make_tile(tmp_path_factory.mktemp("tile") / "tile.tif", width=1536, height=1536, column=0, row=0)
    return path.read_bytes()


def manifest_of(
    tile_loc: DataLocation, chips_loc: DataLocation | None = None, cell: str = CELL, blocks: tuple[int, ...] = range(9)
) -> Manifest:
    """A manifest as of a tile whose blocks were all left in it, or written to `chips_loc`."""
    storage = storage_factory(tile_loc.storage_type, tile_loc.bucket_name)
    cog = read_cog(partial(storage.read_range, tile_loc.key), storage.size(tile_loc.key), tile_loc.display_name)
    chips = Cell(33, cell).children(17)
    columns = {
        "chip": [f"{chip.name}_{ACQUISITION}.jpg" for chip in chips],
        "zone": [33] * 1024,
        "quadkey": [chip.quadkey for chip in chips],
        **{
            side: [chip.bounds[place] for chip in chips]
            for place, side in enumerate(("west", "south", "east", "north"))
        },
        "epsg": [32633] * 1024,
        "nodata_class": ["no_data"] * 1024,
        "valid_fraction": [0.0] * 1024,
        **{name: [None] * 1024 for name in ("way", "n_bytes", "offset", "length", "column", "row")},
    }
    for block in blocks:
        place = block // 3 * 32 + block % 3
        columns["nodata_class"][place] = "all_data"
        columns["valid_fraction"][place] = 1.0
        columns["way"][place] = "passthrough"
        columns["n_bytes"][place] = 1
        columns["offset"][place] = cog.blocks.offsets[block]
        columns["length"][place] = cog.blocks.lengths[block]
    header = ManifestHeader(
        tile_loc=tile_loc,
        tile_version=storage.version(tile_loc.key),
        chips_loc=chips_loc,
        zone=33,
        quadkey=cell,
        acquisition=ACQUISITION,
        zoom=17,
        size=None,
        quality=None,
        requested_way="auto",
        wanted="partial_data",
        way="passthrough",
        reason=None,
        chip_start=chip_start(cog.jpeg_tables, cog.is_ycbcr, cog.bands),
    )
    return Manifest(header, chip_table(columns))


@pytest.fixture
def left_in_tile(tile) -> DataLocation:
    """The manifest of a tile whose 9 blocks are chips that were not written."""
    tile_loc, manifest_loc = DataLocation("memory", "ard/tile.tif"), CHIPS.below("33/manifests/tile.parquet")
    write_bytes(tile_loc, tile)
    write_bytes(manifest_loc, manifest_of(tile_loc).to_parquet())
    return manifest_loc


def gathered(source, names=None, size=32, **options):
    names = source.names if names is None else names
    found = list(source.pixels(names, size, **options))
    return [name for some, _ in found for name in some], np.concatenate([pixels for _, pixels in found])


class TestAFolderOfFiles:
    @pytest.fixture(params=["filesystem", "memory"])
    def folder(self, request, tmp_path):
        return DataLocation(request.param, f"{tmp_path}/chips" if request.param == "filesystem" else "chips")

    def test_names_are_sorted_whatever_folders_they_lie_in(self, folder):
        store(f"33/{chip_name(2)}", f"33/deeper/{chip_name(0)}", chip_name(1), "33/photo.JPEG", root=folder)
        with open_chips(folder) as chips:
            assert chips.names == [chip_name(0), chip_name(1), chip_name(2), "photo.JPEG"]
            assert len(chips) == 4
            assert chips.unreadable == []

    def test_each_chip_s_bytes_are_its_file_s(self, folder):
        store(f"33/{chip_name(0)}", f"34/{chip_name(1)}", root=folder)
        with open_chips(folder) as chips:
            assert [chips.read(name) for name in chips.names] == [photograph(0), photograph(1)]

    def test_other_files_do_not_count(self, folder):
        store(f"33/{chip_name(0)}", f"33/.{chip_name(1)}", "33/index.json", "33/a.png", root=folder)
        with open_chips(folder) as chips:
            assert chips.names == [chip_name(0)]

    def test_of_two_files_of_one_name_the_first_counts(self, folder):
        store(f"33/{chip_name(0)}", f"34/{chip_name(0)}", root=folder)
        with open_chips(folder) as chips:
            assert chips.read(chip_name(0)) == photograph(0)
            assert [chip.name for chip in chips.unreadable] == [f"34/{chip_name(0)}"]

    def test_a_folder_of_nothing_is_an_error(self, folder):
        with pytest.raises(DataNotFoundError, match=r"There are no chips in .*chips"):
            open_chips(folder)

    def test_it_knows_what_it_has(self, folder):
        store(chip_name(0), root=folder)
        with open_chips(folder) as chips:
            assert chip_name(0) in chips
            assert chip_name(1) not in chips
            with pytest.raises(DataNotFoundError, match=r"There is no chip 'no\.jpg'"):
                chips.read("no.jpg")
            with pytest.raises(DataNotFoundError, match=r"There is no chip 'no\.jpg'"):
                next(chips.pixels([chip_name(0), "no.jpg"], 32))

    def test_the_working_folder_can_be_it(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        store(chip_name(0), f"33/{chip_name(1)}", root=DataLocation("filesystem", ""))
        with open_chips(DataLocation("filesystem", "")) as chips:
            assert [chips.read(name) for name in chips.names] == [photograph(0), photograph(1)]

    def test_a_name_that_is_no_text_is_told(self, tmp_path):
        store(chip_name(0), root=DataLocation("filesystem", str(tmp_path)))
        with open(os.fsencode(tmp_path) + b"/\xff.jpg", "wb"):
            pass
        with open_chips(DataLocation("filesystem", str(tmp_path))) as chips:
            assert chips.names == [chip_name(0)]
            assert [chip.name for chip in chips.unreadable] == ["\\udcff.jpg"]

    def test_the_web_has_no_folders(self):
        with pytest.raises(ReadOnlyStorageError):
            open_chips(DataLocation("url", "https://127.0.0.1/chips"))


class TestPixels:
    def test_they_come_in_the_order_that_is_asked_for_in_batches(self):
        store(*map(chip_name, range(7)))
        wanted = [chip_name(number) for number in (5, 0, 3, 6, 1)]
        with open_chips(CHIPS) as chips:
            batches = list(chips.pixels(wanted, 64, batch_size=2))
        assert [len(names) for names, _ in batches] == [2, 2, 1]
        assert [name for names, _ in batches for name in names] == wanted
        pixels = np.concatenate([some for _, some in batches])
        assert pixels.shape == (5, 64, 64, 3)
        assert pixels.dtype == np.uint8
        assert (pixels[0] == np.asarray(Image.open(BytesIO(photograph(5))))).all()

    def test_a_chip_may_be_asked_for_twice(self):
        store(chip_name(0), chip_name(1))
        with open_chips(CHIPS) as chips:
            names, pixels = gathered(chips, [chip_name(0), chip_name(1), chip_name(0)])
        assert names == [chip_name(0), chip_name(1), chip_name(0)]
        assert (pixels[0] == pixels[2]).all()
        assert (pixels[0] != pixels[1]).any()

    def test_what_cannot_be_decoded_is_left_out_and_told_once(self):
        store(chip_name(0), chip_name(2))
        write_bytes(CHIPS.below(chip_name(1)), photograph(1)[:-200])
        write_bytes(CHIPS.below(chip_name(3)), b"no image")
        with open_chips(CHIPS) as chips:
            for _ in range(2):
                assert gathered(chips)[0] == [chip_name(0), chip_name(2)]
            assert [chip.name for chip in chips.unreadable] == [chip_name(1), chip_name(3)]
            assert all(chip.reason for chip in chips.unreadable)

    def test_what_cannot_be_decoded_is_told_by_name_in_whatever_order_it_was_read(self):
        for number in range(3):
            write_bytes(CHIPS.below(chip_name(number)), b"no image")
        with open_chips(CHIPS) as chips:
            for number in (2, 0, 1):
                assert list(chips.pixels([chip_name(number)], 64)) == []
            assert [chip.name for chip in chips.unreadable] == [chip_name(0), chip_name(1), chip_name(2)]

    def test_no_batch_is_empty(self):
        write_bytes(CHIPS.below(chip_name(0)), b"no image")
        with open_chips(CHIPS) as chips:
            assert list(chips.pixels(chips.names, 32)) == []
            assert list(chips.pixels([], 32)) == []

    def test_larger_ones_are_decoded_smaller_and_are_nearly_those_of_pillow(self):
        write_bytes(CHIPS.below(chip_name(0)), photograph(0, 512))
        with open_chips(CHIPS) as chips:
            _, pixels = gathered(chips, size=100)
        expected = Image.open(BytesIO(photograph(0, 512))).resize((100, 100), Image.Resampling.BICUBIC)
        difference = np.abs(pixels[0].astype(int) - np.asarray(expected))
        assert difference.mean() < 1
        assert difference.max() < 16

    def test_progress_is_told(self):
        store(*map(chip_name, range(3)))
        heard = []
        with open_chips(CHIPS) as chips, progress.listening(lambda *told: heard.append(told)):
            gathered(chips, batch_size=2)
        assert [told[1:] for told in heard] == [(2, 3), (3, 3)]

    def test_who_stops_early_leaves_no_thread_behind(self):
        store(*map(chip_name, range(20)))
        before = threading.active_count()
        with open_chips(CHIPS) as chips:
            batches = chips.pixels(chips.names, 32, batch_size=2)
            next(batches)
            batches.close()
        assert threading.active_count() == before

    def test_a_file_that_is_too_large_for_a_chip_is_not_read(self, monkeypatch):
        monkeypatch.setattr("spacer_like.chips.chip_source.MOST_CHIP_BYTES", 100)
        store(chip_name(0))
        with open_chips(CHIPS) as chips, pytest.raises(ImageError, match="larger than 0 MiB: no image is read of it"):
            chips.read(chip_name(0))


class TestManifests:
    def test_chips_that_are_still_in_their_tile_decode_to_what_it_shows(self, left_in_tile, tile):
        import rasterio

        with open_chips(left_in_tile) as chips:
            names, pixels = gathered(chips, size=512)
        with rasterio.MemoryFile(tile) as file, file.open() as raster:
            whole = np.moveaxis(raster.read(), 0, -1)
        assert len(names) == 9
        for name, found in zip(names, pixels, strict=True):
            cell = Cell.parse(name.partition("_")[0])
            column, row = cell.column % 32, cell.row % 32
            shown = whole[row * 512 : row * 512 + 512, column * 512 : column * 512 + 512]
            # GDAL's decoder rounds in another way.
            assert np.abs(found.astype(int) - shown).mean() < 1

    def test_a_folder_of_manifests_has_the_chips_of_all(self, left_in_tile, tile):
        other = DataLocation("memory", "ard/other.tif")
        write_bytes(other, tile)
        write_bytes(CHIPS.below("33/manifests/other.parquet"), manifest_of(other, cell=CELL[:-1] + "3").to_parquet())
        with open_chips(CHIPS) as chips:
            assert len(chips) == 18
            assert chips.names == sorted(chips.names)
            assert len(gathered(chips)[0]) == 18

    def test_chips_that_were_written_are_read_from_their_folder(self, left_in_tile, tile):
        folder = DataLocation("memory", "chips/33/")
        written = manifest_of(DataLocation("memory", "ard/tile.tif"), chips_loc=folder, blocks=(0,))
        loc = DataLocation("memory", "elsewhere/m.parquet")
        write_bytes(loc, written.to_parquet())
        name = written.made()["chip"][0].as_py()
        store(f"33/{name}")
        with open_chips(loc) as chips:
            assert chips.names == [name]
            assert chips.read(name) == photograph(0)

    def test_written_or_left_in_the_tile_they_are_the_same_files(self, tile):
        tile_loc = DataLocation("memory", f"ard/33/{CELL}/2015-05-28/{ACQUISITION}-visual.tif")
        write_bytes(tile_loc, tile)
        written, left = DataLocation("memory", "m/written.parquet"), DataLocation("memory", "m/left.parquet")
        chip_tile(ChipTileMsg(tile_loc=tile_loc, manifest_loc=written, chips_loc=CHIPS))
        chip_tile(ChipTileMsg(tile_loc=tile_loc, manifest_loc=left))
        with open_chips(written) as files, open_chips(left) as blocks, open_chips(CHIPS) as folder:
            assert len(files) == 9
            assert files.names == blocks.names == folder.names
            assert [files.read(name) for name in files.names] == [blocks.read(name) for name in files.names]
            assert (gathered(files)[1] == gathered(blocks)[1]).all()

    def test_a_file_counts_more_than_a_manifest(self, left_in_tile):
        with open_chips(CHIPS) as chips:
            name = chips.names[0]
        store(f"33/{name}")
        with open_chips(CHIPS) as chips:
            assert len(chips) == 9
            assert chips.read(name) == photograph(0)

    def test_another_table_in_the_folder_is_passed_over(self, left_in_tile):
        import pyarrow as pa
        from pyarrow.parquet import write_table

        sink = BytesIO()
        write_table(pa.table({"Feature": ["a"]}), sink)
        write_bytes(CHIPS.below("labels.parquet"), sink.getvalue())
        with open_chips(CHIPS) as chips:
            assert len(chips) == 9
        with pytest.raises(TableError, match=r"labels.parquet' is no manifest"):
            open_chips(CHIPS.below("labels.parquet"))

    def test_a_tile_that_has_changed_gives_no_chips(self, left_in_tile, tile):
        write_bytes(DataLocation("memory", "ard/tile.tif"), tile + b"\0")
        with open_chips(left_in_tile) as chips:
            with pytest.raises(TileError, match="has changed since its chips were listed: cut it again"):
                chips.read(chips.names[0])
            assert list(chips.pixels(chips.names, 32)) == []
            assert len(chips.unreadable) == 9

    def test_a_tile_that_is_gone_is_told(self, left_in_tile):
        clear = storage_factory("memory")
        clear.delete("ard/tile.tif")
        with open_chips(left_in_tile) as chips, pytest.raises(DataNotFoundError):
            chips.read(chips.names[0])

    @pytest.mark.parametrize(("offset", "length"), [(0, 100), (10**9, 100), (0, 2**40), (None, None), (0, 0)])
    def test_a_place_where_no_chip_is_gives_none(self, left_in_tile, offset, length):
        tile_loc = DataLocation("memory", "ard/tile.tif")
        manifest = manifest_of(tile_loc)
        columns = {name: manifest.chips[name].to_pylist() for name in manifest.chips.column_names}
        columns["offset"][0], columns["length"][0] = offset, length
        write_bytes(left_in_tile, replace(manifest, chips=chip_table(columns)).to_parquet())
        with pytest.raises((TileError, TableError), match="manifest"), open_chips(left_in_tile) as chips:
            chips.read(chips.names[0])

    def test_a_manifest_on_the_web_cannot_name_files_of_this_machine(self, left_in_tile, monkeypatch):
        on_the_web = DataLocation("url", "https://127.0.0.1/m.parquet")
        storage = storage_factory("url")
        data = read_bytes(left_in_tile)
        monkeypatch.setattr(type(storage), "read_range", lambda self, key, start, length: data[start : start + length])
        with pytest.raises(TableError, match="is on the web, and its chips are not"):
            open_chips(on_the_web)


class CountingStorage(MemoryStorage):
    """A memory that waits as the network does, as far as its users know."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[int, int]] = []
        self.broken = False

    def read_range(self, key: str, start: int, length: int) -> bytes:
        self.reads.append((start, length))
        if self.broken:
            raise StorageUnavailableError("The network is down.")
        return super().read_range(key, start, length)


class TestFarTiles:
    @pytest.fixture
    def far(self, tile, monkeypatch):
        storage = CountingStorage()
        with _registered("far", storage, monkeypatch):
            storage.write("tile.tif", tile)
            loc = DataLocation("memory", "m.parquet")
            write_bytes(loc, manifest_of(DataLocation("far", "tile.tif")).to_parquet())
            storage.reads.clear()
            yield storage, loc

    def test_many_chips_are_read_at_once(self, far, left_in_tile):
        storage, loc = far
        with open_chips(loc) as chips, open_chips(left_in_tile) as near:
            names, pixels = gathered(chips)
            expected = gathered(near)
        assert names == expected[0]
        assert (pixels == expected[1]).all()
        assert len(storage.reads) == 1

    def test_a_network_that_is_down_is_no_fault_of_the_chips(self, far):
        storage, loc = far
        storage.broken = True
        with open_chips(loc) as chips:
            with pytest.raises(StorageUnavailableError):
                gathered(chips)
            assert chips.unreadable == []


class TestOnS3:
    def test_files_and_blocks_in_tiles_are_the_same_there(self, rclone, tile, left_in_tile):
        bucket = rclone.make_bucket()
        tile_loc, chips_loc = DataLocation("s3", "ard/tile.tif", bucket), DataLocation("s3", "chips", bucket)
        with rclone.settings():
            write_bytes(tile_loc, tile)
            write_bytes(chips_loc.below("33/manifests/m.parquet"), manifest_of(tile_loc).to_parquet())
            store(f"33/{chip_name(5)}", root=chips_loc)
            with open_chips(chips_loc) as chips, open_chips(left_in_tile) as near:
                names, pixels = gathered(chips)
                expected = dict(zip(*gathered(near), strict=True))
                assert [chips.read(name) for name in near.names] == [near.read(name) for name in near.names]
        assert set(names) == {*expected, chip_name(5)}
        for name, found in zip(names, pixels, strict=True):
            if name in expected:
                assert (found == expected[name]).all()


@contextmanager
def _registered(storage_type, storage, monkeypatch):
    from spacer_like import location
    from spacer_like import storage as storages

    monkeypatch.setattr(location, "STORAGE_TYPES", [*location.STORAGE_TYPES])
    monkeypatch.setattr(storages, "_registered", dict(storages._registered))
    register_storage(storage_type, lambda bucket_name: storage)
    yield


class TestRanges:
    FILES = tuple(np.random.default_rng(seed).bytes(300_000) for seed in range(2))

    def reader(self, ranges, reads=None):
        def read(where: Range) -> bytes:
            if reads is not None:
                reads.append(where)
            return self.FILES[where.file][where.offset : where.offset + where.length]

        return RangesReader(ranges, read)

    ranges = st.lists(st.builds(Range, st.integers(0, 1), st.integers(0, 310_000), st.integers(0, 5000)), max_size=40)

    @given(ranges, st.randoms())
    def test_each_is_what_the_file_has_there_in_any_order(self, ranges, random):
        reader = self.reader(ranges)
        places = list(range(len(ranges)))
        random.shuffle(places)
        for place in places:
            file, offset, length = ranges[place]
            assert reader[place] == self.FILES[file][offset : offset + length]

    @given(ranges)
    def test_one_that_is_asked_for_again_is_the_same(self, ranges):
        reader = self.reader(ranges)
        assert [reader[place] for place in range(len(ranges))] == [reader[place] for place in range(len(ranges))]

    def test_neighbours_are_read_together_and_what_is_far_off_is_not(self):
        reads = []
        ranges = [Range(0, 0, 10), Range(0, 200_000, 10), Range(0, 20, 10), Range(1, 10, 10)]
        reader = self.reader(ranges, reads)
        for place in range(4):
            assert reader[place]
        assert sorted(reads) == [Range(0, 0, 30), Range(0, 200_000, 10), Range(1, 10, 10)]

    def test_many_threads_read_it_once(self):
        reads = []
        ranges = [Range(0, 100 * place, 100) for place in range(64)]
        reader = self.reader(ranges, reads)
        found = {}
        threads = [
            threading.Thread(target=lambda place=place: found.update({place: reader[place]})) for place in range(64)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert b"".join(found[place] for place in range(64)) == self.FILES[0][:6400]
        assert len(reads) == 1

    def test_an_error_is_each_one_s(self):
        def read(where: Range) -> bytes:
            raise StorageUnavailableError("down")

        reader = RangesReader([Range(0, 0, 1), Range(0, 1, 1)], read)
        for place in (0, 1):
            with pytest.raises(StorageUnavailableError):
                reader[place]
