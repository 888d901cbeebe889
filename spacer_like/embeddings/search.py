"""The vectors nearest to a query, exactly: every one is compared, in NumPy, in bounded memory.

Distances are Euclidean. A matrix product in single precision says which vectors may be among the nearest, by a bound on
its rounding; the distances of those are then computed in double precision from the differences. The answer is that of
double precision throughout, equal vectors have equal distances, and these are in the order of their places.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.half_precision import as_single, singles_in_blocks
from spacer_like.exceptions import FeatureFileError

Vectors = NDArray[np.float16] | NDArray[np.float32]

_BLOCK_BYTES = 2**21
"""Of single precision: what a core's cache holds, so that a block is converted, measured and multiplied in it."""
_MOST_PRODUCTS = 2**22
_QUERIES_AT_ONCE = 256
_EXACT_BYTES = 2**25
_LARGEST_COPY = 2**30
# Vectors have length one, or a little more where half precision has rounded them.
_LARGEST_SQUARE = 1.1


class Nearest(NamedTuple):
    """What was found for m queries, the nearest first: distances float64 [m, k], and places int64 [m, k]."""

    distances: NDArray[np.float64]
    places: NDArray[np.int64]


class ExactSearch:
    """Vectors that many queries are compared with.

    Up to 1 GiB of them are held in single precision; of more, each search converts a block after the other.

    Args:
        vectors: float16 or float32 [n, d], of length one at most; may be mapped from a file.
        name: what errors call them.
    """

    def __init__(self, vectors: Vectors, name: str = "The index") -> None:
        self.vectors = vectors
        self.name = name
        self._singles: NDArray[np.float32] | None = None
        self._norms: NDArray[np.float32] | None = None

    def prepare(self) -> None:
        """Convert and measure what every search would otherwise do again; worth it for more than a few queries."""
        if self._norms is None and self.vectors.size * 4 <= _LARGEST_COPY:
            self._singles = np.empty(self.vectors.shape, np.float32)
            for begin, block in singles_in_blocks(self.vectors):
                self._singles[begin : begin + len(block)] = block
            self._norms = _squares(self._singles)

    def search(self, queries: NDArray[np.floating[Any]], k: int) -> Nearest:
        """The `k` vectors nearest to each of the queries [m, d], or all if there are fewer.

        Raises:
            FeatureFileError: the queries have another dimension or numbers that are not finite, or a vector is longer
                than one.
        """
        wanted = np.atleast_2d(np.asarray(queries, np.float32))
        if wanted.ndim != 2 or wanted.shape[1] != self.vectors.shape[1]:
            raise FeatureFileError(
                f"'{self.name}' has vectors of {self.vectors.shape[1]} numbers, and those that are looked for have "
                f"{wanted.shape[-1]}."
            )
        if not np.isfinite(wanted).all():
            raise FeatureFileError("A vector that is looked for has numbers that are not finite.")
        k = min(k, len(self.vectors))
        found = [self._nearest(wanted[at : at + _QUERIES_AT_ONCE], k) for at in range(0, len(wanted), _QUERIES_AT_ONCE)]
        if not found:
            return Nearest(np.empty((0, k)), np.empty((0, k), np.int64))
        return Nearest(*(np.concatenate(part) for part in zip(*found, strict=True)))

    def _nearest(self, queries: NDArray[np.float32], k: int) -> Nearest:
        dimension = self.vectors.shape[1]
        rows = _MOST_PRODUCTS // len(queries)
        if self._singles is None:
            rows = min(rows, max(_BLOCK_BYTES // (4 * max(dimension, 1)), 1))
        rows = max(rows, k, 1)
        own = _squares(queries)
        best = _Best(queries, k)
        for begin in range(0, len(self.vectors), rows):
            block, norms = self._block(begin, begin + rows)
            largest = float(norms.max(initial=0))
            # A comparison that NaN does not pass.
            if not largest <= _LARGEST_SQUARE:
                raise FeatureFileError(f"'{self.name}' is damaged: it has vectors that are not of length one.")
            # |a - q|^2 = |a|^2 - 2 aq + |q|^2, of which the last is the same for all.
            squares = _products(queries, block)
            squares *= -2
            squares += norms
            best.add(self.vectors, begin, squares, _rounding(dimension, largest, own), own)
        return best.result()

    def _block(self, begin: int, end: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self._singles is not None and self._norms is not None:
            return self._singles[begin:end], self._norms[begin:end]
        block = as_single(self.vectors[begin:end])
        return block, _squares(block)


class _Best:
    """The nearest of what has been seen, for each query."""

    def __init__(self, queries: NDArray[np.float32], k: int) -> None:
        self._queries = queries.astype(np.float64)
        self._k = k
        self._query = np.empty(0, np.int64)
        self._place = np.empty(0, np.int64)
        self._square = np.empty(0, np.float64)

    def add(
        self,
        vectors: Vectors,
        begin: int,
        squares: NDArray[np.float32],
        slack: NDArray[np.float64],
        own: NDArray[np.float32],
    ) -> None:
        """Look at a block: `squares` [m, b] are |a|^2 - 2 aq, wrong by no more than `slack` [m]."""
        query, row = np.nonzero(squares <= self._bound(squares, slack, own)[:, None])
        step = max(_EXACT_BYTES // (8 * max(vectors.shape[1], 1)), 1)
        for at in range(0, len(query), step):
            some, places = query[at : at + step], row[at : at + step] + begin
            differences = vectors[places].astype(np.float64)
            differences -= self._queries[some]
            np.square(differences, out=differences)
            self._merge(some, places, differences.sum(axis=1))

    def result(self) -> Nearest:
        shape = (len(self._queries), self._k)
        return Nearest(np.sqrt(self._square).reshape(shape), self._place.reshape(shape))

    def _bound(
        self, squares: NDArray[np.float32], slack: NDArray[np.float64], own: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What `squares` [m] may be at most of a vector that is among the nearest."""
        if len(self._place) == len(self._queries) * self._k:
            worst = self._square.reshape(-1, self._k)[:, -1]
            bound = worst - own + slack
        elif squares.shape[1] > self._k:
            bound = np.partition(squares, self._k - 1, axis=1)[:, self._k - 1] + 2 * slack
        else:
            bound = np.full(len(squares), np.inf)
        return np.nextafter(bound.astype(np.float32), np.float32(np.inf))

    def _merge(self, query: NDArray[np.int64], place: NDArray[np.int64], square: NDArray[np.float64]) -> None:
        query = np.concatenate([self._query, query])
        place = np.concatenate([self._place, place])
        square = np.concatenate([self._square, square])
        order = np.lexsort((place, square, query))
        query = query[order]
        first = np.searchsorted(query, np.arange(len(self._queries)))
        kept = np.arange(len(query)) - first[query] < self._k
        order = order[kept]
        self._query, self._place, self._square = query[kept], place[order], square[order]


def _products(queries: NDArray[np.float32], block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scalar products [m, b] of queries [m, d] and vectors [b, d]."""
    if len(queries) > 1:
        return queries @ block.T
    # Memory limits the products with one vector: the threads that BLAS would use for them only wait for each other.
    products: NDArray[np.float32] = np.einsum("ij,j->i", block, queries[0])
    return products[None]


def _squares(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The squared length of each vector."""
    squares: NDArray[np.float32] = np.einsum("ij,ij->i", vectors, vectors)
    return squares


def _rounding(dimension: int, largest: float, own: NDArray[np.float32]) -> NDArray[np.float64]:
    """How wrong |a|^2 - 2 aq + |q|^2 may be in single precision, for |a|^2 up to `largest`: [m].

    A sum of d products is wrong by d 2^-24 of the sum of their absolute values at most (Higham, Accuracy and Stability
    of Numerical Algorithms, 3.5), here 2 (|a|^2 + |q|^2); eight more for the other operations.
    """
    return (dimension + 8) * 2.0**-23 * (largest + own.astype(np.float64))
