"""A storage of one's own: values in a table of an SQLite file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from spacer_like.exceptions import DataNotFoundError, StorageUnavailableError
from spacer_like.storage import Storage, register_storage
from spacer_like.storage.base import check_key

Rows = list[tuple[Any, ...]]


class SqliteStorage(Storage):
    """Values in an SQLite file, whose path is the bucket name of a location."""

    def __init__(self, path: str | None) -> None:
        self._path = path or "values.sqlite"

    def read(self, key: str) -> bytes:
        check_key(key)
        found = self._run("SELECT value FROM entries WHERE key = ?", key)
        if not found:
            raise DataNotFoundError(f"The file '{self._path}' has no entry '{key}'.")
        value: bytes = found[0][0]
        return value

    def write(self, key: str, data: bytes) -> None:
        check_key(key)
        self._run("INSERT OR REPLACE INTO entries VALUES (?, ?)", key, bytes(data))

    def delete(self, key: str) -> None:
        check_key(key)
        self._run("DELETE FROM entries WHERE key = ?", key)

    def exists(self, key: str) -> bool:
        check_key(key)
        return bool(self._run("SELECT 1 FROM entries WHERE key = ?", key))

    def list(self, prefix: str = "") -> Iterator[str]:
        for (key,) in self._run("SELECT key FROM entries WHERE substr(key, 1, ?) = ?", len(prefix), prefix):
            yield key

    def _run(self, command: str, *values: object) -> Rows:
        try:
            # A connection for each command: threads may share a storage, and may not share a connection.
            with closing(sqlite3.connect(self._path, timeout=60)) as file, file:
                file.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB)")
                return file.execute(command, values).fetchall()
        except sqlite3.Error as error:
            raise StorageUnavailableError(f"The file '{self._path}' does not answer: {error}.") from error


register_storage("sqlite", SqliteStorage)
