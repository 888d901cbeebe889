"""The share of each class of a mask in chips: pixels of a raster of classes, on the pixels of the chips."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from spacer_like.chips.cutting.gdal_reading import gdal_errors
from spacer_like.chips.labels.label_rules import check_label
from spacer_like.exceptions import DataLimitError, MapDataError, SpacerInputError, TileError, damage_as
from spacer_like.tables.cells import csv_rows
from spacer_like.tables.label_table import MOST_LABELS

if TYPE_CHECKING:
    from spacer_like.chips.labels.footprints import Footprints
    from spacer_like.chips.rasters.raster import Raster

_MOST_PIXELS = 2**22
_MOST_PARTS, _LARGEST_CHIP = 64, 2**14
"""Into how many parts a chip's pixel is divided at most in each direction, where the mask's pixels are smaller, and a
chip; beyond, pixels of the mask are passed over."""
_LARGEST_SIDE = 2**31 - 1
_MOST_NAMES_BYTES = 2**24
# Of fields in tables of attributes, as GDAL numbers them.
_NAME, _VALUE = "2", "5"

Counts = dict[int, int]
Read = Callable[[int, int, int, int], NDArray[Any]]
"""The values of a window (left, top, width, height) that have data, int64 [n]."""


@dataclass(frozen=True)
class _Reading:
    """A mask on the pixels of chips: `parts` of its pixels are one of a chip's, in each direction."""

    read: Read
    parts: int
    origin: tuple[float, float]


def check_mask(raster: Raster, band: int) -> None:
    """Refuse a raster that is no mask.

    Raises:
        TileError: it has no such band, or one of other numbers than whole ones.
    """
    if band > len(raster.dtypes):
        raise TileError(f"The mask '{raster.name}' has no band {band}: it has {len(raster.dtypes)}.")
    if np.dtype(raster.dtypes[band - 1]).kind not in "iu":
        raise TileError(
            f"The band {band} of the mask '{raster.name}' is of {raster.dtypes[band - 1]}, and no raster of classes, "
            "which are whole numbers."
        )


def class_counts(dataset: Any, raster: Raster, band: int, chips: Footprints) -> Iterator[Counts]:
    """How many pixels of each value lie in each chip, in the chips' order; those without data are left out.

    The pixels are those of the chip, or parts of these where the mask's are smaller, of the nearest value.

    Raises:
        TileError: the mask cannot be read, or lies nowhere in the chips' projection.
        SpacerInputError: one of mask and chips says where it lies, and the other does not.
    """
    if (raster.crs is None) != (chips.crs is None):
        which = f"mask '{raster.name}'" if raster.crs is None else "raster of the chips"
        raise SpacerInputError(f"The {which} does not say where it lies: the two cannot be brought together.")
    for rows in _alike(chips):
        with _reading(dataset, raster, band, chips, rows) as reading:
            for row in rows:
                yield _counts(chips, int(row), reading)


def _alike(chips: Footprints) -> Iterator[NDArray[np.int64]]:
    """Runs of chips whose pixels are of one size and direction: those of one raster or zoom."""
    kinds = chips.transforms[:, [0, 1, 3, 4]]
    edges = np.flatnonzero((kinds[1:] != kinds[:-1]).any(axis=1)) + 1
    yield from np.split(np.arange(len(kinds)), edges)


