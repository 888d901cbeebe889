"""Images of galaxies from FITS files, stretched to eight bits: asinh for one band, Lupton's way for three.

Lupton et al. 2004, PASP 116, 133. What is not a number counts as the sky, the median of what is.
"""

from __future__ import annotations

import math
from gzip import GzipFile
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.config import settings
from spacer_like.exceptions import DataLimitError, ImageError, damage_as
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PURPOSE, _EXTRA = "Reading FITS", "galaxies"
_WHITE_PERCENTILE = 99.5
_LUPTON_SOFTENING = 8
_N_BANDS = 3
_MOST_UNPACKED = 2**28


def fits_grey(data: bytes, name: str, extension: int | None = None) -> NDArray[np.uint8]:
    """The image of a FITS file, uint8 [height, width], from the sky, black, to the percentile 99.5, white.

    Args:
        name: what errors call the file.
        extension: the number of the image among the file's parts, from 0; needed where there are several.

    Raises:
        MissingExtraError: without astropy.
        ImageError: damaged, or without such an image of one plane.
        DataLimitError: more pixels than the setting MAX_IMAGE_PIXELS.
    """
    stretch = import_extra("astropy.visualization", _PURPOSE, _EXTRA).AsinhStretch()
    planes = _planes(data, name, extension)
    if len(planes) != 1:
        raise ImageError(f"The file '{name}' has {len(planes)} images: name the extension of one.")
    values = _above_sky(planes[0], name)
    white = float(np.percentile(values, _WHITE_PERCENTILE)) or float(values.max()) or 1.0
    stretched: NDArray[np.float64] = stretch((values / max(white, 1e-30)).clip(0, 1))
    return np.rint(255 * stretched).astype(np.uint8)


def fits_colour(data: bytes, name: str, extension: int | None = None) -> NDArray[np.uint8]:
    """The image of three bands in a FITS file, uint8 [height, width, 3].

    The bands are g, r and i in this order: the planes of one cube, or three images of one size. Arguments and errors
    as `fits_grey`.
    """
    make_rgb = import_extra("astropy.visualization", _PURPOSE, _EXTRA).make_lupton_rgb
    planes = _planes(data, name, extension)
    if len(planes) != _N_BANDS or len({plane.shape for plane in planes}) != 1:
        raise ImageError(f"The file '{name}' has {len(planes)} images, and colour needs three of one size: g, r, i.")
    green, red, infrared = (_above_sky(plane, name) for plane in planes)
    white = float(np.percentile((green + red + infrared) / _N_BANDS, _WHITE_PERCENTILE))
    # Where no light is, astropy divides 0 by 0 before it puts 0 there.
    with np.errstate(all="ignore"):
        rgb: NDArray[np.uint8] = make_rgb(infrared, red, green, stretch=max(white, 1e-30), Q=_LUPTON_SOFTENING)
    # Rows of FITS go upwards too, and stay as they are stored.
    return rgb


def fits_light(data: bytes, name: str, extension: int | None = None) -> NDArray[np.float64]:
    """The mean of the images of a FITS file in its numbers, float64 [height, width], NaN where one holds none.

    Arguments and errors as `fits_grey`.
    """
    planes = _planes(data, name, extension)
    if len({plane.shape for plane in planes}) != 1:
        raise ImageError(f"The file '{name}' has {len(planes)} images of different sizes: name the extension of one.")
    return np.mean(planes, axis=0)  # type: ignore[no-any-return]


def _planes(data: bytes, name: str, extension: int | None) -> list[NDArray[np.float64]]:
    """The images of a file, or of one of its parts, in its order."""
    fits = import_extra("astropy.io.fits", _PURPOSE, _EXTRA)
    limit = settings().max_image_pixels
    planes: list[NDArray[np.float64]] = []
    if not data:
        raise ImageError(f"The file '{name}' is empty: give an image.")
    with (
        damage_as(ImageError, name, f"The file '{name}' cannot be read as FITS"),
        fits.open(BytesIO(_unpacked(data, name)), memmap=False) as parts,
    ):
        for number, part in enumerate(parts):
            shape = part.shape if part.is_image else ()
            if extension not in (None, number) or len(shape) not in (2, 3):
                continue
            if math.prod(shape) > limit * (_N_BANDS if len(shape) == _N_BANDS else 1):
                raise DataLimitError(
                    f"The image '{name}' has {' x '.join(map(str, shape))} pixels, more than the {limit} that the "
                    "setting MAX_IMAGE_PIXELS allows."
                )
            values: NDArray[Any] = np.asarray(part.data, np.float64)
            planes += [values] if values.ndim == 2 else list(values)
    if not planes:
        where = "" if extension is None else f" in its extension {extension}"
        raise ImageError(f"The file '{name}' has no image{where}.")
    return planes


def _unpacked(data: bytes, name: str) -> bytes:
    """The file's bytes, of one packed by gzip those that it holds."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    unpacked = bytearray()
    with GzipFile(fileobj=BytesIO(data)) as file:
        while part := file.read(2**20):
            unpacked += part
            if len(unpacked) > _MOST_UNPACKED:
                raise DataLimitError(
                    f"The file '{name}' holds more than {_MOST_UNPACKED // 2**20} MiB: it is not read."
                )
    return bytes(unpacked)


def _above_sky(plane: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """The plane less its median; 0 where it holds no number."""
    is_number = np.isfinite(plane)
    if not is_number.any():
        raise ImageError(f"An image of '{name}' holds no number at all.")
    return np.where(is_number, plane - np.median(plane[is_number]), 0.0)
