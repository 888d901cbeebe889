"""Tables as files, whatever they are about."""

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import SpacerInputError, TableError
from spacer_like.storage import clear_memory_storage, exists, read_bytes
from spacer_like.tables.files import is_parquet, table_bytes
from spacer_like.tables.writing import check_endings, growing_table, write_tables

SCHEMA = pa.schema({"name": pa.string(), "value": pa.int64()})
CSV, PARQUET = DataLocation("memory", "table.csv"), DataLocation("memory", "table.parquet")


@pytest.fixture(autouse=True)
def _empty_storage():
    clear_memory_storage()
    yield
    clear_memory_storage()


def rows(begin: int, end: int) -> pa.Table:
    return pa.table([[f"row, {number}" for number in range(begin, end)], range(begin, end)], schema=SCHEMA)


def read(loc: DataLocation) -> pa.Table:
    data = read_bytes(loc)
    if is_parquet(loc):
        return pq.read_table(io.BytesIO(data))
    found = list(csv.DictReader(io.StringIO(data.decode())))
    return pa.table([[row["name"] for row in found], [int(row["value"]) for row in found]], schema=SCHEMA)


@pytest.mark.parametrize(("key", "parquet"), [("a.csv", False), ("A.CSV", False), ("a.parquet", True)])
def test_the_ending_tells_the_kind_of_file(key, parquet):
    assert is_parquet(DataLocation("memory", key)) is parquet


@pytest.mark.parametrize("key", ["a", "a.json", "a.csv.gz", "csv"])
def test_another_ending_is_refused(key):
    with pytest.raises(TableError, match=r"must end with \.csv or \.parquet"):
        check_endings([CSV, DataLocation("memory", key)])


def test_names_of_columns_are_quoted_where_they_need_it():
    table = pa.table({'a,b "c"': [1], "plain": [2]})
    assert table_bytes(table, parquet=False) == b'"a,b ""c""",plain\n1,2\n'


def test_a_table_that_grows_is_the_one_that_is_written_at_once():
    with growing_table(SCHEMA, [CSV, PARQUET]) as append:
        for begin, end in ((0, 3), (3, 3), (3, 10)):
            append(rows(begin, end))
        assert not exists(CSV)
    assert read_bytes(CSV) == table_bytes(rows(0, 10), parquet=False)
    assert read(PARQUET).equals(rows(0, 10))


def test_a_table_that_never_grew_has_its_columns():
    with growing_table(SCHEMA, [CSV, PARQUET]):
        pass
    assert read_bytes(CSV) == b"name,value\n"
    assert read(PARQUET).schema.names == SCHEMA.names


def test_many_rows_are_written_as_they_come():
    with growing_table(SCHEMA, [CSV, PARQUET]) as append:
        for begin in range(0, 300_000, 100_000):
            append(rows(begin, begin + 100_000))
    assert read(PARQUET).equals(rows(0, 300_000))
    assert read_bytes(CSV) == table_bytes(rows(0, 300_000), parquet=False)


def test_nothing_is_put_in_place_where_the_work_fails():
    def work() -> None:
        with growing_table(SCHEMA, [CSV, PARQUET]) as append:
            append(rows(0, 10))
            raise SpacerInputError("no")

    with pytest.raises(SpacerInputError, match="no"):
        work()
    assert not exists(CSV)
    assert not exists(PARQUET)


def test_all_tables_are_made_before_the_first_is_put_in_place(tmp_path):
    in_a_file = DataLocation("filesystem", str(tmp_path / "file" / "table.csv"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Exception, match="file"):
        write_tables([(rows(0, 2), CSV), (rows(0, 2), in_a_file)])
    assert not exists(CSV)
