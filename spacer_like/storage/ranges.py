"""Parts of remote files, at any position, with little fetched twice.

All of it is built on `Parts`: a size, and the bytes from a position on. `PositionedFile` makes a file object of it.
"""

from __future__ import annotations

import concurrent.futures
import io
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, Protocol

from spacer_like.exceptions import StorageUnavailableError
from spacer_like.location import DataLocation

BLOCK_BYTES = 2**17
LARGE_BLOCK_BYTES = 2**22
"""Of blocks so large that the way to the storage and back costs less than the transfer."""
# What lies between two ranges is fetched with them where that is faster than asking twice.
_MOST_BETWEEN = 2**16
_MOST_TOGETHER = 2**22
# Ranges that are asked for one soon after the other; what is read together is held until all of it was asked for.
_WINDOW = 256


class Parts(Protocol):
    """Bytes that are read in parts."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    def read(self, start: int, length: int) -> bytes:
        """`length` bytes from `start` on, which lie within the size."""


class PositionedFile(io.RawIOBase):
    """A binary file over parts, with a position, that can only be read; it is used by one thread at a time."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.parts = parts
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check_open()
        position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.parts.size}[whence] + offset
        if position < 0:
            # Readers of formats expect an OSError, as of a file, or a ValueError, as of bytes: this is both.
            raise io.UnsupportedOperation(f"A file has no position {position}.")
        self._position = position
        return position

    def read(self, size: int | None = -1) -> bytes:
        """As many bytes as asked for, fewer only at the end."""
        self._check_open()
        wanted = self._wanted(size)
        data = self.parts.read(self._position, wanted) if wanted else b""
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, whole unless the file ends before."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _wanted(self, size: int | None) -> int:
        """The number of bytes that a `read` of `size` gives, limited to the file's."""
        rest = max(self.parts.size - self._position, 0)
        return rest if size is None or size < 0 else min(size, rest)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("The file is closed.")


class PositionedReader:
    """Parts of a binary file, also of one that states wrong positions; many threads may read at once."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._lock = threading.Lock()
        self.size = file.seek(0, os.SEEK_END)
        try:
            self._descriptor: int | None = file.fileno()
        except OSError:
            self._descriptor = None

    @property
    def is_local(self) -> bool:
        """Whether it is a file of this machine, of which any part is read at once."""
        return self._descriptor is not None

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start` on, fewer where the file ends before; none before its beginning."""
        length = max(min(length, self.size - start), 0) if start >= 0 else 0
        if not length:
            return b""
        if self._descriptor is not None:
            return os.pread(self._descriptor, length, start)
        with self._lock:
            self.file.seek(start)
            return self.file.read(length)

    def close(self) -> None:
        self.file.close()


class Remote(Protocol):
    """The part of `RemoteStorage` that is used here."""

    def size(self, key: str) -> int: ...

    def read_range(self, key: str, start: int, length: int) -> bytes: ...

    def location(self, key: str) -> DataLocation: ...


class _RemoteBlocks:
    """The bytes under a key of a remote storage, which are fetched in blocks."""

    def __init__(self, storage: Remote, key: str, block_bytes: int, kept_blocks: int) -> None:
        self.size = storage.size(key)
        self._storage = storage
        self._key = key
        self._block_bytes = block_bytes
        self._kept_blocks = kept_blocks

    def _fetch(self, first: int, last: int) -> bytes:
        start = first * self._block_bytes
        length = min((last + 1) * self._block_bytes, self.size) - start
        data = self._storage.read_range(self._key, start, length)
        if len(data) != length:
            name = self._storage.location(self._key).display_name
            raise StorageUnavailableError(f"'{name}' has changed while it was read.")
        return data


class RemoteParts(_RemoteBlocks):
    """The bytes under a key of a remote storage, in blocks, of which those used last are kept: 2 MiB.

    What is read next usually lies beside what was read. Blocks that are missing are fetched in one request, by the
    thread that reads, and nothing is read ahead: a server holds many of these.

    Raises:
        DataNotFoundError, AccessDeniedError, StorageUnavailableError: as `Storage.size` and `Storage.read_range`.
    """

    def __init__(self, storage: Remote, key: str, block_bytes: int = BLOCK_BYTES, kept_blocks: int = 16) -> None:
        super().__init__(storage, key, block_bytes, kept_blocks)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def read(self, start: int, length: int) -> bytes:
        first, last = start // self._block_bytes, (start + length - 1) // self._block_bytes
        begin = start - first * self._block_bytes
        return self._run(first, last)[begin : begin + length]

    def _run(self, first: int, last: int) -> bytes:
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        if missing:
            fetched = self._fetch(missing[0], missing[-1])
            if len(missing) > self._kept_blocks:
                before = b"".join(self._blocks[number] for number in range(first, missing[0]))
                return before + fetched + b"".join(self._blocks[number] for number in range(missing[-1] + 1, last + 1))
            for count, number in enumerate(range(missing[0], missing[-1] + 1)):
                self._blocks[number] = fetched[count * self._block_bytes : (count + 1) * self._block_bytes]
        data = b"".join(self._blocks[number] for number in range(first, last + 1))
        for number in range(first, last + 1):
            self._blocks.move_to_end(number)
        while len(self._blocks) > self._kept_blocks:
            self._blocks.popitem(last=False)
        return data


