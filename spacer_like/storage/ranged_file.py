"""A file that lies elsewhere, read in parts: an archive or an array of which not all is wanted, or not all at once."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from spacer_like.exceptions import StorageUnavailableError
from spacer_like.location import DataLocation
from spacer_like.storage.seekable import SeekableFile

BLOCK_BYTES = 2**22
"""Large enough that the way to the storage and back costs less than the transfer."""
_KEPT_BLOCKS = 10
_BLOCKS_AHEAD = 4


class _Remote(Protocol):
    """What a `RemoteStorage` is needed for."""

    def size(self, key: str) -> int: ...

    def read_range(self, key: str, start: int, length: int) -> bytes: ...

    def location(self, key: str) -> DataLocation: ...


class RangedFile(SeekableFile):
    """A key of a storage as a seekable binary file; one thread at a time may use it.

    It is fetched in blocks, of which the last ten are held, 40 MiB. While blocks are read one after the other, the
    four that follow are fetched meanwhile.

    Raises:
        DataNotFoundError, AccessDeniedError, StorageUnavailableError: as `Storage.size` and `Storage.read_range`.
    """

    def __init__(self, storage: _Remote, key: str, block_bytes: int = BLOCK_BYTES) -> None:
        super().__init__()
        self._storage = storage
        self._key = key
        self._block_bytes = block_bytes
        self._size = storage.size(key)
        self._last_block = -2
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._fetching = ThreadPoolExecutor(_BLOCKS_AHEAD + 1, thread_name_prefix="ranged-file")

    @property
    def length(self) -> int:
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        """As many bytes as asked for, fewer only at the end."""
        data = bytearray(self._wanted(size))
        self.readinto(data)
        return bytes(data)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, whole unless the file ends before."""
        self._check_open()
        view = memoryview(buffer).cast("B")
        count = 0
        while count < len(view) and self._position < self._size:
            number, offset = divmod(self._position, self._block_bytes)
            part = memoryview(self._block(number))[offset : offset + len(view) - count]
            view[count : count + len(part)] = part
            count += len(part)
            self._position += len(part)
        return count

    def close(self) -> None:
        if not self.closed:
            self._fetching.shutdown(wait=True, cancel_futures=True)
            self._blocks.clear()
        super().close()

    def _block(self, number: int) -> bytes:
        self._want(number)
        if number == self._last_block + 1:
            for following in range(number + 1, number + 1 + _BLOCKS_AHEAD):
                self._want(following)
        self._last_block = number
        self._blocks.move_to_end(number)
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)[1].cancel()
        try:
            return self._blocks[number].result()
        except BaseException:
            # Who asks again shall get another try.
            del self._blocks[number]
            raise

    def _want(self, number: int) -> None:
        if number not in self._blocks and number * self._block_bytes < self._size:
            self._blocks[number] = self._fetching.submit(self._fetch, number)

    def _fetch(self, number: int) -> bytes:
        start = number * self._block_bytes
        length = min(self._block_bytes, self._size - start)
        data = self._storage.read_range(self._key, start, length)
        if len(data) != length:
            name = self._storage.location(self._key).display_name
            raise StorageUnavailableError(f"'{name}' has changed while it was read.")
        return data
