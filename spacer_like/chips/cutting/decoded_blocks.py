"""Chips of a tile's blocks of JPEG, decoded one by one without GDAL, and encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.cutting.block_chips import band_parts
from spacer_like.chips.cutting.block_reading import Band, Parts
from spacer_like.chips.cutting.cell_chips import CellChips, MadeChip, encoded, simplejpeg
from spacer_like.chips.cutting.cog import Blocks, Cog
from spacer_like.chips.cutting.passthrough import check_block, chip_start
from spacer_like.chips.cutting.placement import Placement
from spacer_like.chips.cutting.tiff import Read
from spacer_like.exceptions import TileError
from spacer_like.memory import ReusedMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

# JPEG can be decoded at these parts of its width in less time.
_SHRINKINGS = (8, 4, 2)
# Two rows of blocks, where rows of chips lie across them.
_MOST_KEPT = 72


def encoded_anew(
    cog: Cog,
    blocks: Blocks,
    placement: Placement,
    chips: CellChips,
    read: Read,
    *,
    is_far: bool,
    size: int | None = None,
    quality: int | None = None,
) -> Iterator[MadeChip]:
    """The wanted chips of a tile of JPEG, of any zoom; `chips` learns how much of each is data.

    Pixels outside the raster and in holes are black.

    Args:
        is_far: whether reading waits for a network.
        size: width and height of chips; None: as many pixels as the tile has.
        quality: of their JPEG; None: 75.

    Raises:
        TileError: a block is damaged.
        MissingExtraError: simplejpeg is not installed.
    """
    size = size or placement.chip_pixels
    picture = _Picture(cog, blocks, placement, _shrinking(placement, blocks, size))
    for band, parts, valid in band_parts(cog, blocks, placement, read, is_far):
        chips.set_valid(band, valid.counts(band, parts))
        for row, column in chips.wanted_in(band):
            data = encoded(picture.chip(row, column, band, parts), size, quality)
            yield MadeChip(row, column, len(data), (data,))
        picture.forget(band)


def _shrinking(placement: Placement, blocks: Blocks, size: int) -> int:
    """The part of its width that JPEG is decoded at."""
    sides = (placement.column, placement.row, blocks.block_width, blocks.block_height, placement.chip_pixels)
    for part in _SHRINKINGS:
        if placement.chip_pixels // part >= size and not any(side % part for side in sides):
            return part
    return 1


class _Picture:
    """The pixels of a tile, a block of which is decoded when a chip first needs it.

    Args:
        part: everything is so many times smaller.
    """

    def __init__(self, cog: Cog, blocks: Blocks, placement: Placement, part: int) -> None:
        self._cog = cog
        self._blocks = blocks
        self._placement = placement
        self._part = part
        self._start = chip_start(cog.jpeg_tables, cog.is_ycbcr, cog.bands)
        side = placement.chip_pixels // part
        self._chip = np.zeros((side, side, cog.bands), np.uint8)
        self._memory = ReusedMemory(_MOST_KEPT)
        self._decoded: dict[tuple[int, int], NDArray[np.uint8]] = {}

    def chip(self, row: int, column: int, band: Band, parts: Parts) -> NDArray[np.uint8]:
        """The pixels of a chip: uint8 [side, side, bands], until the next is asked for; they come column by column."""
        blocks, placement, pixels = self._blocks, self._placement, self._placement.chip_pixels
        left, top = placement.column + column * pixels, placement.row + row * pixels
        self._forget_columns(left // blocks.block_width, band)
        right, bottom = min(left + pixels, blocks.width), min(top + pixels, blocks.height)
        chip = self._chip
        if min(left, top) < 0 or (right - left, bottom - top) != (pixels, pixels):
            chip[...] = 0
        for block_row in range(max(top, 0) // blocks.block_height, -(-bottom // blocks.block_height)):
            for block_column in range(max(left, 0) // blocks.block_width, -(-right // blocks.block_width)):
                x, y = block_column * blocks.block_width, block_row * blocks.block_height
                x0, x1 = max(left, x), min(right, x + blocks.block_width)
                y0, y1 = max(top, y), min(bottom, y + blocks.block_height)
                target = self._cut(chip, (x0 - left, x1 - left), (y0 - top, y1 - top))
                block = self._block(block_column, block_row, parts)
                if block is None:
                    target[...] = 0
                    continue
                part = self._cut(block, (x0 - x, x1 - x), (y0 - y, y1 - y))
                if part.shape == chip.shape:
                    return part
                target[...] = part
        return chip

    def forget(self, band: Band) -> None:
        """Drop the blocks that no later band needs."""
        bottom = self._placement.row + band.end * self._placement.chip_pixels
        height = self._blocks.block_height
        self._decoded = {at: block for at, block in self._decoded.items() if (at[1] + 1) * height > bottom}

    def _forget_columns(self, first: int, band: Band) -> None:
        """Drop the blocks to the west of a column of blocks, unless a later band needs them."""
        bottom = self._placement.row + band.end * self._placement.chip_pixels
        height = self._blocks.block_height
        gone = [position for position in self._decoded if position[0] < first and (position[1] + 1) * height <= bottom]
        for position in gone:
            del self._decoded[position]

    def _cut(self, pixels: NDArray[np.uint8], x: tuple[int, int], y: tuple[int, int]) -> NDArray[np.uint8]:
        part = self._part
        # The raster's edge may lie between two shrunk pixels.
        return pixels[y[0] // part : -(-y[1] // part), x[0] // part : -(-x[1] // part)]

    def _block(self, column: int, row: int, parts: Parts) -> NDArray[np.uint8] | None:
        """The pixels of a block; None: it is a hole."""
        if (found := self._decoded.get((column, row))) is not None:
            return found
        number = self._blocks.number(column, row)
        offset, length = self._blocks.offsets[number], self._blocks.lengths[number]
        if not (offset and length):
            return None
        self._decoded[column, row] = block = self._pixels(parts[offset, length])
        return block

    def _pixels(self, block: memoryview) -> NDArray[np.uint8]:
        name, width, height = self._cog.name, self._blocks.block_width, self._blocks.block_height
        check_block(block, width, height, self._cog.bands, name, self._cog.jpeg_tables)
        part = self._part
        n_bytes = (height // part) * (width // part) * self._cog.bands
        try:
            pixels: NDArray[np.uint8] = simplejpeg().decode_jpeg(
                b"".join((self._start, block[2:])),
                "GRAY" if self._cog.bands == 1 else "RGB",
                min_height=height // part,
                min_width=width // part,
                min_factor=part,
                buffer=memoryview(self._memory.take(n_bytes))[:n_bytes],
            )
        except ValueError as error:
            raise TileError(f"The raster '{name}' is damaged: one of its blocks cannot be decoded: {error}.") from None
        if pixels.shape[:2] != (height // part, width // part):
            raise TileError(f"The raster '{name}' is damaged: one of its blocks has another size than it says.")
        return pixels
