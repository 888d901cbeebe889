"""Counting and looking up colours by position at the speed of memory; the same to the same bits as `counting_numpy`.

Numbers of a block of positions stay in the core's cache while the images pass by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import int64, uint16, uint64
from numpy.typing import NDArray

from spacer_like.rarity.bins import CELLS, channel_parts
from spacer_like.rarity.compiling import WIDTH_OF_A_MASK, compiled, prefetch, trailing_zeros, which_are_not_zero
from spacer_like.rarity.counting_numpy import MOST_IMAGES, MOST_STACKS
from spacer_like.rarity.vector_cells import PIXELS, store_cells

# Read from an image at a time: less waits for memory more often, and of many images more is too much for the cache.
_BLOCK = 256
# Counted together: times 1000 cells of 2 bytes, within a core's first cache.
_GROUP = PIXELS
_IMAGES_AHEAD = 4
_BYTES_OF_A_CACHE_LINE = 64
# Numbers of a group, of all images one after the other; one more image, for groups that all began at the same place of
# the cache would drive each other out.
_GROUP_LENGTH = (MOST_IMAGES + 1) * _GROUP
_LENGTH = _BLOCK // _GROUP * _GROUP_LENGTH


def count_into(counts: Any, stacks: Sequence[NDArray[np.uint8]], start: int, stop: int) -> None:
    """See `counting_numpy.count_into`."""
    _count(counts, _alike(stacks), *channel_parts(), start, stop)


def occurring_in(
    keys: NDArray[np.uint32], values: NDArray[np.uint32], stacks: Sequence[NDArray[np.uint8]], start: int, stop: int
) -> int:
    """See `counting_numpy.occurring_in`."""
    return int(_occurring_in(keys, values, _alike(stacks), *channel_parts(), start, stop))


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


def _alike(stacks: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], ...]:
    """Always as many stacks of the same type, for a function is compiled for types."""
    if len(stacks) > MOST_STACKS or sum(map(len, stacks)) > MOST_IMAGES:
        raise ValueError(f"More than {MOST_IMAGES} images, or {MOST_STACKS} stacks, would be written past the end.")
    views = [stack.view() for stack in stacks]
    views += [stacks[0][:0] for _ in range(MOST_STACKS - len(views))]
    for view in views:
        view.flags.writeable = False
    return tuple(views)


@compiled
def _count(counts, stacks, red, green, blue, start, stop):  # type: ignore[no-untyped-def]
    totals = counts.reshape(-1)
    numbers, counted = np.empty(_LENGTH, np.uint16), np.zeros(_GROUP * CELLS, np.uint16)
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        n_images = _number_cells(numbers, stacks, red, green, blue, low, high)
        for first in range(low, high, _GROUP):
            _count_group(counted, numbers, (first - low) // _GROUP, n_images, high - first)
            row = uint64(first * CELLS)
            for cell in range(uint64(min(_GROUP, high - first) * CELLS)):
                totals[row + cell] += counted[cell]
            counted[:] = 0


@compiled
def _occurring_in(keys, values, stacks, red, green, blue, start, stop):  # type: ignore[no-untyped-def]
    numbers, counted = np.empty(_LENGTH, np.uint16), np.zeros(_GROUP * CELLS, np.uint16)
    done = uint64(0)
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        n_images = _number_cells(numbers, stacks, red, green, blue, low, high)
        for first in range(low, high, _GROUP):
            _count_group(counted, numbers, (first - low) // _GROUP, n_images, high - first)
            row = uint64(first * CELLS)
            for begin in range(uint64(0), uint64(_GROUP * CELLS), uint64(WIDTH_OF_A_MASK)):
                occur = which_are_not_zero(counted, begin)
                while occur:
                    cell = begin + trailing_zeros(occur)
                    occur &= occur - uint64(1)
                    keys[done], values[done] = row + cell, counted[cell]
                    done += uint64(1)
            counted[:] = 0
    return done


@compiled
def _number_cells(numbers, stacks, red, green, blue, low, high):  # type: ignore[no-untyped-def]
    """The cells that images have at positions, [group, image, position]; how many images there are."""
    whole = uint64((high - low) // _GROUP)
    place = uint64(0)
    for stack in stacks:
        pixels, row, images = stack.reshape(-1), uint64(3 * stack.shape[1]), uint64(stack.shape[0])
        for image in range(images):
            _ask_for(pixels, min(image + uint64(_IMAGES_AHEAD), images - uint64(1)) * row, low, high)
            source = image * row + uint64(3 * low)
            for group in range(whole):
                store_cells(numbers, place + group * uint64(_GROUP_LENGTH), pixels, source)
                source += uint64(3 * _GROUP)
            for position in range(uint64(high - low) - whole * uint64(_GROUP)):
                cell = red[pixels[source]] + green[pixels[source + uint64(1)]] + blue[pixels[source + uint64(2)]]
                numbers[place + whole * uint64(_GROUP_LENGTH) + position] = cell
                source += uint64(3)
            place += uint64(_GROUP)
    return place // uint64(_GROUP)


@compiled
def _count_group(counted, numbers, group, n_images, positions):  # type: ignore[no-untyped-def]
    """Add the cells of a group of `positions`, at most `_GROUP`, to `counted`."""
    place = uint64(group * _GROUP_LENGTH)
    for _ in range(n_images):
        if positions >= _GROUP:
            for position in range(uint64(_GROUP)):
                counted[position * uint64(CELLS) + uint64(numbers[place + position])] += uint16(1)
        else:
            for position in range(uint64(positions)):
                counted[position * uint64(CELLS) + uint64(numbers[place + position])] += uint16(1)
        place += uint64(_GROUP)


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
