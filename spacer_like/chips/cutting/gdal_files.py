"""Files as GDAL gets to see them: the one tile, no network, nothing beside it, no other formats."""

from __future__ import annotations

import io
import uuid
from typing import Any, BinaryIO

from spacer_like.exceptions import SpacerError
from spacer_like.storage.seekable import SeekableFile

GDAL_OPTIONS: dict[str, Any] = {
    # Files beside the tile are none of it.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_PAM_ENABLED": False,
}
DRIVER = "GTiff"


class SharedFile:
    """A file object that GDAL opens as often as it likes, and that one thread uses.

    Attributes:
        name: by which GDAL knows it; no two have the same.
        error: what the file said first since `forget_error`, if reading failed: GDAL has no error like it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.name = f"{uuid.uuid4()}.tif"
        self.error: SpacerError | None = None

    def opener(self, path: str, mode: str = "rb", **options: Any) -> io.RawIOBase:
        """The function that rasterio.open takes."""
        # GDAL looks for files beside the tile as well, and rasterio tries an opener out by "test".
        if path.rpartition("/")[2] not in (self.name, "test"):
            raise FileNotFoundError(path)
        return _View(self)

    def forget_error(self) -> None:
        self.error = None

    def read(self, position: int, size: int) -> bytes:
        try:
            self._file.seek(position)
            return self._file.read(size)
        except SpacerError as error:
            # What is raised here would be printed and lost.
            self.error = self.error or error
            return b""

    def size(self) -> int:
        return self._file.seek(0, io.SEEK_END)


class _View(SeekableFile):
    """A place in a shared file."""

    def __init__(self, shared: SharedFile) -> None:
        super().__init__()
        self._shared = shared

    @property
    def length(self) -> int:
        return self._shared.size()

    def read(self, size: int | None = -1) -> bytes:
        data = self._shared.read(self._position, self._wanted(size))
        self._position += len(data)
        return data
