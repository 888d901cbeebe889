"""Chips of a tile's blocks as they are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from io import BytesIO

import numpy as np

from spacer_like.chips.cutting.block_reading import Band, Parts, ahead, bands_of, blocks_of, read_parts
from spacer_like.chips.cutting.cell_chips import CellChips, MadeChip, encoded
from spacer_like.chips.cutting.cog import Blocks, Cog
from spacer_like.chips.cutting.mask import ValidPixels
from spacer_like.chips.cutting.passthrough import check_block, chip_start
from spacer_like.chips.cutting.placement import Placement
from spacer_like.chips.cutting.tiff import Read
from spacer_like.exceptions import MissingExtraError
from spacer_like.progress import report


def band_parts(
    cog: Cog, blocks: Blocks, placement: Placement, read: Read, is_far: bool, *, pictures: bool = True
) -> Iterator[tuple[Band, Parts, ValidPixels]]:
    """Each band of a cell's chips, with the bytes of its blocks and mask blocks, and the counter of the mask's bits.

    Args:
        is_far: whether reading waits for a network: then the bands that follow are read meanwhile.
        pictures: whether blocks of the picture are read.
    """
    valid = ValidPixels(cog, blocks, placement)

    def parts_of(band: Band) -> Parts:
        wanted = valid.parts(band)
        if pictures:
            numbers = (blocks.number(*span) for span in blocks_of(band, placement, blocks))
            wanted += [
                (blocks.offsets[i], blocks.lengths[i]) for i in numbers if blocks.offsets[i] and blocks.lengths[i]
            ]
        return read_parts(read, wanted, cog.name, is_far)

    bands = bands_of(placement, blocks.block_height)
    for ended, (band, parts) in enumerate(ahead(parts_of, bands, is_far), 1):
        yield band, parts, valid
        # It would be held while the next one is being read.
        del parts
        report(f"rows of chips of {cog.name}", ended, len(bands))


def passed_through(
    cog: Cog, blocks: Blocks, placement: Placement, chips: CellChips, read: Read, *, is_far: bool, left: bool
) -> Iterator[MadeChip]:
    """The wanted chips of a tile whose blocks are chips, undecoded; `chips` learns how much of each is data.

    A chip at the raster's edge has what its block has there. Where there is no block, its chip is black.

    Args:
        is_far: as `band_parts`.
        left: whether chips stay in the tile: only offsets and lengths are given, and nothing where there is no block.

    Raises:
        TileError: a block is damaged.
    """
    start = chip_start(cog.jpeg_tables, cog.is_ycbcr, cog.bands)
    pixels, is_checked = placement.chip_pixels, False
    column_of_first, row_of_first = placement.column // pixels, placement.row // pixels
    for band, parts, valid in band_parts(cog, blocks, placement, read, is_far, pictures=not left):
        chips.set_valid(band, valid.counts(band, parts))
        for row, column in chips.wanted_in(band):
            span = _span(blocks, column_of_first + column, row_of_first + row)
            if span is None:
                if not left:
                    black = black_jpeg(pixels, cog.bands)
                    yield MadeChip(row, column, len(black), (black,))
            elif left:
                # Blocks that stay in the tile are not read, except for one: they share their tables.
                if not is_checked:
                    check_block(read(*span), pixels, pixels, cog.bands, cog.name, cog.jpeg_tables)
                    is_checked = True
                yield MadeChip(row, column, len(start) + span[1] - 2, (), span)
            else:
                block = parts[span]
                check_block(block, pixels, pixels, cog.bands, cog.name, cog.jpeg_tables)
                yield MadeChip(row, column, len(start) + len(block) - 2, (start, block[2:]), span)


def _span(blocks: Blocks, column: int, row: int) -> tuple[int, int] | None:
    """Offset and length of a block; None: a hole, or outside the raster."""
    if not (0 <= column < blocks.columns and 0 <= row < blocks.rows):
        return None
    number = blocks.number(column, row)
    offset, length = blocks.offsets[number], blocks.lengths[number]
    return (offset, length) if offset and length else None


@cache
def black_jpeg(pixels: int, bands: int) -> bytes:
    """The JPEG file of a chip where there is nothing."""
    nothing = np.zeros((pixels, pixels, 1 if bands == 1 else 3), np.uint8)
    try:
        return encoded(nothing, pixels, None)
    except MissingExtraError:
        # Pillow is always there, and takes three times the memory.
        from PIL import Image

        sink = BytesIO()
        Image.fromarray(nothing[..., 0] if bands == 1 else nothing).save(sink, "JPEG")
        return sink.getvalue()
