"""Numbers that describe an image of any number of bands, without weights: statistics, and answers of random filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray


def band_statistics(
    pixels: NDArray[Any],
    valid: NDArray[np.bool_] | None,
    quantiles: Sequence[float],
    value_range: tuple[float, float],
) -> NDArray[np.float32]:
    """Mean, deviation and quantiles of each band, band after band: float32 [bands * (2 + quantiles)].

    They are computed of the sorted values, so that the same values in any places give the same numbers.

    Args:
        pixels: [height, width, bands].
        valid: bool [height, width], which pixels count; None: all. Without any, all numbers are 0.
        quantiles: shares from 0 to 1; see `BandStatisticsExtractor`.
        value_range: the values that become 0 and 1.
    """
    n_bands = pixels.shape[2]
    found = np.zeros((n_bands, 2 + len(quantiles)))
    # A copy also of one band, which lies in memory as it is wanted: it is sorted in place.
    values = np.array((pixels.reshape(-1, n_bands) if valid is None else pixels[valid]).T, order="C")
    n = values.shape[1]
    if n:
        # Of 8 and 16 bits NumPy's stable sort is radix sort, several times as fast.
        values.sort(axis=1, kind="stable" if values.itemsize <= 2 else None)
        doubles = values.astype(np.float64)
        found[:, 0] = doubles.mean(axis=1)
        found[:, 2:] = doubles[:, [math.floor(share * (n - 1) + 0.5) for share in quantiles]]
        doubles -= found[:, :1]
        found[:, 1] = np.sqrt(np.einsum("ij,ij->i", doubles, doubles) / n)
        low, high = value_range
        found[:, [0, *range(2, found.shape[1])]] -= low
        found /= high - low
    return found.ravel().astype(np.float32)


@lru_cache(maxsize=8)
def random_filters(kernel: int, n_bands: int, count: int, seed: int) -> NDArray[np.float32]:
    """Filters whose numbers are drawn from the standard normal distribution, float32 [kernel * kernel * bands, count].

    By NumPy's `RandomState`, whose numbers are promised to stay the same.
    """
    drawn = np.random.RandomState(seed).standard_normal((kernel * kernel * n_bands, count))
    filters = drawn.astype(np.float32)
    filters.flags.writeable = False
    return filters


def random_features(
    pixels: NDArray[Any],
    valid: NDArray[np.bool_] | None,
    filters: NDArray[np.float32],
    stride: int,
    bias: float,
    value_range: tuple[float, float],
) -> NDArray[np.float32]:
    """Mean answers of filters and of their negatives to an image x: float32 [2 * filters].

    Of a filter w they are mean(max(w * x + bias, 0)) and mean(max(-w * x + bias, 0)) over all positions: random
    convolutional features (E. Rolf et al., "A generalizable and accessible approach to machine learning with global
    satellite imagery", Nature Communications 12, 2021, 4392), with filters drawn from the normal distribution in place
    of patches, and the bias -1, as torchgeo's model RCF has them.

    Args:
        pixels: [height, width, bands], the filters' width at least.
        valid: bool [height, width], which pixels have data; None: all. Positions that touch another one do not count.
            Without any position, all numbers are 0.
        filters: [kernel * kernel * bands, count].
        stride: pixels from one position to the next.
        value_range: the values that become 0 and 1.
    """
    height, width, n_bands = pixels.shape
    kernel = math.isqrt(len(filters) // n_bands)
    low, high = value_range
    scaled = np.subtract(pixels, np.float32(low), dtype=np.float32)
    scaled *= np.float32(1 / (high - low))
    if valid is not None:
        # Numbers without meaning, which may be NaN.
        scaled[~valid] = 0
    rows, columns = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    across, down = scaled.strides[1], scaled.strides[0]
    # A row of a filter lies at once in memory, for bands change fastest.
    shape, strides = (rows, columns, kernel, kernel * n_bands), (stride * down, stride * across, down, scaled.itemsize)
    patches = as_strided(scaled, shape, strides, writeable=False).reshape(rows * columns, -1)
    if valid is not None and not valid.all():
        whole = sliding_window_view(valid, (kernel, kernel))[::stride, ::stride].all(axis=(2, 3))
        patches = patches[whole.ravel()]
    if not len(patches):
        return np.zeros(2 * filters.shape[1], np.float32)
    # One product for each image: its numbers do not depend on others.
    answers = patches @ filters
    weights = np.full(len(answers), 1 / len(answers), np.float32)
    # max(a + b, 0) = max(a, -b) + b, and max(-a + b, 0) = b - min(a, b).
    positive = weights @ np.maximum(answers, np.float32(-bias)) + np.float32(bias)
    np.minimum(answers, np.float32(bias), out=answers)
    return np.concatenate([positive, np.float32(bias) - weights @ answers])
