"""Vectors and descriptions of images by the hash of their bytes, in a temporary file: the memory holds the hashes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.exceptions import StorageUnavailableError, TableError

_HASH_LETTERS, _FORMAT_LETTERS = 128, 32
_HASH = re.compile(r"[0-9a-f]{128}")


class KnownImages:
    """Images that need not be decoded; use it in a ``with``. Threads may ask `has` while one adds.

    Args:
        path: of a file that is made, and is not seen.
        dimension: of the vectors.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        self.dimension = dimension
        self._rows: dict[str, int] = {}
        self._type = np.dtype(
            [
                ("hash_id", f"S{_HASH_LETTERS}"),
                ("format", f"S{_FORMAT_LETTERS}"),
                ("numbers", np.int64, 3),
                ("vector", np.float32, dimension),
            ]
        )
        self._folder = path.parent
        self._file = path.open("w+b")
        # Without a name it is gone with the process, however that ends.
        path.unlink()

    def __len__(self) -> int:
        return len(self._rows)

    def has(self, content_hash: str) -> bool:
        """Whether an image of this content hash is known."""
        return content_hash in self._rows

    def add(self, records: Sequence[ImageRecord], vectors: NDArray[np.float32], name: str = "The table") -> None:
        """Add images, records [b] and vectors float32 [b, dimension]; those that are known stay as they are.

        Args:
            name: what errors call where they are from.

        Raises:
            TableError: vectors of another length, or hashes and formats that are none.
            StorageUnavailableError: there is no space for them.
        """
        if vectors.shape != (len(records), self.dimension):
            raise TableError(f"'{name}' has vectors of another length than its encoder makes, {self.dimension}.")
        fresh = [row for row, record in enumerate(records) if record.content_hash not in self._rows]
        packed = np.zeros(len(fresh), self._type)
        kept = [records[row] for row in fresh]
        if not all(_fits(record) for record in kept):
            raise TableError(f"'{name}' is damaged: a row of it has a hash or a format that is none.")
        packed["hash_id"] = [record.hash_id.encode() for record in kept]
        packed["format"] = [record.format.encode() for record in kept]
        packed["numbers"] = np.array([record[4:7] for record in kept], np.int64).reshape(-1, 3)
        packed["vector"] = vectors[fresh]
        row = self._appended(packed.tobytes()) // self._type.itemsize
        # Two of one content may have come at once: either will do.
        self._rows.update((record.content_hash, row + number) for number, record in enumerate(kept))

    def _appended(self, data: bytes) -> int:
        """Where in the file the bytes begin."""
        try:
            begin = self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise StorageUnavailableError(
                f"The vectors of images cannot be kept in a temporary file in '{self._folder}': {error.strerror}. Make "
                "space on its disk."
            ) from error
        return begin

    def take(self, keys: Iterable[tuple[str, str, tuple[str, ...]]]) -> tuple[list[ImageRecord], NDArray[np.float32]]:
        """Records [b] and vectors float32 [b, dimension] of known images.

        Args:
            keys: (path, content hash, tags) of each.
        """
        asked = list(keys)
        packed = np.empty(len(asked), self._type)
        size = self._type.itemsize
        for number, (_, content_hash, _) in enumerate(asked):
            self._file.seek(self._rows[content_hash] * size)
            packed[number] = np.frombuffer(self._file.read(size), self._type)[0]
        details = zip(packed["hash_id"], packed["format"], packed["numbers"].tolist(), strict=True)
        records = [
            ImageRecord(path, content_hash, hash_id.decode(), file_type.decode(), n_bytes, width, height, tags)
            for (path, content_hash, tags), (hash_id, file_type, (n_bytes, width, height)) in zip(
                asked, details, strict=True
            )
        ]
        return records, np.ascontiguousarray(packed["vector"])

    def close(self) -> None:
        """Close the file."""
        # What could not be written is not needed any more.
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _fits(record: ImageRecord) -> bool:
    file_type = record.format
    fits = file_type.isascii() and "\0" not in file_type and len(file_type) <= _FORMAT_LETTERS
    return fits and _HASH.fullmatch(record.hash_id) is not None
