"""Counting and looking up colours by position at the speed of memory; the same to the same bits as `counting_numpy`.

Numbers of a block of positions stay in the core's cache while the images pass by.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint64
from numpy.typing import NDArray

from spacer_like.rarity.bins import CELLS, channel_parts
from spacer_like.rarity.compiling import compiled, prefetch

# Times 1000 cells of 2 or 4 bytes: within a core's second cache.
_BLOCK = 128
# Read from an image at a time: more takes too much cache, less waits for memory more often.
_READ_AT_ONCE = 256
# Counted together: times 1000 cells of a byte, within a core's first cache.
_GROUP = 16
# What a byte counts.
_IMAGES_AT_ONCE = 255
_IMAGES_AHEAD = 4
# Of fewer images it takes longer to add the bytes to the counts than to count at once.
_FEWEST_FOR_GROUPS = 64
_BYTES_OF_A_CACHE_LINE = 64


def count_into(counts: Any, stack: NDArray[np.uint8], start: int, stop: int) -> None:
    """See `counting_numpy.count_into`."""
    grouped = (stop - start) // _GROUP * _GROUP if len(stack) >= _FEWEST_FOR_GROUPS else 0
    if grouped:
        _count_in_groups(counts, stack, *channel_parts(), start, start + grouped)
    _count(counts, stack, *channel_parts(), start + grouped, stop)


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


@compiled
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


@compiled
def _count_in_groups(counts, stack, red, green, blue, start, stop):  # type: ignore[no-untyped-def]
    """As `_count`, of positions whose number `_GROUP` divides.

    A core counts as fast as it can only in its first cache, and reads as fast as it can only in long pieces. So many
    positions are read and numbered by their cells, and then few at a time are counted, in bytes.
    """
    pixels, totals = stack.reshape(-1), counts.reshape(-1)
    numbers = np.empty(_READ_AT_ONCE * _IMAGES_AT_ONCE, np.uint16)
    counted = np.empty(_GROUP * CELLS, np.uint8)
    for low in range(start, stop, _READ_AT_ONCE):
        high = min(low + _READ_AT_ONCE, stop)
        for first in range(0, stack.shape[0], _IMAGES_AT_ONCE):
            last = min(first + _IMAGES_AT_ONCE, stack.shape[0])
            _number_cells(numbers, pixels, stack.shape[1], red, green, blue, low, high, first, last)
            for group in range((high - low) // _GROUP):
                begin = uint64(group * _IMAGES_AT_ONCE * _GROUP)
                end = begin + uint64((last - first) * _GROUP)
                counted[:] = 0
                for place in range(begin, end):
                    counted[uint64(numbers[place])] += 1
                row = uint64((low + group * _GROUP) * CELLS)
                for cell in range(uint64(_GROUP * CELLS)):
                    totals[row + cell] += counted[cell]


@compiled
def _number_cells(numbers, pixels, positions, red, green, blue, low, high, first, last):  # type: ignore[no-untyped-def]
    """The cells that images have at positions, numbered in their group: [group, `_IMAGES_AT_ONCE`, position]."""
    row = uint64(3 * positions)
    for image in range(first, last):
        _ask_for(pixels, uint64(min(image + _IMAGES_AHEAD, last - 1)) * row, low, high)
        source = uint64(image) * row + uint64(3 * low)
        place = uint64((image - first) * _GROUP)
        for _ in range((high - low) // _GROUP):
            for position in range(uint64(_GROUP)):
                at = source + uint64(3) * position
                cell = red[pixels[at]] + green[pixels[at + uint64(1)]] + blue[pixels[at + uint64(2)]]
                numbers[place + position] = cell + position * uint64(CELLS)
            source += uint64(3 * _GROUP)
            place += uint64(_IMAGES_AT_ONCE * _GROUP)


@compiled
def _ask_for(pixels, image, low, high):  # type: ignore[no-untyped-def]
    """Have an image's pixels at positions brought near; `image` is where it begins."""
    begin = image + uint64(3 * low)
    for line in range(uint64((3 * (high - low) + _BYTES_OF_A_CACHE_LINE - 1) // _BYTES_OF_A_CACHE_LINE)):
        prefetch(pixels, begin + uint64(_BYTES_OF_A_CACHE_LINE) * line)


@compiled
def _number_occurring(counts, start, stop):  # type: ignore[no-untyped-def]
    number = 0
    for position in range(start, stop):
        for cell in range(counts.shape[1]):
            number += counts[position, cell] != 0
    return number


@compiled
def _occurring(counts, keys, values, start, stop):  # type: ignore[no-untyped-def]
    cells, done, number = counts.reshape(-1), uint64(0), uint64(keys.shape[0])
    for key in range(uint64(start * counts.shape[1]), uint64(stop * counts.shape[1])):
        if done == number:
            return
        # Written in any case, and passed over if it counts: a branch that cannot be foretold takes twice as long.
        keys[done], values[done] = key, cells[key]
        done += uint64(cells[key] != 0)


@compiled
def _add(counts, keys, values):  # type: ignore[no-untyped-def]
    for number in range(keys.shape[0]):
        counts[keys[number]] += values[number]


@compiled
def _subtract(counts, keys, values):  # type: ignore[no-untyped-def]
    for number in range(keys.shape[0]):
        if counts[keys[number]] < values[number]:
            return False
    for number in range(keys.shape[0]):
        counts[keys[number]] -= values[number]
    return True


@compiled
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


@compiled
def _look_up(found, table, stack, red, green, blue, start, stop):  # type: ignore[no-untyped-def]
    cells, every_pixel = uint64(table.shape[1]), stack.reshape(-1)
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        block = table[low:high].reshape(-1)
        for image in range(stack.shape[0]):
            ahead = min(image + _IMAGES_AHEAD, stack.shape[0] - 1)
            _ask_for(every_pixel, uint64(ahead) * uint64(3 * stack.shape[1]), low, high)
            pixels = stack[image, low:high].reshape(-1)
            row = found[image, low:high]
            for position in range(high - low):
                first = uint64(3) * uint64(position)
                cell = red[pixels[first]] + green[pixels[first + uint64(1)]] + blue[pixels[first + uint64(2)]]
                row[position] = block[uint64(position) * cells + uint64(cell)]


@compiled
def _multiplicities(found, counts, start, stop):  # type: ignore[no-untyped-def]
    last = uint64(found.shape[1] - 1)
    for row in range(start, stop):
        found[row] = 0
        for position in range(counts.shape[1]):
            # Tables come from files: a count that cannot be must not be written past the end.
            found[row, min(uint64(counts[row, position]), last)] += 1
