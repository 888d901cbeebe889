"""Codes of 32 bytes in place of vectors, by product quantisation: ten million are compared in a fraction of a second.

Vectors are turned so that they can be cut into 32 parts of about equal variance, and of each part the nearest of 256
typical ones is noted: optimised product quantisation, with its parametric solution (T. Ge, K. He, Q. Ke, J. Sun,
"Optimized product quantization", IEEE TPAMI 36, 2014, 744). Codes say which vectors may be among the nearest; the
distances of those few are then computed of the vectors themselves, which stay in the files of embeddings.

Faiss trains the typical parts and compares codes where they lie in a mapped file. Its own files are neither written nor
read, and each byte of a code is one of the 256: no file can make it read elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.search import LARGEST_SQUARE, Nearest, checked_queries
from spacer_like.exceptions import FeatureFileError, damage_as
from spacer_like.extras import import_extra
from spacer_like.progress import report
from spacer_like.row_blocks import block_threads

N_PARTS = 32
"""Bytes of a code."""
TYPICAL = 256
_MOST_DIMENSIONS = 256
"""Of turned vectors; what varies least is left out."""
_TRAINED = 2**16
_ROUNDS = 10
_ROWS_AT_ONCE = 2**14
_QUERIES = 100
MEASURED_K = 10
_DEPTHS = (10, 20, 50, 100, 200, 500, 1000, 2000)
_WANTED_RECALL = 0.98
_QUERIES_AT_ONCE = 64
_ROUNDING = 1e-6
_LARGEST = 1.1
"""Number of a mean of vectors of length one, or of a direction."""
_LARGEST_PART = 1e3

Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Gives vectors, float32 [b, d], by their indices [b]."""


class Codebook(NamedTuple):
    """What makes codes of vectors.

    Fields:
        mean: float32 [d], of the vectors.
        turn: float32 [d, e], what a vector without the mean is multiplied by; e is a multiple of `N_PARTS`.
        typical: float32 [N_PARTS * TYPICAL, e / N_PARTS], the typical parts, part after part.
    """

    mean: NDArray[np.float32]
    turn: NDArray[np.float32]
    typical: NDArray[np.float32]

    def turned(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors [n, d] as they are cut into parts, float32 [n, e]."""
        return np.ascontiguousarray((vectors - self.mean) @ self.turn)

    def quantizer(self) -> Any:
        """Faiss's ProductQuantizer."""
        faiss = _faiss()
        quantizer = faiss.ProductQuantizer(self.turn.shape[1], N_PARTS, 8)
        faiss.copy_array_to_vector(np.ascontiguousarray(self.typical, np.float32).ravel(), quantizer.centroids)
        return quantizer


class Recall(NamedTuple):
    """How many of the ten nearest are found, by queries that the codebook was not trained with.

    Fields:
        n_queries: how many there were.
        shares: (number of candidates, share of the ten nearest among those that codes find the nearest), ascending.
        candidates: how many are compared as vectors.
    """

    n_queries: int
    shares: tuple[tuple[int, float], ...]
    candidates: int

    @property
    def of_codes(self) -> float:
        """The share without comparing vectors."""
        return self.shares[0][1]

    @property
    def share(self) -> float:
        """The share with `candidates`."""
        return dict(self.shares)[self.candidates]


def codes_of(rows: Rows, n: int, seed: int) -> tuple[Codebook, NDArray[np.uint8], Recall]:
    """The codebook and the codes uint8 [n, N_PARTS] of n vectors, and how good they are; the same seed, the same codes.

    Raises:
        FeatureFileError: there are fewer than two vectors.
        MissingExtraError: faiss is not installed.
    """
    if n < 2:
        raise FeatureFileError("Codes need two vectors at least, and there is one: ask for the kind exact.")
    _faiss()
    shuffled = np.random.default_rng(seed).permutation(n)
    n_queries = min(_QUERIES, max(n // 8, 1))
    queries, sample = np.sort(shuffled[:n_queries]), np.sort(shuffled[n_queries : n_queries + _TRAINED])
    codebook = trained_codebook(rows(sample), seed)
    quantizer = codebook.quantizer()
    codes = np.empty((n, N_PARTS), np.uint8)
    wanted = rows(queries)
    nearest = _NearestScores(wanted, queries, min(MEASURED_K, n - 1))

    def encode(begin: int) -> tuple[int, NDArray[np.float32]]:
        block = rows(np.arange(begin, min(begin + _ROWS_AT_ONCE, n)))
        codes[begin : begin + len(block)] = quantizer.compute_codes(codebook.turned(block))
        return begin, nearest.of_block(begin, block)

    with block_threads() as threads:
        for begin, scores in threads.map(encode, range(0, n, _ROWS_AT_ONCE)):
            nearest.add(scores)
            report("vectors encoded", min(begin + _ROWS_AT_ONCE, n), n)
    return codebook, codes, _measured(rows, codebook, codes, nearest)


def trained_codebook(vectors: NDArray[np.float32], seed: int) -> Codebook:
    """A codebook for vectors like these, float32 [n, d]."""
    faiss = _faiss()
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = vectors - mean
    with block_threads():
        variances, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(vectors))
    kept = min(len(mean), _MOST_DIMENSIONS)
    order = np.argsort(-variances, kind="stable")[:kept]
    size = -(-kept // N_PARTS)
    turn = np.zeros((len(mean), N_PARTS * size), np.float32)
    for part, members in enumerate(_parts_alike(variances[order], size)):
        turn[:, part * size : part * size + len(members)] = directions[:, order[members]]
    quantizer = faiss.ProductQuantizer(turn.shape[1], N_PARTS, 8)
    quantizer.cp.niter, quantizer.cp.seed = _ROUNDS, seed % 2**31
    quantizer.cp.min_points_per_centroid, quantizer.cp.max_points_per_centroid = 1, _TRAINED // TYPICAL
    # K-means wants as many vectors as there are typical ones.
    trained = np.ascontiguousarray(centred @ turn)[np.arange(max(len(vectors), TYPICAL)) % len(vectors)]
    with damage_as(FeatureFileError, "The vectors", "No codes can be made of the vectors"):
        quantizer.train(trained)
    return Codebook(mean, turn, faiss.vector_to_array(quantizer.centroids).reshape(N_PARTS * TYPICAL, size))


class CodeSearch:
    """Codes that queries are compared with.

    Args:
        codebook: what made them.
        codes: uint8 [n, N_PARTS]; may be mapped from a file.
        candidates: how many vectors are compared for each ten that are wanted.
        name: what errors call them.

    Raises:
        FeatureFileError: these do not go together.
    """

    def __init__(self, codebook: Codebook, codes: NDArray[np.uint8], candidates: int, name: str) -> None:
        mean, turn, typical = codebook
        size = turn.shape[1] // N_PARTS
        fits = codes.shape[1:] == (N_PARTS,) and turn.shape == (len(mean), N_PARTS * size) and size > 0
        if not fits or typical.shape != (N_PARTS * TYPICAL, size) or turn.shape[1] > _MOST_DIMENSIONS + N_PARTS:
            raise FeatureFileError(f"'{name}' is damaged: its codes and their codebook do not fit together.")
        # NaN does not pass.
        largest = (_LARGEST, _LARGEST, _LARGEST_PART)
        if not all(np.abs(one).max(initial=0) <= most for one, most in zip(codebook, largest, strict=True)):
            raise FeatureFileError(f"'{name}' is damaged: its codebook has numbers that no vectors of length one have.")
        self.codebook = codebook
        self.codes = np.ascontiguousarray(codes)
        self.candidates = candidates
        self.name = name
        self._quantizer: Any = None

    def nearest_codes(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Indices [m, k] of the codes nearest to queries float32 [m, d], in any order; k at most n."""
        faiss = _faiss()
        self._quantizer = self._quantizer or self.codebook.quantizer()
        turned = self.codebook.turned(queries)
        distances, found = np.empty((len(turned), k), np.float32), np.empty((len(turned), k), np.int64)
        heap = faiss.float_maxheap_array_t()
        heap.nh, heap.k = len(turned), k
        heap.ids, heap.val = faiss.swig_ptr(found), faiss.swig_ptr(distances)
        arrays = faiss.swig_ptr(turned), len(turned), faiss.swig_ptr(self.codes), len(self.codes)
        self._quantizer.search(*arrays, heap, True)
        return found

    def search(self, queries: NDArray[np.floating[Any]], k: int, vectors: Rows) -> Nearest:
        """The `k` nearest to each of the queries [m, d] among the vectors whose codes are nearest to it.

        Distances are those of double precision, and equal ones in the order of their indices.

        Args:
            vectors: gives vectors of length one by their indices.

        Raises:
            FeatureFileError: the queries have another dimension, or numbers are not finite.
            MissingExtraError: faiss is not installed.
        """
        wanted = checked_queries(queries, len(self.codebook.mean), self.name)
        k = min(k, len(self.codes))
        depth = min(max(self.candidates, -(-self.candidates * k // MEASURED_K), k), len(self.codes))
        distances, indices = np.empty((len(wanted), k)), np.empty((len(wanted), k), np.int64)
        for begin in range(0, len(wanted), _QUERIES_AT_ONCE):
            some = wanted[begin : begin + _QUERIES_AT_ONCE]
            for number, found in enumerate(self.nearest_codes(some, depth), begin):
                candidates = np.sort(found)
                exact = vectors(candidates).astype(np.float64)
                if not (np.square(exact).sum(axis=1) <= LARGEST_SQUARE).all():
                    raise FeatureFileError(f"'{self.name}' is damaged: its vectors are not of length one.")
                apart = np.sqrt(np.square(exact - wanted[number].astype(np.float64)).sum(axis=1))
                order = np.lexsort((candidates, apart))[:k]
                distances[number], indices[number] = apart[order], candidates[order]
        return Nearest(distances, indices)


class _NearestScores:
    """The scores of the `k` vectors nearest to each query, itself left out: [m, k]."""

    def __init__(self, queries: NDArray[np.float32], indices: NDArray[np.int64], k: int) -> None:
        self.queries, self.indices, self.k = queries, indices, k
        self.best = np.full((len(queries), k), -np.inf, np.float32)

    def of_block(self, begin: int, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The best scores [m, k or fewer] among vectors [b, d] from an index on."""
        scores = _scores(self.queries, vectors)
        inside = (self.indices >= begin) & (self.indices < begin + len(vectors))
        scores[inside, self.indices[inside] - begin] = -np.inf
        return self._best_of(scores)

    def add(self, scores: NDArray[np.float32]) -> None:
        self.best = self._best_of(np.concatenate([self.best, scores], axis=1))

    def _best_of(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        k = min(self.k, scores.shape[1])
        # Copied, for a part would keep all of them.
        best: NDArray[np.float32] = np.partition(scores, -k, axis=1)[:, -k:].copy()
        return best


def _scores(queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The larger the nearer: qx - |x|^2 / 2, [m, b]."""
    scores: NDArray[np.float32] = queries @ vectors.T
    scores -= np.einsum("ij,ij->i", vectors, vectors) / 2
    return scores


def _measured(rows: Rows, codebook: Codebook, codes: NDArray[np.uint8], nearest: _NearestScores) -> Recall:
    depth = min(_DEPTHS[-1], len(codes) - 1)
    search = CodeSearch(codebook, codes, depth, "The codes")
    shares: dict[int, list[float]] = {min(one, depth): [] for one in _DEPTHS}
    for query, index, best in zip(nearest.queries, nearest.indices, nearest.best, strict=True):
        found = search.nearest_codes(query[None], depth + 1)[0]
        found = found[found != index][:depth]
        # As near as the last of the nearest counts, whichever of its equals is found.
        hits = _scores(query[None], rows(found))[0] >= best.min() - _ROUNDING
        for one, some in shares.items():
            some.append(min(int(hits[:one].sum()), nearest.k) / nearest.k)
    means = {one: float(np.mean(some)) for one, some in shares.items()}
    enough = [one for one, share in means.items() if share >= _WANTED_RECALL]
    return Recall(len(nearest.queries), tuple(means.items()), enough[0] if enough else max(means))


def _parts_alike(variances: NDArray[np.float64], size: int) -> Sequence[list[int]]:
    """Which directions make up each part, `size` at most, so that the products of their variances are alike."""
    # None is smaller than what single precision keeps of the largest.
    logarithms = np.log(np.maximum(variances / max(float(variances[0]), 1e-30), 1e-9)) - np.log(1e-9)
    members: list[list[int]] = [[] for _ in range(N_PARTS)]
    sums = np.zeros(N_PARTS)
    for direction, logarithm in enumerate(logarithms.tolist()):
        part = int(np.argmin(np.where([len(some) < size for some in members], sums, np.inf)))
        members[part].append(direction)
        sums[part] += logarithm
    return members


def _faiss() -> Any:
    return import_extra("faiss", "An index of codes", "search")
