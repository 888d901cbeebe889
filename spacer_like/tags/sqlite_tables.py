"""SQLite files of one table: written whole, or opened to be read and added to by several processes.

The table layouts are those of the databases that the stages write: a name, and declarations of columns.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from spacer_like.exceptions import (
    AccessDeniedError,
    DataNotFoundError,
    StorageUnavailableError,
    TableError,
    reason_of,
)
from spacer_like.location import DataLocation
from spacer_like.storage import temporary_file, write_file

BUSY_SECONDS = 60.0
"""How long one waits for another process that writes."""
# SQLite's words for a database in use, a disk that is full, and a file that may not be opened or written.
_NOT_NOW = ("is locked", "disk is full", "disk I/O error")
_DENIED = ("unable to open database file", "readonly database")


class Table(NamedTuple):
    """The layout of a table.

    Fields:
        name: of the table.
        columns: their declarations in SQL, such as ``file_name TEXT NOT NULL``.
        indices: declarations of indices in SQL, each whole.

    >>> Table("stage", ("name TEXT", "n INTEGER")).insertion
    'INSERT INTO stage (name, n) VALUES (?, ?)'
    """

    name: str
    columns: tuple[str, ...]
    indices: tuple[str, ...] = ()

    @property
    def column_names(self) -> list[str]:
        return [column.split()[0] for column in self.columns]

    @property
    def insertion(self) -> str:
        """The statement that inserts a row."""
        values = ", ".join("?" * len(self.columns))
        return f"INSERT INTO {self.name} ({', '.join(self.column_names)}) VALUES ({values})"

    def create(self, database: sqlite3.Connection) -> None:
        """Create the table and its indices, where the database has none of that name."""
        database.execute(f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(self.columns)})")
        for index in self.indices:
            database.execute(index)


def write_database(loc: DataLocation, table: Table, rows: Iterable[Sequence[Any]]) -> int:
    """Write a database of one table, whole or not at all, in place of the one that was there; the number of rows.

    The same rows give the same bytes.

    Args:
        rows: values in the order of the columns, inserted in one transaction; not held all at once.

    Raises:
        TableError: a value that the table cannot hold.
        StorageUnavailableError: it cannot be written, as for lack of space; other errors of the storage.
    """
    with temporary_file(loc) as path:
        count = create_database(path, table, rows, loc.display_name)
        write_file(loc, path, consume=True)
    return count


def create_database(path: Path, table: Table, rows: Iterable[Sequence[Any]] = (), name: str | None = None) -> int:
    """Write a new database of one table, which nobody else uses yet; the number of rows.

    Args:
        rows: as `write_database` takes them.
        name: what errors call it; None: `path`.

    Raises:
        TableError, StorageUnavailableError: as `write_database`.
    """
    with translated(name or str(path)), closing(sqlite3.connect(path, isolation_level=None)) as database:
        # It is made durable when it is moved to its place.
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        table.create(database)
        count = database.executemany(table.insertion, rows).rowcount
        database.execute("COMMIT")
    return max(count, 0)


@contextmanager
def opened_database(path: str | Path, *, writing: bool = False) -> Iterator[sqlite3.Connection]:
    """A database that exists; it is not made. Errors of SQLite in the block are raised as this package's.

    Args:
        writing: the block is one transaction, which no other process disturbs; without, the file is only read.

    Raises:
        DataNotFoundError: there is no such file.
        TableError: the file is no database, lacks the table, or a value is one that the table cannot hold.
        StorageUnavailableError: another process writes for more than `BUSY_SECONDS`, or there is no space.
    """
    name = str(path)
    if not Path(path).is_file():
        raise DataNotFoundError(f"The database '{name}' does not exist: create it first.")
    # For reading too, so that what a killed process left half done is undone; never made, unlike by a plain path.
    uri = f"file:{quote(os.fsencode(path))}?mode=rw"
    with (
        translated(name),
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as database,
    ):
        # Immediately, because a transaction that begins by reading cannot wait for another one that writes.
        database.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
        try:
            yield database
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Errors of SQLite about the database `name`, as this package's.

    Raises:
        StorageUnavailableError: in use, or no space.
        AccessDeniedError: the file may not be opened or written.
        TableError: everything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        reason = reason_of(error)
        if any(words in reason for words in _NOT_NOW):
            raise StorageUnavailableError(f"The database '{name}' cannot be used now: {reason}.") from error
        if any(words in reason for words in _DENIED):
            raise AccessDeniedError(f"The permissions of the database '{name}' forbid its use: {reason}.") from error
        raise TableError(f"The database '{name}' cannot be used: {reason}.") from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise TableError(f"The database '{name}' cannot hold a value: {reason_of(error)}.") from error
