"""Square crops around points, continued beyond the image's edge by reflection.

A crop of size c around (row, column) holds the rows row - c/2 to row + c/2 - 1 and columns alike (an odd c: c/2 rounded
up). Beyond an edge the image is mirrored without repeating the edge pixel, as often as necessary: the same pixels as
``numpy.pad(image, c, mode="reflect")`` gives, without a padded copy of the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spacer_like.exceptions import RowColumnInvalidError
from spacer_like.images.decode import to_rgb_array

RowCol = tuple[int, int]


class Patches(Sequence[NDArray[np.uint8]]):
    """The crops of an image around points, uint8 [size, size, 3] each, cut when they are asked for.

    A crop inside the image is a view of it and must not be written to.

    Args:
        image: of any mode, or its pixels as uint8 [height, width, 3].
        rowcols: positions in the image.
        crop_size: width and height of a crop in pixels.

    Raises:
        RowColumnInvalidError: a point outside the image.
        ImageError: an image that cannot be decoded, or an array that is no RGB image.
    """

    def __init__(self, image: Image.Image | NDArray[np.uint8], rowcols: Sequence[RowCol], crop_size: int = 224) -> None:
        self._pixels = to_rgb_array(image)
        self._rowcols = rowcols
        self._size = crop_size
        height, width = self._pixels.shape[:2]
        for row, col in rowcols:
            if not (0 <= row < height and 0 <= col < width):
                raise RowColumnInvalidError(
                    f"The point (row {row}, column {col}) lies outside the image of {height} rows and {width} columns."
                )

    def __len__(self) -> int:
        return len(self._rowcols)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        if isinstance(index, slice):
            return [self._crop(*rowcol) for rowcol in self._rowcols[index]]
        return self._crop(*self._rowcols[index])

    def _crop(self, row: int, col: int) -> NDArray[np.uint8]:
        half = (self._size + 1) // 2
        return square_at(self._pixels, int(row) - half, int(col) - half, self._size)


def square_at(pixels: NDArray[np.uint8], top: int, left: int, size: int) -> NDArray[np.uint8]:
    """The square [size, size, 3] of an image [height, width, 3] whose first pixel is (top, left), maybe outside of it.

    Inside the image it is a view of it and must not be written to.
    """
    height, width = pixels.shape[:2]
    if 0 <= top <= height - size and 0 <= left <= width - size:
        return pixels[top : top + size, left : left + size]
    rows = _reflected(np.arange(top, top + size), height)
    cols = _reflected(np.arange(left, left + size), width)
    around = pixels[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    square: NDArray[np.uint8] = around.take(rows - rows.min(), axis=0)
    # Picking columns takes ten times as long as picking rows.
    return square if 0 <= left <= width - size else square.take(cols - cols.min(), axis=1)


def crop_patches(
    im: Image.Image | NDArray[np.uint8], rowcols: Sequence[RowCol], crop_size: int = 224
) -> list[NDArray[np.uint8]]:
    """All crops of `Patches` at once, as PySpacer's function of this name gives them."""
    return list(Patches(im, rowcols, crop_size))


def crop_simple(im: NDArray[np.uint8], center: RowCol, crop_size: int) -> NDArray[np.uint8]:
    """The crop of an array around a point, of which what lies beyond the array's edge is missing: PySpacer's function
    of this name, for images that were padded before."""
    top, left = (int(position - crop_size / 2) for position in center)
    return im[top : top + crop_size, left : left + crop_size, :]


def patch_batches(patches: Sequence[NDArray[np.uint8]], batch_size: int) -> Iterator[NDArray[np.uint8]]:
    """Crops in arrays of uint8 [at most batch_size, size, size, 3], made one after the other."""
    for start in range(0, len(patches), batch_size):
        yield np.stack(patches[start : start + batch_size])


def _reflected(positions: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Positions inside 0 … length - 1 for positions anywhere, mirrored at both ends."""
    if length == 1:
        return np.zeros_like(positions)
    period = 2 * (length - 1)
    folded = positions % period
    return np.minimum(folded, period - folded)
