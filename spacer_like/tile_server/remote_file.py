"""A file of a remote storage, of which a tile server reads a little here and there."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from spacer_like.exceptions import StorageUnavailableError
from spacer_like.storage.seekable import SeekableFile

if TYPE_CHECKING:
    from spacer_like.storage import RemoteStorage

BLOCK_BYTES = 2**17
"""A few blocks of a tile: what is read next usually lies beside what was read."""
_KEPT_BLOCKS = 16


class RemoteFile(SeekableFile):
    """A key of a storage as a seekable binary file, 2 MiB of which are held; one thread at a time may use it.

    Unlike `storage.open_file` it has no threads, and reads nothing ahead: a server holds many of them open.

    Raises:
        DataNotFoundError, AccessDeniedError, StorageUnavailableError: as `Storage.size` and `Storage.read_range`.
    """

    def __init__(self, storage: RemoteStorage, key: str) -> None:
        super().__init__()
        self._storage = storage
        self._key = key
        self._size = storage.size(key)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @property
    def length(self) -> int:
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        """As many bytes as asked for, fewer only at the end."""
        wanted = self._wanted(size)
        if not wanted:
            return b""
        first, last = self._position // BLOCK_BYTES, (self._position + wanted - 1) // BLOCK_BYTES
        data = self._run(first, last)
        begin = self._position - first * BLOCK_BYTES
        self._position += wanted
        return data[begin : begin + wanted]

    def _run(self, first: int, last: int) -> bytes:
        """The bytes of some blocks, of which what is missing is fetched at once."""
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        if missing:
            start = missing[0] * BLOCK_BYTES
            fetched = self._fetch(start, min((missing[-1] + 1) * BLOCK_BYTES, self._size) - start)
            if len(missing) > _KEPT_BLOCKS:
                before = b"".join(self._blocks[number] for number in range(first, missing[0]))
                return before + fetched + b"".join(self._blocks[number] for number in range(missing[-1] + 1, last + 1))
            for number in range(missing[0], missing[-1] + 1):
                offset = number * BLOCK_BYTES - start
                self._blocks[number] = fetched[offset : offset + BLOCK_BYTES]
        data = b"".join(self._blocks[number] for number in range(first, last + 1))
        for number in range(first, last + 1):
            self._blocks.move_to_end(number)
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return data

    def _fetch(self, start: int, length: int) -> bytes:
        data = self._storage.read_range(self._key, start, length)
        if len(data) != length:
            name = self._storage.location(self._key).display_name
            raise StorageUnavailableError(f"'{name}' has changed while it was read.")
        return data
