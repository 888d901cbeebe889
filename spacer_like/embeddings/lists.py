"""Inverted lists: vectors sorted by the nearest of some centroids, so that a query looks into the nearest lists only.

Faiss makes the lists, and looks into them where they lie: it is given the addresses of mapped arrays, of which a query
reads what it looks at. Its own files are neither written nor read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.search import LARGEST_SQUARE, Nearest, checked_queries
from spacer_like.exceptions import FeatureFileError, damage_as
from spacer_like.extras import import_extra
from spacer_like.progress import report

_TRAINED_PER_LIST = 64
"""Vectors that k-means looks at for each list; more make the lists hardly better, and take longer."""
_ROUNDS = 10
_ROWS_AT_ONCE = 2**14
_SPARE = 8
"""Vectors more than are wanted, of which the nearest are chosen in double precision."""
_NUMBER = 2**32 - 1

Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Gives vectors, float32 [b, d], by their ascending indices [b]."""


class Lists(NamedTuple):
    """Which vectors are in which list.

    Fields:
        centroids: float32 [l, d].
        ends: int64 [l], where each list ends in `members`.
        members: uint32 [n], the indices of the vectors, list after list, ascending in each.
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
    """Vectors in lists, that queries are compared with by faiss.

    Args:
        lists: which vector is in which list.
        vectors: float16 [n, d], of length one at most, in the order of `lists.members`; may be mapped from a file.
        name: what errors call them.

    Raises:
        FeatureFileError: these do not go together.
    """

    def __init__(self, lists: Lists, vectors: NDArray[np.float16], name: str = "The index") -> None:
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
        self.vectors = np.ascontiguousarray(vectors, np.float16)
        self.name = name
        self._mapped: _MappedLists | None = None

    def search(self, queries: NDArray[np.floating[Any]], k: int, n_probe: int) -> Nearest:
        """The `k` vectors nearest to each of the queries [m, d] among those in the `n_probe` lists nearest to it.

        Where these lists hold fewer than `k` vectors, the last distances are infinite, and the indices -1. Distances
        are those of double precision, and equal ones in the order of their indices.

        Raises:
            FeatureFileError: the queries have another dimension, or numbers are not finite.
            MissingExtraError: faiss is not installed.
        """
        wanted = checked_queries(queries, self.vectors.shape[1], self.name)
        k = min(k, len(self.vectors))
        if self._mapped is None:
            self._mapped = _MappedLists(self.lists, self.vectors, self.name)
        # Some more, because faiss compares in single precision.
        rows = self._mapped.search(wanted, min(k + _SPARE, len(self.vectors)), min(n_probe, len(self.lists.ends)))
        distances = self._distances(wanted, rows)
        indices = np.where(rows < 0, -1, self.lists.members[np.maximum(rows, 0)].astype(np.int64))
        order = np.lexsort((indices, distances), axis=1)[:, :k]
        return Nearest(np.take_along_axis(distances, order, 1), np.take_along_axis(indices, order, 1))

    def _distances(self, queries: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distances [m, k] of queries [m, d] to the vectors in some rows [m, k]; infinite where a row is -1."""
        distances = np.full(rows.shape, np.inf)
        for number, query in enumerate(queries.astype(np.float64)):
            found = rows[number] >= 0
            vectors = self.vectors[rows[number][found]].astype(np.float64)
            if not (np.square(vectors).sum(axis=1) <= LARGEST_SQUARE).all():
                raise FeatureFileError(f"'{self.name}' is damaged: it has vectors that are not of length one.")
            distances[number][found] = np.sqrt(np.square(vectors - query).sum(axis=1))
        return distances


class _MappedLists:
    """Faiss's view of lists: it reads vectors where they are, and the array must outlive it."""

    def __init__(self, lists: Lists, vectors: NDArray[np.float16], name: str) -> None:
        self._faiss = faiss = _faiss()
        self._vectors, self._name = vectors, name
        n, dimension = vectors.shape
        # NaN does not pass; centroids are means of vectors.
        if not (np.square(lists.centroids.astype(np.float64)).sum(axis=1) <= LARGEST_SQUARE).all():
            raise FeatureFileError(f"'{name}' is damaged: the centroids of its lists are no means of its vectors.")
        self._begins = np.concatenate([np.zeros(1, np.int64), lists.ends[:-1]]).astype(np.int64)
        self._lengths = lists.ends - self._begins
        self._centroids = faiss.IndexFlatL2(dimension)
        self._centroids.add(np.ascontiguousarray(lists.centroids, np.float32))
        self._lists = self._view(lists.ends)
        half = faiss.ScalarQuantizer.QT_fp16
        count = len(lists.ends)
        self._index = faiss.IndexIVFScalarQuantizer(self._centroids, dimension, count, half, faiss.METRIC_L2, False)
        self._index.is_trained = True
        self._index.replace_invlists(self._lists, False)
        self._index.ntotal = n

    def __del__(self) -> None:
        # Its destructor would return memory to the system that it has not taken from there.
        if lists := self.__dict__.get("_lists"):
            lists.ptr = None

    def search(self, queries: NDArray[np.float32], k: int, n_probe: int) -> NDArray[np.int64]:
        """The rows [m, k] of the vectors nearest to queries [m, d], in any order; -1 where there are too few."""
        faiss, m = self._faiss, len(queries)
        queries = np.ascontiguousarray(queries)
        nearest, lists = self._centroids.search(queries, n_probe)
        distances, found = np.empty((m, k), np.float32), np.empty((m, k), np.int64)
        arrays = [faiss.swig_ptr(array) for array in (lists, nearest, distances, found)]
        parameters = faiss.SearchParametersIVF(nprobe=n_probe)
        # Instead of its members, which are not in faiss's form, the list of each vector and its number in there.
        self._index.search_preassigned_c(m, faiss.swig_ptr(queries), k, *arrays, True, parameters)
        if ((found >= 0).sum(axis=1) < np.minimum(self._lengths[lists].sum(axis=1), k)).any():
            raise FeatureFileError(f"'{self._name}' is damaged: it has vectors that are not of length one.")
        rows: NDArray[np.int64] = np.where(found < 0, -1, self._begins[np.maximum(found, 0) >> 32] + (found & _NUMBER))
        return rows

    def _view(self, ends: NDArray[np.int64]) -> Any:
        faiss = self._faiss
        size = self._vectors.shape[1] * self._vectors.itemsize
        view = faiss.OnDiskInvertedLists()
        view.nlist, view.code_size, view.read_only = len(ends), size, True
        view.lists.clear()
        for begin, end in zip(self._begins.tolist(), ends.tolist(), strict=True):
            one = faiss.OnDiskOneList()
            one.size = one.capacity = end - begin
            one.offset = begin * size
            view.lists.push_back(one)
        view.ptr, view.totsize = faiss.swig_ptr(self._vectors.view(np.uint8)), self._vectors.nbytes
        return view


def _faiss() -> Any:
    return import_extra("faiss", "An index with lists", "search")
