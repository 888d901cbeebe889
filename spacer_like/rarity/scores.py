"""How rare images are, from counts of their colours by position.

With C the count of an image's colour at a position, n the images counted, P the positions, and a the count that
stands for 0 (`unseen_count`):

=============  =======================================================================================================
raw            1 / mean of C, scaled so that the least of all images is 0 and the greatest 10 (all equal: 0)
ratio          mean of 10 m / max(C, a), with m the smallest count in the table
log            mean of 1 - ln(1 + C / n), between 1 - ln 2 and 1
surprisal      mean of -log2(max(C, a) / n), in bits
top_surprisal  the same over the ceil(top_share P) positions where it is largest
=============  =======================================================================================================

``raw``, ``ratio`` and ``log`` are PixelScore's; the others tell rare figures better, however small they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args

import numpy as np

from spacer_like.rarity.counting import looked_up, multiplicities
from spacer_like.rarity.messages import Method

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.rarity.count_table import CountTable

METHODS: tuple[Method, ...] = get_args(Method)
HIGHEST = 10.0
# Numbers that are held for a batch of images: how often each of them has each of the table's counts.
_NUMBERS_AT_ONCE = 2**21
_MOST_IMAGES_AT_ONCE = 64
# Up to here any count may occur; in tables of more images those that do are looked for first.
_FEW_IMAGES = 2**15
_ROWS_AT_ONCE = 1024


class Scorer:
    """Scores images as they come, by several methods in one pass.

    Args:
        table: what to score against.
        methods: some of `METHODS`.
        top_share: of ``top_surprisal``, in (0, 1].
        unseen_count: stands for a count of 0 in ``ratio``, ``surprisal`` and ``top_surprisal``; in (0, 1].
    """

    def __init__(
        self, table: CountTable, methods: Iterable[Method], top_share: float = 0.05, unseen_count: float = 0.5
    ) -> None:
        self._table = table
        self._methods = tuple(methods)
        self._top = max(1, math.ceil(top_share * table.header.positions))
        self._unseen = unseen_count
        self._found: dict[Method, list[NDArray[np.float64]]] = {method: [] for method in self._methods}
        if table.n_images <= _FEW_IMAGES:
            self._counts, self._number_of = np.arange(table.n_images + 1), None
        else:
            self._counts, self._number_of = _distinct_counts(table.counts)
        self._values = {method: self._value(method) for method in self._methods}
        self._images_at_once = min(_MOST_IMAGES_AT_ONCE, max(1, _NUMBERS_AT_ONCE // len(self._counts)))

    def add(self, stack: NDArray[np.uint8]) -> None:
        """Score images, uint8 [n, size, size, 3]."""
        for start in range(0, len(stack), self._images_at_once):
            counts = looked_up(self._table.counts, stack[start : start + self._images_at_once])
            numbers = counts if self._number_of is None else self._number_of[counts]
            # How often an image has each count: then one logarithm for each count serves all images.
            often = multiplicities(numbers, len(self._counts) - 1)
            for method in self._methods:
                self._found[method].append(self._mean(method, often))

    def scores(self) -> dict[Method, NDArray[np.float64]]:
        """The scores of all images added so far, float64 [n], by method."""
        found = {method: np.concatenate([np.empty(0), *parts]) for method, parts in self._found.items()}
        if "raw" in found:
            found["raw"] = scaled(found["raw"])
        return found

    def _mean(self, method: Method, often: NDArray[np.uint32]) -> NDArray[np.float64]:
        parts = self._table.header.positions
        weights: NDArray[np.integer] = often
        if method == "top_surprisal":
            parts = self._top
            before = np.cumsum(often, axis=1, dtype=np.int64) - often
            weights = np.clip(parts - before, 0, often)
        # einsum adds up a row in the same order, however many rows there are.
        mean: NDArray[np.float64] = np.einsum("ij,j->i", weights, self._values[method]) / parts
        # An image none of whose colours was counted is rarer than any that has one.
        return 1 / np.maximum(mean, np.finfo(np.float32).tiny) if method == "raw" else mean

    def _value(self, method: Method) -> NDArray[np.float64]:
        """What a method takes the mean of, for each of the table's counts; of raw the count itself."""
        if method == "raw":
            return self._counts.astype(np.float64)
        if method == "ratio":
            return HIGHEST * self._table.smallest_count / np.maximum(self._counts, self._unseen)
        if method == "log":
            return 1 - np.log1p(self._counts / self._table.n_images)
        return surprisals(self._counts, self._table.n_images, self._unseen)


def _distinct_counts(counts: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
    """The counts that occur, rising, and the number of each of them among these, by count."""
    occurs = np.zeros(int(counts.max()) + 1, np.bool_)
    occurs[0] = True
    for row in range(0, len(counts), _ROWS_AT_ONCE):
        occurs[counts[row : row + _ROWS_AT_ONCE].reshape(-1)] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1).astype(np.uint32)


def surprisals(counts: NDArray[np.integer], n_images: int, unseen_count: float = 0.5) -> NDArray[np.float64]:
    """-log2 of the share of images that counts are, in bits; a count of 0 counts as `unseen_count`."""
    found: NDArray[np.float64] = -np.log2(np.maximum(counts, unseen_count) / n_images)
    return found


def surprisal_map(table: CountTable, image: NDArray[np.uint8], unseen_count: float = 0.5) -> NDArray[np.float64]:
    """The surprisal of an image's colour at each position, float64 [size, size], in bits.

    Args:
        image: uint8 [size, size, 3].
    """
    counts = looked_up(table.counts, image[None])[0]
    return surprisals(counts, table.n_images, unseen_count).reshape(image.shape[:2])


def scaled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores moved and stretched to lie between 0 and 10; all 0 where they are all equal."""
    if not len(scores):
        return scores
    least, greatest = scores.min(), scores.max()
    if greatest == least:
        return np.zeros_like(scores)
    found: NDArray[np.float64] = HIGHEST * ((scores - least) / (greatest - least))
    return found
