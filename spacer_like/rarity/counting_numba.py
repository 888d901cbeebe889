"""Counting and looking up colours by position at the speed of memory; the same to the same bits as `counting_numpy`.

What is counted at a time stays in the core's cache while the images pass by.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
from numba import int64, njit, uint8, uint16, uint32, uint64
from numpy.typing import NDArray

from spacer_like.rarity.bins import CHANNEL_STEPS, COLOURS, channel_parts
from spacer_like.rarity.image_colours import GROUP_LENGTH, IMAGES, POSITIONS, ImageColours
from spacer_like.storage.ownership import why_not_ours

logger = getLogger(__name__)

# Of an image that is looked up, and of one whose colours are written, at a time.
_BLOCK = 256
# (value * 2571) >> 16 is the bin of every value up to 254, whose bin is also that of 255.
_FACTOR, _SHIFT, _LARGEST = 2571, 16, 254
_RED, _GREEN, _BLUE = (uint16(step) for step in CHANNEL_STEPS)
EXCESS = 1
"""How much is written past what occurs."""
# 32 KB: the counts fit into a core's first-level cache.
_COUNTED_LENGTH = POSITIONS * COLOURS


def compiled(function: Any) -> Any:
    """The function, to be compiled when it is first called; other threads of Python run meanwhile.

    The compiled code is kept for other processes where nobody else can write: reading it runs it.
    """
    with suppress(RuntimeError):
        # Raised where neither the package's folder nor the user's may be written to.
        kept = njit(cache=True, nogil=True)(function)
        if _is_ours(kept.stats.cache_path):
            return kept
    return njit(nogil=True)(function)


@cache
def _is_ours(folder: str) -> bool:
    paths = [Path(folder), *Path(folder).glob("*.nb[ic]")]
    reason = next((reason for path in paths if (reason := why_not_ours(path))), None)
    if reason:
        logger.warning("What numba compiled is not kept in %s, because %s: each process compiles.", folder, reason)
    return reason is None


def number_into(colours: ImageColours, pixels: NDArray[np.uint8], after: int, start: int, stop: int) -> None:
    """See `counting_numpy.number_into`."""
    if stop <= start:
        return
    if not 0 <= after + start < after + stop <= colours.room or pixels.shape[1] != colours.positions:
        raise ValueError(f"Images {after + start} to {after + stop} would be written outside of their room.")
    frozen = pixels[start:stop].view()
    frozen.flags.writeable = False
    _number(colours.values, frozen, after + start, colours.block_length)


def count_into(counts: Any, colours: ImageColours, n_images: int, start: int, stop: int, are_new: bool) -> None:
    """See `counting_numpy.count_into`."""
    _count(counts, colours.values, _checked(colours, n_images, start, stop), colours.block_length, start, stop, are_new)


def occurring_in(
    keys: NDArray[np.uint32], values: NDArray[np.uint32], colours: ImageColours, n_images: int, start: int, stop: int
) -> int:
    """See `counting_numpy.occurring_in`."""
    n_images = _checked(colours, n_images, start, stop)
    if min(len(keys), len(values)) < (stop - start) * min(COLOURS, n_images) + EXCESS:
        raise ValueError("What occurs would be written past the end.")
    return int(_occurring_in(keys, values, colours.values, n_images, colours.block_length, start, stop))


def _checked(colours: ImageColours, n_images: int, start: int, stop: int) -> int:
    if n_images > colours.room or start % POSITIONS or stop > colours.positions:
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
def _bin(value):  # type: ignore[no-untyped-def]
    """As `bins.bin_of`; numbers that are multiplied are computed many at a time, and those of a table are not."""
    return uint16((uint32(min(value, uint8(_LARGEST))) * uint32(_FACTOR)) >> uint32(_SHIFT))


@compiled
def _number(colours, pixels, after, block_length):  # type: ignore[no-untyped-def]
    values, positions, row = pixels.reshape(-1), pixels.shape[1], uint64(3 * pixels.shape[1])
    for begin in range(0, pixels.shape[0], IMAGES):
        end = min(begin + IMAGES, pixels.shape[0])
        for low in range(0, positions, _BLOCK):
            high = min(low + _BLOCK, positions)
            for image in range(begin, end):
                block, number = divmod(after + image, IMAGES)
                sink = uint64(block * block_length + low * IMAGES + number * POSITIONS)
                source = uint64(image) * row + uint64(3 * low)
                for first in range(low, high, POSITIONS):
                    for position in range(uint64(POSITIONS) if high - first >= POSITIONS else uint64(high - first)):
                        pixel = source + uint64(3) * position
                        colours[sink + position] = (
                            _RED * _bin(values[pixel])
                            + _GREEN * _bin(values[pixel + uint64(1)])
                            + _BLUE * _bin(values[pixel + uint64(2)])
                        )
                    sink += uint64(GROUP_LENGTH)
                    source += uint64(3 * POSITIONS)


@compiled
def _count(counts, colours, n_images, block_length, start, stop, are_new):  # type: ignore[no-untyped-def]
    totals, counted = counts.reshape(-1), np.zeros(_COUNTED_LENGTH, np.uint16)
    for first in range(start, stop, POSITIONS):
        _count_group(counted, colours, n_images, block_length, first, stop)
        row, number = uint64(first * COLOURS), uint64(min(POSITIONS, stop - first) * COLOURS)
        if are_new:
            for colour in range(number):
                totals[row + colour] = counted[colour]
        else:
            for colour in range(number):
                totals[row + colour] += counted[colour]
        counted[:] = 0


@compiled
def _those_not_zero(keys, values, done, counted, first_key):  # type: ignore[no-untyped-def]
    """Write the counts that are not 0, and their keys, from index `done` on; where the next ones go."""
    # Most are 0: they are looked at four at a time.
    words = counted.view(np.uint64)
    for word in range(uint64(words.shape[0])):
        if words[word]:
            for colour in range(uint64(4) * word, uint64(4) * word + uint64(4)):
                keys[done], values[done] = first_key + colour, counted[colour]
                done += uint64(counted[colour] != 0)
    return done


@compiled
def _occurring_in(keys, values, colours, n_images, block_length, start, stop):  # type: ignore[no-untyped-def]
    done, counted = uint64(0), np.zeros(_COUNTED_LENGTH, np.uint16)
    for first in range(start, stop, POSITIONS):
        _count_group(counted, colours, n_images, block_length, first, stop)
        done = _those_not_zero(keys, values, done, counted, uint64(first * COLOURS))
        counted[:] = 0
    return done


@compiled
def _count_group(counted, colours, n_images, block_length, first, stop):  # type: ignore[no-untyped-def]
    """Add the colours of a group, which begins at the position `first`, to `counted`."""
    for image in range(0, n_images, IMAGES):
        at = uint64(image // IMAGES * block_length + first * IMAGES)
        for _ in range(min(IMAGES, n_images - image)):
            if stop - first >= POSITIONS:
                for position in range(uint64(POSITIONS)):
                    counted[position * uint64(COLOURS) + uint64(colours[at + position])] += uint16(1)
            else:
                for position in range(uint64(stop - first)):
                    counted[position * uint64(COLOURS) + uint64(colours[at + position])] += uint16(1)
            at += uint64(POSITIONS)


@compiled
def _number_occurring(counts, start, stop):  # type: ignore[no-untyped-def]
    number = 0
    for position in range(start, stop):
        for colour in range(counts.shape[1]):
            number += counts[position, colour] != 0
    return number


@compiled
def _occurring(counts, keys, values, start, stop):  # type: ignore[no-untyped-def]
    flat, done, number = counts.reshape(-1), uint64(0), uint64(keys.shape[0])
    for key in range(uint64(start * counts.shape[1]), uint64(stop * counts.shape[1])):
        if done == number:
            return
        # Written in any case, and passed over if it counts: a branch that cannot be foretold takes twice as long.
        keys[done], values[done] = key, flat[key]
        done += uint64(flat[key] != 0)


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
    if before >= sums.shape[0] * COLOURS:
        return False
    for number in range(keys.shape[0]):
        sums[uint64(keys[number]) // uint64(COLOURS)] += uint64(values[number])
    return True


@compiled
def _look_up(found, table, stack, red, green, blue, start, stop):  # type: ignore[no-untyped-def]
    n_colours = uint64(table.shape[1])
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        block = table[low:high].reshape(-1)
        for image in range(stack.shape[0]):
            pixels = stack[image, low:high].reshape(-1)
            row = found[image, low:high]
            for position in range(high - low):
                first = uint64(3) * uint64(position)
                colour = red[pixels[first]] + green[pixels[first + uint64(1)]] + blue[pixels[first + uint64(2)]]
                row[position] = block[uint64(position) * n_colours + uint64(colour)]


@compiled
def _multiplicities(found, counts, start, stop):  # type: ignore[no-untyped-def]
    last = uint64(found.shape[1] - 1)
    for row in range(start, stop):
        found[row] = 0
        for position in range(counts.shape[1]):
            # Tables come from files: a count that cannot be must not be written past the end.
            found[row, min(uint64(counts[row, position]), last)] += 1
