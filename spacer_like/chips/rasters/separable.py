"""Resampling along rows and then along columns, for grids whose axes are those of the raster.

The filters are those of GDAL's warper (bilinear, and cubic of Keys with a = -0.5), widened where pixels become larger.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACHES = {"bilinear": 1, "cubic": 2}
"""The filters, and how many pixels each reaches to either side."""
# Nearly as large: GDAL widens no filter for these.
_WIDENED = 1 / 0.95


class Taps(NamedTuple):
    """What each pixel of an axis is made of.

    Fields:
        indices: of the pixels that it takes: int64 [taps, n].
        weights: of those, which sum to 1: float64 [taps, n].
        inside: whether its middle lies on the axis: bool [n].
        is_whole: whether no pixel is left out that lies beyond an end of the axis.
    """

    indices: NDArray[np.int64]
    weights: NDArray[np.float64]
    inside: NDArray[np.bool_]
    is_whole: bool


def taps(start: float, step: float, count: int, length: int, method: str) -> Taps:
    """The pixels of an axis that resampled ones are made of; beyond its ends there are none.

    Args:
        start: of the first one's side, in pixels of the axis.
        step: width of a resampled pixel.
        length: of the axis.

    >>> found = taps(0.25, 1.0, 2, 9, "bilinear")
    >>> found.indices.tolist(), found.weights.tolist()
    ([[0, 1], [1, 2]], [[0.75, 0.75], [0.25, 0.25]])
    """
    stretch = step if step > _WIDENED else 1.0
    reach = REACHES[method] * stretch
    centres = start + (np.arange(count) + 0.5) * step - 0.5
    indices = np.floor(centres - reach).astype(np.int64) + 1 + np.arange(math.ceil(2 * reach))[:, None]
    distances = np.abs(indices - centres) / stretch
    weights = np.maximum(1 - distances, 0) if method == "bilinear" else _cubic(distances)
    beyond = (indices < 0) | (indices >= length)
    weights[beyond] = 0
    inside = (centres >= -0.5) & (centres < length - 0.5)
    total = np.where(inside, weights.sum(axis=0), 1.0)
    return Taps(indices.clip(0, length - 1), weights / total, inside, not beyond.any())


def resampled_by(values: NDArray[Any], down: Taps, across: Taps) -> NDArray[Any]:
    """Numbers resampled along both axes: [bands, height, width], of the type of `values`, integers rounded.

    Args:
        values: [bands, height, width], which has all pixels that are taken.
    """
    exact = np.float32 if values.dtype.itemsize <= 2 or values.dtype == np.float32 else np.float64
    found = np.empty((len(values), len(down.inside), len(across.inside)), values.dtype)
    for band, to in zip(values, found, strict=True):
        filtered = _filtered(_filtered(band.astype(exact), down, 0), across, 1)
        if values.dtype.kind in "iu":
            limits = np.iinfo(values.dtype)
            filtered += exact(0.5)
            np.floor(filtered, out=filtered)
            np.clip(filtered, limits.min, limits.max, out=filtered)
        to[...] = filtered
    return found


def _filtered(band: NDArray[Any], taps: Taps, axis: int) -> NDArray[Any]:
    shape = (-1, 1) if axis == 0 else (1, -1)
    total: NDArray[Any] | None = None
    for indices, weights in zip(taps.indices, taps.weights.astype(band.dtype), strict=True):
        part = np.take(band, indices, axis=axis)
        part *= weights.reshape(shape)
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total


def _cubic(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic of Keys with a = -0.5 (1981, equation 15)."""
    squared = distances * distances
    near = (1.5 * distances - 2.5) * squared + 1
    far = ((-0.5 * distances + 2.5) * distances - 4) * distances + 2
    found: NDArray[np.float64] = np.where(distances <= 1, near, np.where(distances < 2, far, 0.0))
    return found
