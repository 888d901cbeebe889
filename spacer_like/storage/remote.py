"""Storages across the network."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from spacer_like.location import DataLocation
from spacer_like.storage.base import Storage
from spacer_like.storage.cache import cached_copy
from spacer_like.storage.ordinary_files import open_ordinary
from spacer_like.storage.ranges import RangedFile


class RemoteStorage(Storage):
    """A storage across the network, copies of which may be kept in a folder."""

    @abstractmethod
    def location(self, key: str) -> DataLocation:
        """The location of a key."""

    def load(self, key: str, filesystem_cache: str | Path | None = None) -> BytesIO:
        """The bytes under a key, as a stream that stands at its start.

        Args:
            filesystem_cache: a folder where a copy is kept; the next load reads that one, even where the original has
                changed since.
        """
        if not filesystem_cache:
            return BytesIO(self.read(key))
        path, _ = cached_copy(self.location(key), partial(self.read, key), None, filesystem_cache)
        with open_ordinary(path) as file:
            return BytesIO(file.read())

    def open(self, key: str) -> BinaryIO:
        return cast("BinaryIO", RangedFile(self, key))
