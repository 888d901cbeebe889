"""Look for the ten vectors nearest to each of some, one query at a time and all at once.

usage: python -m benchmarks.chips.search exact|lists|numpy|faiss-flat|faiss-ivf VECTORS QUERIES
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

K = 10
LISTS = 512
PROBES = 16
SINGLE = 100
"""Queries that are asked one at a time."""
AT_ONCE = 100
"""Queries whose products with all vectors the loop over NumPy keeps at once."""

Places = NDArray[np.int64]
Search = Callable[[NDArray[np.float32]], Places]
"""Gives the places [m, 10] of the vectors nearest to queries [m, d]."""


def exact(vectors: NDArray[np.float16]) -> Search:
    from spacer_like.embeddings.search import ExactSearch

    index = ExactSearch(vectors)
    index.prepare()
    return lambda queries: index.search(queries, K).indices


def lists(vectors: NDArray[np.float16]) -> Search:
    index = _lists(vectors)
    return lambda queries: index.search(queries, K, PROBES).indices


def by_numpy(vectors: NDArray[np.float16]) -> Search:
    """As one writes it down: a product with all vectors, and a partition."""
    singles = vectors.astype(np.float32)

    def search(queries: NDArray[np.float32]) -> Places:
        found = []
        for begin in range(0, len(queries), AT_ONCE):
            likeness = queries[begin : begin + AT_ONCE] @ singles.T
            nearest = np.argpartition(-likeness, K, axis=1)[:, :K]
            order = np.argsort(-np.take_along_axis(likeness, nearest, 1), axis=1)
            found.append(np.take_along_axis(nearest, order, 1))
        return np.concatenate(found)

    return search


def faiss_flat(vectors: NDArray[np.float16]) -> Search:
    import faiss

    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors.astype(np.float32))
    return lambda queries: index.search(queries, K)[1]


def faiss_ivf(vectors: NDArray[np.float16]) -> Search:
    import faiss

    singles = vectors.astype(np.float32)
    quantizer = faiss.IndexFlatL2(vectors.shape[1])
    index = faiss.IndexIVFFlat(quantizer, vectors.shape[1], LISTS, faiss.METRIC_L2)
    index.train(singles)
    index.add(singles)
    index.nprobe = PROBES
    # What searches is the index, which keeps no hold of what sorts it.
    return lambda queries, _quantizer=quantizer: index.search(queries, K)[1]


def _lists(vectors: NDArray[np.float16]):
    from spacer_like.embeddings.lists import ListSearch, sorted_into_lists

    found = sorted_into_lists(lambda places: vectors[places].astype(np.float32), len(vectors), LISTS, seed=0)
    return ListSearch(found, vectors[found.members])


SIDES: dict[str, Callable[[NDArray[np.float16]], Search]] = {
    "exact": exact,
    "lists": lists,
    "numpy": by_numpy,
    "faiss-flat": faiss_flat,
    "faiss-ivf": faiss_ivf,
}


def recall(found: Places, vectors: NDArray[np.float16], queries: NDArray[np.float32]) -> float:
    """The share of the ten nearest, in double precision, that were found; the first hundred queries are checked.

    A vector as near as the tenth counts too, whichever of its equals was named.
    """
    doubles = vectors.astype(np.float64)
    shares = []
    for query, places in zip(queries[:SINGLE].astype(np.float64), found, strict=False):
        distances = ((doubles - query) ** 2).sum(1)
        tenth = np.partition(distances, K - 1)[K - 1]
        shares.append((distances[places[places >= 0]] <= tenth + 1e-9).sum() / K)
    return float(np.mean(shares))


def main(side: str, vectors_file: Path, queries_file: Path) -> None:
    vectors = np.load(vectors_file)
    queries = vectors[np.load(queries_file)].astype(np.float32)
    started = time.perf_counter()
    search = SIDES[side](vectors)
    build_seconds = time.perf_counter() - started
    search(queries[:2])
    started = time.perf_counter()
    for query in queries[:SINGLE]:
        search(query[None])
    single_seconds = (time.perf_counter() - started) / len(queries[:SINGLE])
    started = time.perf_counter()
    found = search(queries)
    batch_seconds = (time.perf_counter() - started) / len(queries)
    answer = {
        "build_seconds": build_seconds,
        "single_seconds": single_seconds,
        "queries_a_second": 1 / single_seconds,
        "batch_seconds": batch_seconds,
        "batch_queries_a_second": 1 / batch_seconds,
        "recall": recall(found, vectors, queries),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
