"""Images of galaxies, prepared: grey or colour, square, of one size."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from spacer_like.config import settings
from spacer_like.exceptions import ImageError, damage_as
from spacer_like.images.decode import in_eight_bits
from spacer_like.images.square import identified, one_large_at_a_time
from spacer_like.regression.labels import band_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("jpg", "png", "npy")
"""Endings of prepared images. JPEG, of quality 75, is what the original writes; the others lose nothing."""
_QUALITY = 75


def prepared_pixels(data: bytes, name: str, size: int, band: str, background: int = 0) -> NDArray[np.uint8]:
    """The pixels of an image file, uint8 [size, size] of a grey band, [size, size, 3] of colour.

    What is transparent is shown as if it were not. Grey is the mean of the channels, its fraction dropped. An image
    that is no square gets a border, and the whole is resized by Pillow's bicubic filter.

    Args:
        name: what errors call the image.
        size: width and height in pixels.
        band: one of ``labels.BANDS``, or another name of it.
        background: the grey of the border, 0 to 255.

    Raises:
        TrainingLabelsError: an unknown band.
        ImageError: no image, a damaged one, or one that is cut short.
        DataLimitError: more pixels than the setting MAX_IMAGE_PIXELS.
    """
    is_colour = band_of(band) == "RGB"
    file = identified(data, name, settings().max_image_pixels)
    with (
        one_large_at_a_time(file.width * file.height),
        damage_as(ImageError, name, f"The image '{name}' cannot be decoded"),
    ):
        file.load()
        opaque = _opaque(in_eight_bits(file, name))
        image = _squared(opaque.convert("RGB") if is_colour else _grey(opaque), background)
        return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


def stamp_bytes(pixels: NDArray[np.uint8], ending: str = "jpg") -> bytes:
    """The file of prepared pixels.

    Args:
        pixels: uint8 [size, size] or [size, size, 3].
        ending: one of `FORMATS`.

    Raises:
        ImageError: another format.
    """
    sink = BytesIO()
    if ending == "jpg":
        Image.fromarray(pixels).save(sink, "JPEG", quality=_QUALITY)
    elif ending == "png":
        Image.fromarray(pixels).save(sink, "PNG")
    elif ending == "npy":
        np.save(sink, pixels, allow_pickle=False)
    else:
        raise ImageError(f"No prepared image is written as '{ending}': choose {', '.join(FORMATS)}.")
    return sink.getvalue()


def _opaque(image: Image.Image) -> Image.Image:
    """The image without its transparency: L, or RGB."""
    # Pillow warns about the transparent colour of an image that becomes another.
    image = image.copy()
    image.info.pop("transparency", None)
    return image.convert("L" if image.mode in ("L", "LA", "La", "1") else "RGB")


def _grey(image: Image.Image) -> Image.Image:
    if image.mode == "L":
        return image
    values: NDArray[Any] = np.asarray(image)
    return Image.fromarray((values.sum(axis=2, dtype=np.uint16) // 3).astype(np.uint8))


def _squared(image: Image.Image, background: int) -> Image.Image:
    """The image in the middle of a square as large as its longer side."""
    side = max(image.size)
    if image.size == (side, side):
        return image
    square = Image.new(image.mode, (side, side), (background,) * 3 if image.mode == "RGB" else background)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
