"""Where a raster lies by the small files beside it: world files, ``.prj`` and ``.aux.xml``, as of scanned maps.

Only numbers and a projection's text are taken of them.
"""

from __future__ import annotations

import html
import math
import re
from typing import Any

from spacer_like.exceptions import SpacerError, TileError

MOST_BYTES = 2**20
_PROJECTION = re.compile(r"<SRS\b[^>]{0,200}>([^<]{1,65536})</SRS>")
_TRANSFORM = re.compile(r"<GeoTransform>([^<]{1,1000})</GeoTransform>")


def world_endings(filename: str) -> list[str]:
    """The endings of the world files that a raster may have, in the order that they are looked for.

    >>> world_endings("map.jpg")
    ['.jgw', '.jpgw', '.wld']
    """
    ending = filename.rpartition(".")[2].lower()
    return [f".{ending[0]}{ending[-1]}w", f".{ending}w", ".wld"] if len(ending) > 1 else [".wld"]


def world_transform(data: bytes, name: str) -> Any:
    """From pixels to a projection by a world file, affine.Affine.

    Raises:
        TileError: the file has other than six finite numbers, or pixels without an extent.
    """
    from rasterio import Affine

    a, d, b, e, x, y = _numbers(data.decode("latin-1").split(), name)
    # It names the middle of the first pixel.
    return _checked(Affine(a, b, x - (a + b) / 2, d, e, y - (d + e) / 2), name)


def projection(text: str, name: str) -> Any:
    """The projection that a text describes, rasterio's CRS.

    Raises:
        TileError: it describes none.
    """
    from rasterio.crs import CRS

    try:
        is_of_esri = "GCS_" in text or "D_WGS" in text
        return CRS.from_wkt(text.lstrip("\ufeff").strip(), morph_from_esri_dialect=is_of_esri)
    except SpacerError:
        raise
    # rasterio's own errors have several classes.
    except Exception as error:
        raise TileError(f"'{name}' describes no projection that is known.") from error


def auxiliary(data: bytes, name: str) -> tuple[Any, Any]:
    """Transform and projection of an ``.aux.xml``, each None where it has none; errors as of the others."""
    from rasterio import Affine

    text = data.decode("utf-8", "replace")
    found, described = _TRANSFORM.search(text), _PROJECTION.search(text)
    transform = None
    if found is not None:
        transform = _checked(Affine.from_gdal(*_numbers(found[1].split(","), name)), name)
    return transform, None if described is None else projection(html.unescape(described[1]), name)


def _numbers(texts: list[str], name: str) -> list[float]:
    try:
        numbers = [float(text) for text in texts[:7]]
    except ValueError:
        numbers = []
    if len(numbers) != 6 or not all(math.isfinite(number) for number in numbers):
        raise TileError(f"'{name}' does not say by six numbers where its raster lies.")
    return numbers


def _checked(transform: Any, name: str) -> Any:
    if not transform.determinant or not math.isfinite(1 / transform.determinant):
        raise TileError(f"'{name}' says that the pixels of its raster have no extent.")
    return transform
