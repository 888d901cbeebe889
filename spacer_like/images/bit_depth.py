"""Greyscale images of 16 and 32 bits made ones of 8, which Pillow's conversion would clip to black and white."""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from spacer_like.exceptions import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_MOST = 2**16 - 1
_MOST_OF_EIGHT = 255
_BITS_PER_SAMPLE, _PHOTOMETRIC, _MIN_IS_WHITE = 258, 262, 0
_SIXTEEN = 16
_scaled = count()


def in_eight_bits(image: Image.Image, name: str) -> Image.Image:
    """The image itself, or, if it is greyscale of more than 8 bits, one of 8: the values divided by 257.

    A file of 32 bits whose values all are below 256 keeps them. Pillow reads colours of 16 bits as their upper 8.
    The log says of the first image of a process as a warning that it was scaled, of others for debugging.

    Raises:
        ImageError: floating-point numbers, or whole ones beyond 16 bits: no image says which of them is white.
    """
    if image.mode == "F":
        raise ImageError(
            f"The image '{name}' has floating-point pixels, of which nobody knows which is white: save it with 8 or 16 "
            "bits."
        )
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    tags = getattr(image, "tag_v2", {})
    transparent = image.info.get("transparency")
    values: NDArray[Any] = np.asarray(image)
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > _MOST:
        raise ImageError(
            f"The image '{name}' has pixels from {low} to {high}, beyond 16 bits, and nobody knows which is white: "
            "save it with 8 or 16 bits."
        )
    is_of_sixteen = image.mode != "I" or image.format == "PPM" or tags.get(_BITS_PER_SAMPLE) == (_SIXTEEN,)
    table = np.arange(_MOST + 1)
    if is_of_sixteen or high > _MOST_OF_EIGHT:
        table = (table + 128) // 257
        level = logging.DEBUG if next(_scaled) else logging.WARNING
        logger.log(
            level, "The image '%s' has 16 bits of grey: its values are divided by 257, as those of others.", name
        )
    if tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE and is_of_sixteen:
        table = table[::-1]
    grey = Image.fromarray(table.astype(np.uint8)[values])
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey
