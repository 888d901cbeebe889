"""Pixels of a chip as a JPEG file, of the size and quality that are asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_QUALITY = 75
"""Of chips that are encoded anew; GDAL's own for tiles."""


@cache
def simplejpeg() -> Any:
    """The package that decodes and encodes JPEG.

    Raises:
        MissingExtraError: it is not installed.
    """
    return import_extra("simplejpeg", "Making chips anew", "geo")


def encoded(pixels: NDArray[np.uint8], size: int, quality: int | None) -> bytes:
    """The JPEG file of a chip, 4:2:0 where it has colours.

    Args:
        pixels: uint8 [height, width, 1 or 3]; of another size they are resized, by Pillow's bicubic filter.
        quality: 1 to 100; None: `DEFAULT_QUALITY`.
    """
    pixels = resized(pixels, size)
    is_grey = pixels.shape[2] == 1
    data: bytes = simplejpeg().encode_jpeg(
        np.ascontiguousarray(pixels),
        quality or DEFAULT_QUALITY,
        "GRAY" if is_grey else "RGB",
        "Gray" if is_grey else "420",
    )
    return data


def resized(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Pixels uint8 [size, size, bands] of a square of another size."""
    if pixels.shape[:2] == (size, size):
        return pixels
    from PIL import Image

    is_grey = pixels.shape[2] == 1
    image = Image.fromarray(pixels[..., 0] if is_grey else pixels)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)).reshape(size, size, -1)
