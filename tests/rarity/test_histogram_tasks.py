"""Histograms from storage to storage: counted, merged, taken away, and as tables that processes share."""

import gc
import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import CollectionError, DataNotFoundError, HistogramError, MessageError
from spacer_like.rarity.count_table import CountTable
from spacer_like.rarity.histogram import DenseCounts, Header, Histogram, HistogramBuilder
from spacer_like.rarity.messages import ComputeHistogramMsg, MergeHistogramsMsg
from spacer_like.rarity.tasks.histogram_storage import read_histogram, read_table, write_dense, write_histogram
from spacer_like.rarity.tasks.histograms import compute_histogram, merge_histograms
from spacer_like.storage import exists, read_bytes, write_bytes

SIZE = 4
HEADER = Header(SIZE, "nearest", "drop")


def at(key):
    return DataLocation("memory", key)


def some_images(seed, n):
    return np.random.default_rng(seed).integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)


def put_images(prefix, stack):
    for number, pixels in enumerate(stack):
        sink = io.BytesIO()
        Image.fromarray(pixels).save(sink, "PNG")
        write_bytes(at(f"{prefix}/{number}"), sink.getvalue())
    return at(f"{prefix}/")


def histogram_of(stack, name):
    builder = HistogramBuilder(HEADER)
    builder.add(stack)
    return builder.histogram(name)


def put_histogram(name, stack):
    write_histogram(at(f"{name}.parquet"), histogram_of(stack, name))
    return at(f"{name}.parquet")


def compute(prefix="punks", **changed):
    fields = {"collection_id": "punks", "images_loc": at(f"{prefix}/"), "histogram_loc": at("punks.parquet")}
    return compute_histogram(ComputeHistogramMsg(**fields | {"size": SIZE, "resample": "nearest"} | changed))


def merge(locs, **changed):
    return merge_histograms(
        MergeHistogramsMsg(**{"histogram_locs": locs, "merged_loc": at("global.parquet")} | changed)
    )


