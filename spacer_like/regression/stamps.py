"""Images of galaxies, prepared: grey or colour, square, of one size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from spacer_like.config import settings
from spacer_like.exceptions import ImageError, damage_as
from spacer_like.images.decode import in_eight_bits
from spacer_like.images.square import identified, one_large_at_a_time
from spacer_like.npy_header import read_npy_header
from spacer_like.regression.fits_images import fits_colour, fits_grey
from spacer_like.regression.labels import StampName, band_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("jpg", "png", "npy")
"""Endings of prepared images. JPEG, of quality 75, is what the original writes; the others lose nothing."""
_QUALITY = 75
_FITS_ENDINGS = (".fits", ".fit", ".fits.gz")


def prepared_pixels(
    data: bytes, name: str, size: int, band: str, background: int = 0, extension: int | None = None
) -> NDArray[np.uint8]:
    """The pixels of an image file, uint8 [size, size] of a grey band, [size, size, 3] of colour.

    What is transparent is shown as if it were not. Grey is the mean of the channels, its fraction dropped. An image
    that is no square gets a border, and the whole is resized by Pillow's bicubic filter. FITS is stretched before.

    Args:
        name: what errors call the image; one that ends with .fits, .fit or .fits.gz is of FITS.
        size: width and height in pixels.
        band: one of ``labels.BANDS``, or another name of it.
        background: the grey of the border, 0 to 255.
        extension: the number of the image among the parts of FITS; None: there is one image.

    Raises:
        TrainingLabelsError: an unknown band.
        ImageError: no image, a damaged one, or one that is cut short.
        DataLimitError: more pixels than the setting MAX_IMAGE_PIXELS.
        MissingExtraError: FITS without astropy.
    """
    is_colour = band_of(band) == "RGB"
    if is_fits(name):
        stretched = (fits_colour if is_colour else fits_grey)(data, name, extension)
        return _resized(Image.fromarray(stretched), size, background)
    with _decoded(data, name) as image:
        return _resized(image.convert("RGB") if is_colour else _grey(image), size, background)


def read_stamp(data: bytes, name: str) -> tuple[StampName, NDArray[np.uint8]]:
    """What a prepared image's name says, and its pixels, uint8 [size, size] or [size, size, 3].

    Raises:
        TrainingLabelsError: another name.
        ImageError: damaged, or of another size than the name says.
    """
    said = StampName.parse(name)
    if said.ending == "npy":
        with damage_as(ImageError, name, f"The prepared image '{name}' cannot be read"):
            pixels = _array(data)
    else:
        with _decoded(data, name) as image:
            pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.shape not in ((said.size,) * 2, (said.size, said.size, 3)):
        raise ImageError(
            f"The prepared image '{name}' is {pixels.dtype} {list(pixels.shape)}, and its name says {said.size} x "
            f"{said.size} pixels: prepare it again."
        )
    return said, pixels


def is_fits(name: str) -> bool:
    """Whether a file's name is one of FITS."""
    return name.lower().endswith(_FITS_ENDINGS)


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


@contextmanager
def _decoded(data: bytes, name: str) -> Iterator[Image.Image]:
    """The image of a file without its transparency, L or RGB; what the block raises counts as the file's damage."""
    file = identified(data, name, settings().max_image_pixels)
    with (
        one_large_at_a_time(file.width * file.height),
        damage_as(ImageError, name, f"The image '{name}' cannot be decoded"),
    ):
        file.load()
        yield _opaque(in_eight_bits(file, name))


def _array(data: bytes) -> NDArray[Any]:
    file = BytesIO(data)
    header = read_npy_header(file)
    if header.dtype.hasobject:
        raise ValueError("it holds Python objects")
    values = np.frombuffer(file.read(), header.dtype)
    return values.reshape(header.shape, order="F" if header.in_columns else "C")


def _resized(image: Image.Image, size: int, background: int) -> NDArray[np.uint8]:
    """The pixels of an image, squared and of one size."""
    return np.asarray(_squared(image, background).resize((size, size), Image.Resampling.BICUBIC))


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
