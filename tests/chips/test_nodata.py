"""Which chips have data: by masks exactly, by colours about."""

import json
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from spacer_like.chips.messages import ChipTileMsg, IndexNodataMsg
from spacer_like.chips.nodata import CLASSES, NodataIndex, class_of_pixels
from spacer_like.chips.tasks.chips import index_nodata
from spacer_like.chips.tasks.tiles import chip_tile
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, StorageUnavailableError, TableError
from spacer_like.storage import clear_memory_storage, read_bytes, write_bytes
from spacer_like.storage.memory import MemoryStorage

from .tile_making import ACQUISITION, CELL, make_tile

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

CHIPS = DataLocation("memory", "chips")
INDEX = DataLocation("memory", "nodata-index.json")
MANIFEST = DataLocation("memory", "chips/33/manifests/m.parquet")

images = arrays.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3])))


@pytest.fixture(autouse=True)
def empty_memory():
    clear_memory_storage()
    yield
    clear_memory_storage()


class TestPixels:
    @given(images, st.integers(0, 254))
    def test_all_none_or_some_pixels_have_no_band_above_the_threshold(self, pixels, threshold):
        n_empty = sum(all(band <= threshold for band in pixel) for row in pixels.tolist() for pixel in row)
        expected = "all_data" if not n_empty else "no_data" if n_empty == pixels[..., 0].size else "partial_data"
        assert class_of_pixels(pixels, threshold) == expected

    def test_one_band_above_is_data(self):
        assert class_of_pixels(np.array([[[0, 0, 9]]], np.uint8), 8) == "all_data"
        assert class_of_pixels(np.array([[[8, 8, 8]]], np.uint8), 8) == "no_data"


class TestIndexFile:
    @given(
        st.lists(st.tuples(st.text(min_size=1, max_size=9), st.sampled_from(CLASSES)), unique_by=lambda pair: pair[0])
    )
    def test_it_is_read_back(self, classes):
        index = NodataIndex.of(classes)
        assert NodataIndex.from_json(index.to_json(), "index") == index
        assert dict(classes) == {name: key for key in CLASSES for name in getattr(index, key)}

    def test_it_has_just_three_keys_with_sorted_names(self):
        index = NodataIndex.of([("b.jpg", "all_data"), ("a.jpg", "all_data"), ("c.jpg", "no_data")])
        assert json.loads(index.to_json()) == {"all_data": ["a.jpg", "b.jpg"], "partial_data": [], "no_data": ["c.jpg"]}

    def test_one_of_another_program_may_be_in_any_order(self):
        index = NodataIndex.from_json(b'{"no_data": [], "all_data": ["b", "a"], "partial_data": []}', "index")
        assert index.all_data == ["a", "b"]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xff",
            b"[]",
            b"[" * 100_000,
            b'{"all_data": [], "partial_data": []}',
            b'{"all_data": [], "partial_data": [], "no_data": [], "more": []}',
            b'{"all_data": {}, "partial_data": [], "no_data": []}',
            b'{"all_data": [1], "partial_data": [], "no_data": []}',
            b'{"all_data": [""], "partial_data": [], "no_data": []}',
            b'{"all_data": ["a", "a"], "partial_data": [], "no_data": []}',
            b'{"all_data": ["a"], "partial_data": ["a"], "no_data": []}',
            b'{"all_data": ["\\ud800"], "partial_data": [], "no_data": []}',
        ],
    )
    def test_what_is_no_index_is_refused_by_name(self, data):
        with pytest.raises(TableError, match=r"my-index\.json'"):
            NodataIndex.from_json(data, "my-index.json")


def jpeg(level: int, dark: int = 0) -> bytes:
    """A grey image, the first `dark` rows of which are black."""
    pixels = np.full((64, 64, 3), level, np.uint8)
    pixels[:dark] = 0
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    return stream.getvalue()


