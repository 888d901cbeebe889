"""Places of a raster whose chips are blocks of its JPEG, which are copied without being decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spacer_like.chips.cutting.cog import JPEG, Blocks, Cog
from spacer_like.chips.cutting.passthrough import check_block, chip_start, jpeg_of_block
from spacer_like.chips.rasters.places import Lattice, Place
from spacer_like.storage.ranges import Range


@dataclass(frozen=True)
class WholeBlocks:
    """The places of a lattice that are blocks of a raster.

    Fields:
        places: those whose whole square is one block with data.
        ranges: where the blocks are in the file.
    """

    cog: Cog
    places: tuple[Place, ...]
    ranges: tuple[Range, ...]

    def jpeg(self, block: bytes) -> bytes:
        """The JPEG file of a block.

        Raises:
            TileError: the block is damaged.
        """
        cog = self.cog
        assert cog.blocks is not None
        check_block(block, cog.blocks.block_width, cog.blocks.block_height, cog.bands, cog.name, cog.jpeg_tables)
        return jpeg_of_block(chip_start(cog.jpeg_tables, cog.is_ycbcr, cog.bands), block)


def whole_blocks(cog: Cog, lattice: Lattice, corner: tuple[int, int]) -> WholeBlocks | None:
    """The places of a lattice that are blocks of JPEG as they are; None: there is none.

    Args:
        corner: column and row of the lattice's corner in the raster, whose pixels are those of the lattice.
    """
    blocks = cog.blocks
    if blocks is None or cog.compression != JPEG or cog.has_mask or cog.has_nodata_value:
        return None
    if (blocks.block_width, blocks.block_height) != (lattice.size, lattice.size):
        return None
    found = [(place, at) for place in lattice.places if (at := _range_of(blocks, place, corner)) is not None]
    return WholeBlocks(cog, *_unzipped(found)) if found else None


def _unzipped(found: Sequence[tuple[Place, Range]]) -> tuple[tuple[Place, ...], tuple[Range, ...]]:
    return tuple(place for place, _ in found), tuple(at for _, at in found)


def _range_of(blocks: Blocks, place: Place, corner: tuple[int, int]) -> Range | None:
    column, row = place.column + corner[0], place.row + corner[1]
    size = blocks.block_width
    # A block at a side of the raster may reach beyond it, with pixels that nobody gave.
    is_whole = column >= 0 and row >= 0 and column + size <= blocks.width and row + size <= blocks.height
    if not is_whole or column % size or row % size:
        return None
    number = blocks.number(column // size, row // size)
    length = blocks.lengths[number]
    return Range(0, blocks.offsets[number], length) if length else None
