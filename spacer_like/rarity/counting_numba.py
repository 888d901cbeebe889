"""Counting and looking up colours by position at the speed of memory; the same to the same bits as `counting_numpy`.

Numbers of a block of positions stay in the core's cache while the images pass by.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, njit, uint64
from numpy.typing import NDArray

from spacer_like.rarity.bins import CELLS, channel_parts

# Times 1000 cells of 2 or 4 bytes: within a core's second cache.
_BLOCK = 128


def _compiled(function: Any) -> Any:
    """The function, to be compiled when it is first called; other threads of Python run meanwhile."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's may be written to: each process compiles for itself.
        return njit(nogil=True)(function)


def count_into(counts: Any, stack: NDArray[np.uint8], start: int, stop: int) -> None:
    """See `counting_numpy.count_into`."""
    _count(counts, stack, *channel_parts(), start, stop)


def number_occurring(counts: Any, start: int, stop: int) -> int:
    """See `counting_numpy.number_occurring`."""
    return int(_number_occurring(counts, start, stop))


def occurring_into(counts: Any, keys: NDArray[np.uint32], values: NDArray[np.uint32], start: int, stop: int) -> None:
    """See `counting_numpy.occurring_into`."""
    if len(keys):
        _occurring(counts, keys, values, start, stop)


def add_into(counts: Any, keys: NDArray[np.uint32], values: Any) -> None:
    """See `counting_numpy.add_into`."""
    _add(counts, keys, values)


def subtract_into(counts: Any, keys: NDArray[np.uint32], values: Any) -> bool:
    """See `counting_numpy.subtract_into`."""
    return bool(_subtract(counts, keys, values))


def tally_into(sums: NDArray[np.uint64], keys: NDArray[np.uint32], values: Any, previous: int) -> bool:
    """See `counting_numpy.tally_into`."""
    return bool(_tally(sums, keys, values, previous))


def look_up_into(found: NDArray[np.uint32], table: Any, stack: NDArray[np.uint8], start: int, stop: int) -> None:
    """See `counting_numpy.look_up_into`."""
    _look_up(found, table, stack, *channel_parts(), start, stop)


def multiplicities_into(found: NDArray[np.uint32], counts: NDArray[np.uint32], start: int, stop: int) -> None:
    """See `counting_numpy.multiplicities_into`."""
    _multiplicities(found, counts, start, stop)


@_compiled
def _count(counts, stack, red, green, blue, start, stop):  # type: ignore[no-untyped-def]
    cells = uint64(counts.shape[1])
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        block = counts[low:high].reshape(-1)
        for image in range(stack.shape[0]):
            pixels = stack[image, low:high].reshape(-1)
            for position in range(high - low):
                # Unsigned, so that no index is taken to count from the end.
                first = uint64(3) * uint64(position)
                cell = red[pixels[first]] + green[pixels[first + uint64(1)]] + blue[pixels[first + uint64(2)]]
                block[uint64(position) * cells + uint64(cell)] += 1


@_compiled
def _number_occurring(counts, start, stop):  # type: ignore[no-untyped-def]
    number = 0
    for position in range(start, stop):
        for cell in range(counts.shape[1]):
            number += counts[position, cell] != 0
    return number


@_compiled
def _occurring(counts, keys, values, start, stop):  # type: ignore[no-untyped-def]
    done, last = uint64(0), uint64(keys.shape[0] - 1)
    for position in range(start, stop):
        row = counts[position]
        for cell in range(row.shape[0]):
            # Written in any case, and passed over if it counts: a branch that cannot be foretold takes twice as long.
            slot = min(done, last)
            keys[slot] = position * row.shape[0] + cell if done <= last else keys[slot]
            values[slot] = row[cell] if done <= last else values[slot]
            done += uint64(row[cell] != 0)


@_compiled
def _add(counts, keys, values):  # type: ignore[no-untyped-def]
    for number in range(keys.shape[0]):
        counts[keys[number]] += values[number]


@_compiled
def _subtract(counts, keys, values):  # type: ignore[no-untyped-def]
    for number in range(keys.shape[0]):
        if counts[keys[number]] < values[number]:
            return False
    for number in range(keys.shape[0]):
        counts[keys[number]] -= values[number]
    return True


@_compiled
def _tally(sums, keys, values, previous):  # type: ignore[no-untyped-def]
    before = int64(previous)
    for number in range(keys.shape[0]):
        if int64(keys[number]) <= before:
            return False
        before = int64(keys[number])
    if before >= sums.shape[0] * CELLS:
        return False
    for number in range(keys.shape[0]):
        sums[uint64(keys[number]) // uint64(CELLS)] += uint64(values[number])
    return True


@_compiled
def _look_up(found, table, stack, red, green, blue, start, stop):  # type: ignore[no-untyped-def]
    cells = uint64(table.shape[1])
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        block = table[low:high].reshape(-1)
        for image in range(stack.shape[0]):
            pixels = stack[image, low:high].reshape(-1)
            row = found[image, low:high]
            for position in range(high - low):
                first = uint64(3) * uint64(position)
                cell = red[pixels[first]] + green[pixels[first + uint64(1)]] + blue[pixels[first + uint64(2)]]
                row[position] = block[uint64(position) * cells + uint64(cell)]


@_compiled
def _multiplicities(found, counts, start, stop):  # type: ignore[no-untyped-def]
    last = uint64(found.shape[1] - 1)
    for row in range(start, stop):
        found[row] = 0
        for position in range(counts.shape[1]):
            # Tables come from files: a count that cannot be must not be written past the end.
            found[row, min(uint64(counts[row, position]), last)] += 1
