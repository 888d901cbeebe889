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

``raw``, ``ratio`` and ``log`` are PixelScore's; the others find rare motifs better, however small they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, get_args

import numpy as np

from spacer_like.rarity.counting import looked_up, multiplicities, share_out
from spacer_like.rarity.messages import Method

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.rarity.count_table import CountTable

    Logarithm = Callable[[NDArray[np.float64]], NDArray[np.float64]]

METHODS: tuple[Method, ...] = get_args(Method)
HIGHEST = 10.0
# Numbers that are held for a batch of images: the count at each position, and how often each count occurs.
_COUNTS_AT_ONCE = 2**23
_MULTIPLICITIES_AT_ONCE = 2**21
# Up to here it is quicker to see how often an image has each count than to go through its positions for each method.
_FEW_IMAGES = 2**15
_FACTORS, _SMALLEST_PRODUCT = 32, -1000.0
# For fewer the threads wait for each other as long as they compute.
_ROWS_AT_ONCE = 8


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
        self._top = max(1, math.ceil(round(top_share * table.header.positions, 9)))
        self._unseen = unseen_count
        self._found: dict[Method, list[NDArray[np.float64]]] = {method: [] for method in self._methods}
        self._images_at_once = max(1, _COUNTS_AT_ONCE // table.header.positions)
        self._values: dict[Method, NDArray[np.float64]] = {}
        if table.n_images <= _FEW_IMAGES:
            every_count = np.arange(table.n_images + 1)
            self._values = {method: self._value(method, every_count) for method in self._methods}
            most = max(1, _MULTIPLICITIES_AT_ONCE // len(every_count))
            self._images_at_once = min(self._images_at_once, most)

    def add(self, stack: NDArray[np.uint8]) -> None:
        """Score images, uint8 [n, size, size, 3]."""
        for start in range(0, len(stack), self._images_at_once):
            counts = looked_up(self._table.counts, stack[start : start + self._images_at_once])
            for method, mean in (self._means_by_count(counts) if self._values else self._means(counts)).items():
                # An image none of whose colours was counted is rarer than any that has one.
                lowest = self._unseen / self._table.header.positions
                self._found[method].append(1 / np.maximum(mean, lowest) if method == "raw" else mean)

    def scores(self) -> dict[Method, NDArray[np.float64]]:
        """The scores of all images added so far, float64 [n], by method."""
        found = {method: np.concatenate([np.empty(0), *parts]) for method, parts in self._found.items()}
        if "raw" in found:
            found["raw"] = scaled(found["raw"])
        return found

    def _means_by_count(self, counts: NDArray[np.uint32]) -> dict[Method, NDArray[np.float64]]:
        """For tables of few images: one logarithm for each count serves all positions of all images."""
        often = multiplicities(counts, self._table.n_images).astype(np.int64)
        found = {}
        for method, values in self._values.items():
            parts, weights = counts.shape[1], often
            if method == "top_surprisal":
                parts = self._top
                before = np.cumsum(often, axis=1) - often
                weights = np.clip(parts - before, 0, often)
            # einsum adds up a row in the same order, however many rows there are.
            found[method] = np.einsum("ij,j->i", weights, values) / parts
        return found

    def _means(self, counts: NDArray[np.uint32]) -> dict[Method, NDArray[np.float64]]:
        """For tables of any number of images: some rows of positions at a time."""
        found = {method: np.empty(len(counts)) for method in self._methods}

        def work(start: int, stop: int) -> None:
            # Reused: allocating new memory takes longer than the computation in it.
            numbers = np.empty((min(_ROWS_AT_ONCE, stop - start), counts.shape[1]))
            for low in range(start, stop, _ROWS_AT_ONCE):
                rows = slice(low, min(low + _ROWS_AT_ONCE, stop))
                for method in self._methods:
                    found[method][rows] = self._row_means(method, counts[rows], numbers[: rows.stop - rows.start])

        share_out(len(counts), work, fewest=_ROWS_AT_ONCE)
        return found

    def _row_means(
        self, method: Method, counts: NDArray[np.uint32], numbers: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The mean of each image, float64 [rows]; `numbers`, of the shape of `counts`, is written to."""
        n_images = self._table.n_images
        if method == "raw":
            raw: NDArray[np.float64] = counts.sum(axis=1, dtype=np.uint64) / counts.shape[1]
            return raw
        if method == "log":
            np.multiply(counts, 1 / n_images, out=numbers)
            numbers += 1
            return 1 - mean_logarithms(numbers, 1.0, np.log)
        if method == "top_surprisal":
            counts = np.partition(counts, self._top - 1, axis=1)[:, : self._top]
            numbers = numbers[:, : self._top]
        np.maximum(counts, self._unseen, out=numbers)
        if method == "ratio":
            np.divide(HIGHEST * self._table.smallest_count, numbers, out=numbers)
            ratios: NDArray[np.float64] = numbers.mean(axis=1)
            return ratios
        numbers *= 1 / n_images
        return -mean_logarithms(numbers, self._unseen / n_images, np.log2)

    def _value(self, method: Method, counts: NDArray[np.integer]) -> NDArray[np.float64]:
        """What a method takes the mean of, by count; of raw the count itself."""
        if method == "raw":
            return counts.astype(np.float64)
        if method == "ratio":
            ratios: NDArray[np.float64] = HIGHEST * self._table.smallest_count / np.maximum(counts, self._unseen)
            return ratios
        if method == "log":
            shares: NDArray[np.float64] = counts / self._table.n_images
            return 1 - np.log1p(shares)
        return surprisals(counts, self._table.n_images, self._unseen)


def mean_logarithms(numbers: NDArray[np.float64], least: float, logarithm: Logarithm) -> NDArray[np.float64]:
    """The mean of the logarithms of each row, by those of products of numbers: to multiply takes a tenth of the time.

    Args:
        numbers: float64 [rows, n], each between `least` and 2.
        least: above 0.
        logarithm: `np.log` or `np.log2`.

    Returns:
        float64 [rows].
    """
    rows, length = numbers.shape
    # No product of so many is too small for a float, or too large.
    together = int(min(_FACTORS, max(1, _SMALLEST_PRODUCT / min(-1, math.log2(least)))))
    ends = length - length % together
    products = np.multiply.reduce(numbers[:, :ends].reshape(rows, together, -1), axis=1)
    sums = logarithm(products).sum(axis=1) + logarithm(numbers[:, ends:]).sum(axis=1)
    found: NDArray[np.float64] = sums / length
    return found


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
