"""The rows of a table of embeddings before it is written, and what image-tagging-tools' files have of them.

Those files have an image once for each hash of pixels: of images with tags the first one, with the tags of all; of
images without the last one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.tags.known_images import KnownImages
from spacer_like.tags.sqlite_tables import Table

STAGE_1 = Table(
    "stage1", ("file_name TEXT NOT NULL", "file_path TEXT NOT NULL", "type TEXT NOT NULL", "hash_id TEXT NOT NULL")
)
_ROWS_AT_ONCE = 1024


class TableRows:
    """The rows of a table, whose vectors are read when they are asked for.

    Args:
        known: has every image.
        keys: (path, content hash, tags) of each row, in the order of the paths.
    """

    def __init__(self, known: KnownImages, keys: Sequence[tuple[str, str, tuple[str, ...]]]) -> None:
        self._known = known
        self.keys = keys

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def tag_counts(self) -> dict[str, int]:
        """The number of images of each tag, in the order of the tags."""
        counts = Counter(tag for _, _, tags in self.keys for tag in tags)
        return dict(sorted(counts.items()))

    def blocks(self, indices: Sequence[int] | None = None) -> Iterator[tuple[list[ImageRecord], NDArray[np.float32]]]:
        """Records [b] and vectors float32 [b, d] of the rows of some indices, or of all."""
        wanted = range(len(self.keys)) if indices is None else indices
        for first in range(0, len(wanted), _ROWS_AT_ONCE):
            yield self._known.take(self.keys[index] for index in wanted[first : first + _ROWS_AT_ONCE])


class UniqueImages:
    """The rows that image-tagging-tools' files have, one for each hash of pixels, in the order of the paths.

    Args:
        tagged: whether images have tags.
    """

    def __init__(self, rows: TableRows, tagged: bool) -> None:
        self._rows = rows
        index_of: dict[bytes, int] = {}
        tags_of: dict[int, tuple[str, ...]] = {}
        index = 0
        for records, _ in rows.blocks():
            for record in records:
                digest = bytes.fromhex(record.hash_id)
                if not tagged:
                    index_of[digest] = index
                else:
                    first = index_of.setdefault(digest, index)
                    tags_of[first] = tuple(dict.fromkeys((*tags_of.get(first, ()), *record.tags)))
                index += 1
        self._indices = sorted(index_of.values())
        self._tags_of = tags_of

    def images(self) -> Iterator[tuple[ImageRecord, NDArray[np.float32]]]:
        """The record of each image with the tags of all that have its hash, and its vector float32 [d]."""
        numbers = iter(self._indices)
        for records, vectors in self._rows.blocks(self._indices):
            for record, vector in zip(records, vectors, strict=True):
                yield record._replace(tags=self._tags_of.get(next(numbers), ())), vector

    def tags_of_hashes(self) -> Iterator[tuple[str, Iterable[str]]]:
        """The tags of each hash."""
        return ((record.hash_id, record.tags) for record, _ in self.images())

    def hashes_of_tags(self) -> Iterator[tuple[str, Iterable[str]]]:
        """The hashes of each tag, in the order of their images; the tags in the order of their first image."""
        indices_of: dict[str, list[int]] = {}
        for index in self._indices:
            for tag in self._tags_of.get(index, ()):
                indices_of.setdefault(tag, []).append(index)
        return ((tag, self._hashes(indices)) for tag, indices in indices_of.items())

    def stage_1(self) -> Iterator[tuple[str, str, str, str]]:
        """The rows of `STAGE_1`."""
        for record, _ in self.images():
            name = record.path.rpartition("/")[2]
            yield name, record.path, os.path.splitext(name)[1], record.hash_id

    def _hashes(self, indices: Sequence[int]) -> Iterator[str]:
        return (record.hash_id for records, _ in self._rows.blocks(indices) for record in records)
