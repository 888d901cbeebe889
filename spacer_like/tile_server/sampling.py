"""Pictures of ground that lies aslant in a tile: pixels between pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sample(
    pixels: NDArray[np.uint8], has_data: NDArray[np.bool_], columns: NDArray[np.float64], rows: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Bilinear interpolation that only pixels with data have a share in.

    Args:
        pixels: uint8 [height, width, 3].
        has_data: bool [height, width].
        columns, rows: places in pixels from the corner, whose centre is at one half, float64 [m, n]; one beyond the
            outermost centres is given the outermost pixel.

    Returns:
        uint8 [m, n, 3], and bool [m, n]: whether the pixel that each place lies in has data.
    """
    height, width, _ = pixels.shape
    left, right, right_share = _neighbours(columns, width)
    top, bottom, bottom_share = _neighbours(rows, height)
    places = (top * width + left, top * width + right, bottom * width + left, bottom * width + right)
    shares = (
        (1 - bottom_share) * (1 - right_share),
        (1 - bottom_share) * right_share,
        bottom_share * (1 - right_share),
        bottom_share * right_share,
    )
    valid = has_data.reshape(-1)
    seen = np.ones(columns.shape, bool)
    if not valid.all():
        seen = valid.take(_within(rows, height) * width + _within(columns, width))
        counted = [share * valid.take(place) for place, share in zip(places, shares, strict=True)]
        # Where nothing counts nothing is shown.
        whole = np.maximum(sum(counted[1:], counted[0]), np.float32(1e-6))
        shares = tuple(share / whole for share in counted)
    sampled = np.empty((*columns.shape, 3), np.uint8)
    # Band by band: three numbers at a time are many short loops.
    for band in range(3):
        values = np.ascontiguousarray(pixels[..., band]).reshape(-1)
        total = np.full(columns.shape, 0.5, np.float32)
        for place, share in zip(places, shares, strict=True):
            total += values.take(place) * share
        sampled[..., band] = total
    return sampled, seen


def _neighbours(
    places: NDArray[np.float64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The pixels on either side of places, and the share of the second one."""
    from_centre = places - 0.5
    first = np.floor(from_centre)
    return _within(first, size), _within(first + 1, size), (from_centre - first).astype(np.float32)


def _within(numbers: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Numbers cut off to whole ones of a range of `size` from 0 on."""
    return np.clip(numbers, 0, size - 1).astype(np.int64)
