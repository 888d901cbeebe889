"""The vectors nearest to a query, exactly: every one is compared, in bounded memory.

Distances are Euclidean. A matrix product of blocks in single precision and a partial sort say which vectors may be
among the nearest, by a bound on the product's rounding; the distances of those few are then computed in double
precision from the differences. The answer is that of double precision throughout, equal vectors have equal distances,
and equal distances are in the order of their indices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import FeatureFileError

Vectors = NDArray[np.float16] | NDArray[np.float32]

LARGEST_HALF = 65504.0
_MANTISSA_SHIFT = 13
_WITHOUT_COPIES_OF_THE_SIGN = np.int32(~0x70000000)
_EXPONENT = np.float32(2.0**112)

_BLOCK_BYTES = 2**21
"""Of single precision: what a core's cache holds, so that a block is converted, measured and multiplied in it."""
_MOST_PRODUCTS = 2**20
_QUERIES_AT_ONCE = 256
_FEW_QUERIES = 4
"""Up to so many are multiplied one after the other."""
_EXACT_BYTES = 2**25
_LARGEST_COPY = 2**30
LARGEST_SQUARE = 1.1
"""Of a vector: length one, or a little more where half precision has rounded it."""
_LARGEST_NUMBER = 1e15
"""Of a query: its products stay far from the largest number of 32 bits."""


class Nearest(NamedTuple):
    """What was found for m queries, the nearest first.

    Fields:
        distances: float64 [m, k].
        indices: int64 [m, k], indices of vectors.
    """

    distances: NDArray[np.float64]
    indices: NDArray[np.int64]


class ExactSearch:
    """Vectors that many queries are compared with.

    After `prepare` up to 1 GiB of them are held in single precision; of more, and without it, each search converts a
    block after the other.

    Args:
        vectors: float16 or float32 [n, d], of length one at most; may be mapped from a file.
        name: what errors call them.
    """

    def __init__(self, vectors: Vectors, name: str = "The index") -> None:
        self.vectors = vectors
        self.name = name
        self._singles: NDArray[np.float32] | None = None
        self._halves: NDArray[np.float32] | None = None

    def prepare(self) -> None:
        """Convert and measure what every search would otherwise do again; worth it for more than a few queries."""
        if self._singles is None and self.vectors.size * 4 <= _LARGEST_COPY:
            singles = np.empty(self.vectors.shape, np.float32)
            halves = np.empty(len(self.vectors), np.float32)
            for begin, block in single_blocks(self.vectors, self._rows_in_cache):
                singles[begin : begin + len(block)] = block
                halves[begin : begin + len(block)] = self._half_squares(block)
            self._singles, self._halves = singles, halves

    def search(self, queries: NDArray[np.floating[Any]], k: int) -> Nearest:
        """The `k` vectors nearest to each of the queries [m, d], or all if there are fewer.

        Raises:
            FeatureFileError: the queries have another dimension or numbers that are not finite, or a vector is longer
                than one.
        """
        wanted = checked_queries(queries, self.vectors.shape[1], self.name)
        k = min(k, len(self.vectors))
        found = [self._nearest(wanted[at : at + _QUERIES_AT_ONCE], k) for at in range(0, len(wanted), _QUERIES_AT_ONCE)]
        if not found:
            return Nearest(np.empty((0, k)), np.empty((0, k), np.int64))
        return Nearest(*(np.concatenate(part) for part in zip(*found, strict=True)))

    def _nearest(self, queries: NDArray[np.float32], k: int) -> Nearest:
        best = _Best(self.vectors, queries, k)
        for begin, block, halves in self._blocks(max(_MOST_PRODUCTS // len(queries), k, 1)):
            # |a - q|^2 = |q|^2 - 2 (aq - |a|^2 / 2): the larger what is in brackets, the nearer.
            scores = _products(queries, block)
            scores -= halves
            best.add(begin, scores, float(halves.max(initial=0)))
        return best.result()

    def _blocks(self, rows: int) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
        """Index of the first vector, vectors float32 [b, d] and half of their squared lengths [b] of each block."""
        if self._singles is not None and self._halves is not None:
            for begin in range(0, len(self._singles), rows):
                yield begin, self._singles[begin : begin + rows], self._halves[begin : begin + rows]
        else:
            for begin, block in single_blocks(self.vectors, min(rows, self._rows_in_cache)):
                yield begin, block, self._half_squares(block)

    @property
    def _rows_in_cache(self) -> int:
        dimension = int(self.vectors.shape[1])
        return max(_BLOCK_BYTES // (4 * max(dimension, 1)), 1)

    def _half_squares(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        halves: NDArray[np.float32] = np.einsum("ij,ij->i", vectors, vectors)
        # A comparison that NaN does not pass.
        if not float(halves.max(initial=0)) <= LARGEST_SQUARE:
            raise FeatureFileError(f"'{self.name}' is damaged: it has vectors that are not of length one.")
        halves *= 0.5
        return halves


class _Best:
    """The nearest of what has been seen, for each of the queries [m, d]: at most `k` each, sorted."""

    def __init__(self, vectors: Vectors, queries: NDArray[np.float32], k: int) -> None:
        self._vectors = vectors
        self._queries = queries.astype(np.float64)
        self._squares = np.square(self._queries).sum(axis=1)
        self._k = k
        self._query = np.empty(0, np.int64)
        self._index = np.empty(0, np.int64)
        self._square = np.empty(0, np.float64)

    def add(self, begin: int, scores: NDArray[np.float32], largest: float) -> None:
        """Look at a block.

        Args:
            begin: the index of its first vector.
            scores: [m, b], aq - |a|^2 / 2 in single precision.
            largest: the largest |a|^2 / 2.
        """
        lowest = self._lowest(scores, _rounding(self._queries.shape[1], largest, self._squares))
        query, row = np.nonzero(scores >= lowest[:, None])
        step = max(_EXACT_BYTES // (8 * max(self._queries.shape[1], 1)), 1)
        for at in range(0, len(query), step):
            some, indices = query[at : at + step], row[at : at + step] + begin
            differences = self._vectors[indices].astype(np.float64)
            differences -= self._queries[some]
            np.square(differences, out=differences)
            self._merge(some, indices, differences.sum(axis=1))

    def result(self) -> Nearest:
        shape = (len(self._queries), self._k)
        return Nearest(np.sqrt(self._square).reshape(shape), self._index.reshape(shape))

    def _lowest(self, scores: NDArray[np.float32], rounding: NDArray[np.float64]) -> NDArray[np.float32]:
        """What the score of a vector that is among the nearest may be at least: [m]."""
        if len(self._index) == len(self._queries) * self._k:
            worst = self._square.reshape(-1, self._k)[:, -1]
            lowest = (self._squares - worst) / 2 - rounding
        elif scores.shape[1] > self._k:
            lowest = np.partition(scores, -self._k, axis=1)[:, -self._k] - 2 * rounding
        else:
            lowest = np.full(len(scores), -np.inf)
        below: NDArray[np.float32] = np.nextafter(lowest.astype(np.float32), np.float32(-np.inf))
        return below

    def _merge(self, query: NDArray[np.int64], index: NDArray[np.int64], square: NDArray[np.float64]) -> None:
        query = np.concatenate([self._query, query])
        index = np.concatenate([self._index, index])
        square = np.concatenate([self._square, square])
        # By distances as they are answered: squares may differ in a last bit that their roots do not have.
        order = np.lexsort((index, np.sqrt(square), query))
        query = query[order]
        first = np.searchsorted(query, np.arange(len(self._queries)))
        kept = np.arange(len(query)) - first[query] < self._k
        order = order[kept]
        self._query, self._index, self._square = query[kept], index[order], square[order]


def checked_queries(queries: NDArray[np.floating[Any]], dimension: int, name: str) -> NDArray[np.float32]:
    """Queries [m, d], or one [d], as float32 [m, dimension].

    Args:
        name: what errors call the vectors that they are compared with.

    Raises:
        FeatureFileError: they have another dimension, or numbers that are not finite.
    """
    wanted = np.atleast_2d(np.asarray(queries, np.float32))
    if wanted.ndim != 2 or wanted.shape[1] != dimension:
        raise FeatureFileError(
            f"'{name}' has vectors of {dimension} numbers, and those that are looked for have {wanted.shape[-1]}."
        )
    # NaN is not within the bound either.
    if not (np.abs(wanted) <= _LARGEST_NUMBER).all():
        raise FeatureFileError(
            f"A vector that is looked for has numbers that are not finite, or beyond {_LARGEST_NUMBER:g}."
        )
    return wanted


def single_blocks(vectors: Vectors, rows: int = 2**12) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The index of its first vector, and vectors float32 [b, d], of each block of `rows` of vectors [n, d]."""
    for begin in range(0, len(vectors), rows):
        yield begin, as_single(vectors[begin : begin + rows])


def as_single(vectors: Vectors) -> NDArray[np.float32]:
    """The same numbers in single precision, contiguous: three times as fast as NumPy's conversion of float16.

    Infinity and NaN of half precision become numbers above `LARGEST_HALF` by their absolute value: it has no others.
    """
    if vectors.dtype != np.float16:
        return np.ascontiguousarray(vectors, np.float32)
    # The 15 bits of exponent and mantissa are moved to where single precision has them, and the exponent, which counts
    # from 15 instead of 127, is put right by a multiplication, which is exact, of subnormal numbers too.
    bits: NDArray[Any] = np.empty(vectors.shape, np.int32)
    np.left_shift(np.ascontiguousarray(vectors).view(np.int16), _MANTISSA_SHIFT, out=bits, dtype=np.int32)
    np.bitwise_and(bits, _WITHOUT_COPIES_OF_THE_SIGN, out=bits)
    singles: NDArray[np.float32] = bits.view(np.float32)
    singles *= _EXPONENT
    return singles


def _products(queries: NDArray[np.float32], block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scalar products [m, b] of queries [m, d] and vectors [b, d]."""
    if len(queries) > _FEW_QUERIES:
        return queries @ block.T
    # Memory limits the products with few vectors. The threads of BLAS gain little there on idle cores, and where a core
    # is busy they wait for each other as long as the system lets the other work run.
    products = np.empty((len(queries), len(block)), np.float32)
    for query, row in zip(queries, products, strict=True):
        np.einsum("ij,j->i", block, query, out=row)
    return products


def _rounding(dimension: int, largest: float, squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """How wrong aq - |a|^2 / 2 may be in single precision, for |a|^2 / 2 up to `largest`: [m].

    A sum of d products is wrong by d 2^-24 of the sum of their absolute values at most (Higham, Accuracy and Stability
    of Numerical Algorithms, 3.5), here |a|^2 + |q|^2; eight more for the other operations.
    """
    return (dimension + 8) * 2.0**-24 * (2 * largest + squares)
