"""A tile of the tree that is open for reading pictures out of it."""

from __future__ import annotations

import io
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import rasterio
import rasterio.errors
from rasterio.windows import Window

from spacer_like.chips.cutting.cog import JPEG, read_cog
from spacer_like.chips.cutting.gdal_reading import DRIVER, GDAL_OPTIONS, SharedFile, bounds_in, gdal_errors
from spacer_like.chips.cutting.mask import check_mask_file, mask_beside
from spacer_like.chips.cutting.passthrough import check_block, chip_start, jpeg_of_block
from spacer_like.chips.cutting.tile_picture import tile_picture
from spacer_like.chips.grid import SOUTHERN_OFFSET, epsg_of_zone
from spacer_like.exceptions import TileError
from spacer_like.location import DataLocation
from spacer_like.storage import RemoteStorage, storage_factory
from spacer_like.storage.ranges import PositionedFile, RemoteParts
from spacer_like.tile_server.footprint import ZONE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from spacer_like.chips.grid import Cell
    from spacer_like.tile_server.footprint import Footprint

# A tile whose pixels are kilometres wide must not make pictures of them that are as large.
_MOST_MARGIN = 512
_SECONDS_OPEN = 600.0

Picture = tuple["NDArray[np.uint8]", "NDArray[np.bool_]"]


@dataclass(frozen=True)
class Part:
    """A part of a picture that is read out of a tile.

    Fields:
        rows, columns: of the footprint's pixels.
        zone: of the tile.
        eastings, northings: of these pixels' centres in the zone's northern projection, of shapes that go together.
        pixel: width of a pixel on the ground, in metres.
    """

    footprint: Footprint
    rows: slice
    columns: slice
    zone: int
    eastings: NDArray[np.float64]
    northings: NDArray[np.float64]
    pixel: float


