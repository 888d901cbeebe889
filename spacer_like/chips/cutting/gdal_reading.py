"""Tiles opened by GDAL, as they are or on the pixels of the grid."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

from spacer_like.chips.cutting.gdal_files import DRIVER, GDAL_OPTIONS, SharedFile
from spacer_like.chips.cutting.placement import outside
from spacer_like.chips.grid import PIXEL, TILE_PIXELS, Cell
from spacer_like.exceptions import SpacerError, TileError, reason_of
from spacer_like.extras import import_extra

_SETTINGS = {
    **GDAL_OPTIONS,
    # Megabytes; a strip is read once.
    "GDAL_CACHEMAX": 64,
    "GDAL_NUM_THREADS": 1,
}
# Of a place in any zone's projection, in metres; GDAL would take minutes to look for pixels beyond.
_FARTHEST = 1e8


@contextmanager
def opened(source: str | BinaryIO, name: str, cell: Cell | None = None) -> Iterator[Any]:
    """The tile as rasterio's data set, which belongs to this thread.

    Args:
        source: the path of a local file, or a file object, of which parts are read.
        name: what errors call the tile.
        cell: resample the tile to the pixels of this cell's grid, bilinear.

    Raises:
        TileError: GDAL cannot read the tile; it says not where it lies, or lies outside the cell.
        MissingExtraError: rasterio is not installed.
        SpacerError: an error of the file object.
    """
    rasterio = _rasterio()
    with ExitStack() as stack:
        file = None if isinstance(source, str) else SharedFile(source)
        stack.enter_context(rasterio.Env(**_SETTINGS))
        stack.enter_context(_telling_errors_of(file))
        with told(name), warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            path, options = (source, {}) if file is None else (file.name, {"opener": file.opener})
            dataset = stack.enter_context(rasterio.open(path, driver=DRIVER, sharing=False, **options))
        yield dataset if cell is None else stack.enter_context(_resampled(dataset, name, cell))


@contextmanager
def told(name: str) -> Iterator[None]:
    """Convert whatever GDAL and rasterio raise for a tile: the errors of GDAL itself have no public class."""
    try:
        yield
    except SpacerError:
        raise
    except Exception as error:
        # What rasterio raises often says no more than that GDAL had a reason.
        raise TileError(f"The tile '{name}' cannot be read: {reason_of(error.__cause__ or error)}.") from error


def _resampled(dataset: Any, name: str, cell: Cell) -> Any:
    """A tile on the pixels of a cell, with a band that tells where there is data."""
    from rasterio.enums import ColorInterp, Resampling
    from rasterio.transform import from_origin
    from rasterio.vrt import WarpedVRT
    from rasterio.warp import transform_bounds

    if dataset.crs is None or dataset.transform.is_identity:
        raise TileError(f"The tile '{name}' does not say where it lies.")
    west, south, east, north = cell.bounds
    with _told_of_place(name, cell):
        found = transform_bounds(dataset.crs, f"EPSG:{cell.epsg}", *dataset.bounds)
    if not all(abs(place) < _FARTHEST for place in found):
        raise TileError(f"The tile '{name}' lies nowhere on earth: its bounds are {found} in EPSG:{cell.epsg}.")
    with told(name):
        if not (found[0] < east and found[2] > west and found[1] < north and found[3] > south):
            raise outside(name, cell)
        return WarpedVRT(
            dataset,
            crs=f"EPSG:{cell.epsg}",
            transform=from_origin(west, north, PIXEL, PIXEL),
            width=TILE_PIXELS,
            height=TILE_PIXELS,
            resampling=Resampling.bilinear,
            add_alpha=dataset.nodata is None and ColorInterp.alpha not in dataset.colorinterp,
            warp_mem_limit=64,
        )


@contextmanager
def _told_of_place(name: str, cell: Cell) -> Iterator[None]:
    try:
        yield
    # Names the projection in full, which is a page of text.
    except Exception as error:
        raise TileError(
            f"The tile '{name}' is in a projection that has no way to EPSG:{cell.epsg}, that of its cell: store it in "
            "one that says where on earth it lies."
        ) from error


@contextmanager
def _telling_errors_of(file: SharedFile | None) -> Iterator[None]:
    """Raise the error that the file gave, where GDAL says no more than that it could not read."""
    try:
        yield
    except TileError:
        if file is not None and file.error is not None:
            raise file.error from None
        raise


def _rasterio() -> Any:
    purpose = "Reading this tile"
    import_extra("rasterio.errors", purpose, "geo")
    return import_extra("rasterio", purpose, "geo")
