"""Finished images of a run that was interrupted: small tables beside the table that it makes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from logging import getLogger

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.embeddings_table import EmbeddingsFile, ImageRecord, embeddings_writer
from spacer_like.exceptions import TableError
from spacer_like.location import DataLocation
from spacer_like.storage import delete, list_keys, read_bytes, write_bytes
from spacer_like.tags.known_images import KnownImages

logger = getLogger(__name__)

SECONDS_OF_A_PART = 2.0
"""How long images are collected before a part of them is written."""
LEAST_OF_A_PART, MOST_OF_A_PART = 32, 512
"""How many images a part has, by the end of those seconds and at most."""
_PART = re.compile(r"[0-9a-f]{16}-\d{6}\.parquet")


def part_location(table_loc: DataLocation, token: str, number: int) -> DataLocation:
    """Where a part of a table is found by whoever makes all of it.

    Args:
        token: 16 hexadecimal digits.
    """
    return _part_location(_begin(table_loc), token, number)


def _begin(table_loc: DataLocation) -> DataLocation:
    return DataLocation(table_loc.storage_type, f"{table_loc.key}.part-", table_loc.bucket_name)


def _part_location(begin: DataLocation, token: str, number: int) -> DataLocation:
    return DataLocation(begin.storage_type, f"{begin.key}{token}-{number:06d}.parquet", begin.bucket_name)


class PartFiles:
    """Parts of a table, ``<table>.part-<process>-<number>.parquet``.

    They lie in no folder of their own, for a killed process may leave an unfinished file in it, which nobody removes
    before it is old.

    Args:
        table_loc: of the table that they will be.
        encoder_id: parts of other encoders are not read.
        dimension: of the vectors.
    """

    def __init__(self, table_loc: DataLocation, encoder_id: str, dimension: int) -> None:
        self._begin = _begin(table_loc)
        self._encoder_id = encoder_id
        self._dimension = dimension
        # Another process may do the same at the same time.
        self._token = os.urandom(8).hex()
        self._written: list[DataLocation] = []
        self._records: list[ImageRecord] = []
        self._vectors: list[NDArray[np.float32]] = []
        self._since = time.monotonic()

    def read_into(self, known: KnownImages) -> None:
        """Add the images of the parts that are there; parts that are damaged, or of another encoder, are left out."""
        for loc in sorted(list_keys(self._begin), key=lambda loc: loc.key):
            if not _PART.fullmatch(loc.key[len(self._begin.key) :]):
                continue
            self._written.append(loc)
            try:
                # Another process may have finished, and removed it.
                with suppress(FileNotFoundError):
                    part = EmbeddingsFile(BytesIO(read_bytes(loc)), loc.display_name)
                    if part.encoder_id == self._encoder_id:
                        for records, vectors in part.parts():
                            known.add(records, vectors, loc.display_name)
            except TableError as error:
                logger.warning("A part of an interrupted run is left out: %s", error)

    def add(self, records: Sequence[ImageRecord], vectors: NDArray[np.float32]) -> None:
        """Collect images, and write those that were collected when it is time."""
        self._records += records
        self._vectors.append(vectors)
        waited = time.monotonic() - self._since
        count = len(self._records)
        if count >= MOST_OF_A_PART or (count >= LEAST_OF_A_PART and waited >= SECONDS_OF_A_PART):
            self.write()

    def write(self) -> None:
        """Write the images that were collected as a part."""
        self._since = time.monotonic()
        if not self._records:
            return
        stream = BytesIO()
        with embeddings_writer(stream, self._encoder_id, self._dimension) as append:
            append(self._records, np.concatenate(self._vectors))
        loc = _part_location(self._begin, self._token, len(self._written))
        self._written.append(loc)
        write_bytes(loc, stream.getvalue())
        self._records, self._vectors = [], []

    def remove(self) -> None:
        """Remove the parts that were read or written."""
        for loc in self._written:
            delete(loc)
