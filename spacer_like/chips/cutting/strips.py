"""Chips by GDAL, which reads rows of them at once: for tiles that have no JPEG, or whose pixels are not the grid's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from spacer_like.chips.cutting.block_reading import Band, read_parts
from spacer_like.chips.cutting.cell_chips import CellChips, MadeChip, encoded
from spacer_like.chips.cutting.cog import Cog
from spacer_like.chips.cutting.gdal_reading import opened
from spacer_like.chips.cutting.mask import ValidPixels
from spacer_like.chips.cutting.placement import Placement
from spacer_like.chips.cutting.tiff import Read
from spacer_like.chips.cutting.tile_picture import TilePicture, tile_picture
from spacer_like.chips.grid import PIXEL, chip_pixels
from spacer_like.progress import report

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_STRIP_BYTES = 2**25


def strip_chips(
    source: str | BinaryIO,
    mask: str | BinaryIO | None,
    cog: Cog,
    placement: Placement | None,
    chips: CellChips,
    read: Read,
    size: int | None = None,
    quality: int | None = None,
) -> Iterator[MadeChip]:
    """The wanted chips of any tile; `chips` learns how much of each is data.

    Pixels outside the raster are black. Where the tile's pixels are not those of the grid, it is resampled to these,
    bilinear. Red, green and blue are the bands that the tile calls so, else the first three; a palette is applied;
    what has not 8 bits is stretched from the 0.5th percentile to the 99.5th.

    Args:
        source: the path of a local file, or a file object, of which parts are read.
        mask: likewise, the mask that lies beside the tile; None: there is none.
        read: reads parts of the same file.
        placement: of the cell in the tile; None: its pixels are not those of the grid.
        size: width and height of chips; None: as many pixels as the grid has.
        quality: of their JPEG; None: 75.

    Raises:
        TileError: GDAL cannot read the tile, or it lies outside its cell.
        MissingExtraError: rasterio or simplejpeg is not installed.
    """
    name = cog.name
    bits = _mask_bits(cog, placement)
    with ExitStack() as stack:
        dataset = stack.enter_context(opened(source, name))
        mask_set = None if mask is None else stack.enter_context(opened(mask, f"{name}.msk"))
        cell = chips.cell if placement is None else None
        picture = stack.enter_context(tile_picture(dataset, mask_set, name, cell))
        raster = _Raster(picture, placement, chips)
        chips.stretch = picture.colours.stretch
        for row in range(chips.wide):
            band = Band(row, row + 1)
            if bits is None:
                chips.set_valid(band, raster.valid(row)[None])
            else:
                chips.set_valid(band, bits.counts(band, read_parts(read, bits.parts(band), name)))
            columns = [column for _, column in chips.wanted_in(band)]
            for column, pixels in raster.chips(row, columns):
                data = encoded(pixels, size or chip_pixels(chips.zoom), quality)
                yield MadeChip(row, column, len(data), (data,))
            report(f"rows of chips of {name}", row + 1, chips.wide)


def _mask_bits(cog: Cog, placement: Placement | None) -> ValidPixels | None:
    """A counter of pixels with data that needs no GDAL; None unless a mask of bits says where there is data."""
    if placement is None or cog.blocks is None or cog.has_mask_file or cog.bands not in (1, 3):
        return None
    is_whole = not (cog.has_mask or cog.has_nodata_value)
    return ValidPixels(cog, cog.blocks, placement) if cog.mask is not None or is_whole else None


class _Raster:
    """A tile on the pixels of the grid."""

    def __init__(self, picture: TilePicture, placement: Placement | None, chips: CellChips) -> None:
        self._picture = picture
        self._corner = _corner(picture, chips) if placement is None else (placement.column, placement.row)
        self._pixels = chip_pixels(chips.zoom)
        self._wide = chips.wide
        self._n_colours = picture.colours.n_colours
        bands = picture.colours.bands
        self._pixel_bytes = sum(np.dtype(picture.dataset.dtypes[band - 1]).itemsize for band in bands)
        self._chip = np.empty((self._pixels, self._pixels, self._n_colours), np.uint8)
        self._strip: NDArray[np.uint8] | None = None

    def valid(self, row: int) -> NDArray[np.int64]:
        """Pixels with data of each chip of a row: int64 [chips in a row]."""
        counts = np.zeros(self._wide, np.int64)
        for first, last in self._parts(0, self._wide, 1):
            window = self._window(row, first, last)
            if window is None:
                continue
            left, top, right, bottom = window
            mask = self._picture.valid(((top, bottom), (left, right)))
            begins = self._corner[0] + np.arange(first, last) * self._pixels
            inside = (begins + self._pixels > left) & (begins < right)
            starts = np.maximum(begins[inside] - left, 0)
            counts[first:last][inside] = np.add.reduceat(np.count_nonzero(mask, axis=0), starts)
        return counts

    def chips(self, row: int, columns: list[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Each of some chips of a row with its pixels, uint8 [side, side, 1 or 3], until the next is asked for."""
        if not columns:
            return
        side = self._pixels
        wanted = set(columns)
        for first, last in self._parts(columns[0], columns[-1] + 1, max(self._n_colours, self._pixel_bytes)):
            if wanted.isdisjoint(range(first, last)):
                continue
            strip = self._strip_of(last - first)
            window = self._window(row, first, last)
            if window is None or (window[2] - window[0], window[3] - window[1]) != (strip.shape[2], side):
                strip[...] = 0
            if window is not None:
                left, top, right, bottom = window
                x, y = left - self._corner[0] - first * side, top - self._corner[1] - row * side
                part = strip[:, y : y + bottom - top, x : x + right - left]
                self._picture.read(((top, bottom), (left, right)), out=part)
            for column in range(first, last):
                if column in wanted:
                    # GDAL, and numpy in one step, take twice the time to bring the bands of a pixel together.
                    for band, pixels in enumerate(strip[..., (column - first) * side : (column - first + 1) * side]):
                        self._chip[..., band] = pixels
                    yield column, self._chip

    def _strip_of(self, n_chips: int) -> NDArray[np.uint8]:
        """Memory for some chips of a row, of any content: uint8 [bands, side, width]."""
        if self._strip is None or self._strip.shape[2] < n_chips * self._pixels:
            self._strip = np.empty((self._n_colours, self._pixels, n_chips * self._pixels), np.uint8)
        return self._strip[..., : n_chips * self._pixels]

    def _parts(self, first: int, last: int, bytes_per_pixel: int) -> Iterator[tuple[int, int]]:
        """Runs of columns that are read at once."""
        step = max(1, _MOST_STRIP_BYTES // (self._pixels**2 * bytes_per_pixel))
        return ((begin, min(begin + step, last)) for begin in range(first, last, step))

    def _window(self, row: int, first: int, last: int) -> tuple[int, int, int, int] | None:
        """Left, top, right, bottom of the part of some chips that lies in the raster, None where none does."""
        left, top = self._corner[0] + first * self._pixels, self._corner[1] + row * self._pixels
        right, bottom = self._corner[0] + last * self._pixels, top + self._pixels
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self._picture.dataset.width), min(bottom, self._picture.dataset.height)
        return (left, top, right, bottom) if left < right and top < bottom else None


def _corner(picture: TilePicture, chips: CellChips) -> tuple[int, int]:
    """Column and row of the cell's corner in the raster that is resampled to its grid."""
    west, _, _, north = chips.cell.bounds
    transform = picture.dataset.transform
    return round((west - transform.c) / PIXEL), round((transform.f - north) / PIXEL)
