"""Pictures as the bytes of an image file."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

Format = Literal["jpg", "png", "webp"]

MEDIA_TYPES: dict[Format, str] = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_BACKGROUND = 238
"""What JPEG shows where there is no data: a light grey."""
_QUALITY = 85


def encode(pixels: NDArray[np.uint8], has_data: NDArray[np.bool_], format: Format) -> bytes:
    """A picture, transparent where there is no data, in JPEG light grey.

    Args:
        pixels: uint8 [height, width, 3].
        has_data: bool [height, width].
    """
    from PIL import Image

    if has_data.all():
        return _encoded(Image.fromarray(np.ascontiguousarray(pixels)), format)
    if format == "jpg":
        filled = np.where(has_data[..., None], pixels, np.uint8(_BACKGROUND))
        return _encoded(Image.fromarray(np.ascontiguousarray(filled)), format)
    alpha = np.where(has_data, np.uint8(255), np.uint8(0))
    # What is not shown costs fewest bytes where it is alike.
    shown = np.where(has_data[..., None], pixels, np.uint8(0))
    return _encoded(Image.fromarray(np.dstack([shown, alpha])), format)


def encode_picture(picture: Image, format: Format) -> bytes:
    """A picture of RGBA; in JPEG on light grey."""
    from PIL import Image

    if format == "jpg":
        ground = Image.new("RGB", picture.size, (_BACKGROUND,) * 3)
        ground.paste(picture, mask=picture.getchannel("A"))
        return _encoded(ground, format)
    return _encoded(picture, format)


@lru_cache(maxsize=16)
def encode_empty(size: int, format: Format) -> bytes:
    """A picture without any data."""
    return encode(np.zeros((size, size, 3), np.uint8), np.zeros((size, size), bool), format)


def _encoded(picture: Image, format: Format) -> bytes:
    stream = BytesIO()
    if format == "jpg":
        picture.save(stream, "JPEG", quality=_QUALITY)
    elif format == "webp":
        # Slower methods take three times as long for a twentieth of the bytes.
        picture.save(stream, "WEBP", quality=_QUALITY, method=2)
    else:
        picture.save(stream, "PNG", compress_level=3)
    return stream.getvalue()
