"""Rarity from embeddings: vectors that a network makes of images.

Two scores: the mean of an embedding's numbers, as PixelScore's program computes it, and the share of images in the same
cluster of a k-means partition, as its paper describes it.
"""

from __future__ import annotations

from logging import getLogger

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import TableError
from spacer_like.rarity.messages import EmbeddingMethod

logger = getLogger(__name__)

HIGHEST_SCORE = 10.0
LARGEST_NUMBER = 1e15
"""Of an embedding: sums of squares stay far from the largest number of 32 bits."""
_STEPS = 100
# Below this range the numbers differ by rounding alone.
_ROUNDING = 10 * np.finfo(np.float64).eps


def embedding_scores(
    embeddings: NDArray[np.floating], method: EmbeddingMethod, n_clusters: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """The score of each image, float64 [n], high for rare.

    Args:
        embeddings: [n, m], n above 0.
        method: ``mean_activation``: `mean_activation`. With c the number of images in an image's k-means cluster and
            p = c / n, ``kmeans_log``: 1 - ln(1 + p), from 0.31 to 1; ``kmeans_surprisal``: -log2 p, in bits.
        n_cells, seed: of k-means.
    """
    if method == "mean_activation":
        return mean_activation(embeddings)
    clusters = kmeans_clusters(embeddings, n_clusters, seed)
    share = np.bincount(clusters)[clusters] / len(clusters)
    # Adding 0 makes of -0, where all images are in one cluster, a plain 0.
    return 1 - np.log1p(share) if method == "kmeans_log" else -np.log2(share) + 0.0


def mean_activation(embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
    """The mean of each embedding's numbers, scaled over all images to 0 to 10; 0 for all where all means are equal."""
    means = embeddings.mean(axis=1, dtype=np.float64)
    means -= means.min()
    highest = means.max()
    scale = np.abs(embeddings).max(initial=0.0)
    if highest <= _ROUNDING * scale:
        return np.zeros(len(means))
    return np.asarray(means / highest * HIGHEST_SCORE, np.float64)


def kmeans_clusters(embeddings: NDArray[np.floating], n_clusters: int, seed: int) -> NDArray[np.int64]:
    """The cluster of each embedding, int64 [n], by k-means from k-means++ centres.

    There are at most as many clusters as different embeddings, with a warning in the log. Equal numbers and seeds give
    equal clusters.
    """
    distinct, group = np.unique(embeddings, axis=0, return_inverse=True)
    if len(distinct) <= n_clusters:
        logger.warning(
            "k-means is asked for %d clusters of %d images, of which %d differ: each of these has its own cluster, and "
            "the scores say no more than how many images are equal. Ask for fewer clusters.",
            n_clusters,
            len(embeddings),
            len(distinct),
        )
        return np.asarray(group.ravel(), np.int64)
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # Threads would add the centres' sums in the order in which they end, which varies.
    with threadpool_limits(1):
        found = KMeans(n_clusters, n_init=1, max_iter=_STEPS, random_state=seed).fit(embeddings)
    return np.asarray(found.labels_, np.int64)


def checked_embeddings(array: NDArray[np.generic], name: str) -> NDArray[np.floating]:
    """Embeddings out of a file, float32 or float64 [n, m].

    Args:
        array: what the file holds; it is distrusted.
        name: what errors call the file.

    Raises:
        TableError: not a table of finite floating-point numbers.
    """
    if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
        raise TableError(
            f"The embeddings '{name}' must be floating-point numbers [images, numbers], and are {array.dtype} "
            f"{list(array.shape)}."
        )
    # Numbers beyond the narrower type become infinite, and are refused.
    with np.errstate(over="ignore"):
        numbers: NDArray[np.floating] = array.astype(np.float32 if array.dtype.itemsize <= 4 else np.float64)
    # NaN is not within the bounds either.
    if not (np.abs(numbers) <= LARGEST_NUMBER).all():
        raise TableError(f"The embeddings '{name}' hold numbers that are not finite, or beyond {LARGEST_NUMBER:g}.")
    return numbers
