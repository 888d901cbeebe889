"""Counting and looking up colours by position, on all processor cores: by numba where it is installed, else by NumPy.

Both give the same bits. Positions (or rows) are shared out among threads, so that no two write to one entry.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from spacer_like.cores import thread_count
from spacer_like.exceptions import HistogramError
from spacer_like.extras import import_accelerator
from spacer_like.memory import ReusedMemory, thread_memory
from spacer_like.rarity.bins import COLOURS
from spacer_like.rarity.image_colours import POSITIONS, n_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.rarity.image_colours import ImageColours

Answer = TypeVar("Answer")
Piece = tuple["NDArray[np.uint32]", "NDArray[np.uint32]"]
"""Keys, position * 1000 + colour, and counts."""

_BYTES = 4
"""Of a key, and of a count."""
_FEWEST_POSITIONS, _FEWEST_IMAGES = 1024, 16
"""Of a thread: for fewer it does not pay to begin."""


@cache
def kernels() -> Any:
    """`counting_numba`, or `counting_numpy` where numba is not installed, or does not load."""
    has_numba = import_accelerator("numba", "NumPy counts, which is slower") is not None
    name = "counting_numba" if has_numba else "counting_numpy"
    return import_module(f"spacer_like.rarity.{name}")


def positions_of(stack: NDArray[np.uint8], positions: int) -> NDArray[np.uint8]:
    """A stack [n, size, size, 3] as [n, positions, 3]; position = row * size + column.

    Raises:
        HistogramError: it has another number of positions, or is no stack of RGB images.
    """
    if (
        stack.dtype != np.uint8
        or stack.ndim != 4
        or stack.shape[1] * stack.shape[2] != positions
        or stack.shape[3] != 3
    ):
        size = math.isqrt(positions)
        raise HistogramError(
            f"The images must be uint8 [n, {size}, {size}, 3], but are {stack.dtype} {list(stack.shape)}: "
            "prepare them as those that were counted."
        )
    return np.ascontiguousarray(stack).reshape(len(stack), positions, 3)


def number_into(colours: ImageColours, stack: NDArray[np.uint8], after: int) -> None:
    """Put the colours of images into the buffer, behind the `after` images that it has.

    Args:
        stack: uint8 [n, height, width, 3].
    """
    flat = positions_of(stack, colours.positions)
    share_out(
        len(flat),
        lambda start, stop: kernels().number_into(colours, flat, after, start, stop),
        fewest=_FEWEST_IMAGES,
    )


def counts_of(colours: ImageColours, n_images: int, dtype: Any = np.uint16) -> Any:
    """How often each colour occurs at each position, [positions, 1000].

    Args:
        n_images: how many images have been put into `colours`.
    """
    length = colours.positions * COLOURS
    memory = (thread_memory() or ReusedMemory(1)).take(length * np.dtype(dtype).itemsize)
    counts = np.frombuffer(memory, dtype, length).reshape(-1, COLOURS)
    _count_into(counts, colours, n_images, are_new=True)
    return counts


def count_into(counts: Any, colours: ImageColours, n_images: int) -> None:
    """Add images to the result of `counts_of`; the caller ensures that no count overflows."""
    _count_into(counts, colours, n_images, are_new=False)


def _count_into(counts: Any, colours: ImageColours, n_images: int, are_new: bool) -> None:
    def count(start: int, stop: int) -> None:
        low, high = start * POSITIONS, min(stop * POSITIONS, len(counts))
        kernels().count_into(counts, colours, n_images, low, high, are_new)

    share_out(n_groups(len(counts)), count, fewest=_FEWEST_POSITIONS // POSITIONS)


def occurring_pieces(colours: ImageColours, n_images: int, length: int) -> Iterator[Piece]:
    """The keys and counts of images, as of `occurring`, `length` positions at a time.

    Args:
        n_images: how many images have been put into `colours`.
        length: a multiple of the positions that make a group.
    """
    most = min(length, colours.positions) * min(COLOURS, n_images) + kernels().EXCESS
    memory = thread_memory() or ReusedMemory(thread_count() + 2)

    def piece(start: int) -> Callable[[], Piece]:
        keys, counts = np.frombuffer(memory.take(2 * most * _BYTES), np.uint32, 2 * most).reshape(2, most)

        def found() -> Piece:
            stop = min(start + length, colours.positions)
            number = kernels().occurring_in(keys, counts, colours, n_images, start, stop)
            return keys[:number], counts[:number]

        return found

    return _in_turn(map(piece, range(0, colours.positions, length)))


def _in_turn(calls: Iterable[Callable[[], Answer]]) -> Iterator[Answer]:
    """The results of calls, in their order; some are computed ahead, in threads."""
    threads = thread_count()
    with ThreadPoolExecutor(threads, "counting") as pool:
        coming: deque[Future[Answer]] = deque()
        try:
            for call in calls:
                coming.append(pool.submit(call))
                if len(coming) > threads:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def occurring(counts: Any) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The keys that have a count, and the counts.

    Args:
        counts: [positions, 1000].

    Returns:
        Keys, position * 1000 + colour, uint32, ascending; and counts, uint32.
    """
    ranges = _ranges(len(counts))
    numbers = _run(ranges, lambda start, stop: kernels().number_occurring(counts, start, stop))
    ends = np.cumsum([0, *numbers])
    keys, values = np.empty(ends[-1], np.uint32), np.empty(ends[-1], np.uint32)
    parts = {start: slice(low, high) for (start, _), low, high in zip(ranges, ends, ends[1:], strict=False)}
    _run(
        ranges,
        lambda start, stop: kernels().occurring_into(counts, keys[parts[start]], values[parts[start]], start, stop),
    )
    return keys, values