class RemotePartsAhead(_RemoteBlocks):
    """As `RemoteParts`, for one reader of much: large blocks, of which four are fetched ahead while they are read in
    their order. 40 MiB are kept.
    """

    _AHEAD = 4

    def __init__(self, storage: Remote, key: str, block_bytes: int = LARGE_BLOCK_BYTES) -> None:
        super().__init__(storage, key, block_bytes, kept_blocks=10)
        self._last_block = -2
        self._blocks: OrderedDict[int, concurrent.futures.Future[bytes]] = OrderedDict()
        self._fetching = concurrent.futures.ThreadPoolExecutor(self._AHEAD + 1, thread_name_prefix="ranged-file")

    def read(self, start: int, length: int) -> bytes:
        number, begin = divmod(start, self._block_bytes)
        data = self._block(number)[begin : begin + length]
        if len(data) == length:
            return data
        found = bytearray(length)
        self.read_into(start, memoryview(found))
        return bytes(found)

    def read_into(self, start: int, view: memoryview) -> None:
        """Fill a view, block by block: no more of them are held than are kept."""
        count = 0
        while count < len(view):
            number, begin = divmod(start + count, self._block_bytes)
            part = memoryview(self._block(number))[begin : begin + len(view) - count]
            view[count : count + len(part)] = part
            count += len(part)

    def close(self) -> None:
        self._fetching.shutdown(wait=True, cancel_futures=True)
        self._blocks.clear()

    def _block(self, number: int) -> bytes:
        self._want(number)
        if number == self._last_block + 1:
            for following in range(number + 1, number + 1 + self._AHEAD):
                self._want(following)
        self._last_block = number
        self._blocks.move_to_end(number)
        while len(self._blocks) > self._kept_blocks:
            self._blocks.popitem(last=False)[1].cancel()
        try:
            return self._blocks[number].result()
        except BaseException:
            # A second read tries again.
            del self._blocks[number]
            raise

    def _want(self, number: int) -> None:
        if number not in self._blocks and number * self._block_bytes < self.size:
            self._blocks[number] = self._fetching.submit(self._fetch, number, number)


class RangedFile(PositionedFile):
    """A key of a remote storage as a file object, fetched in parts and ahead of who reads them in their order."""

    def __init__(self, storage: Remote, key: str, block_bytes: int = LARGE_BLOCK_BYTES) -> None:
        self._ahead = RemotePartsAhead(storage, key, block_bytes)
        super().__init__(self._ahead)

    def readinto(self, buffer: Any) -> int:
        self._check_open()
        view = memoryview(buffer).cast("B")
        count = self._wanted(len(view))
        self._ahead.read_into(self._position, view[:count])
        self._position += count
        return count

    def close(self) -> None:
        # Python closes files of which the making failed, too.
        ahead = getattr(self, "_ahead", None)
        if ahead is not None and not self.closed:
            ahead.close()
        super().close()


class Range(NamedTuple):
    """Bytes of a file: its number, where they begin, and how many they are."""

    file: int
    offset: int
    length: int


@dataclass
class _Joined:
    """Ranges of a file that are read together, by the first thread that needs one of them."""

    file: int
    begin: int
    end: int
    waiting: int = 0
    data: bytes | None = None
    error: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class RangesReader:
    """A reader of the ranges of a list, each once and in about the list's order; usable by many threads.

    Args:
        ranges: what will be asked for.
        read: gives the bytes of a range, as many as there are.
    """

    def __init__(self, ranges: Sequence[Range], read: Callable[[Range], bytes]) -> None:
        self._ranges = ranges
        self._read = read
        self._together: list[_Joined] = []
        for first in range(0, len(ranges), _WINDOW):
            self._together += _joined(ranges, range(first, min(first + _WINDOW, len(ranges))))

    def __getitem__(self, index: int) -> bytes:
        """The bytes of a range, fewer where the file ends; the error that reading them gave."""
        wanted = self._ranges[index]
        together = self._together[index]
        with together.lock:
            if together.data is None and together.error is None:
                try:
                    together.data = self._read(Range(together.file, together.begin, together.end - together.begin))
                except Exception as error:
                    together.error = error
            if together.error is not None:
                raise together.error
            data = together.data or b""
            together.waiting -= 1
            if together.waiting <= 0:
                # Who asks for more than was said reads it again.
                together.data = None
        begin = wanted.offset - together.begin
        return data[begin : begin + wanted.length]


def _joined(ranges: Sequence[Range], indices: range) -> list[_Joined]:
    """The joined read that each of some ranges belongs to."""
    of_index: dict[int, _Joined] = {}
    last: _Joined | None = None
    for index in sorted(indices, key=lambda index: ranges[index]):
        file, offset, length = ranges[index]
        end = offset + length
        if (
            last is None
            or file != last.file
            or offset > last.end + _MOST_BETWEEN
            or max(end, last.end) - last.begin > _MOST_TOGETHER
        ):
            last = _Joined(file, offset, end)
        last.end = max(last.end, end)
        last.waiting += 1
        of_index[index] = last
    return [of_index[index] for index in indices]
