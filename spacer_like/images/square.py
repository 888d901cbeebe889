"""An image file as a square of RGB pixels."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from spacer_like.config import settings
from spacer_like.exceptions import DataLimitError, ImageError, damage_as
from spacer_like.images.decode import in_eight_bits
from spacer_like.images.fast_jpeg import decoded_photograph, jpeg_frame
from spacer_like.images.identify import identify
from spacer_like.images.middle import middle_square

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import ImageFile

DROP = "drop"
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}
# Threads decode at once what is smaller; of larger ones, one at a time, so that their memory does not add up.
_LARGE_PIXELS = 2**24
_one_large_image = Lock()
# Before the middle is cut out, a JPEG is shrunk to so many times the shortest side that is wanted, or more. What
# EfficientNet-Lite0 makes of it has then a cosine above 0.999 with what it makes of the whole; at twice it has not.
_SHRINK_TO = 3


def squared(data: bytes, name: str, size: int, resample: str = "bicubic", background: str = DROP) -> NDArray[np.uint8]:
    """The pixels of an image file, stretched to a square: uint8 [size, size, 3].

    Of an animated image the first frame counts. Unlike `open_image`, a body that ends early or is damaged is an error:
    the grey or black that stands for its rest would pass for rare colours.

    Args:
        data: the bytes of an image file.
        name: what errors call the image.
        size: width and height of the square in pixels; an image of that size is not resized.
        resample: the filter that resizes, a key of `FILTERS`.
        background: ``drop``: as Pillow's ``convert("RGB")``, which leaves the colour beneath transparency; or a colour
            ``#rrggbb``, over which the image is laid before it is resized.

    Raises:
        UnidentifiedImageError: no image.
        ImageError: damaged, cut short, or of a mode that has no colours.
        DataLimitError: more pixels than the setting MAX_IMAGE_PIXELS, by the header.
    """
    square = np.empty((size, size, 3), np.uint8)
    square_into(square, data, name, resample, background)
    return square


def square_into(
    square: NDArray[np.uint8],
    data: bytes,
    name: str,
    resample: str = "bicubic",
    background: str = DROP,
    shrink_on_load: bool = False,
    shortest_side: int | None = None,
) -> None:
    """Fill `square`, uint8 [size, size, 3], with the pixels that `squared` gives; errors as there.

    Args:
        shrink_on_load: decode a JPEG at a half, a quarter or an eighth of its size where that is still enough: the
            decoder's averages of 2, 4 or 8 pixels are then resized to the square. A third less time, and nearly the
            same pixels. With `shortest_side`, only where three times as many pixels remain.
        shortest_side: in pixels, that of `square` at least: the image is not stretched, but resized until its shortest
            side has this many, and the square in its middle cut out (`images.middle`).
    """
    limit = settings().max_image_pixels
    size = len(square)
    wanted_size = (size if shortest_side is None else _SHRINK_TO * shortest_side) if shrink_on_load else None
    # An image of just that size is decoded into the square, unless it is to be larger before its middle is cut out.
    memory = square if shortest_side in (None, size) else None
    photograph = decoded_photograph(data, min(limit, _LARGE_PIXELS), memory, wanted_size)
    if photograph is square:
        return
    if photograph is not None:
        height, width, _ = jpeg_frame(data) or photograph.shape
        square[...] = _fitted(Image.fromarray(photograph), size, resample, shortest_side, (width, height))
        return
    image = identified(data, name, limit)
    whole = image.size
    is_shrunk = wanted_size is not None and image.draft("RGB", (wanted_size, wanted_size)) is not None
    with one_large_at_a_time(whole[0] * whole[1]):
        rgb = _rgb(image, name, background)
        square[...] = _fitted(rgb, size, resample, shortest_side, whole if is_shrunk else rgb.size)


def decoded(data: bytes, name: str) -> NDArray[np.uint8]:
    """The pixels of an image file as large as it is, uint8 [height, width, 3]; otherwise as `squared`."""
    limit = settings().max_image_pixels
    photograph = decoded_photograph(data, min(limit, _LARGE_PIXELS))
    if photograph is not None:
        return photograph
    image = identified(data, name, limit)
    with one_large_at_a_time(image.width * image.height):
        return np.asarray(_rgb(image, name, DROP))


def one_large_at_a_time(n_pixels: int) -> AbstractContextManager[Any]:
    """What a thread holds while it decodes an image of so many pixels."""
    return _one_large_image if n_pixels > _LARGE_PIXELS else nullcontext()


def identified(data: bytes, name: str, limit: int) -> ImageFile.ImageFile:
    """The image in `data`, of `limit` pixels at most, of which the header has been read; errors as of `squared`."""
    image = identify(data, name)
    if image.width * image.height > limit:
        raise DataLimitError(
            f"The image '{name}' has {image.width} x {image.height} pixels, more than the {limit} that the setting "
            "MAX_IMAGE_PIXELS allows."
        )
    return image


def _fitted(
    image: Image.Image, size: int, resample: str, shortest_side: int | None, stored: tuple[int, int]
) -> NDArray[np.uint8]:
    """The pixels of an RGB image as a square, resized where it has another size than the one that is wanted.

    Args: as `square_into`; `stored` as `middle_square`.
    """
    if shortest_side is not None:
        return middle_square(image, size, shortest_side, FILTERS[resample], stored)
    return np.asarray(image if image.size == (size, size) else image.resize((size, size), FILTERS[resample]))


def _rgb(file: ImageFile.ImageFile, name: str, background: str) -> Image.Image:
    with damage_as(ImageError, name, f"The image '{name}' cannot be decoded"):
        file.load()
        image = in_eight_bits(file, name)
        if background != DROP and image.has_transparency_data:
            layer = image.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", layer.size, background), layer).convert("RGB")
        if image.mode == "RGB":
            return image
        # Which colour is transparent does not change the colours, but Pillow warns about it.
        image.info.pop("transparency", None)
        return image.convert("RGB")
