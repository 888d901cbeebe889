"""Blocks of a tile, read for some rows of chips at a time, in few large reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from spacer_like.chips.cutting.cog import Blocks
from spacer_like.chips.cutting.placement import Placement
from spacer_like.chips.cutting.tiff import Read
from spacer_like.exceptions import TileError

# What lies between two blocks is read with them where that is faster than asking twice.
_MOST_BETWEEN = 2**16
# A network wants few large reads; a disk is as fast with smaller ones, of which less is held.
_TOGETHER_FAR = 2**24
_TOGETHER_NEAR = 2**19
_BANDS_AHEAD = 4

Item = TypeVar("Item")
Value = TypeVar("Value")
Parts = dict[tuple[int, int], memoryview]
"""Bytes of a file by their (offset, length)."""


class Band(NamedTuple):
    """Rows of chips that are made together: the first, and the one after the last."""

    begin: int
    end: int


def bands_of(placement: Placement, block_height: int) -> list[Band]:
    """All rows of chips, those together that have a row of blocks in common."""
    n_rows = placement.chips_wide
    together = min(max(1, block_height // placement.chip_pixels), n_rows)
    return [Band(begin, min(begin + together, n_rows)) for begin in range(0, n_rows, together)]


def blocks_of(band: Band, placement: Placement, blocks: Blocks) -> list[tuple[int, int]]:
    """Column and row of each block that has pixels of a band, row by row."""
    pixels = placement.chip_pixels
    left, right = placement.column, placement.column + placement.chips_wide * pixels
    top, bottom = (placement.row + row * pixels for row in band)
    if left >= blocks.width or top >= blocks.height:
        return []
    columns = range(max(left, 0) // blocks.block_width, -(-min(right, blocks.width) // blocks.block_width))
    rows = range(max(top, 0) // blocks.block_height, -(-min(bottom, blocks.height) // blocks.block_height))
    return [(column, row) for row in rows for column in columns]


def read_parts(read: Read, parts: Iterable[tuple[int, int]], name: str, is_far: bool = False) -> Parts:
    """The bytes at each (offset, length), those that lie close to each other read at once.

    Args:
        is_far: whether reading waits for a network.

    Raises:
        TileError: the file is shorter than it said.
    """
    most_together = _TOGETHER_FAR if is_far else _TOGETHER_NEAR
    found: Parts = {}
    waiting: list[tuple[int, int]] = []
    begin = end = 0
    for offset, length in sorted(set(parts)):
        if waiting and (offset > end + _MOST_BETWEEN or max(end, offset + length) - begin > most_together):
            _read_together(read, waiting, begin, end, found, name)
            waiting = []
        if not waiting:
            begin = end = offset
        end = max(end, offset + length)
        waiting.append((offset, length))
    if waiting:
        _read_together(read, waiting, begin, end, found, name)
    return found


def _read_together(read: Read, parts: list[tuple[int, int]], begin: int, end: int, found: Parts, name: str) -> None:
    data = memoryview(read(begin, end - begin))
    if len(data) < end - begin:
        raise TileError(f"The raster '{name}' has become shorter while it was read.")
    for offset, length in parts:
        found[offset, length] = data[offset - begin : offset - begin + length]


def ahead(work: Callable[[Item], Value], items: Iterable[Item], is_far: bool) -> Iterator[tuple[Item, Value]]:
    """Each item with the result of `work`, in order; where that waits for a network, four are computed ahead."""
    if not is_far:
        for item in items:
            yield item, work(item)
        return
    coming: deque[tuple[Item, Future[Value]]] = deque()
    with ThreadPoolExecutor(_BANDS_AHEAD, thread_name_prefix="read-tile") as workers:
        try:
            for item in items:
                coming.append((item, workers.submit(work, item)))
                if len(coming) > _BANDS_AHEAD:
                    first, future = coming.popleft()
                    yield first, future.result()
                    del future
            while coming:
                first, future = coming.popleft()
                yield first, future.result()
                del future
        finally:
            workers.shutdown(wait=True, cancel_futures=True)
