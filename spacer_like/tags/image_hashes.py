"""Hashes of images, by their pixels and by their bytes, and what else is told of an image in one decode.

The pixel hash ignores size, mode, palette and EXIF rotation: images that only differ in those have the same one. The
content hash tells them apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from spacer_like.config import settings
from spacer_like.exceptions import ImageError, damage_as
from spacer_like.images.decode import in_eight_bits
from spacer_like.images.fast_jpeg import decoded_jpeg
from spacer_like.images.square import identified, one_large_at_a_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CONTENT_BYTES = 32
# Bytes of pixels that are copied out of an image at a time.
_STRIP_BYTES = 2**22

ReceiveImage = Callable[["Image.Image | NDArray[np.uint8]"], None]
"""Takes a decoded image: one of the mode RGB, or pixels uint8 [height, width, 3], which are only lent."""


class DescribedImage(NamedTuple):
    """An image file without its pixels.

    Fields:
        file_type: the format as Pillow calls it, such as JPEG, PNG or GIF.
        width, height: in pixels, as stored.
        n_bytes: the size of the file.
        hash_id: hash of the decoded pixels, see `pixel_hash`.
    """

    file_type: str
    width: int
    height: int
    n_bytes: int
    hash_id: str


def content_hash(data: bytes) -> str:
    """The BLAKE2b hash of 32 bytes of a file's bytes: 64 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=_CONTENT_BYTES).hexdigest()


def pixel_hash(image: Image.Image | NDArray[np.uint8] | bytes, name: str = "image") -> str:
    """The BLAKE2b hash of 64 bytes of an image's pixels in its own mode (Pillow's ``tobytes``): 128 hexadecimal digits.

    Args:
        image: Pillow's, an array of its pixels, or the bytes of an image file, of which the first frame counts.
        name: what errors call the image.

    Raises:
        ImageError, DataLimitError: as `described_image`.

    >>> pixel_hash(Image.new("RGB", (10, 20))) == pixel_hash(Image.new("L", (30, 20)))
    True
    """
    if isinstance(image, bytes):
        return described_image(image, name).hash_id
    digest = hashlib.blake2b()
    if isinstance(image, np.ndarray):
        digest.update(np.ascontiguousarray(image).data)
    else:
        for strip in _strips(image):
            digest.update(strip)
    return digest.hexdigest()


def described_image(data: bytes, name: str, fill: ReceiveImage | None = None) -> DescribedImage:
    """What is told of an image file; it is decoded once.

    A body that ends early or is damaged is an error, for its hash would be that of another image.

    Args:
        data: the bytes of an image file.
        name: what errors call the image.
        fill: called with the decoded image in RGB, such as to make the square that enters a network.

    Raises:
        UnidentifiedImageError: no image.
        ImageError: damaged, cut short, or, where there is a `fill`, of a mode that has no colours.
        DataLimitError: more pixels than the setting MAX_IMAGE_PIXELS, by the header.
    """
    image = identified(data, name, settings().max_image_pixels)
    width, height, file_type = image.width, image.height, image.format or ""
    with one_large_at_a_time(width * height):
        with damage_as(ImageError, name, f"The image '{name}' cannot be decoded"):
            pixels = decoded_jpeg(image)
            if pixels is None:
                image.load()
            hash_id = pixel_hash(image if pixels is None else pixels)
            rgb = None if fill is None else _rgb(image, name) if pixels is None else pixels
        if fill is not None and rgb is not None:
            fill(rgb)
    return DescribedImage(file_type, width, height, len(data), hash_id)


def _rgb(image: Image.Image, name: str) -> Image.Image:
    grey_or_colour = in_eight_bits(image, name)
    if grey_or_colour.mode == "RGB":
        return grey_or_colour
    # Which colour is transparent does not change the colours, but Pillow warns about it.
    grey_or_colour.info.pop("transparency", None)
    return grey_or_colour.convert("RGB")


def _strips(image: Image.Image) -> Iterator[bytes]:
    """The bytes of ``image.tobytes()`` in parts: the whole would take an image's memory twice more."""
    rows = max(1, _STRIP_BYTES // max(1, 4 * image.width))
    if rows >= image.height:
        yield image.tobytes()
        return
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height))).tobytes()
