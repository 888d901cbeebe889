"""Nearest neighbours among the points of a training: a simple classifier, and how far new points are from them all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.data_classes import DataLocation, ImageLabels, LabelId
from spacer_like.data_classes.feature_reading import FeatureReader
from spacer_like.row_blocks import block_threads, row_blocks

NEIGHBOURS = 4000
"""Points of the training, of random images, that are looked at."""
MOST_POINTS = 10_000
"""Points that are evaluated so."""
_FAR_PERCENTILE = 95
_BLOCK_ROWS = 256

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Nearest:
    """What the nearest of some points of the training say of others.

    Attributes:
        points: [n] which of n points were looked at; the others follow for those, in their order.
        right: whether the nearest neighbour is of the same class.
        far: whether it is farther away than 95 % of the training's points are from the nearest of other images.
    """

    points: NDArray[np.bool_]
    right: NDArray[np.bool_]
    far: NDArray[np.bool_]


def nearest_neighbours(train: ImageLabels, others: ImageLabels) -> Nearest:
    """Compare points with those of a training. Of each, random images are read, the same each time.

    Args:
        train: what was learnt from.
        others: the n points, in the order of their images.
    """
    vectors, labels, image = _read(train, _some_images(train, NEIGHBOURS))
    images = _some_images(others, MOST_POINTS)
    asked, true, _ = _read(others, images)
    apart, _ = _distances(vectors, vectors, image)
    is_known = np.isfinite(apart)
    reach = np.percentile(apart[is_known], _FAR_PERCENTILE) if is_known.any() else np.inf
    distance, at = _distances(asked, vectors)
    chosen = set(images)
    looked_at = np.concatenate([np.full(len(others[location]), location in chosen) for location in others])
    right = np.array([labels[index] == label for index, label in zip(at.tolist(), true, strict=True)], np.bool_)
    return Nearest(looked_at, right, distance > reach)


def _some_images(labels: ImageLabels, most: int) -> list[DataLocation]:
    """Random images with about `most` points, in the order of the labels."""
    images = list(labels.keys())
    order, count, chosen = RandomState(0).permutation(len(images)), 0, []
    for number in order.tolist():
        if count >= most:
            break
        chosen.append(number)
        count += len(labels[images[number]])
    return [images[number] for number in sorted(chosen)]


def _read(labels: ImageLabels, images: list[DataLocation]) -> tuple[Floats, list[LabelId], NDArray[np.intp]]:
    """Vectors [n, dimension] of the points of images, their labels, and the number [n] of each one's image."""
    read = dict(FeatureReader(labels).read(images))
    vectors = np.concatenate([read[location] for location in images]).astype(np.float32)
    names = [label for location in images for _, _, label in labels[location]]
    image = np.repeat(np.arange(len(images)), [len(labels[location]) for location in images])
    return vectors, names, image


def _distances(
    vectors: Floats, neighbours: Floats, image: NDArray[np.intp] | None = None
) -> tuple[Floats, NDArray[np.intp]]:
    """The squared distance of each vector to the nearest neighbour, and its index.

    Args:
        image: the image of each vector, where the neighbours are the same vectors: those of its own do not count.
    """
    lengths = np.einsum("ij,ij->i", neighbours, neighbours) / 2

    def nearest(rows: slice) -> tuple[Floats, NDArray[np.intp]]:
        some = vectors[rows]
        halves = lengths - some @ neighbours.T
        if image is not None:
            halves[image[rows, None] == image] = np.inf
        at = halves.argmin(axis=1)
        own = np.einsum("ij,ij->i", some, some)
        return np.maximum(2 * halves[np.arange(len(some)), at] + own, 0), at

    with block_threads() as threads:
        found = list(threads.map(nearest, row_blocks(len(vectors), _BLOCK_ROWS)))
    return np.concatenate([one for one, _ in found]), np.concatenate([at for _, at in found])
