"""Rasters opened by GDAL, as they are or on the pixels of the grid.

GDAL gets to see the one file: no network, nothing beside it, no other formats.
"""

from __future__ import annotations

import io
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

from spacer_like.chips.cutting.placement import outside
from spacer_like.chips.grid import PIXEL, TILE_PIXELS, Cell
from spacer_like.exceptions import SpacerError, TileError, reason_of
from spacer_like.extras import import_extra
from spacer_like.storage.ranges import PositionedFile

GDAL_OPTIONS: dict[str, Any] = {
    # Files beside the tile are none of it.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_PAM_ENABLED": False,
}
DRIVER = "GTiff"
CACHE_BYTES = 3 * 2**24
"""Of decoded blocks, which GDAL keeps."""
_SETTINGS = {
    **GDAL_OPTIONS,
    "GDAL_CACHEMAX": CACHE_BYTES,
    "GDAL_NUM_THREADS": 1,
}
# Of a position in any zone's projection, in metres; GDAL would take minutes to look for pixels beyond.
_FARTHEST = 1e8
# Pixels.
_MARGIN = 16


@contextmanager
def opened(source: str | BinaryIO, name: str, driver: str = DRIVER, overview: int | None = None) -> Iterator[Any]:
    """A raster as rasterio's data set, which belongs to this thread.

    Args:
        source: the path of a local file, or a file object, of which parts are read.
        name: what errors call it.
        driver: GDAL's name of the only format that the file may be of.
        overview: the number of the overview that is opened in place of the raster, from 0; None: the raster.

    Raises:
        TileError: GDAL cannot read it.
        MissingExtraError: rasterio is not installed.
        SpacerError: an error of the file object.
    """
    rasterio = _rasterio()
    with ExitStack() as stack:
        file = None if isinstance(source, str) else SharedFile(source)
        stack.enter_context(environment())
        stack.enter_context(_raising_errors_of(file))
        with gdal_errors(name), warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            path = file.name if file is not None else source
            options: dict[str, Any] = {} if file is None else {"opener": file.opener}
            if overview is not None:
                options["overview_level"] = overview
            dataset = stack.enter_context(rasterio.open(path, driver=driver, sharing=False, **options))
        yield dataset


def environment() -> Any:
    """GDAL's settings in a thread, which needs them for errors too: a context manager."""
    return _rasterio().Env(**_SETTINGS)


@contextmanager
def gdal_errors(name: str) -> Iterator[None]:
    """Convert any exception of GDAL and rasterio to a `TileError`: those of GDAL itself have no public class."""
    try:
        yield
    except SpacerError:
        raise
    except Exception as error:
        # The message of rasterio's exception is often empty; its cause has GDAL's.
        raise TileError(f"The raster '{name}' cannot be read: {reason_of(error.__cause__ or error)}.") from error


def resampled(
    dataset: Any, name: str, cell: Cell, *, georeferenced: Any = None, smooth: bool = False, add_alpha: bool = False
) -> Any:
    """A raster on the pixels of a cell's grid, of those that it may have something of.

    Args:
        georeferenced: the tile that says where the raster lies; None: it says so itself.
        smooth: whether pixels are interpolated, else they are the nearest.
        add_alpha: whether an alpha band is added, which is 0 where there is no data.

    Raises:
        TileError: it does not say where it lies, or lies outside the cell.
    """
    from rasterio.enums import Resampling
    from rasterio.transform import from_origin
    from rasterio.vrt import WarpedVRT

    options = {} if georeferenced is None else {"src_crs": georeferenced.crs, "src_transform": georeferenced.transform}
    bounds = bounds_in(dataset if georeferenced is None else georeferenced, name, cell)
    west, _, _, north = cell.bounds
    left, right = (_within_cell((easting - west) / PIXEL, side) for easting, side in ((bounds[0], -1), (bounds[2], 1)))
    top, bottom = (_within_cell((north - y) / PIXEL, side) for y, side in ((bounds[3], -1), (bounds[1], 1)))
    with gdal_errors(name):
        return WarpedVRT(
            dataset,
            **options,
            crs=f"EPSG:{cell.epsg}",
            transform=from_origin(west + left * PIXEL, north - top * PIXEL, PIXEL, PIXEL),
            width=right - left,
            height=bottom - top,
            resampling=Resampling.bilinear if smooth else Resampling.nearest,
            add_alpha=add_alpha,
            warp_mem_limit=64,
        )


