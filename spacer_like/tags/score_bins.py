"""Bins of scores, as folders are named by them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DECIMALS = 3


def bin_values(n_bins: int) -> NDArray[np.float64]:
    """The values that bins are called by, ascending: k / n_bins rounded to three digits, for k from 1.

    >>> bin_values(4).tolist()
    [0.25, 0.5, 0.75, 1.0]
    """
    return np.array([round(k / n_bins, _DECIMALS) for k in range(1, n_bins + 1)], np.float64)


def nearest_bins(scores: NDArray[np.floating], n_bins: int) -> NDArray[np.int64]:
    """The index into `bin_values` of the value that is nearest to each score, the smaller of two; shaped as `scores`.

    This is image-tagging-tools' rule: a bin does not enclose its scores.

    Args:
        scores: 0 to 1.

    >>> values = bin_values(10)
    >>> values[nearest_bins(np.array([0.04, 0.93, 0.99, 0.15]), 10)].tolist()
    [0.1, 0.9, 1.0, 0.1]
    """
    values = bin_values(n_bins)
    above = np.clip(np.searchsorted(values, scores), 1 if n_bins > 1 else 0, n_bins - 1)
    below = np.maximum(above - 1, 0)
    nearer_below = np.abs(values[below] - scores) <= np.abs(values[above] - scores)
    found: NDArray[np.int64] = np.where(nearer_below, below, above).astype(np.int64)
    return found
