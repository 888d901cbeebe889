"""Images: from bytes to pixels.

Rows and columns are those of the stored pixels: an orientation that the file's EXIF data ask for is not applied.
Of an animated image the first frame counts.
"""

from __future__ import annotations

import logging
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from spacer_like.config import settings
from spacer_like.exceptions import DataLimitError, ImageError, damage_as
from spacer_like.images.fast_jpeg import decoded_jpeg
from spacer_like.images.identify import identify
from spacer_like.images.tolerant import make_tolerant
from spacer_like.storage import read_bytes, write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.location import DataLocation

logger = logging.getLogger(__name__)

_STRIP_ROWS = 128
# Of greyscale images of 16 and 32 bits, which Pillow's conversion would clip to black and white.
_MOST = 2**16 - 1
_MOST_OF_EIGHT = 255
_BITS_PER_SAMPLE, _PHOTOMETRIC, _MIN_IS_WHITE = 258, 262, 0
_SIXTEEN = 16
_scaled = count()


def open_image(data: bytes, name: str, max_pixels: int | None = None) -> Image.Image:
    """The image in `data`: its header is read, its pixels are decoded when they are asked for.

    A body that ends early, or is damaged, decodes as far as it goes.

    Args:
        data: the bytes of an image file.
        name: what errors call the image.
        max_pixels: the largest width times height; None is the setting MAX_IMAGE_PIXELS.

    Raises:
        UnidentifiedImageError: no image; a traceback shows it as ``PIL.UnidentifiedImageError``.
        DataLimitError: more pixels than `max_pixels`, by the header.
        ImageError: a damaged header; later, when pixels are asked for, a body of which nothing can be decoded.
    """
    limit = settings().max_image_pixels if max_pixels is None else max_pixels
    image = identify(data, name)
    if (pixel_count := image.width * image.height) > limit:
        raise DataLimitError(
            f"Image {name} has {image.width} x {image.height} = {pixel_count} total pixels, "
            f"which is larger than the max allowed of {limit}."
        )
    return make_tolerant(image, name)


def load_image(loc: DataLocation) -> Image.Image:
    """The image at a location; errors as `open_image`, and those of the storage."""
    return open_image(read_bytes(loc), loc.display_name if loc.storage_type == "url" else loc.key)


def store_image(loc: DataLocation, img: Image.Image) -> None:
    """Write an image to a location as JPEG of Pillow's default quality."""
    stream = BytesIO()
    img.save(stream, "JPEG")
    write_bytes(loc, stream.getvalue())


def to_rgb_array(image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pixels of an image, uint8 [height, width, 3]; those of Pillow's ``convert("RGB")``, after `in_eight_bits`.

    An array of that shape and type is returned as it is.

    Raises:
        ImageError: an array of another shape or type, or an image that cannot be decoded or converted.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ImageError(
                f"The pixels of an image must be uint8 of the shape (height, width, 3), and are {image.dtype} of "
                f"the shape {image.shape}."
            )
        return image
    if (decoded := decoded_jpeg(image)) is not None:
        return decoded
    name = getattr(image, "display_name", "")
    with damage_as(ImageError, name, f"The image {name!r} of mode {image.mode} cannot be converted to RGB"):
        rgb = _to_rgb(image, name)
        pixels = np.empty((rgb.height, rgb.width, 3), np.uint8)
        # In strips, because the whole image at once would need its memory twice more, and twice the time.
        for top in range(0, rgb.height, _STRIP_ROWS):
            bottom = min(top + _STRIP_ROWS, rgb.height)
            pixels[top:bottom] = np.asarray(rgb.crop((0, top, rgb.width, bottom)))
        return pixels


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    image.load()
    if image.mode == "RGB":
        return image
    image = in_eight_bits(image, name)
    if "transparency" in image.info:
        # Which colour is transparent does not change the colours, but Pillow warns about it.
        image = image.copy()
        del image.info["transparency"]
    return image.convert("RGB")


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