class OpenTile:
    """A tile that GDAL reads; one thread opens, reads and closes it.

    It shows what the chips that are cut out of it show. Where it is not of square pixels, north up, in the projection
    of its cell's zone, it is resampled to the cell.

    Args:
        cell: of zoom 12, that the tree has the tile for.

    Raises:
        TileError: no GeoTIFF of a picture that lies in its cell, or one that cannot be read.
        SpacerError: what the storage says.
    """

    def __init__(self, loc: DataLocation, cell: Cell) -> None:
        self.loc = loc
        self._opened = time.monotonic()
        self._version = self._versions()
        mask_loc = mask_beside(loc)
        with ExitStack() as stack:
            self.file = cast("BinaryIO", stack.enter_context(_open_file(loc)))
            self._shared = SharedFile(self.file)
            # Refuses hostile files before GDAL reads them.
            self.cog = read_cog(self._read_part, self.file.seek(0, io.SEEK_END), loc.display_name)
            self._mask: SharedFile | None = None
            if mask_loc is not None and not self.cog.has_mask:
                check_mask_file(mask_loc, loc.display_name)
                self.cog = replace(self.cog, has_mask_file=True)
                self._mask = SharedFile(cast("BinaryIO", stack.enter_context(_open_file(mask_loc))))
            with self._own_errors():
                dataset = stack.enter_context(_open_dataset(loc, self._shared))
                mask = None
                if mask_loc is not None and self._mask is not None:
                    mask = stack.enter_context(_open_dataset(mask_loc, self._mask))
                bounds_in(dataset, loc.display_name, cell)
                is_straight = self.cog.origin is not None and self.cog.epsg in _epsg_codes(cell.zone)
                self.epsg = self.cog.epsg if is_straight and self.cog.epsg is not None else cell.epsg
                self._picture = stack.enter_context(
                    tile_picture(dataset, mask, loc.display_name, None if is_straight else cell)
                )
                self.dataset = self._picture.dataset
            self._resources = stack.pop_all()

    def is_stale(self) -> bool:
        """Whether it was opened long ago, or the file has been replaced since."""
        return time.monotonic() - self._opened > _SECONDS_OPEN or self._versions() != self._version

    def close(self) -> None:
        self._resources.close()

    def read(self, part: Part) -> Picture:
        """A part of a picture: uint8 [rows, columns, 3], and bool [rows, columns], where there is data.

        Raises:
            TileError: the tile is damaged.
            SpacerError: what the storage says.
        """
        with self._own_errors():
            return self._straight(part) if part.footprint.epsg == self.epsg else self._reprojected(part)

    def block(self, cell: Cell) -> bytes | None:
        """The chip of a cell as a file of JPEG, made of the tile's own block.

        Empty where the tile has no data in the cell; None where the chip is no such block, or lacks data in part.

        Raises:
            TileError: the block is damaged.
            SpacerError: what the storage says.
        """
        cog, blocks = self.cog, self.cog.blocks
        number = self._number_of_block(cell)
        if blocks is None or number is None:
            return None
        if cog.has_mask:
            row, column = divmod(number, blocks.columns)
            window = Window(column * ZONE_SIZE, row * ZONE_SIZE, ZONE_SIZE, ZONE_SIZE)
            with self._own_errors():
                has_data = self._picture.valid(window)
            if not has_data.any():
                return b""
            if not has_data.all():
                return None
        data = self._read_part(blocks.offsets[number], blocks.lengths[number])
        check_block(data, ZONE_SIZE, ZONE_SIZE, cog.bands, cog.name, cog.jpeg_tables)
        return jpeg_of_block(chip_start(cog.jpeg_tables, cog.is_ycbcr, cog.bands), data)

    def _number_of_block(self, cell: Cell) -> int | None:
        """The block that shows a cell, and nothing else; None where there is none that can be given out."""
        cog, blocks = self.cog, self.cog.blocks
        if blocks is None or cog.origin is None or cog.has_nodata_value or cog.compression != JPEG:
            return None
        if cog.has_mask_file:
            return None
        if (blocks.block_width, blocks.block_height) != (ZONE_SIZE, ZONE_SIZE) or cog.bands not in (1, 3):
            return None
        west, north, pixel = cog.origin
        column, row = (cell.bounds[0] - west) / cell.side, (north - cell.bounds[3]) / cell.side
        if cell.side != ZONE_SIZE * pixel or cog.epsg != cell.epsg or column % 1 or row % 1:
            return None
        # The last blocks of a row or column may be wider than the picture.
        if not (0 <= column < cog.width // ZONE_SIZE and 0 <= row < cog.height // ZONE_SIZE):
            return None
        number = blocks.number(int(column), int(row))
        return number if blocks.lengths[number] else None

    def _read_part(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(length)

    def _reprojected(self, part: Part) -> Picture:
        """Pixels of the size that is wanted, or of up to half of it, interpolated between them."""
        transform = self.dataset.transform
        shift = SOUTHERN_OFFSET if self.epsg != epsg_of_zone(part.zone) else 0.0
        # Eastings may be one row and northings one column.
        columns, rows = np.broadcast_arrays(
            (part.eastings - transform.c) / transform.a, (part.northings + shift - transform.f) / transform.e
        )
        inside = (columns >= 0) & (columns < self.dataset.width) & (rows >= 0) & (rows < self.dataset.height)
        # Powers of 2 are those of the overviews.
        step = 2 ** max(math.floor(math.log2(part.pixel / transform.a)), 0)
        columns, rows = columns / step, rows / step
        left, right = _around(columns, self.dataset.width // step)
        top, bottom = _around(rows, self.dataset.height // step)
        if not inside.any() or left >= right or top >= bottom:
            return np.zeros((*inside.shape, 3), np.uint8), np.zeros(inside.shape, bool)
        window = Window(left * step, top * step, (right - left) * step, (bottom - top) * step)
        pixels, has_data = sample(*self._window(window, bottom - top, right - left), columns - left, rows - top)
        return pixels, has_data & inside

    def _straight(self, part: Part) -> Picture:
        """In the tile's own projection a window is read, larger or smaller."""
        transform = self.dataset.transform
        shape = part.rows.stop - part.rows.start, part.columns.stop - part.columns.start
        west, _, _, north = part.footprint.bounds
        left, top = (west - transform.c) / transform.a, (north - transform.f) / transform.e
        scale = part.footprint.pixel / transform.a
        # Where pixels are enlarged, those next to the window have a share in its outermost ones.
        margin = min(math.ceil(1 / scale), _MOST_MARGIN) if scale < 1 else 0
        top_row, bottom_row = _within(part.rows, top, scale, margin, self.dataset.height)
        left_column, right_column = _within(part.columns, left, scale, margin, self.dataset.width)
        pixels, has_data = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
        height, width = bottom_row - top_row, right_column - left_column
        if height <= 0 or width <= 0:
            return pixels, has_data
        window = Window(left + left_column * scale, top + top_row * scale, width * scale, height * scale)
        read, read_mask = self._window(window, height, width)
        target, source = _overlap(part.rows, top_row, bottom_row), _overlap(part.columns, left_column, right_column)
        pixels[target[0], source[0]] = read[target[1], source[1]]
        has_data[target[0], source[0]] = read_mask[target[1], source[1]]
        return pixels, has_data

    def _window(self, window: Window, height: int, width: int) -> Picture:
        """A window, larger or smaller, as uint8 [height, width, 3] and bool [height, width]."""
        pixels = np.moveaxis(self._picture.read(window, (height, width)), 0, -1)
        has_data = self._picture.valid(window, (height, width))
        return (pixels if pixels.shape[-1] == 3 else pixels.repeat(3, axis=-1)), has_data

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        files = [file for file in (self._shared, self._mask) if file is not None]
        for file in files:
            file.forget_error()
        try:
            with gdal_errors(self.loc.display_name):
                yield
        except TileError as error:
            # GDAL knows only that reading failed.
            if cause := next((file.error for file in files if file.error is not None), None):
                raise cause from error
            raise

    def _versions(self) -> list[tuple[int, int] | None]:
        """What changes when the tile does, or the mask beside it."""
        loc = self.loc
        return [_version(loc), _version(DataLocation(loc.storage_type, f"{loc.key}.msk", loc.bucket_name))]


def _open_file(loc: DataLocation) -> io.RawIOBase | BinaryIO:
    storage = storage_factory(loc.storage_type, loc.bucket_name)
    if isinstance(storage, RemoteStorage):
        return PositionedFile(RemoteParts(storage, loc.key))
    return storage.open(loc.key)


def _open_dataset(loc: DataLocation, file: SharedFile) -> DatasetReader:
    with rasterio.Env(**GDAL_OPTIONS), warnings.catch_warnings():
        # A mask lies where its tile does.
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        if loc.storage_type == "filesystem":
            return rasterio.open(Path(loc.key).absolute(), driver=DRIVER, sharing=False)
        return rasterio.open(file.name, driver=DRIVER, sharing=False, opener=file.opener)


def _epsg_codes(zone: int) -> tuple[int, int]:
    """Of the projections of a zone, the northern and the southern one."""
    return epsg_of_zone(zone), epsg_of_zone(zone, southern=True)


def _within(pixels: slice, begin: float, scale: float, margin: int, size: int) -> tuple[int, int]:
    """The pixels of a picture, and some around them, that lie whole in a tile of `size` pixels."""
    first, last = pixels.start - margin, pixels.stop + margin
    # A thousandth of a pixel is what rounding may do.
    return max(first, int(np.ceil(-begin / scale - 1e-3))), min(last, int(np.floor((size - begin) / scale + 1e-3)))


def _overlap(wanted: slice, first: int, last: int) -> tuple[slice, slice]:
    """The overlap of the wanted pixels with those that were read, `first` to `last`, as a slice of each."""
    begin, end = max(wanted.start, first), max(min(wanted.stop, last), max(wanted.start, first))
    return slice(begin - wanted.start, end - wanted.start), slice(begin - first, end - first)


def _around(positions: NDArray[np.float64], size: int) -> tuple[int, int]:
    """The range of pixels, of `size` there are, that some positions lie in, and one more on either side."""
    first, last = math.floor(float(positions.min())), math.floor(float(positions.max()))
    return min(max(first - 1, 0), size), max(min(last + 2, size), 0)


def _version(loc: DataLocation) -> tuple[int, int] | None:
    if loc.storage_type != "filesystem":
        return None
    try:
        found = Path(loc.key).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def sample(
    pixels: NDArray[np.uint8], has_data: NDArray[np.bool_], columns: NDArray[np.float64], rows: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Bilinear interpolation that only pixels with data have a share in.

    Args:
        pixels: uint8 [height, width, 3].
        has_data: bool [height, width].
        columns, rows: positions in pixels from the corner, whose centre is at one half, float64 [m, n]; one beyond the
            outermost centres is given the outermost pixel.

    Returns:
        uint8 [m, n, 3], and bool [m, n]: whether the pixel that each position lies in has data.
    """
    height, width, _ = pixels.shape
    left, right, right_share = _neighbours(columns, width)
    top, bottom, bottom_share = _neighbours(rows, height)
    positions = (top * width + left, top * width + right, bottom * width + left, bottom * width + right)
    shares = (
        (1 - bottom_share) * (1 - right_share),
        (1 - bottom_share) * right_share,
        bottom_share * (1 - right_share),
        bottom_share * right_share,
    )
    valid = has_data.reshape(-1)
    seen = np.ones(columns.shape, bool)
    if not valid.all():
        seen = valid.take(_clipped(rows, height) * width + _clipped(columns, width))
        counted = [share * valid.take(origin) for origin, share in zip(positions, shares, strict=True)]
        # Where nothing counts nothing is shown.
        whole = np.maximum(sum(counted[1:], counted[0]), np.float32(1e-6))
        shares = tuple(share / whole for share in counted)
    sampled = np.empty((*columns.shape, 3), np.uint8)
    # Band by band: three numbers at a time are many short loops.
    for band in range(3):
        values = np.ascontiguousarray(pixels[..., band]).reshape(-1)
        total = np.full(columns.shape, 0.5, np.float32)
        for origin, share in zip(positions, shares, strict=True):
            total += values.take(origin) * share
        sampled[..., band] = total
    return sampled, seen


def _neighbours(
    positions: NDArray[np.float64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The pixels on either side of positions, and the share of the second one."""
    from_centre = positions - 0.5
    first = np.floor(from_centre)
    return _clipped(first, size), _clipped(first + 1, size), (from_centre - first).astype(np.float32)


def _clipped(numbers: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Numbers cut off to whole ones of a range of `size` from 0 on."""
    return np.clip(numbers, 0, size - 1).astype(np.int64)
