"""Bytes in the memory of this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from spacer_like.exceptions import DataNotFoundError
from spacer_like.storage.base import Buffer, Storage, check_key, check_range


class MemoryStorage(Storage):
    """A dictionary of bytes, which all threads of the process share.

    Each method touches the dictionary in one step, which the interpreter makes whole: no lock is needed.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def read(self, key: str) -> bytes:
        check_key(key)
        try:
            return self.blobs[key]
        except KeyError as error:
            # The cause stays: callers of PySpacer look for its text in an `error_message`.
            raise DataNotFoundError(f"Nothing is stored in memory under '{key}'.") from error

    def write(self, key: str, data: bytes) -> None:
        check_key(key)
        self.blobs[key] = bytes(data)

    def delete(self, key: str) -> None:
        check_key(key)
        self.blobs.pop(key, None)

    def exists(self, key: str) -> bool:
        check_key(key)
        return key in self.blobs

    def version(self, key: str) -> str:
        return blake2b(self.read(key), digest_size=16).hexdigest()

    def write_many(self, files: Iterable[tuple[str, Sequence[Buffer]]], concurrency: int | None = None) -> None:
        for key, parts in files:
            self.write(key, b"".join(parts))

    def size(self, key: str) -> int:
        return len(self.read(key))

    def read_range(self, key: str, start: int, length: int) -> bytes:
        check_range(key, start, length)
        return self.read(key)[start : start + length]

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter([key for key in tuple(self.blobs) if key.startswith(prefix)])
