"""SQLite files: written whole, opened by several processes."""

import sqlite3
from collections import deque
from contextlib import closing

import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, StorageUnavailableError, TableError
from spacer_like.storage import delete, read_bytes
from spacer_like.tags import sqlite_tables
from spacer_like.tags.sqlite_tables import Table, opened_database, write_database

STAGE = Table("stage1", ("file_name TEXT NOT NULL", "file_path TEXT NOT NULL", "type TEXT NOT NULL", "n INTEGER"))
ROWS = [("it's.png", '/a/"it\'s".png', ".png", 3), ("a\nb.png", "/ø/a\nb.png", ".png", None)]


def content(path, query="SELECT * FROM stage1"):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_rows_are_written_whatever_their_texts_are(tmp_path):
    path = tmp_path / "stage1.db"
    assert write_database(DataLocation("filesystem", str(path)), STAGE, ROWS) == 2
    assert content(path) == ROWS
    declared = "CREATE TABLE stage1 (file_name TEXT NOT NULL, file_path TEXT NOT NULL, type TEXT NOT NULL, n INTEGER)"
    assert content(path, "SELECT sql FROM sqlite_master") == [(declared,)]
    assert content(path, "PRAGMA encoding") == [("UTF-8",)]


def test_a_database_is_written_anew_with_the_same_bytes(tmp_path):
    first, second = (DataLocation("filesystem", f"{tmp_path}/{name}.db") for name in "ab")
    write_database(first, STAGE, ROWS[:1])
    write_database(first, STAGE, iter(ROWS))
    write_database(second, STAGE, ROWS)
    assert read_bytes(first) == read_bytes(second)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "b.db"]


def test_a_database_is_written_to_any_storage(tmp_path):
    loc = DataLocation("memory", "tags/stage1.db")
    write_database(loc, STAGE, ROWS)
    (tmp_path / "copy.db").write_bytes(read_bytes(loc))
    assert content(tmp_path / "copy.db") == ROWS
    delete(loc)


@pytest.mark.parametrize("row", [("a\udcff", "b", "c", 1), ("a", "b", "c", 2**64), (None, "b", "c", 1), ("a", "b")])
def test_a_value_that_no_table_holds_leaves_the_old_database(tmp_path, row):
    loc = DataLocation("filesystem", f"{tmp_path}/stage1.db")
    write_database(loc, STAGE, ROWS)
    with pytest.raises(TableError, match=r"The database '.*stage1\.db' cannot .*\.$"):
        write_database(loc, STAGE, [ROWS[0], row])
    assert content(loc.key) == ROWS
    assert [path.name for path in tmp_path.iterdir()] == ["stage1.db"]


def test_a_database_that_is_missing_is_told_and_not_made(tmp_path):
    path = tmp_path / "none.db"
    with pytest.raises(DataNotFoundError, match=r"^The database '.*none\.db' does not exist"), opened_database(path):
        pass
    assert not path.exists()


def test_a_block_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "it's 100%?#.db"
    write_database(DataLocation("filesystem", str(path)), STAGE, ROWS)
    with pytest.raises(TableError, match="no such table: stage2"), opened_database(path, writing=True) as database:
        deque(map(database.execute, ["DELETE FROM stage1", "DELETE FROM stage2"]))
    assert content(path) == ROWS
    with opened_database(path, writing=True) as database:
        database.execute("DELETE FROM stage1")
    assert content(path) == []


def test_another_file_is_told(tmp_path):
    path = tmp_path / "text.db"
    path.write_text("no database " * 100)
    with (
        pytest.raises(TableError, match=r"^The database '.*text\.db' cannot be used: file is not a database\.$"),
        opened_database(path) as database,
    ):
        database.execute("SELECT * FROM stage1")


def test_one_waits_for_another_writer_only_so_long(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_tables, "BUSY_SECONDS", 0.01)
    path = tmp_path / "busy.db"
    write_database(DataLocation("filesystem", str(path)), STAGE, ROWS)
    with opened_database(path, writing=True):
        with (
            pytest.raises(StorageUnavailableError, match="cannot be used now: database is locked"),
            opened_database(path, writing=True),
        ):
            pass
        with opened_database(path) as reading:
            assert reading.execute("SELECT count(*) FROM stage1").fetchone() == (2,)
