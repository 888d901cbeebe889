"""Tiles opened by GDAL: the one file and nothing else, no network, no files beside it, no other formats."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, BinaryIO

from spacer_like.chips.cutting.placement import outside
from spacer_like.chips.grid import PIXEL, TILE_PIXELS, Cell
from spacer_like.exceptions import MissingExtraError, SpacerError, TileError

_SETTINGS = {
    # Files beside the tile are none of it.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_PAM_ENABLED": False,
    # Megabytes; a strip is read once.
    "GDAL_CACHEMAX": 64,
    "GDAL_NUM_THREADS": 1,
}


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
        file = None if isinstance(source, str) else _SharedFile(source)
        stack.enter_context(rasterio.Env(**_SETTINGS))
        stack.enter_context(_telling_errors_of(file))
        with told(name), warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            path, options = (source, {}) if file is None else ("tile.tif", {"opener": file.opener})
            dataset = stack.enter_context(rasterio.open(path, driver="GTiff", sharing=False, **options))
        yield dataset if cell is None else stack.enter_context(_resampled(dataset, name, cell))


@contextmanager
def told(name: str) -> Iterator[None]:
    """What GDAL says of a tile, as one of our errors."""
    from rasterio.errors import RasterioError

    try:
        yield
    except RasterioError as error:
        reason = str(error.__cause__ or error).splitlines() or [""]
        raise TileError(f"The tile '{name}' cannot be read: {reason[0].rstrip('.')}.") from None


def _resampled(dataset: Any, name: str, cell: Cell) -> Any:
    """A tile on the pixels of a cell, with a band that tells where there is data."""
    from rasterio.enums import ColorInterp, Resampling
    from rasterio.transform import from_origin
    from rasterio.vrt import WarpedVRT
    from rasterio.warp import transform_bounds

    if dataset.crs is None or dataset.transform.is_identity:
        raise TileError(f"The tile '{name}' does not say where it lies.")
    west, south, east, north = cell.bounds
    with told(name):
        found = transform_bounds(dataset.crs, f"EPSG:{cell.epsg}", *dataset.bounds)
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


class _SharedFile:
    """A file object that GDAL opens as often as it likes. An error of reading it is kept, for GDAL has none like it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: SpacerError | None = None

    def opener(self, path: str, mode: str = "rb", **options: Any) -> io.RawIOBase:
        # GDAL looks for files beside the tile as well.
        if path.rpartition("/")[2] not in ("tile.tif", "test"):
            raise FileNotFoundError(path)
        return _View(self)

    def read(self, position: int, size: int) -> bytes:
        try:
            self._file.seek(position)
            return self._file.read(size)
        except SpacerError as error:
            self.error = self.error or error
            return b""

    def size(self) -> int:
        return self._file.seek(0, io.SEEK_END)


class _View(io.RawIOBase):
    """A place in a shared file."""

    def __init__(self, shared: _SharedFile) -> None:
        super().__init__()
        self._shared = shared
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._shared.size()}[whence]
        self._position = max(begin + offset, 0)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        data = self._shared.read(self._position, -1 if size is None else size)
        self._position += len(data)
        return data


@contextmanager
def _telling_errors_of(file: _SharedFile | None) -> Iterator[None]:
    """Raise the error that the file gave, where GDAL says no more than that it could not read."""
    try:
        yield
    except TileError:
        if file is not None and file.error is not None:
            raise file.error from None
        raise


def _rasterio() -> ModuleType:
    try:
        import_module("rasterio.errors")
        return import_module("rasterio")
    except ImportError:
        raise MissingExtraError("Reading this tile", "geo") from None
