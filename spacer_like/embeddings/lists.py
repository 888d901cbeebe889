"""Inverted lists: vectors sorted by the nearest of some centroids, so that a query looks into the nearest lists only.

The lists are those of faiss's ``IVFFlat``, and `as_faiss` makes one. Faiss's own files are neither written nor read:
what they say is not checked by it. Looking into lists needs no faiss: of a mapped file only the lists are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.search import ExactSearch, Nearest, Vectors, single_blocks
from spacer_like.exceptions import FeatureFileError, damage_as
from spacer_like.extras import import_extra
from spacer_like.progress import report

_TRAINED_PER_LIST = 64
"""Vectors that k-means looks at for each list; more make the lists hardly better, and take longer."""
_ROUNDS = 10
_ROWS_AT_ONCE = 2**14

Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Gives vectors, float32 [b, d], by their rising places [b]."""


class Lists(NamedTuple):
    """Which vectors are in which list.

    Fields:
        centroids: float32 [l, d].
        ends: int64 [l], where each list ends in `members`.
        members: uint32 [n], the places of the vectors, list after list, rising in each.
    """

    centroids: NDArray[np.float32]
    ends: NDArray[np.int64]
    members: NDArray[np.uint32]


def usual_list_count(n: int) -> int:
    """About four times the root of the number of vectors, as faiss advises."""
    return max(min(math.isqrt(16 * n), n), 1)


def sorted_into_lists(rows: Rows, n: int, n_lists: int, seed: int) -> Lists:
    """Sort n vectors into lists by k-means, which looks at a sample of them; the same seed gives the same lists.

    Raises:
        FeatureFileError: there are fewer vectors than lists.
        MissingExtraError: faiss is not installed.
    """
    if not 1 <= n_lists <= n:
        raise FeatureFileError(f"{n} vectors cannot be sorted into {n_lists} lists: ask for {n} at most.")
    faiss = _faiss()
    n_trained = min(n, n_lists * _TRAINED_PER_LIST)
    sample = np.sort(np.random.default_rng(seed).choice(n, n_trained, replace=False))
    trained = rows(sample)
    clustering = faiss.ClusteringParameters()
    clustering.niter = _ROUNDS
    clustering.seed = seed % 2**31
    clustering.min_points_per_centroid = 1
    clustering.max_points_per_centroid = max(_TRAINED_PER_LIST, n_trained)
    index = faiss.IndexFlatL2(trained.shape[1])
    kmeans = faiss.Clustering(trained.shape[1], n_lists, clustering)
    with damage_as(FeatureFileError, "The vectors", "The vectors cannot be sorted into lists"):
        kmeans.train(trained, index)
    centroids = faiss.vector_float_to_array(kmeans.centroids).reshape(n_lists, -1)
    given = np.empty(n, np.int64)
    for begin in range(0, n, _ROWS_AT_ONCE):
        end = min(begin + _ROWS_AT_ONCE, n)
        given[begin:end] = index.search(rows(np.arange(begin, end)), 1)[1][:, 0]
        report("vectors sorted into lists", end, n)
    members = np.argsort(given, kind="stable").astype(np.uint32)
    return Lists(centroids, np.cumsum(np.bincount(given, minlength=n_lists)), members)


class ListSearch:
    """Vectors in lists, that queries are compared with.

    Args:
        lists: which vector is in which list.
        vectors: float16 or float32 [n, d], in the order of `lists.members`; may be mapped from a file.
        name: what errors call them.

    Raises:
        FeatureFileError: these do not go together.
    """

    def __init__(self, lists: Lists, vectors: Vectors, name: str = "The index") -> None:
        n, dimension = vectors.shape
        ends, members = lists.ends, lists.members
        fits = lists.centroids.shape == (len(ends), dimension) and len(members) == n and len(ends)
        # Bounds first: differences of hostile numbers may overflow.
        if fits and (ends.min() < 0 or ends.max() != ends[-1] or ends[-1] != n or (np.diff(ends) < 0).any()):
            fits = False
        if fits and n and members.max() >= n:
            fits = False
        if not fits:
            raise FeatureFileError(f"'{name}' is damaged: its lists and vectors do not fit together.")
        self.lists = lists
        self.vectors = vectors
        self.name = name
        self._centroids = ExactSearch(lists.centroids, name)

    def search(self, queries: NDArray[np.floating[Any]], k: int, n_probe: int) -> Nearest:
        """The `k` vectors nearest to each of the queries [m, d] among those in the `n_probe` lists nearest to it.

        Where these lists hold fewer than `k` vectors, the last distances are infinite, and the places -1.

        Raises:
            FeatureFileError: the queries have another dimension, or numbers are not finite.
        """
        wanted = np.atleast_2d(np.asarray(queries, np.float32))
        k = min(k, len(self.vectors))
        distances = np.full((len(wanted), k), np.inf)
        places = np.full((len(wanted), k), -1, np.int64)
        self._centroids.prepare()
        probed = self._centroids.search(wanted, n_probe).places
        for number, query in enumerate(wanted):
            rows = self._rows_of(np.sort(probed[number]))
            members = self.lists.members[rows]
            # In the order of their places, in which equal distances are told.
            order = np.argsort(members)
            found = ExactSearch(self.vectors[rows[order]], self.name).search(query, k)
            count = found.places.shape[1]
            distances[number, :count] = found.distances[0]
            places[number, :count] = members[order][found.places[0]]
        return Nearest(distances, places)

    def as_faiss(self) -> Any:
        """The same as a ``faiss.IndexIVFFlat`` in memory, for thousands of queries: its distances are squared.

        Raises:
            MissingExtraError: faiss is not installed.
        """
        faiss = _faiss()
        dimension = self.vectors.shape[1]
        quantizer = faiss.IndexFlatL2(dimension)
        quantizer.add(np.ascontiguousarray(self.lists.centroids, np.float32))
        index = faiss.IndexIVFFlat(quantizer, dimension, len(self.lists.ends), faiss.METRIC_L2)
        index.is_trained = True
        lengths = np.diff(self.lists.ends, prepend=np.int64(0))
        numbers = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
        for begin, block in single_blocks(self.vectors):
            count = len(block)
            ids = self.lists.members[begin : begin + count].astype(np.int64)
            of = np.ascontiguousarray(numbers[begin : begin + count])
            index.add_core(count, faiss.swig_ptr(block), faiss.swig_ptr(ids), faiss.swig_ptr(of))
        return index

    def _rows_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        ends = self.lists.ends
        return np.concatenate([np.arange(ends[one - 1] if one else 0, ends[one]) for one in numbers])


def _faiss() -> Any:
    return import_extra("faiss", "An index with lists", "search")
