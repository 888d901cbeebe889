"""Pictures for pages: of whole images, and JPEGs of points with what lies around them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.images.crop import square_at

PATCH_SIDE, SURROUNDINGS_SIDE = 360, 480
"""The largest sides of the pictures of a point, in pixels."""
TIMES_THE_PATCH = 4
"""How many times as wide as a patch its surroundings are."""
PICTURE_SIZE = 240
"""The largest width and height of the picture of a whole image."""
_JPEG_QUALITY = 80
_ORIENTATION = 0x0112


def as_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 [height, width, 3], as JPEG."""
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return stream.getvalue()


def point_pictures(pixels: NDArray[np.uint8], row: int, col: int, crop_size: int) -> tuple[bytes, bytes]:
    """The patch of a point as the extractor sees it, and its surroundings, with the point and the patch marked: JPEGs.

    Args:
        pixels: the image, uint8 [height, width, 3].
        row, col: inside it.
        crop_size: width and height of the patch in pixels.
    """
    half = (crop_size + 1) // 2
    patch = _within(square_at(pixels, row - half, col - half, crop_size), PATCH_SIDE).copy()
    _cross(patch, (patch.shape[0] // 2, patch.shape[1] // 2))
    height, width = pixels.shape[:2]
    wide = min(TIMES_THE_PATCH * crop_size, max(height, width))
    # Whole in the image where it can be: what is mirrored beyond an edge says nothing.
    top, left = (min(max(at - wide // 2, 0), max(size - wide, 0)) for at, size in ((row, height), (col, width)))
    around = pixels[top : top + wide, left : left + wide]
    scale = min(1.0, SURROUNDINGS_SIDE / max(around.shape[:2]))
    small = _within(around, SURROUNDINGS_SIDE).copy()
    at = round((row - top) * scale), round((col - left) * scale)
    _outline(small, at, round(half * scale))
    _cross(small, at)
    return as_jpeg(patch), as_jpeg(small)


def picture(data: bytes, name: str) -> NDArray[np.uint8]:
    """A small picture of an image, turned as its camera says: uint8 [height, width, 3].

    Raises:
        SpacerInputError: it cannot be decoded.
    """
    from PIL import Image, ImageOps

    from spacer_like.images.decode import open_image, to_rgb_array

    image = open_image(data, name)
    image.draft("RGB", (2 * PICTURE_SIZE, 2 * PICTURE_SIZE))
    orientation = image.getexif().get(_ORIENTATION, 1)
    small = Image.fromarray(to_rgb_array(image))
    small.getexif()[_ORIENTATION] = orientation
    small.thumbnail((PICTURE_SIZE, PICTURE_SIZE))
    turned: Any = ImageOps.exif_transpose(small)
    return np.asarray(turned)


def _within(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The picture, made smaller where a side is longer."""
    from PIL import Image

    small = Image.fromarray(np.ascontiguousarray(pixels))
    small.thumbnail((side, side))
    return np.asarray(small)


def _outline(pixels: NDArray[np.uint8], at: tuple[int, int], half: int) -> None:
    """Draw a square around a position, white beside black, which is seen on any ground."""
    for grown, shade in ((2, 0), (-1, 0), (1, 255), (0, 255)):
        (top, bottom), (left, right) = ((max(one - half - grown, 0), one + half + grown) for one in at)
        ends = min(bottom, pixels.shape[0] - 1), min(right, pixels.shape[1] - 1)
        for line in (top, ends[0]):
            pixels[line, left : ends[1] + 1] = shade
        for line in (left, ends[1]):
            pixels[top : ends[0] + 1, line] = shade


def _cross(pixels: NDArray[np.uint8], at: tuple[int, int]) -> None:
    """Draw a cross that leaves the position itself free."""
    arms = [*range(-9, -3), *range(4, 10)]
    for aside, shade in ((1, 0), (-1, 0), (0, 255)):
        for along in arms:
            for row, col in ((at[0] + along, at[1] + aside), (at[0] + aside, at[1] + along)):
                if 0 <= row < pixels.shape[0] and 0 <= col < pixels.shape[1]:
                    pixels[row, col] = shade
