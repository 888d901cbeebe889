"""Images that look the same: groups of vectors that are near each other, found exactly in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.encoder import unit_length
from spacer_like.embeddings.search import Vectors, as_single
from spacer_like.exceptions import FeatureFileError
from spacer_like.progress import report

_ROWS_AT_ONCE = 2**11
_EXACT_BYTES = 2**25
# Of a product of two vectors of length one in single precision: twice d 2^-24, and some for scaling them.
_ROUNDING = 2.0**-23
_LARGEST_DISTANCE = 2.0


def duplicate_groups(vectors: Vectors, distance: float, name: str = "The embeddings") -> NDArray[np.int64]:
    """Which vectors are as good as the same: for each the index of the first vector of its group, int64 [n].

    Vectors at `distance` at most are of one group, and so are those that a chain of such vectors connects. A vector
    whose group has no other has its own index. Every pair is compared: 100,000 vectors of 512 numbers take 5e12
    operations, in the memory of a few blocks.

    Args:
        vectors: float16 or float32 [n, d], compared after they are scaled to length one; may be mapped from a file.
        distance: Euclidean, 0 to 2; as a cosine it is 1 - distance**2 / 2.
        name: what errors call the vectors.

    Raises:
        FeatureFileError: a distance out of its range, or numbers that are not finite.

    >>> duplicate_groups(np.array([[1, 0], [0, 1], [0.01, 1], [2, 0]], np.float32), 0.1).tolist()
    [0, 1, 1, 0]
    """
    if not 0 <= distance <= _LARGEST_DISTANCE:
        raise FeatureFileError(f"Vectors of length one are at distances from 0 to 2: {distance} is none of them.")
    n, dimension = vectors.shape
    lowest = 1 - distance**2 / 2 - (dimension + 16) * _ROUNDING
    groups = np.arange(n)
    for begin in range(0, n, _ROWS_AT_ONCE):
        block = _unit_block(vectors, begin, name)
        for other in range(begin, n, _ROWS_AT_ONCE):
            others = block if other == begin else _unit_block(vectors, other, name)
            rows, columns = np.nonzero(block @ others.T >= lowest)
            if other == begin:
                above = rows < columns
                rows, columns = rows[above], columns[above]
            groups = _joined(groups, block, others, rows, columns, (begin, other), distance)
        report("vectors compared", min(begin + _ROWS_AT_ONCE, n), n)
    return groups


def _unit_block(vectors: Vectors, begin: int, name: str) -> NDArray[np.float32]:
    block = unit_length(as_single(vectors[begin : begin + _ROWS_AT_ONCE]))
    # Vectors of nothing but zeros stay as they are, and are like none.
    squares = np.einsum("ij,ij->i", block, block)
    if not ((np.abs(squares - 1) < 0.01) | (squares == 0)).all():
        raise FeatureFileError(f"'{name}' is damaged: it has numbers that are not finite.")
    return block


def _joined(
    groups: NDArray[np.int64],
    block: NDArray[np.float32],
    others: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    begins: tuple[int, int],
    distance: float,
) -> NDArray[np.int64]:
    """The groups after those candidates that are at `distance` at most, in double precision, are joined."""
    step = max(_EXACT_BYTES // (8 * max(block.shape[1], 1)), 1)
    while len(rows):
        # Pairs of one group need no comparison any more, which equal vectors by the thousand depend on.
        apart = groups[rows + begins[0]] != groups[columns + begins[1]]
        rows, columns = rows[apart], columns[apart]
        some, their = rows[:step], columns[:step]
        differences = block[some].astype(np.float64) - others[their]
        near = np.square(differences).sum(axis=1) <= distance**2
        groups = _union(groups, some[near] + begins[0], their[near] + begins[1])
        rows, columns = rows[step:], columns[step:]
    return groups


def _union(groups: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """The groups after those of some vectors [p] were joined with those of others [p]."""
    if not len(left):
        return groups
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(groups)
    edges: Any = coo_matrix((np.ones(len(left), bool), (groups[left], groups[right])), shape=(n, n))
    components = connected_components(edges, directed=False)[1]
    first = np.unique(components, return_index=True)[1]
    joined: NDArray[np.int64] = first[components][groups].astype(np.int64)
    return joined