class TestOfForeignChips:
    @pytest.fixture(params=["filesystem", "memory"])
    def folder(self, request, tmp_path):
        return DataLocation(request.param, f"{tmp_path}/chips" if request.param == "filesystem" else "chips")

    def test_the_colours_of_their_pixels_tell(self, folder):
        for name, data in {"full": jpeg(90), "part": jpeg(90, 32), "none": jpeg(0), "shade": jpeg(5)}.items():
            write_bytes(folder.below(f"33/{name}.jpg"), data)
        answer = index_nodata(IndexNodataMsg(chips_loc=folder, index_loc=INDEX))
        assert json.loads(read_bytes(INDEX)) == {
            "all_data": ["full.jpg"],
            "partial_data": ["part.jpg"],
            "no_data": ["none.jpg", "shade.jpg"],
        }
        assert (answer.n_all_data, answer.n_partial_data, answer.n_no_data, answer.exact) == (1, 1, 2, False)

    def test_the_threshold_may_be_strict(self, folder):
        write_bytes(folder.below("shade.jpg"), jpeg(5))
        index_nodata(IndexNodataMsg(chips_loc=folder, index_loc=INDEX, threshold=0))
        assert json.loads(read_bytes(INDEX))["all_data"] == ["shade.jpg"]

    def test_what_is_no_image_is_told_and_not_in_the_index(self, folder):
        write_bytes(folder.below("a.jpg"), jpeg(90))
        write_bytes(folder.below("b.jpg"), b"no image")
        write_bytes(folder.below("c.jpg"), jpeg(90)[:-30])
        answer = index_nodata(IndexNodataMsg(chips_loc=folder, index_loc=INDEX))
        assert answer.n_all_data == 1
        assert [chip.name for chip in answer.unreadable] == ["b.jpg", "c.jpg"]

    def test_a_folder_of_nothing_is_an_error_and_writes_nothing(self, folder):
        with pytest.raises(DataNotFoundError, match="There are no chips in"):
            index_nodata(IndexNodataMsg(chips_loc=folder, index_loc=INDEX))
        with pytest.raises(DataNotFoundError):
            read_bytes(INDEX)

    def test_the_same_chips_give_the_same_bytes(self, folder):
        for number in range(30):
            write_bytes(folder.below(f"{number}.jpg"), jpeg(3 * number))
        written = []
        for _ in range(2):
            index_nodata(IndexNodataMsg(chips_loc=folder, index_loc=INDEX))
            written.append(read_bytes(INDEX))
        assert written[0] == written[1]

    def test_a_storage_that_breaks_off_is_no_fault_of_a_chip(self, monkeypatch):
        write_bytes(CHIPS.below("a.jpg"), jpeg(90))

        def break_off(*arguments):
            raise StorageUnavailableError("The storage does not answer.")

        monkeypatch.setattr(MemoryStorage, "read_range", break_off)
        with pytest.raises(StorageUnavailableError):
            index_nodata(IndexNodataMsg(chips_loc=CHIPS, index_loc=INDEX))


@pytest.fixture(scope="module")
def tile(tmp_path_factory):
    """Of 4 x 4 blocks the first is full, the next has a hole of one pixel, the others are empty."""
    mask = np.zeros((2048, 2048), bool)
    mask[:512, :1024] = True
    mask[100, 700] = False
    path = make_tile(tmp_path_factory.mktemp("tile") / "tile.tif", column=0, row=0, mask=mask)
    return DataLocation("filesystem", str(path))


class TestOfManifests:
    def chip(self, tile, **options):
        chip_tile(
            ChipTileMsg(tile_loc=tile, manifest_loc=MANIFEST, zone=33, quadkey=CELL, acquisition=ACQUISITION, **options)
        )

    @pytest.mark.parametrize("loc", [MANIFEST, DataLocation("memory", "chips/33/manifests/"), CHIPS])
    def test_masks_tell_to_the_pixel(self, tile, loc):
        self.chip(tile)
        answer = index_nodata(IndexNodataMsg(chips_loc=loc, index_loc=INDEX))
        lists = json.loads(read_bytes(INDEX))
        assert lists["all_data"] == [f"Z33-{CELL}00000_{ACQUISITION}.jpg"]
        assert lists["partial_data"] == [f"Z33-{CELL}00001_{ACQUISITION}.jpg"]
        assert len(lists["no_data"]) == answer.n_no_data == 1022
        assert answer.exact

    def test_written_chips_beside_their_manifest_are_not_looked_at(self, tile):
        self.chip(tile, chips_loc=CHIPS)
        assert index_nodata(IndexNodataMsg(chips_loc=CHIPS, index_loc=INDEX)).exact

    def test_chips_that_no_manifest_names_are_looked_at(self, tile):
        self.chip(tile)
        write_bytes(CHIPS.below("33/foreign.jpg"), jpeg(90))
        answer = index_nodata(IndexNodataMsg(chips_loc=CHIPS, index_loc=INDEX))
        assert (answer.n_all_data, answer.exact) == (2, False)

    def test_a_table_that_is_no_manifest_is_refused(self):
        write_bytes(MANIFEST, b"PAR1" + bytes(100) + b"PAR1")
        with pytest.raises(TableError, match=r"m\.parquet"):
            index_nodata(IndexNodataMsg(chips_loc=MANIFEST, index_loc=INDEX))
