"""Counting and looking up colours by position at the speed of memory; the same to the same bits as `counting_numpy`.

What is counted at a time stays in the core's cache while the images pass by.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint16, uint64
from numpy.typing import NDArray

from spacer_like.rarity.bins import CELLS, channel_parts
from spacer_like.rarity.compiling import (
    WIDTH_OF_A_MASK,
    WIDTH_OF_COMPRESSION,
    can_compress,
    compiled,
    compress_into,
    prefetch,
    trailing_zeros,
    which_are_not_zero,
)
from spacer_like.rarity.image_cells import GROUP_LENGTH, IMAGES, POSITIONS, ImageCells
from spacer_like.rarity.vector_cells import store_cells

# Of an image that is looked up, and of one whose cells are written, at a time.
_BLOCK = 256
_IMAGES_AHEAD = 4
_GROUPS_AHEAD = 2
_BYTES_OF_A_CACHE_LINE = 64
_NUMBERS_OF_A_CACHE_LINE = 32
EXCESS = WIDTH_OF_COMPRESSION
"""How much is written past what occurs."""
# 32 KB: the core's first cache holds what is counted.
_COUNTED_LENGTH = POSITIONS * CELLS


def number_into(cells: ImageCells, pixels: NDArray[np.uint8], place: int, start: int, stop: int) -> None:
    """See `counting_numpy.number_into`."""
    if stop <= start:
        return
    if not 0 <= place + start < place + stop <= cells.room or pixels.shape[1] != cells.positions:
        raise ValueError(f"Images {place + start} to {place + stop} would be written outside of their room.")
    frozen = pixels[start:stop].view()
    frozen.flags.writeable = False
    _number(cells.values, frozen, *channel_parts(), place + start, cells.block_length)


def count_into(counts: Any, cells: ImageCells, n_images: int, start: int, stop: int, are_new: bool) -> None:
    """See `counting_numpy.count_into`."""
    _count(counts, cells.values, _checked(cells, n_images, start, stop), cells.block_length, start, stop, are_new)


def occurring_in(
    keys: NDArray[np.uint32], values: NDArray[np.uint32], cells: ImageCells, n_images: int, start: int, stop: int
) -> int:
    """See `counting_numpy.occurring_in`."""
    n_images = _checked(cells, n_images, start, stop)
    if min(len(keys), len(values)) < (stop - start) * min(CELLS, n_images) + EXCESS:
        raise ValueError("What occurs would be written past the end.")
    return int(_occurring_in(keys, values, cells.values, n_images, cells.block_length, start, stop))


def _checked(cells: ImageCells, n_images: int, start: int, stop: int) -> int:
    if n_images > cells.room or start % POSITIONS or stop > cells.positions:
        raise ValueError(f"{n_images} images at positions {start} to {stop} would be read from outside of their room.")
    return n_images


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
def _number(cells, pixels, red, green, blue, place, block_length):  # type: ignore[no-untyped-def]
    values, positions, row = pixels.reshape(-1), pixels.shape[1], uint64(3 * pixels.shape[1])
    whole = positions // POSITIONS
    for begin in range(0, pixels.shape[0], IMAGES):
        end = min(begin + IMAGES, pixels.shape[0])
        for low in range(0, whole, _BLOCK // POSITIONS):
            high = min(low + _BLOCK // POSITIONS, whole)
            for image in range(begin, end):
                block, number = divmod(place + image, IMAGES)
                sink = uint64(block * block_length + low * GROUP_LENGTH + number * POSITIONS)
                source = uint64(image) * row + uint64(low * 3 * POSITIONS)
                for _ in range(low, high):
                    prefetch(cells, sink + uint64(_BLOCK // POSITIONS * GROUP_LENGTH))
                    prefetch(values, source + uint64(3 * _BLOCK))
                    store_cells(cells, sink, values, source)
                    sink += uint64(GROUP_LENGTH)
                    source += uint64(3 * POSITIONS)
    for image in range(pixels.shape[0]):
        block, number = divmod(place + image, IMAGES)
        sink = uint64(block * block_length + whole * GROUP_LENGTH + number * POSITIONS)
        for position in range(whole * POSITIONS, positions):
            first = uint64(image) * row + uint64(3 * position)
            cells[sink] = red[values[first]] + green[values[first + uint64(1)]] + blue[values[first + uint64(2)]]
            sink += uint64(1)


@compiled
def _count(counts, cells, n_images, block_length, start, stop, are_new):  # type: ignore[no-untyped-def]
    totals, counted = counts.reshape(-1), np.zeros(_COUNTED_LENGTH, np.uint16)
    for first in range(start, stop, POSITIONS):
        _count_group(counted, cells, n_images, block_length, first, stop)
        row, number = uint64(first * CELLS), uint64(min(POSITIONS, stop - first) * CELLS)
        if are_new:
            for cell in range(number):
                totals[row + cell] = counted[cell]
        else:
            for cell in range(number):
                totals[row + cell] += counted[cell]
        counted[:] = 0


@compiled
def _compressed(keys, values, done, counted, first_key):  # type: ignore[no-untyped-def]
    """Write the counts that are not 0, and their keys, from the place `done` on; where the next ones go."""
    for begin in range(uint64(0), uint64(_COUNTED_LENGTH), uint64(WIDTH_OF_COMPRESSION)):
        done += compress_into(keys, values, done, counted, begin, first_key + begin)
    return done


@compiled
def _one_after_the_other(keys, values, done, counted, first_key):  # type: ignore[no-untyped-def]
    """As `_compressed`, on every processor, in a third more time."""
    for begin in range(uint64(0), uint64(_COUNTED_LENGTH), uint64(WIDTH_OF_A_MASK)):
        occur = which_are_not_zero(counted, begin)
        while occur:
            cell = begin + trailing_zeros(occur)
            occur &= occur - uint64(1)
            keys[done], values[done] = first_key + cell, counted[cell]
            done += uint64(1)
    return done


_those_not_zero = _compressed if can_compress() else _one_after_the_other


@compiled
def _occurring_in(keys, values, cells, n_images, block_length, start, stop):  # type: ignore[no-untyped-def]
    done, counted = uint64(0), np.zeros(_COUNTED_LENGTH, np.uint16)
    for first in range(start, stop, POSITIONS):
        _count_group(counted, cells, n_images, block_length, first, stop)
        done = _those_not_zero(keys, values, done, counted, uint64(first * CELLS))
        counted[:] = 0
    return done


@compiled
def _count_group(counted, cells, n_images, block_length, first, stop):  # type: ignore[no-untyped-def]
    """Add the cells of a group, which begins at the position `first`, to `counted`."""
    for image in range(0, n_images, IMAGES):
        place = uint64(image // IMAGES * block_length + first * IMAGES)
        for line in range(uint64(0), uint64(GROUP_LENGTH), uint64(_NUMBERS_OF_A_CACHE_LINE)):
            prefetch(cells, place + uint64(_GROUPS_AHEAD * GROUP_LENGTH) + line)
        for _ in range(min(IMAGES, n_images - image)):
            if stop - first >= POSITIONS:
                for position in range(uint64(POSITIONS)):
                    counted[position * uint64(CELLS) + uint64(cells[place + position])] += uint16(1)
            else:
                for position in range(uint64(stop - first)):
                    counted[position * uint64(CELLS) + uint64(cells[place + position])] += uint16(1)
            place += uint64(POSITIONS)


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
