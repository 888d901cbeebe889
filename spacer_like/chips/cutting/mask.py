"""How much of each chip is data: the bits of the mask are counted, and no pixel is decoded."""

from __future__ import annotations

import zlib
from functools import partial
from logging import getLogger
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.cutting.block_reading import Band, Parts, blocks_of
from spacer_like.chips.cutting.cog import NOT_COMPRESSED, Blocks, Cog, read_cog
from spacer_like.chips.cutting.placement import Placement
from spacer_like.exceptions import SpacerError, TileError, TransientError
from spacer_like.location import DataLocation
from spacer_like.storage import storage_factory

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = getLogger(__name__)

# Blocks that are all data, or have none, are of few bytes, and mostly of the same.
_REMEMBERED_BYTES = 256
_REMEMBERED = 4096

Bits = bool | bytes
"""The bits of a block, most significant first, or what all of them are."""


def mask_beside(tile_loc: DataLocation) -> DataLocation | None:
    """The file ``<tile>.msk``, where GDAL keeps a mask that is not in the tile itself; None: there is no such TIFF.

    Raises:
        TransientError: the storage does not say whether there is one.
    """
    path, mark, query = tile_loc.key.partition("?") if tile_loc.storage_type == "url" else (tile_loc.key, "", "")
    loc = DataLocation(tile_loc.storage_type, f"{path}.msk{mark}{query}", tile_loc.bucket_name)
    storage = storage_factory(loc.storage_type, loc.bucket_name)
    try:
        if not storage.exists(loc.key):
            return None
        # Some servers give the same answer for any path.
        if loc.storage_type == "url" and storage.version(loc.key) == storage.version(tile_loc.key):
            return None
        is_tiff = storage.read_range(loc.key, 0, 2) in (b"II", b"MM")
    except TransientError:
        raise
    # Some accounts are refused access to missing keys.
    except SpacerError:
        return None
    if not is_tiff:
        logger.warning("'%s' is no TIFF, and so no mask of its tile.", loc.display_name)
    return loc if is_tiff else None


def check_mask_file(mask_loc: DataLocation, name: str) -> None:
    """Refuse a damaged mask beside a tile before a library reads it.

    Raises:
        TileError: it is no TIFF, or a damaged one.
    """
    storage = storage_factory(mask_loc.storage_type, mask_loc.bucket_name)
    try:
        read_cog(partial(storage.read_range, mask_loc.key), storage.size(mask_loc.key), mask_loc.display_name)
    except TileError as error:
        raise TileError(f"The mask beside the tile '{name}' is of no use, make it anew or remove it: {error}") from None


class ValidPixels:
    """Counts the pixels with data in each chip of a tile.

    A pixel has data that lies in the raster, in a block that is no hole, and that the mask, where there is one, has a
    1 for. Holes count only where the mask has the same blocks as the picture, as every cloud-optimised tile has them.
    """

    def __init__(self, cog: Cog, blocks: Blocks, placement: Placement) -> None:
        self._cog = cog
        self._picture = blocks
        self._mask = cog.mask
        self._placement = placement
        self._known: dict[bytes, Bits] = {}

    def parts(self, band: Band) -> list[tuple[int, int]]:
        """Offset and length of each block of the mask that is needed for a band."""
        mask = self._mask
        if mask is None:
            return []
        numbers = (mask.number(*position) for position in blocks_of(band, self._placement, mask))
        return [(mask.offsets[i], mask.lengths[i]) for i in numbers if mask.offsets[i] and mask.lengths[i]]

    def counts(self, band: Band, parts: Parts) -> NDArray[np.int64]:
        """Pixels with data: int64 [rows of the band, chips in a row].

        Args:
            parts: holds the bytes of `parts`.

        Raises:
            TileError: a block of the mask is damaged.
        """
        counts = np.zeros((band.end - band.begin, self._placement.chips_wide), np.int64)
        mask = self._mask
        if mask is None or (mask.block_width, mask.block_height) == (
            self._picture.block_width,
            self._picture.block_height,
        ):
            for column, row in blocks_of(band, self._placement, self._picture):
                number = self._picture.number(column, row)
                if self._picture.offsets[number] and self._picture.lengths[number]:
                    self._add(counts, band, self._picture, column, row, self._bits(number, parts))
            return counts
        for column, row in blocks_of(band, self._placement, mask):
            self._add(counts, band, mask, column, row, self._bits(mask.number(column, row), parts))
        return counts

    def _bits(self, number: int, parts: Parts) -> Bits:
        mask = self._mask
        if mask is None:
            return True
        offset, length = mask.offsets[number], mask.lengths[number]
        if not (offset and length):
            return False
        data = parts[offset, length]
        if length > _REMEMBERED_BYTES:
            return self._decoded(data)
        key = bytes(data)
        if (bits := self._known.get(key)) is None:
            bits = self._decoded(data)
            if len(self._known) < _REMEMBERED:
                self._known[key] = bits
        return bits

    def _decoded(self, data: memoryview) -> Bits:
        mask = self._mask
        if mask is None:
            return True
        size = mask.block_width * mask.block_height // 8
        if mask.compression == NOT_COMPRESSED:
            bits = bytes(data[:size])
        else:
            try:
                bits = zlib.decompressobj().decompress(data, size)
            except zlib.error:
                bits = b""
        if len(bits) != size:
            raise TileError(f"The raster '{self._cog.name}' is damaged: a block of its mask cannot be read.")
        if bits[0] in (0, 255) and bits.count(bits[0]) == size:
            return bits[0] == 255
        return bits

    def _add(self, counts: NDArray[np.int64], band: Band, blocks: Blocks, column: int, row: int, bits: Bits) -> None:
        """Add the pixels of a block to those of the chips that they lie in."""
        if bits is False:
            return
        placement, pixels = self._placement, self._placement.chip_pixels
        block_left, block_top = column * blocks.block_width, row * blocks.block_height
        left = max(block_left, placement.column)
        right = min(block_left + blocks.block_width, blocks.width, placement.column + len(counts[0]) * pixels)
        top = max(block_top, placement.row + band.begin * pixels)
        bottom = min(block_top + blocks.block_height, blocks.height, placement.row + band.end * pixels)
        first, last = (left - placement.column) // pixels, (right - 1 - placement.column) // pixels
        above, below = ((y - placement.row) // pixels - band.begin for y in (top, bottom - 1))
        is_in_one = first == last and above == below
        if is_in_one and bits is True:
            counts[above, first] += (right - left) * (bottom - top)
        elif is_in_one and bits is not True and (right - left) * (bottom - top) == len(bits) * 8:
            counts[above, first] += int.from_bytes(bits, "little").bit_count()
        else:
            # Where in the block each chip begins.
            starts_x = [max(placement.column + i * pixels, left) - left for i in range(first, last + 1)]
            begin = placement.row + band.begin * pixels
            starts_y = [max(begin + i * pixels, top) - top for i in range(above, below + 1)]
            if bits is True:
                widths, heights = np.diff([*starts_x, right - left]), np.diff([*starts_y, bottom - top])
                found = heights[:, None] * widths
            else:
                part = _unpacked(bits, blocks)[
                    top - block_top : bottom - block_top, left - block_left : right - block_left
                ]
                found = np.add.reduceat(np.add.reduceat(part, starts_x, 1, np.int64), starts_y, 0)
            counts[above : below + 1, first : last + 1] += found


def _unpacked(bits: bytes, blocks: Blocks) -> NDArray[np.uint8]:
    """1 where there is data: uint8 [block height, block width]."""
    shape = blocks.block_height, blocks.block_width
    return np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(shape)
