"""Counting and looking up colours by position, with NumPy alone; `counting_numba` does the same to the same bits.

Everywhere a stack is uint8 [n, positions, 3], `table` and `counts` are [positions, 1000], and `start` and `stop` bound
the positions (or the rows) that a call works on, so that several threads may share the arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.rarity.bins import COLOURS, colours_of
from spacer_like.rarity.image_colours import IMAGES, POSITIONS, n_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.rarity.image_colours import ImageColours

Counts = Any
"""An array of uint16, uint32 or uint64."""

EXCESS = 0
"""How much is written past what occurs."""
_POSITIONS_AT_ONCE = 256
_ROWS_AT_ONCE = 32


def _blocks(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    return [(low, min(low + size, stop)) for low in range(start, stop, size)]


def _keys(stack: NDArray[np.uint8], low: int, high: int) -> NDArray[np.int64]:
    """The keys of the positions from `low` to `high`, counted from the first one of that block, [n, high - low]."""
    return colours_of(stack[:, low:high]) + COLOURS * np.arange(high - low, dtype=np.int64)


def number_into(colours: ImageColours, pixels: NDArray[np.uint8], after: int, start: int, stop: int) -> None:
    """Put the colours of images `start` to `stop` of a stack into the buffer, behind the `after` images that it has."""
    positions, blocks = pixels.shape[1], colours.blocks
    padded = np.zeros(blocks.shape[1] * POSITIONS, np.uint16)
    for image in range(start, stop):
        padded[:positions] = colours_of(pixels[image])
        block, number = divmod(after + image, IMAGES)
        blocks[block, :, number] = padded.reshape(-1, POSITIONS)


def count_into(counts: Counts, colours: ImageColours, n_images: int, start: int, stop: int, are_new: bool) -> None:
    """Count each image's colour at each position, and write that, or add it; `start` is the first of a group."""
    for low, high in _blocks(start, stop, _POSITIONS_AT_ONCE):
        # Named, so that its memory is given back after the next one's was taken: else both are paid for each time.
        found = _counted(colours, n_images, low, high)
        if are_new:
            counts[low:high] = found.reshape(high - low, COLOURS)
        else:
            counts[low:high] += found.reshape(high - low, COLOURS).astype(counts.dtype)


def occurring_in(
    keys: NDArray[np.uint32], values: NDArray[np.uint32], colours: ImageColours, n_images: int, start: int, stop: int
) -> int:
    """The keys (position * 1000 + colour) of the colours that images have at positions, and their counts.

    Args:
        keys, values: as long as there are pixels at these positions, or as keys if those are fewer, and `EXCESS`.
        start: the first of a group.

    Returns:
        How many keys there are.
    """
    done = 0
    for low, high in _blocks(start, stop, _POSITIONS_AT_ONCE):
        counted = _counted(colours, n_images, low, high)
        found = np.flatnonzero(counted)
        keys[done : done + len(found)] = found + low * COLOURS
        values[done : done + len(found)] = counted[found]
        done += len(found)
    return done


def _counted(colours: ImageColours, n_images: int, low: int, high: int) -> NDArray[np.int64]:
    """Counts of the positions from `low` to `high`, [(high - low) * 1000]."""
    groups, (whole, rest) = slice(low // POSITIONS, n_groups(high)), divmod(n_images, IMAGES)
    first_keys = COLOURS * np.arange(n_groups(high - low) * POSITIONS, dtype=np.int64).reshape(-1, 1, POSITIONS)
    keys = (colours.blocks[:whole, groups] + first_keys).reshape(-1)
    if rest:
        keys = np.concatenate([keys, (colours.blocks[whole, groups, :rest] + first_keys).reshape(-1)])
    # The last group may go beyond.
    return np.bincount(keys, minlength=(high - low) * COLOURS)[: (high - low) * COLOURS]


def number_occurring(counts: Counts, start: int, stop: int) -> int:
    """How many keys have a count."""
    return int(np.count_nonzero(counts[start:stop]))


def occurring_into(counts: Counts, keys: NDArray[np.uint32], values: NDArray[np.uint32], start: int, stop: int) -> None:
    """The keys (position * 1000 + colour) that have a count, and the counts."""
    done = 0
    for low, high in _blocks(start, stop, _POSITIONS_AT_ONCE):
        block = counts[low:high].reshape(-1)
        found = np.flatnonzero(block)
        keys[done : done + len(found)] = found + low * COLOURS
        values[done : done + len(found)] = block[found]
        done += len(found)


def add_into(counts: Counts, keys: NDArray[np.uint32], values: Any) -> None:
    """Add sparse counts, whose keys differ, to `counts`, flat [positions * 1000]."""
    counts[keys] += values.astype(counts.dtype, copy=False)


def subtract_into(counts: Counts, keys: NDArray[np.uint32], values: Any) -> bool:
    """Take sparse counts away; False, and nothing is changed, where less is there."""
    if np.any(counts[keys] < values):
        return False
    counts[keys] -= values.astype(counts.dtype, copy=False)
    return True


def tally_into(sums: NDArray[np.uint64], keys: NDArray[np.uint32], values: Any, previous: int) -> bool:
    """Add sparse counts to the sum of their position; False, and nothing is added, if keys do not rise or lie outside.

    Args:
        sums: uint64 [positions].
        previous: the key before the first one.
    """
    if not len(keys):
        return True
    if keys[0] <= previous or keys[-1] >= len(sums) * COLOURS or np.any(keys[1:] <= keys[:-1]):
        return False
    positions = keys // np.uint32(COLOURS)
    first = int(positions[0])
    found = np.bincount(positions - np.uint32(first), values)
    sums[first : first + len(found)] += found.astype(np.uint64)
    return True


def look_up_into(found: NDArray[np.uint32], table: Counts, stack: NDArray[np.uint8], start: int, stop: int) -> None:
    """The table's count for each image's colour at each position, into `found`, [n, positions]."""
    for low, high in _blocks(start, stop, _POSITIONS_AT_ONCE):
        found[:, low:high] = table[low:high].reshape(-1)[_keys(stack, low, high)]


def multiplicities_into(found: NDArray[np.uint32], counts: NDArray[np.uint32], start: int, stop: int) -> None:
    """How often each count occurs in each row of `counts`, into `found`, [rows, largest count + 1].

    A larger count counts as the largest.
    """
    width = found.shape[1]
    for low, high in _blocks(start, stop, _ROWS_AT_ONCE):
        keys = np.minimum(counts[low:high], width - 1).astype(np.int64) + width * np.arange(high - low)[:, None]
        found[low:high] = np.bincount(keys.reshape(-1), minlength=(high - low) * width).reshape(-1, width)