def add_into(counts: Any, keys: NDArray[np.uint32], values: Any) -> None:
    """Add counts, each key at most once, to `counts` [positions, 1000]."""
    kernels().add_into(counts.reshape(-1), keys, values)


def subtract_into(counts: Any, keys: NDArray[np.uint32], values: Any) -> bool:
    """Subtract counts; returns False and changes nothing where a result would be negative."""
    return bool(kernels().subtract_into(counts.reshape(-1), keys, values))


def tally_into(sums: NDArray[np.uint64], keys: NDArray[np.uint32], values: Any, previous: int) -> bool:
    """Add sparse counts to `sums`, uint64 [positions]; False, and nothing is added, if the keys do not rise from the
    `previous` one, or lie outside."""
    return bool(kernels().tally_into(sums, keys, values, previous))


def looked_up(table: Any, stack: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The table's count for the colour of each image at each position.

    Args:
        table: uint32 [positions, 1000].
        stack: uint8 [n, height, width, 3].

    Returns:
        uint32 [n, positions].
    """
    flat = positions_of(stack, len(table))
    found = np.empty(flat.shape[:2], np.uint32)
    share_out(len(table), lambda start, stop: kernels().look_up_into(found, table, flat, start, stop))
    return found


def multiplicities(counts: NDArray[np.uint32], largest: int) -> NDArray[np.uint32]:
    """How often each count occurs in each row.

    Args:
        counts: uint32 [rows, positions]; one above `largest` counts as `largest`.

    Returns:
        uint32 [rows, largest + 1].
    """
    found = np.empty((len(counts), largest + 1), np.uint32)
    share_out(len(counts), lambda start, stop: kernels().multiplicities_into(found, counts, start, stop), fewest=8)
    return found


def empty_counts(positions: int, dtype: Any = np.uint16) -> Any:
    """Counts of nothing, [positions, 1000]."""
    return np.zeros((positions, COLOURS), dtype)


def share_out(length: int, work: Callable[[int, int], None], fewest: int = _FEWEST_POSITIONS) -> None:
    """Call `work(start, stop)` for parts of the range up to `length`, each in a thread, of `fewest` steps or more."""
    _run(_ranges(length, fewest), work)


def _ranges(length: int, fewest: int = _FEWEST_POSITIONS) -> list[tuple[int, int]]:
    if length < 2 * fewest:
        return [(0, length)]
    parts = min(thread_count(), length // fewest)
    bounds = np.linspace(0, length, parts + 1).astype(int).tolist()
    return list(pairwise(bounds))


def _run(ranges: list[tuple[int, int]], work: Callable[[int, int], Any]) -> list[Any]:
    if len(ranges) == 1:
        return [work(*ranges[0])]
    with ThreadPoolExecutor(len(ranges), "counting") as pool:
        return list(pool.map(lambda bounds: work(*bounds), ranges))