def _counts(chips: Footprints, row: int, reading: _Reading) -> Counts:
    parts = reading.parts
    width, height = (int(side) * parts for side in chips.sizes[row])
    left, top = _position(chips, row, reading)
    found: Counts = {}
    step = max(1, _MOST_PIXELS // width)
    for begin in range(0, height, step):
        values, counts = np.unique(
            reading.read(left, top + begin, width, min(step, height - begin)), return_counts=True
        )
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            found[value] = found.get(value, 0) + count
        if len(found) > MOST_LABELS:
            raise DataLimitError(
                f"A chip has more than {MOST_LABELS} values of the mask, which is no raster of classes."
            )
    return found


def _position(chips: Footprints, row: int, reading: _Reading) -> tuple[int, int]:
    """Column and row of a chip's corner in the pixels that are read."""
    a, b, c, d, e, f = chips.transforms[row]
    x, y = c - reading.origin[0], f - reading.origin[1]
    determinant = a * e - b * d
    return round((e * x - b * y) / determinant * reading.parts), round((a * y - d * x) / determinant * reading.parts)


@contextmanager
def _reading(dataset: Any, raster: Raster, band: int, chips: Footprints, rows: NDArray[np.int64]) -> Iterator[_Reading]:
    if chips.crs is None:
        yield _Reading(lambda *window: _window(dataset, raster, band, *window), 1, (0.0, 0.0))
        return
    from rasterio import Affine
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    first = Affine(*chips.transforms[rows[0]])
    inverse = ~first
    corners = np.array([inverse * tuple(chips.transforms[row, [2, 5]]) for row in rows])
    left, top = np.floor(corners.min(axis=0) + 0.5)
    origin = first * (left, top)
    parts = _parts(raster, chips, int(rows[len(rows) // 2]))
    extent = corners.max(axis=0) - (left, top) + chips.sizes[rows].max(axis=0)
    if np.isfinite(extent).all() and extent.max() <= _LARGEST_SIDE:
        parts = min(parts, int(_LARGEST_SIDE // extent.max()))
    sides = extent * parts
    if not np.isfinite(sides).all() or sides.max() > _LARGEST_SIDE:
        raise TileError(f"The chips lie too far apart for the mask '{raster.name}': label a part of them at a time.")
    transform = Affine.translation(origin[0] - first.c, origin[1] - first.f) * first * Affine.scale(1 / parts)
    with gdal_errors(raster.name):
        warped = WarpedVRT(
            dataset,
            crs=chips.crs,
            transform=transform,
            width=int(np.ceil(sides[0])),
            height=int(np.ceil(sides[1])),
            resampling=Resampling.nearest,
            add_alpha=dataset.nodata is None and "alpha" not in raster.colours,
            warp_mem_limit=64,
        )
    with warped:
        yield _Reading(lambda *window: _window(warped, raster, band, *window), parts, origin)


def _parts(raster: Raster, chips: Footprints, row: int) -> int:
    """Into how many parts a chip's pixels are divided, so that no pixel of the mask is passed over, within bounds."""
    from pyproj import Transformer
    from rasterio import Affine

    transform = Affine(*chips.transforms[row])
    width, height = chips.sizes[row].tolist()
    corners = np.array([transform * at for at in ((0, 0), (width, 0), (0, height))])
    there = Transformer.from_crs(chips.crs, raster.crs.to_wkt(), always_xy=True)
    xs, ys = there.transform(corners[:, 0], corners[:, 1])
    columns, rows = ~raster.transform * (xs, ys)
    scales = [
        np.hypot(columns[one] - columns[0], rows[one] - rows[0]) / side for one, side in ((1, width), (2, height))
    ]
    if not np.isfinite(scales).all():
        raise TileError(f"The chips lie nowhere in the projection of the mask '{raster.name}'.")
    most = max(1, min(_MOST_PARTS, _LARGEST_CHIP // max(width, height)))
    # A mask on the pixels of the chips has as many, but for rounding.
    return int(np.clip(np.ceil(max(scales) - 0.01), 1, most))


def _window(dataset: Any, raster: Raster, band: int, left: int, top: int, width: int, height: int) -> NDArray[Any]:
    right, bottom = min(left + width, dataset.width), min(top + height, dataset.height)
    left, top = max(left, 0), max(top, 0)
    if left >= right or top >= bottom:
        return np.empty(0, np.int64)
    window = ((top, bottom), (left, right))
    with gdal_errors(raster.name):
        values = dataset.read(band, window=window)
        mask = dataset.read_masks(band, window=window)
    found: NDArray[Any] = values[mask > 0].astype(np.int64)
    return found


def names_in(data: bytes, name: str) -> dict[int, str]:
    """Names of a mask's values, in the bytes of a CSV with the columns value and name, or of JSON ``{value: name}``.

    Args:
        name: what errors call the file.

    Raises:
        MapDataError: not of that form.
    """
    if len(data) > _MOST_NAMES_BYTES:
        raise DataLimitError(f"'{name}' is longer than {_MOST_NAMES_BYTES // 2**20} MiB: no names are read of it.")
    with damage_as(MapDataError, name, f"'{name}' has no names of values"):
        if data.lstrip().startswith(b"{"):
            pairs = list(json.loads(data).items())
        else:
            (_, head), *rows = [*csv_rows(data.decode("utf-8-sig"))] or [(1, [])]
            titles = [title.strip().lower() for title in head]
            if not {"value", "name"} <= set(titles):
                raise MapDataError(f"'{name}' must be JSON, or CSV with the columns value and name.")
            value, text = titles.index("value"), titles.index("name")
            if short := [line for line, row in rows if row and len(row) <= max(value, text)]:
                raise MapDataError(f"The line {short[0]} of '{name}' lacks a value or a name.")
            pairs = [(row[value], row[text]) for _, row in rows if row]
        return _named(pairs, name)


def names_beside(data: bytes, band: int, name: str) -> dict[int, str] | None:
    """Names of a band's values in the ``.aux.xml`` beside a raster: its categories, or its table of attributes.

    Args:
        name: what errors call the file.

    Returns:
        None: it has neither.

    Raises:
        MapDataError: the file is damaged.
    """
    if len(data) > _MOST_NAMES_BYTES:
        raise DataLimitError(f"'{name}' is longer than {_MOST_NAMES_BYTES // 2**20} MiB: no names are read of it.")
    with damage_as(MapDataError, name, f"'{name}' is no description of a raster"):
        # What GDAL writes has none, and entities can take all memory.
        if b"<!" in data:
            raise MapDataError(f"'{name}' declares entities or comments: it is not read.")
        root = ElementTree.fromstring(data)
        of_band = root.find(f"PAMRasterBand[@band='{band}']")
        if of_band is None:
            return None
        categories = of_band.findall("CategoryNames/Category")
        if categories:
            texts = [(number, (one.text or "").strip()) for number, one in enumerate(categories)]
            return _named([pair for pair in texts if pair[1]], name)
        table = of_band.find("GDALRasterAttributeTable")
        return None if table is None else _of_attributes(table, name)


def _of_attributes(table: Any, name: str) -> dict[int, str] | None:
    usages = [field.findtext("Usage") for field in table.findall("FieldDefn")]
    titles = [(field.findtext("Name") or "").strip().lower() for field in table.findall("FieldDefn")]
    value = usages.index(_VALUE) if _VALUE in usages else titles.index("value") if "value" in titles else None
    if value is None or _NAME not in usages:
        return None
    rows = [[field.text or "" for field in row.findall("F")] for row in table.findall("Row")]
    return _named(
        [(row[value], row[usages.index(_NAME)].strip()) for row in rows if row[usages.index(_NAME)].strip()], name
    )


def _named(pairs: list[tuple[Any, Any]], name: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for value, text in pairs:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not number.is_integer() or not isinstance(text, str):
            raise MapDataError(f"'{name}' must give whole numbers their names, and has '{str(value)[:40]}'.")
        check_label(text.strip(), name)
        found[int(number)] = text.strip()
    if not found:
        raise MapDataError(f"'{name}' has no names of values.")
    return found
