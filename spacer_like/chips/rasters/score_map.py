"""Numbers of chips as the pixels of a map, one pixel for each place or each step between windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.exceptions import SpacerInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_VALUES = 2**28
# Of a place's width: what a corner may lie beside the places' grid.
_TOLERANCE = 0.01


class ScoreMap(NamedTuple):
    """A map.

    Fields:
        values: float32 [n, rows, columns], NaN where there is no chip, the mean where there are several.
        transform: from pixels to the projection, rasterio.Affine.
    """

    values: NDArray[np.float32]
    transform: Any


def map_of_places(bounds: NDArray[np.float64], scores: NDArray[np.float32], name: str) -> ScoreMap:
    """The map of chips that lie on a grid of squares of one size.

    Args:
        bounds: float64 [chips, 4], west, south, east, north.
        scores: float32 [chips, n].
        name: what errors call the chips.

    Raises:
        SpacerInputError: they are no squares of one size side by side, or lie too far from each other.
    """
    from rasterio import Affine

    sides = bounds[:, 2:] - bounds[:, :2]
    side = float(sides[0, 0])
    west, north = float(bounds[:, 0].min()), float(bounds[:, 3].max())
    columns, rows = (bounds[:, 0] - west) / side, (north - bounds[:, 3]) / side
    beside = max(float(np.abs(one - np.rint(one)).max()) for one in (columns, rows, sides / side))
    if not side > 0 or beside > _TOLERANCE:
        raise SpacerInputError(f"The chips of '{name}' are no squares of one size on a grid: map those of one zoom.")
    values = _means(np.rint(rows).astype(np.int64), np.rint(columns).astype(np.int64), scores, name)
    return ScoreMap(values, Affine(side, 0, west, 0, -side, north))


def map_of_windows(
    corners: NDArray[np.int64],
    transform: Any,
    size: int,
    step: int,
    scores: NDArray[np.float32],
    name: str,
) -> ScoreMap:
    """The map of windows of a raster's pixels; where windows overlap, each pixel is the mean of those that cover it.

    Args:
        corners: int64 [chips, 2], column and row of each window in the raster, multiples of `step`.
        transform: of the raster, rasterio.Affine.
        size: width and height of a window in pixels; `step`: from one window to the next, which is a pixel of the map.
        scores: float32 [chips, n].
        name: what errors call the chips.

    Raises:
        SpacerInputError: the map has too many pixels.
    """
    from rasterio import Affine

    columns, rows = corners.T // step
    # A window that is no whole number of steps wide covers the last one in part.
    covered = max(1, size // step)
    offsets = np.arange(covered)
    down, right = (side.ravel() for side in np.meshgrid(offsets, offsets, indexing="ij"))
    all_rows = (rows[:, None] + down).ravel()
    all_columns = (columns[:, None] + right).ravel()
    left, top = int(all_columns.min()), int(all_rows.min())
    values = _means(all_rows - top, all_columns - left, np.repeat(scores, covered**2, axis=0), name)
    return ScoreMap(values, transform * Affine.translation(left * step, top * step) * Affine.scale(step))


def _means(
    rows: NDArray[np.int64], columns: NDArray[np.int64], scores: NDArray[np.float32], name: str
) -> NDArray[np.float32]:
    height, width, n = int(rows.max()) + 1, int(columns.max()) + 1, scores.shape[1]
    if height * width * n > _MOST_VALUES:
        raise SpacerInputError(
            f"The map of '{name}' would have {width:,} x {height:,} pixels of {n} numbers: map fewer labels or a part."
        )
    index = rows * width + columns
    counts = np.bincount(index, minlength=height * width)
    values = np.full((n, height * width), np.nan, np.float32)
    filled = counts > 0
    for number, column in enumerate(scores.T):
        sums = np.bincount(index, column.astype(np.float64), height * width)
        values[number, filled] = sums[filled] / counts[filled]
    return values.reshape(n, height, width)
