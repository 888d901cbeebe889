"""Binary files that are made of something else, and are read from any position."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any


class SeekableFile(io.RawIOBase):
    """The position of a file that can only be read. Subclasses have `length`, and override `read` or `readinto`."""

    def __init__(self) -> None:
        super().__init__()
        self._position = 0

    @property
    @abstractmethod
    def length(self) -> int:
        """How many bytes the file has."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check_open()
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.length}[whence]
        if begin + offset < 0:
            raise ValueError(f"A file has no position {begin + offset}.")
        self._position = begin + offset
        return self._position

    def readall(self) -> bytes:
        return self.read() or b""

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, whole unless the file ends before."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view)) or b""
        view[: len(data)] = data
        return len(data)

    def _wanted(self, size: int | None) -> int:
        """How many bytes a `read` of `size` gives; a wrong number, as a hostile file may state one, is cut off."""
        rest = max(self.length - self._position, 0)
        return rest if size is None or size < 0 else min(size, rest)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("The file is closed.")
