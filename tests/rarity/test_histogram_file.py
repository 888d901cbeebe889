"""Histograms as Parquet files, and what is refused of files that are none."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spacer_like.exceptions import HistogramError
from spacer_like.rarity.histogram import Header, Histogram, HistogramBuilder
from spacer_like.rarity.histogram_file import from_parquet, to_parquet

GOLDEN = Path(__file__).parent / "golden" / "histogram-v1.parquet"
HEADER = Header(4, "bicubic", "drop")


def golden_histogram():
    """Two collections of images whose every value can be computed by hand."""
    total = Histogram.empty(HEADER)
    for name, n in (("punks", 3), ("café", 2)):
        builder = HistogramBuilder(HEADER)
        numbers = np.arange(n * 4 * 4 * 3).reshape(n, 4, 4, 3)
        builder.add((numbers * (7 if name == "punks" else 11) % 256).astype(np.uint8))
        total += builder.histogram(name)
    return total


@pytest.fixture(scope="module")
def histogram():
    return golden_histogram()


def file_of(columns, metadata):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), sink)
    return sink.getvalue().to_pybytes()


def description(**changed):
    whole = {
        "kind": "rarity histogram",
        "version": 1,
        "header": {"size": 1, "resample": "bicubic", "background": "drop", "bins": 10, "colour_space": "RGB"},
        "collections": {"a": 2},
    }
    return {b"spacer_like": json.dumps(whole | changed).encode()}


def columns(keys=(0, 7), counts=(1, 1), kind=None):
    return {"key": pa.array(keys, kind or pa.uint32()), "count": pa.array(counts, kind or pa.uint32())}


def test_written_and_read_it_is_the_same(histogram):
    assert from_parquet(to_parquet(histogram), "it") == histogram


def test_equal_histograms_give_equal_bytes(histogram):
    reordered = Histogram(HEADER, dict(reversed(histogram.collections.items())), histogram.keys, histogram.counts)
    assert to_parquet(reordered) == to_parquet(histogram)


def test_a_file_of_version_1_is_read_for_ever(histogram):
    assert from_parquet(GOLDEN.read_bytes(), "golden") == histogram


def test_any_parquet_reader_can_read_it(histogram):
    table = pq.read_table(GOLDEN)
    assert table.column_names == ["key", "count"]
    assert table["key"].to_pylist() == histogram.keys.tolist()
    described = json.loads(table.schema.metadata[b"spacer_like"])
    assert described["collections"] == {"café": 2, "punks": 3}
    assert described["header"]["size"] == 4


def test_a_histogram_of_nothing_is_written_and_read():
    assert from_parquet(to_parquet(Histogram.empty(HEADER)), "it") == Histogram.empty(HEADER)


def test_a_file_made_elsewhere_with_the_same_contents_is_read():
    read = from_parquet(file_of(columns(), description()), "it")
    assert read.keys.tolist() == [0, 7]
    assert read.collections == {"a": 2}


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "no histogram, or is damaged"),
        (b"PAR1 and then nothing of the kind PAR1", "no histogram, or is damaged"),
        (file_of(columns(), {}), "does not say what it counts"),
        (file_of(columns(), {b"spacer_like": b"[1"}), "cannot be understood"),
        (file_of(columns(), {b"spacer_like": b"[" * 100_000}), "cannot be understood"),
        (file_of(columns(), description(kind="score table")), "it is a score table"),
        (file_of(columns(), description(version=2)), "version 2, which is not known here yet"),
        (file_of(columns(), description(version="1")), "no histogram"),
        (file_of(columns(), description(header={"size": 1})), "cannot be understood"),
        (file_of(columns(), description(collections=["a"])), "cannot be understood"),
        (file_of(columns(), description(collections={"a": "2"})), "cannot be understood"),
        (file_of(columns(), description(collections={"a": True, "b": 1})), "cannot be understood"),
        (file_of(columns(), description(collections={"a": 3, "b": -1})), "impossible"),
        (file_of(columns(), description(collections={"a": 2**40})), "impossible"),
        (file_of(columns(kind=pa.int64()), description()), "columns are not key and count"),
        (file_of({"key": columns()["key"]}, description()), "columns are not key and count"),
        (file_of(columns((0, None)), description()), "a number is missing"),
        (file_of(columns((0, 1000)), description()), "keys are not in order"),
        (file_of(columns((7, 0)), description()), "keys are not in order"),
        (file_of(columns(counts=(1, 2)), description()), "not one for each image"),
        (file_of(columns((0, 1, 2), (1, 1, 0)), description()), "more rows than there are keys"),
    ],
)
def test_what_is_no_histogram_is_refused_by_name_and_reason(data, named):
    with pytest.raises(HistogramError, match=rf"^The file.*{named}"):
        from_parquet(data, "The file")


@pytest.mark.parametrize("size", [0, -4, 100_000, 1.0, "4", None, True])
def test_an_impossible_size_is_refused_before_memory_is_taken(size):
    header = {"size": size, "resample": "bicubic", "background": "drop"}
    with pytest.raises(HistogramError, match="malformed"):
        from_parquet(file_of(columns(), description(header=header)), "it")


def test_damage_anywhere_is_told_as_such_or_does_no_harm(histogram):
    """Whichever byte is changed: refused, or the counts still are one for each image at each position."""
    data = to_parquet(histogram)
    random = np.random.default_rng(0)
    refused = 0
    for place in random.choice(len(data), 300, replace=False):
        damaged = bytearray(data)
        damaged[place] ^= 1 << random.integers(8)
        try:
            from_parquet(bytes(damaged), "it").check()
        except HistogramError:
            refused += 1
    assert refused > 200


def test_a_file_that_was_cut_short_is_refused(histogram):
    data = to_parquet(histogram)
    for length in range(0, len(data), 41):
        with pytest.raises(HistogramError, match="no histogram, or is damaged"):
            from_parquet(data[:length], "it")
