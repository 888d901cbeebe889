"""The square in the middle of an image that was resized by its shortest side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

_MOST_PIXELS = 2**24
WidthHeight = tuple[int, int]


def middle_square(
    image: Image.Image,
    size: int,
    shortest_side: int,
    resample: Image.Resampling,
    stored: WidthHeight | None = None,
) -> NDArray[np.uint8]:
    """The middle of an RGB image whose shortest side was resized to `shortest_side`: uint8 [size, size, 3].

    As by torchvision's Resize and CenterCrop. The memory that it takes does not depend on how long the longer side
    would become.

    Args:
        image: of one pixel at least.
        size: width and height of the square in pixels.
        shortest_side: in pixels, `size` at least.
        stored: width and height in the file, where a decoder has divided both by 2, 4 or 8 and rounded them up. The
            square is where it would be in the whole image: half a pixel beside it tells a network more than the
            decoder's averages do.
    """
    whole = stored or image.size
    # Of the shrunk image, the part that the whole one covers.
    right, bottom = (side / round(side / shrunk) for side, shrunk in zip(whole, image.size, strict=True))
    width, height = _resized_sides(*whole, shortest_side)
    left, top = (round((side - size) / 2.0) for side in (width, height))
    if width * height <= _MOST_PIXELS:
        cut = image.resize((width, height), resample, (0, 0, right, bottom)).crop((left, top, left + size, top + size))
    else:
        # What would be cut off is not resized first. The box is rounded, so that pixels may differ by a level.
        x, y = right / width, bottom / height
        box = (left * x, top * y, min((left + size) * x, right), min((top + size) * y, bottom))
        cut = image.resize((size, size), resample, box)
    return np.asarray(cut)


def _resized_sides(width: int, height: int, shortest_side: int) -> WidthHeight:
    """Width and height before the square is cut out; the longer one is rounded down, as torchvision does."""
    shortest = min(width, height)
    return shortest_side * width // shortest, shortest_side * height // shortest
