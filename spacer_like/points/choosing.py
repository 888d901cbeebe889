"""Which points teach a classifier most when a person labels them: uncertain ones, and such as are unlike all others.

Candidates come part by part, and a pool keeps the best of them with their vectors: memory and time depend on its size,
and not on how many candidates there are. Of the pool the choice is farthest first (Gonzalez, 1985): each next candidate
has the largest product of its uncertainty and its squared distance from what is labelled or chosen already. Distances
are of vectors from the candidates' mean, of length 1: 0 for the same direction, 4 for the opposite one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

FARTHEST = 4.0
"""The squared distance of opposite vectors; of each candidate, where nothing is labelled or chosen yet."""
_ROWS = 1024


class Candidates(NamedTuple):
    """Points or images among which the choice is.

    Fields:
        image: int64 [n], the image of each, by its number.
        point: int64 [n], the point of the image, by its number; 0 for whole images.
        uncertainty: float64 [n], 0 to 1; 1 throughout where it does not count.
        vectors: float32 [n, dimension].
    """

    image: NDArray[np.int64]
    point: NDArray[np.int64]
    uncertainty: Floats
    vectors: Vectors


class Pool:
    """The candidates of the highest ranks, of any number that are added; of equal ranks the first.

    Args:
        size: how many are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._ranks: list[Floats] = []
        self._parts: list[Candidates] = []
        self._count = 0

    def add(self, ranks: Floats, part: Candidates) -> None:
        """Add candidates with their ranks, [n]."""
        if len(ranks):
            self._ranks.append(ranks)
            self._parts.append(part)
            self._count += len(ranks)
            if self._count > 2 * self._size:
                self._reduce()

    def candidates(self) -> Candidates | None:
        """Those that are kept, in the order in which they were added; None where there are none."""
        if not self._parts:
            return None
        self._reduce()
        return self._parts[0]

    def _reduce(self) -> None:
        ranks = np.concatenate(self._ranks)
        kept = np.sort(np.argsort(-ranks, kind="stable")[: self._size])
        columns = zip(*self._parts, strict=True)
        self._ranks = [ranks[kept]]
        self._parts = [Candidates(*(np.concatenate(column)[kept] for column in columns))]
        self._count = len(kept)


def uncertainties(probabilities: Floats, kind: str) -> Floats:
    """How uncertain classifications are, float64 [n], 0 to 1.

    Args:
        probabilities: [n, classes]; of one class alone nothing is uncertain.
        kind: ``margin``: one less the difference of the two largest probabilities; ``entropy``: Shannon's, as a
            share of that of equal probabilities.
    """
    count = probabilities.shape[1]
    if count == 1:
        return np.zeros(len(probabilities))
    if kind == "margin":
        second, first = np.partition(probabilities, (count - 2, count - 1), axis=1)[:, -2:].T
        margins: Floats = np.clip(1 - (first - second), 0.0, 1.0)
        return margins
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1.0))
    shares: Floats = -(probabilities * logarithms).sum(axis=1) / np.log(count)
    return np.clip(shares, 0.0, 1.0)


def most_uncertain(candidates: Candidates, count: int, most_per_image: int | None) -> list[int]:
    """The indices of the most uncertain candidates, at most so many of each image; of equal ones the first."""
    order = np.argsort(-candidates.uncertainty, kind="stable")
    if most_per_image is not None:
        order = order[_number_in_group(candidates.image[order]) < most_per_image]
    found: list[int] = order[:count].tolist()
    return found


def farthest_first(
    candidates: Candidates, known: Vectors | None, count: int, most_per_image: int | None
) -> tuple[list[int], list[float]]:
    """The indices of candidates that are uncertain and unlike what is known and each other, the best first.

    Where nothing is known, the first is the most uncertain one, and of equals that nearest to the candidates' mean.

    Args:
        known: vectors of what is labelled, float32 [m, dimension]; None: nothing is.
        count: how many are wanted; there may be fewer.
        most_per_image: how many of each image at most; None: any number.

    Returns:
        The indices, and of each its squared distance from the nearest one that was known or chosen before it.
    """
    mean = candidates.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    vectors, lengths = _directions(candidates.vectors, mean)
    near = np.full(len(vectors), FARTHEST)
    first: int | None = int(np.lexsort((lengths, -candidates.uncertainty))[0])
    if known is not None and len(known):
        directions, _ = _directions(known, mean)
        for begin in range(0, len(directions), _ROWS):
            near = np.minimum(near, _distances(vectors, directions[begin : begin + _ROWS]).min(axis=1))
        first = None
    is_open = np.ones(len(vectors), dtype=bool)
    taken: dict[int, int] = {}
    chosen: list[int] = []
    distances: list[float] = []
    while len(chosen) < count and is_open.any():
        # What is certain, or known already, still comes before nothing.
        worth = np.where(is_open, near * candidates.uncertainty, -1.0)
        best, first = (int(worth.argmax()) if first is None else first), None
        chosen.append(best)
        distances.append(float(near[best]))
        is_open[best] = False
        image = int(candidates.image[best])
        taken[image] = taken.get(image, 0) + 1
        if taken[image] == most_per_image:
            is_open[candidates.image == image] = False
        near = np.minimum(near, _distances(vectors, vectors[best : best + 1])[:, 0])
    return chosen, distances


def _directions(vectors: Vectors, mean: Vectors) -> tuple[Vectors, Floats]:
    """The vectors from the mean, of length 1, and their lengths before."""
    centred = vectors - mean
    lengths = np.sqrt(np.einsum("ij,ij->i", centred, centred, dtype=np.float64))
    scales = np.where(lengths > 0, lengths, 1.0).astype(np.float32)
    return centred / scales[:, None], lengths


def _distances(some: Vectors, others: Vectors) -> Floats:
    """Squared distances of vectors of length 1, float64 [n, m]."""
    found: Floats = np.maximum(2.0 - 2.0 * (some @ others.T).astype(np.float64), 0.0)
    return found


def _number_in_group(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of each one's group come before it."""
    order = np.argsort(groups, kind="stable")
    of_order = groups[order]
    starts = np.flatnonzero(np.r_[True, of_order[1:] != of_order[:-1]]) if len(groups) else np.zeros(0, np.int64)
    numbers = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
    found = np.empty(len(groups), dtype=np.int64)
    found[order] = numbers
    return found
