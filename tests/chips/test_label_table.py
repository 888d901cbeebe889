"""Tables of chips and their labels, sparse and dense."""

import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import DataLimitError, TableError
from spacer_like.tables.files import table_bytes
from spacer_like.tables.label_table import LabelTable, read_label_table

from ..readers.refusals import refused_by_name

FORMATS = pytest.mark.parametrize("parquet", [False, True], ids=["csv", "parquet"])
NAMES = ["Z33-03111121232201230_a.jpg", "Z33-03111121232201231_f7d2-4e-inv.jpg", "Z33-03111121232201232_a.jpg"]
TABLE = LabelTable(NAMES, ("forest", "water"), np.array([[1, 0], [1, 1], [0, 0]], bool))


def test_a_sparse_table_has_a_row_a_chip_and_a_column_of_0_and_1_a_label():
    text = table_bytes(TABLE.sparse(), parquet=False).decode()
    assert text.splitlines() == ["Feature,forest,water", f"{NAMES[0]},1,0", f"{NAMES[1]},1,1", f"{NAMES[2]},0,0"]


def test_a_dense_table_has_the_labels_of_a_chip_in_one_text():
    text = table_bytes(TABLE.dense(), parquet=False).decode()
    assert text.splitlines() == ["Feature,Labels", f"{NAMES[0]},forest", f"{NAMES[1]},forest|water", f"{NAMES[2]},"]
    found = pq.read_table(io.BytesIO(table_bytes(TABLE.dense(), parquet=True)))
    assert found["Labels"].to_pylist() == ["forest", "forest|water", ""]


def test_counts_are_chips_by_label():
    assert TABLE.counts() == {"forest": 2, "water": 1}


printable = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@FORMATS
@given(
    labels=st.lists(printable.filter(lambda text: text not in ("Feature", "image")), min_size=1, unique=True),
    names=st.lists(printable, unique=True, max_size=20),
    data=st.data(),
)
def test_every_table_is_read_as_it_was_written(parquet, labels, names, data):
    targets = data.draw(st.lists(st.booleans(), min_size=len(names) * len(labels), max_size=len(names) * len(labels)))
    table = LabelTable(names, tuple(sorted(labels)), np.array(targets, bool).reshape(len(names), len(labels)))
    if table.labels == ("Labels",):
        return
    back = read_label_table(table_bytes(table.sparse(), parquet), "t", parquet)
    assert (back.names, back.labels) == (table.names, table.labels)
    assert np.array_equal(back.targets, table.targets)
    assert table_bytes(table.sparse(), parquet) == table_bytes(back.sparse(), parquet)


@pytest.mark.parametrize("kind", [pa.int64(), pa.int8(), pa.float64(), pa.bool_(), pa.uint8()], ids=str)
def test_tables_of_other_programs_are_read(kind):
    table = pa.table({"image": NAMES[:2], "a": pa.array([0, 1]).cast(kind)})
    found = read_label_table(file_of(table), "t", parquet=True)
    assert found.names == NAMES[:2]
    assert found.targets.tolist() == [[False], [True]]
    windows = "\ufeffimage,a,b\r\nx.jpg,1.0,0\r\ny.jpg,0.0,1\r\n".encode()
    assert read_label_table(windows, "t", parquet=False).targets.tolist() == [[True, False], [False, True]]


def file_of(table):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no row of names"),
        ("name,a\nx,1\n", "first column.*must be Feature"),
        ("Feature\nx\n", "no label"),
        ("Feature,Labels\nx,a|b\n", "dense one"),
        ("Feature,a,a\nx,1,1\n", "two columns a"),
        ("Feature,a\nx,2\n", "column a.*neither 0 nor 1"),
        ("Feature,a\nx,0.5\n", "column a.*neither 0 nor 1"),
        ("Feature,a\nx,\n", "column a.*neither 0 nor 1"),
        ("Feature,a\nx,yes\n", "cannot be read as CSV"),
        ("Feature,a\nx\n", "cannot be read as CSV"),
        ("Feature,a\nx,1\nx,0\n", "the chip x twice"),
        ("Feature,a\n,1\n", "without the name"),
    ],
)
def test_a_malformed_csv_is_refused_by_name(text, sentence):
    with pytest.raises(TableError, match=sentence) as caught:
        read_label_table(text.encode(), "bad.csv", parquet=False)
    assert "'bad.csv'" in str(caught.value)


@pytest.mark.parametrize(
    "values", [["1"], [[1]], [{"a": 1}], [b"1"], [None], [2], [float("nan")]], ids=lambda values: str(values[0])
)
def test_parquet_with_other_values_is_refused(values):
    data = file_of(pa.table({"Feature": ["x"], "a": values}))
    with pytest.raises(TableError, match=r"column a of the table 'bad\.parquet'"):
        read_label_table(data, "bad.parquet", parquet=True)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_refused_by_name(data):
    with pytest.raises(TableError, match=r"'bad\.parquet' cannot be read as Parquet"):
        read_label_table(data, "bad.parquet", parquet=True)


def test_parquet_that_announces_rows_without_bytes_is_refused():
    nothing = pa.nulls(10_000_000, pa.int64())
    data = file_of(pa.table({"Feature": pa.nulls(10_000_000, pa.string()), "a": nothing}))
    with pytest.raises(DataLimitError, match="10000000 rows"):
        read_label_table(data, "bomb.parquet", parquet=True)


def test_parquet_that_repeats_a_long_name_is_refused():
    names = pa.DictionaryArray.from_arrays(np.zeros(1000, np.int32), ["x" * 100_000])
    data = file_of(pa.table({"Feature": names, "a": [0] * 1000}))
    with pytest.raises((DataLimitError, TableError), match=r"bomb\.parquet"):
        read_label_table(data, "bomb.parquet", parquet=True)


def test_a_damaged_file_is_refused_or_read_but_never_anything_else():
    data = table_bytes(TABLE.sparse(), parquet=True)
    random = np.random.default_rng(0)
    for place in random.permutation(len(data))[:300]:
        damaged = bytearray(data)
        damaged[place] ^= int(random.integers(1, 256))
        with refused_by_name("bad.parquet", TableError, DataLimitError):
            found = read_label_table(bytes(damaged), "bad.parquet", parquet=True)
            assert found.targets.shape == (len(found.names), len(found.labels))


def test_many_chips_make_one_csv():
    names = [f"chip {number}" for number in range(70_000)]
    table = LabelTable(names, ("a, b", 'c "d"'), np.arange(140_000).reshape(-1, 2) % 3 == 0)
    rows = list(csv.DictReader(io.StringIO(table_bytes(table.sparse(), parquet=False).decode())))
    assert len(rows) == 70_000
    assert rows[-1] == {"Feature": "chip 69999", "a, b": "1", 'c "d"': "0"}


@FORMATS
@pytest.mark.parametrize("folder", ["chips/33/", "/data/chips/33/", "s3://bucket/chips/33/", "chips\\33\\"])
def test_a_chip_is_named_without_the_folders_that_stand_before_it(folder, parquet):
    joined = LabelTable([folder + name for name in NAMES], TABLE.labels, TABLE.targets)
    assert read_label_table(table_bytes(joined.sparse(), parquet=parquet), "t", parquet).names == NAMES


@FORMATS
def test_a_chip_with_and_without_its_folder_is_there_twice(parquet):
    twice = LabelTable([NAMES[0], f"chips/33/{NAMES[0]}"], TABLE.labels, TABLE.targets[:2])
    with pytest.raises(TableError, match=f"has the chip {NAMES[0]} twice"):
        read_label_table(table_bytes(twice.sparse(), parquet=parquet), "t", parquet)
