"""Windows of a raster that overlap: none is learnt from that shares pixels with one that validates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spacer_like.data_classes.chip_names import window_of
from spacer_like.learning.split import Split


def without_overlaps(names: Sequence[str], split: Split, sizes: Mapping[str, int]) -> Split:
    """The division without the training examples that share pixels with a window of the validation set.

    Args:
        names: of the chips, the examples.
        sizes: width and height in pixels of the windows of each raster whose windows overlap, by its name in theirs.
    """
    train, validation = (_corners(names, part, sizes) for part in (split.train, split.validation))
    left_out: list[NDArray[np.int64]] = []
    for source in train.keys() & validation.keys():
        from scipy.spatial import cKDTree

        examples, corners = train[source]
        # Two windows share pixels where both distances of their corners are below the size.
        reach = sizes[source] - 1
        found, _ = cKDTree(validation[source][1]).query(corners, p=np.inf, distance_upper_bound=reach + 0.5)
        left_out.append(examples[np.isfinite(found)])
    if not left_out:
        return split
    return Split(np.setdiff1d(split.train, np.concatenate(left_out)), split.validation, split.test)


def _corners(
    names: Sequence[str], examples: NDArray[np.int64], sizes: Mapping[str, int]
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The examples [n] that are windows of the rasters, and their corners [n, 2], by raster."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    for index in examples.tolist() if sizes else ():
        if (window := window_of(names[index])) is not None and window[2] in sizes:
            found.setdefault(window[2], []).append((index, *window[:2]))
    rows = {source: np.array(some, np.int64) for source, some in found.items()}
    return {source: (some[:, 0], some[:, 1:]) for source, some in rows.items()}