class TestComputing:
    def test_images_are_counted(self):
        stack = some_images(0, 5)
        put_images("punks", stack)
        answer = compute()
        expected = histogram_of(stack, "punks")
        assert read_histogram(at("punks.parquet")) == expected
        assert (answer.n_images, answer.n_cells, answer.unreadable) == (5, len(expected.keys), [])

    def test_a_file_that_is_no_image_is_reported_and_the_rest_is_counted(self):
        put_images("punks", some_images(0, 2))
        write_bytes(at("punks/9"), b"no image")
        answer = compute()
        assert answer.n_images == 2
        assert [entry.name for entry in answer.unreadable] == ["9"]

    def test_the_dense_layout_is_that_of_the_original(self):
        stack = some_images(1, 6)
        put_images("punks", stack)
        compute(dense_loc=at("dense.npz"))
        with np.load(io.BytesIO(read_bytes(at("dense.npz"))), allow_pickle=False) as file:
            dense = file["arr_0"]
        assert dense.dtype == np.int32
        assert dense.shape == (SIZE * SIZE, 10, 10, 10)
        for position, values in enumerate(stack.reshape(6, -1, 3).swapaxes(0, 1)):
            expected, _ = np.histogramdd(values, bins=10, range=[(0, 255)] * 3)
            np.testing.assert_array_equal(dense[position], expected)

    @pytest.mark.parametrize("key", [None, "punks/1"])
    def test_without_an_image_nothing_is_written_and_the_reason_is_told(self, key):
        if key:
            write_bytes(at(key), b"no image")
        with pytest.raises(CollectionError, match=r"'punks' has no image to count: .*(holds no image|The one file)"):
            compute(dense_loc=at("dense.npz"))
        assert not exists(at("punks.parquet"))
        assert not exists(at("dense.npz"))

    @pytest.mark.parametrize("background", ["red", "#fff", "#gg0000", "#ffffff\n", "Drop", ""])
    def test_what_is_no_colour_is_no_background(self, background):
        with pytest.raises(MessageError, match=r"background: .* is neither 'drop' nor a colour such as '#ffffff'"):
            compute(background=background)

    def test_colours_written_in_capitals_are_the_same_background(self):
        put_images("punks", some_images(0, 2))
        compute(background="#FFEEDD")
        assert read_histogram(at("punks.parquet")).header.background == "#ffeedd"

    def test_memory_does_not_grow_with_the_number_of_images(self):
        def peak(number):
            gc.collect()
            tracemalloc.start()
            builder = HistogramBuilder(HEADER)
            for seed in range(number // 500):
                builder.add(some_images(seed, 500))
            found = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return found

        # The first time, compiling takes far more than the images; whoever kept these would need 860,000 bytes more.
        peak(2_000)
        assert peak(20_000) < peak(2_000) + 200_000


class TestMerging:
    @pytest.fixture
    def locs(self):
        return [put_histogram(name, some_images(seed, seed + 2)) for seed, name in enumerate("abc")]

    def test_the_sum_is_the_histogram_of_all_images(self, locs):
        answer = merge(locs)
        expected = histogram_of(np.concatenate([some_images(seed, seed + 2) for seed in range(3)]), "all")
        merged = read_histogram(at("global.parquet"))
        np.testing.assert_array_equal(merged.keys, expected.keys)
        np.testing.assert_array_equal(merged.counts, expected.counts)
        assert merged.collections == {"a": 2, "b": 3, "c": 4}
        assert (answer.n_images, answer.n_collections, answer.n_cells) == (9, 3, len(expected.keys))
        assert (answer.smallest_count, answer.skipped) == (expected.smallest_count, [])

    def test_order_and_grouping_do_not_change_a_byte(self, locs):
        merge(locs)
        whole = read_bytes(at("global.parquet"))
        merge(locs[1:][::-1], merged_loc=at("part.parquet"))
        merge([at("part.parquet"), locs[0]], merged_loc=at("again.parquet"))
        assert read_bytes(at("again.parquet")) == whole

    def test_a_collection_is_taken_away_as_if_it_had_never_been_there(self, locs):
        merge(locs[:2])
        without = read_bytes(at("global.parquet"))
        merge(locs, subtract_locs=[locs[2]])
        assert read_bytes(at("global.parquet")) == without

    def test_a_collection_counted_twice_is_refused_and_nothing_is_written(self, locs):
        with pytest.raises(HistogramError, match="'b' is counted already"):
            merge([*locs, locs[1]])
        assert not exists(at("global.parquet"))

    def test_or_skipped_where_that_is_asked_for(self, locs):
        answer = merge([*locs, locs[1]], on_duplicate="skip")
        assert answer.skipped == ["b"]
        assert answer.n_images == 9

    def test_histograms_of_other_preparation_are_refused(self, locs):
        other = Histogram.empty(Header(SIZE, "nearest", "#ffffff"))
        write_histogram(at("other.parquet"), other)
        with pytest.raises(HistogramError, match="the background is drop of one and #ffffff"):
            merge([*locs, at("other.parquet")])

    def test_a_missing_or_damaged_one_is_named(self, locs):
        with pytest.raises(DataNotFoundError, match="gone"):
            merge([*locs, at("gone.parquet")])
        write_bytes(at("bad.parquet"), b"damaged")
        with pytest.raises(HistogramError, match=r"bad\.parquet"):
            merge([*locs, at("bad.parquet")])

    def test_of_nothing_there_is_no_sum(self, locs):
        with pytest.raises(HistogramError, match="no histogram to merge"):
            merge([])
        with pytest.raises(HistogramError, match="nowhere to go"):
            merge(locs, merged_loc=None)
        with pytest.raises(HistogramError, match="counts no image"):
            merge(locs[:1], subtract_locs=locs[:1], table_loc=at("global.npy"))


@pytest.fixture(params=["memory", "filesystem"])
def table_loc(request, tmp_path):
    return DataLocation(request.param, str(tmp_path / "global.npy") if request.param == "filesystem" else "global.npy")


class TestTables:
    @pytest.fixture
    def table(self, table_loc):
        merge([put_histogram("a", some_images(0, 5))], table_loc=table_loc)
        return table_loc

    def test_a_table_is_what_its_histogram_is(self, table):
        found, expected = read_table(table, HEADER), CountTable.from_histogram(read_histogram(at("global.parquet")))
        np.testing.assert_array_equal(found.counts, expected.counts)
        assert (found.header, found.n_images, found.smallest_count) == (HEADER, 5, expected.smallest_count)

    def test_any_numpy_opens_it(self, table):
        found = np.load(io.BytesIO(read_bytes(table)), allow_pickle=False)
        assert found.dtype == np.uint32
        assert (found.sum(axis=1) == 5).all()

    @pytest.mark.parametrize("version", [(1, 0), (2, 0)])
    def test_a_table_that_another_numpy_wrote_is_read(self, table, version):
        """Releases pad the header differently, and formats differ in its length."""
        expected = read_table(table, HEADER).counts.copy()
        file = io.BytesIO()
        np.lib.format.write_array(file, expected, version)
        write_bytes(table, file.getvalue())
        np.testing.assert_array_equal(read_table(table, HEADER).counts, expected)

    def test_a_histogram_serves_as_well(self, table):
        found = read_table(at("global.parquet"), HEADER)
        np.testing.assert_array_equal(found.counts, read_table(table, HEADER).counts)

    def test_images_of_other_preparation_are_refused(self, table):
        with pytest.raises(HistogramError, match="the resample is nearest of one and box of the other"):
            read_table(table, Header(SIZE, "box", "drop"))

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[:60],
            lambda data: data[:-4],
            lambda data: b"something else" * 20,
            lambda data: npy(np.load(io.BytesIO(data)).astype(np.uint64)),
            lambda data: npy(np.load(io.BytesIO(data))[1:]),
            lambda data: npy(np.asfortranarray(np.load(io.BytesIO(data)))),
            lambda data: npy(np.load(io.BytesIO(data)) * np.uint32(2)),
            lambda data: npy(np.array([{}], object)),
            lambda data: data.replace(b"<u4", b"<i4"),
            lambda data: zipped(data),
        ],
        ids=["empty", "head", "cut", "text", "wide", "rows", "columns", "twice", "objects", "signed", "zip"],
    )
    def test_a_damaged_table_is_refused_by_name(self, table, damage):
        write_bytes(table, damage(read_bytes(table)))
        with pytest.raises(HistogramError, match=r"global\.npy"):
            read_table(table, HEADER)

    @pytest.mark.parametrize(
        "changed",
        [
            {"kind": "another"},
            {"version": 2},
            {"n_images": 6},
            {"n_images": None},
            {"smallest_count": 0},
            {"smallest_count": 6},
            {"header": {"size": 5, "resample": "nearest", "background": "drop"}},
            {"header": {"size": "4", "resample": "nearest", "background": "drop"}},
            {"header": []},
        ],
    )
    def test_a_description_of_something_else_is_refused(self, table, changed):
        described = DataLocation(table.storage_type, f"{table.key}.json")
        write_bytes(described, json.dumps(json.loads(read_bytes(described)) | changed).encode())
        with pytest.raises(HistogramError, match=r"global\.npy"):
            read_table(table, HEADER)

    def test_a_table_that_is_missing_beside_its_description_is_not_found(self, table):
        description = read_bytes(DataLocation(table.storage_type, f"{table.key}.json"))
        write_bytes(DataLocation(table.storage_type, f"{table.key}2.npy.json"), description)
        with pytest.raises(DataNotFoundError):
            read_table(DataLocation(table.storage_type, f"{table.key}2.npy"), HEADER)

    def test_another_ending_is_refused(self):
        with pytest.raises(HistogramError, match=r"must end with \.parquet"):
            read_table(at("global.csv"), HEADER)


def npy(array):
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def zipped(data):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr("arr_0.npy", data)
    return sink.getvalue()


def test_counts_too_large_for_the_dense_layout_are_refused_before_anything_is_written():
    counted = DenseCounts(Header(1, "nearest", "drop"), {"a": 2**31}, np.zeros((1, 1000), np.uint32))
    with pytest.raises(HistogramError, match="32 bits"):
        write_dense(at("dense.npz"), counted)
    assert not exists(at("dense.npz"))