def _within_cell(position: float, side: int) -> int:
    """The pixel of a cell's grid that a position, which projections give only roughly, cannot exceed."""
    return int(min(max(round(position) + side * _MARGIN, 0), TILE_PIXELS))


def bounds_in(dataset: Any, name: str, cell: Cell) -> tuple[float, float, float, float]:
    """West, south, east, north of a tile in the projection of its cell, of which it has something.

    Raises:
        TileError: it does not say where it lies, or lies outside the cell.
    """
    from rasterio.warp import transform_bounds

    if dataset.crs is None or dataset.transform.is_identity:
        raise TileError(f"The tile '{name}' does not say where it lies.")
    # South may be up, or any other side.
    corners = [dataset.transform * (x, y) for x in (0, dataset.width) for y in (0, dataset.height)]
    xs, ys = zip(*corners, strict=True)
    with _position_errors(name, cell):
        found: tuple[float, float, float, float] = transform_bounds(
            dataset.crs, f"EPSG:{cell.epsg}", min(xs), min(ys), max(xs), max(ys)
        )
    if not all(abs(georeferenced) < _FARTHEST for georeferenced in found):
        raise TileError(f"The tile '{name}' lies nowhere on earth: its bounds are {found} in EPSG:{cell.epsg}.")
    west, south, east, north = cell.bounds
    if not (found[0] < east and found[2] > west and found[1] < north and found[3] > south):
        raise outside(name, cell)
    return found


@contextmanager
def _position_errors(name: str, cell: Cell) -> Iterator[None]:
    try:
        yield
    # Names the projection in full, which is a page of text.
    except Exception as error:
        raise TileError(
            f"The tile '{name}' is in a projection that has no way to EPSG:{cell.epsg}, that of its cell: store it in "
            "one that says where on earth it lies."
        ) from error


@contextmanager
def _raising_errors_of(file: SharedFile | None) -> Iterator[None]:
    """Raise the error of the file object in place of GDAL's, which says only that reading failed."""
    try:
        yield
    except TileError:
        if file is not None and file.error is not None:
            raise file.error from None
        raise


def _rasterio() -> Any:
    purpose = "Reading this raster"
    import_extra("rasterio.errors", purpose, "geo")
    return import_extra("rasterio", purpose, "geo")


class SharedFile:
    """A file object that GDAL opens as often as it likes, and that one thread uses.

    Attributes:
        name: by which GDAL knows it; no two have the same.
        error: what the file said first since `forget_error`, if reading failed: GDAL has no error like it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.name = f"{uuid.uuid4()}.tif"
        self.error: SpacerError | None = None

    def opener(self, path: str, mode: str = "rb", **options: Any) -> io.RawIOBase:
        """The function that rasterio.open takes."""
        # GDAL looks for files beside the tile as well, and rasterio tries an opener out by "test".
        if path.rpartition("/")[2] not in (self.name, "test"):
            raise FileNotFoundError(path)
        return PositionedFile(self)

    def forget_error(self) -> None:
        self.error = None

    def read(self, start: int, length: int) -> bytes:
        try:
            self._file.seek(start)
            return self._file.read(length)
        except SpacerError as error:
            # GDAL would print an exception raised here and drop it.
            self.error = self.error or error
            return b""

    @property
    def size(self) -> int:
        return self._file.seek(0, io.SEEK_END)
