"""Files of chips, of any format."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.cutting.cell_chips import DEFAULT_QUALITY, encoded
from spacer_like.exceptions import SpacerInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PICTURES = {"jpg": "JPEG", "png": "PNG", "webp": "WebP"}


def check_format(file_format: str, n_bands: int, dtype: np.dtype[Any], name: str) -> None:
    """Refuse chips that no file of the format can hold.

    Raises:
        SpacerInputError: they have too many bands, or other numbers.
    """
    if file_format not in _PICTURES:
        return
    kind = _PICTURES[file_format]
    if n_bands not in (1, 3):
        raise SpacerInputError(
            f"The raster '{name}' gives chips of {n_bands} bands, and {kind} files have 1 or 3: name the bands, or "
            "choose the format tif or npy."
        )
    if dtype != np.uint8 and (file_format != "png" or dtype != np.uint16 or n_bands != 1):
        raise SpacerInputError(
            f"The raster '{name}' has numbers of the type {dtype}, which {kind} files do not hold: choose the format "
            "tif or npy, or the dtype uint8."
        )


def chip_file(
    pixels: NDArray[Any],
    file_format: str,
    quality: int | None = None,
    crs: Any = None,
    transform: Sequence[float] = (),
    nodata: float | None = None,
) -> bytes:
    """The file of a chip.

    Args:
        pixels: [bands, size, size].
        quality: of JPEG and WebP, 1 to 100; None: 75.
        crs, transform, nodata: of a GeoTIFF; the transform as the numbers a to f.
    """
    if file_format == "jpg":
        return encoded(_interleaved(pixels), pixels.shape[1], quality)
    if file_format == "npy":
        return _npy(_interleaved(pixels))
    if file_format == "tif":
        return _geotiff(pixels, crs, transform, nodata)
    return _picture(pixels, file_format, quality)


def _interleaved(pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels as [height, width, bands]."""
    found = np.empty((*pixels.shape[1:], len(pixels)), pixels.dtype)
    # numpy in one step takes four times as long.
    for band, values in enumerate(pixels):
        found[..., band] = values
    return found


def _npy(array: NDArray[Any]) -> bytes:
    start = BytesIO()
    np.lib.format.write_array_header_1_0(start, np.lib.format.header_data_from_array_1_0(array))
    return b"".join((start.getbuffer(), array.data))


def _picture(pixels: NDArray[Any], file_format: str, quality: int | None) -> bytes:
    from PIL import Image

    sink = BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels[0]) if len(pixels) == 1 else _interleaved(pixels))
    options: dict[str, Any] = {"quality": quality or DEFAULT_QUALITY} if file_format == "webp" else {}
    image.save(sink, file_format, **options)
    return sink.getvalue()


def _geotiff(pixels: NDArray[Any], crs: Any, transform: Sequence[float], nodata: float | None) -> bytes:
    import warnings

    from rasterio import Affine, Env
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    profile = {
        "driver": "GTiff",
        "count": len(pixels),
        "height": pixels.shape[1],
        "width": pixels.shape[2],
        "dtype": pixels.dtype,
        "crs": crs,
        "transform": Affine(*transform),
        "nodata": nodata,
        "compress": "deflate",
        "predictor": 3 if pixels.dtype.kind == "f" else 2,
    }
    with Env(GDAL_NUM_THREADS=1), MemoryFile() as memory, warnings.catch_warnings():
        # A raster that does not say where it lies has chips that do not, either.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**profile) as file:
            file.write(pixels)
        data: bytes = memory.read()
        return data
