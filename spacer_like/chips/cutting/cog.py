"""The header of a tile's TIFF: its size, its blocks and those of its mask, and its position.

Read without GDAL, so that blocks can be had as they are. What is said of a tile that GDAL reads in another way than as
blocks of JPEG is not complete: fields are None then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spacer_like.chips.cutting.tiff import Read, Tiff
from spacer_like.exceptions import TileError

JPEG = 7
NOT_COMPRESSED = 1
DEFLATE = (8, 32946)
_BLACK_IS_ZERO, _RGB, _YCBCR, _MASK = 1, 2, 6, 4
MOST_PIXELS_WIDE = 2**18
"""The largest width and height of a tile, far above that of a whole one."""
_MOST_BLOCKS = 2**20
# A block that takes more than this for each of its bytes is none that a program wrote.
_MOST_BYTES_PER_BYTE = 3

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
_SAMPLES, _PLANAR, _PREDICTOR, _BLOCK_WIDTH, _BLOCK_HEIGHT, _OFFSETS, _COUNTS = 277, 284, 317, 322, 323, 324, 325
_JPEG_TABLES, _PIXEL_SCALE, _TIE_POINT, _TRANSFORMATION, _GEO_KEYS = 347, 33550, 33922, 34264, 34735
_METADATA, _NO_DATA = 42112, 42113
_RASTER_TYPE_KEY, _PROJECTION_KEY = 1025, 3072
_PIXEL_IS_POINT = 2
_USER_DEFINED = 32767
_COMPRESSION_NAMES = {1: "no compression", 5: "LZW", 8: "DEFLATE", 32946: "DEFLATE", 50000: "ZSTD", 50001: "WebP"}


@dataclass(frozen=True)
class Blocks:
    """The blocks of a raster, row by row; one that has no bytes is a hole.

    Fields:
        width, height: of the raster in pixels, which the last blocks may exceed.
        block_width, block_height: in pixels.
        offsets, lengths: of each block in bytes.
    """

    width: int
    height: int
    block_width: int
    block_height: int
    compression: int
    offsets: Sequence[int]
    lengths: Sequence[int]

    @property
    def columns(self) -> int:
        """Blocks in a row."""
        return -(-self.width // self.block_width)

    @property
    def rows(self) -> int:
        return -(-self.height // self.block_height)

    def number(self, column: int, row: int) -> int:
        """The index of a block in `offsets` and `lengths`."""
        return row * self.columns + column


@dataclass(frozen=True)
class Cog:
    """A tile.

    Fields:
        name: what errors call it.
        width, height, bands: pixels, and samples of each.
        compression: by the number of TIFF; `compression_name` for people.
        jpeg_tables: the stream of tables that the blocks of JPEG share; empty where each has its own.
        is_ycbcr: whether JPEG of three bands is of luma and chroma.
        blocks: None where the raster has no blocks that can be had one by one, all bands of 8 bits together, grey or
            red, green and blue.
        mask: its 1-bit mask, None where `has_mask` is False, or it is of another kind.
        has_mask_file: whether its mask lies in a file beside it; the tile itself does not say so.
        has_nodata_value: whether it names a value of pixels without data, which counts where there is no mask.
        origin: west and north of its corner and the width of its square pixels, in the projection's unit; None where it
            lies otherwise.
        epsg: of its projection; None where it is none of EPSG's.
    """

    name: str
    width: int
    height: int
    bands: int
    compression: int
    jpeg_tables: bytes
    is_ycbcr: bool
    blocks: Blocks | None
    mask: Blocks | None
    has_mask: bool
    has_nodata_value: bool
    origin: tuple[float, float, float] | None
    epsg: int | None
    has_mask_file: bool = False

    @property
    def compression_name(self) -> str:
        return _COMPRESSION_NAMES.get(self.compression, f"compression {self.compression}")


def read_cog(read: Read, size: int, name: str) -> Cog:
    """The header of a tile.

    Args:
        read: reads a part of the file.
        size: of the file in bytes.
        name: what errors call the file.

    Raises:
        TileError: no TIFF; damaged or cut short; larger than any tile.
    """
    tiff = Tiff(read, size, name)
    first = next((i for i in range(len(tiff.directories)) if not tiff.number(i, _SUBFILE, 0) & 5), None)
    if first is None:
        raise TileError(f"The raster '{name}' has no picture, only overviews or masks.")
    width, height = _size(tiff, first)
    mask_at = _mask_of(tiff, width, height)
    photometric = tiff.number(first, _PHOTOMETRIC, 0)
    compression = tiff.number(first, _COMPRESSION, NOT_COMPRESSED)
    bands = tiff.number(first, _SAMPLES, 1)
    tables = tiff.data(first, _JPEG_TABLES) if compression == JPEG else b""
    if tables and not (tables.startswith(b"\xff\xd8") and tables.endswith(b"\xff\xd9")):
        raise TileError(f"The raster '{name}' is damaged: its tables of JPEG are no stream of JPEG.")
    bits = set(tiff.numbers(first, _BITS))
    # Bands that lie one after the other have blocks of their own.
    plain = bits == {8} and (bands == 1 or tiff.number(first, _PLANAR, 1) == 1)
    plain = plain and photometric in ((_BLACK_IS_ZERO,) if bands == 1 else (_RGB, _YCBCR))
    # Bands that are not what the photometric interpretation says, such as blue, green and red.
    plain = plain and b'role="colorinterp"' not in tiff.data(first, _METADATA)
    return Cog(
        name=name,
        width=width,
        height=height,
        bands=bands,
        compression=compression,
        jpeg_tables=tables,
        is_ycbcr=photometric == _YCBCR,
        blocks=_blocks(tiff, first, bands) if plain else None,
        mask=None if mask_at is None else _mask_blocks(tiff, mask_at),
        has_mask=mask_at is not None,
        has_nodata_value=_NO_DATA in tiff.directories[first],
        origin=_origin(tiff, first),
        epsg=_epsg(tiff, first),
    )


def _size(tiff: Tiff, directory: int) -> tuple[int, int]:
    width, height = tiff.number(directory, _WIDTH, 0), tiff.number(directory, _HEIGHT, 0)
    if not (0 < width <= MOST_PIXELS_WIDE and 0 < height <= MOST_PIXELS_WIDE):
        raise TileError(
            f"The raster '{tiff.name}' says that it is {width} x {height} pixels: a tile has 1 to {MOST_PIXELS_WIDE} "
            "each way."
        )
    return width, height


def _mask_of(tiff: Tiff, width: int, height: int) -> int | None:
    """The directory of the mask that belongs to the picture itself, not to an overview."""
    for directory in range(len(tiff.directories)):
        if tiff.number(directory, _SUBFILE, 0) & 5 == 4 and _size(tiff, directory) == (width, height):
            return directory
    return None


def _mask_blocks(tiff: Tiff, directory: int) -> Blocks | None:
    """None: a mask, but not of one bit, 1 for data, in DEFLATE or not compressed."""
    if (
        tiff.number(directory, _BITS, 1) != 1
        or tiff.number(directory, _SAMPLES, 1) != 1
        or tiff.number(directory, _PHOTOMETRIC, 0) != _MASK
        or tiff.number(directory, _FILL_ORDER, 1) != 1
        or tiff.number(directory, _PREDICTOR, 1) != 1
        or tiff.number(directory, _COMPRESSION, NOT_COMPRESSED) not in (NOT_COMPRESSED, *DEFLATE)
    ):
        return None
    return _blocks(tiff, directory, 1)


def _blocks(tiff: Tiff, directory: int, bands: int) -> Blocks | None:
    """The blocks of a raster; None where it has rows instead."""
    if _BLOCK_WIDTH not in tiff.directories[directory]:
        return None
    width, height = _size(tiff, directory)
    block_width = tiff.number(directory, _BLOCK_WIDTH, 0)
    block_height = tiff.number(directory, _BLOCK_HEIGHT, 0)
    if not all(0 < side <= 2**14 and side % 16 == 0 for side in (block_width, block_height)):
        raise TileError(f"The raster '{tiff.name}' is damaged: its blocks are {block_width} x {block_height} pixels.")
    n_blocks = -(-width // block_width) * -(-height // block_height)
    offsets = _integers(tiff.numbers(directory, _OFFSETS))
    lengths = _integers(tiff.numbers(directory, _COUNTS))
    if n_blocks > _MOST_BLOCKS or len(offsets) != n_blocks or len(lengths) != n_blocks:
        raise TileError(
            f"The raster '{tiff.name}' is damaged: of its {n_blocks} blocks it knows {len(offsets)} offsets and "
            f"{len(lengths)} lengths."
        )
    most = _MOST_BYTES_PER_BYTE * block_width * block_height * bands + 2**16
    if max(lengths) > most:
        raise TileError(
            f"The raster '{tiff.name}' is damaged: a block of {block_width} x {block_height} pixels announces "
            f"{max(lengths)} bytes."
        )
    end = max(offset + length if offset and length else 0 for offset, length in zip(offsets, lengths, strict=True))
    if end > tiff.size:
        raise TileError(
            f"The raster '{tiff.name}' is cut short: it has {tiff.size} bytes, and its blocks reach to byte {end}."
        )
    compression = tiff.number(directory, _COMPRESSION, NOT_COMPRESSED)
    return Blocks(width, height, block_width, block_height, compression, offsets, lengths)


def _integers(values: tuple[int | float, ...]) -> tuple[int, ...]:
    return tuple(value if isinstance(value, int) and value >= 0 else 0 for value in values)


def _origin(tiff: Tiff, directory: int) -> tuple[float, float, float] | None:
    """West, north and the width of a pixel, where pixels are square and north is up."""
    scale, tie = tiff.numbers(directory, _PIXEL_SCALE), tiff.numbers(directory, _TIE_POINT)
    if len(scale) < 2 or len(tie) != 6 or not all(math.isfinite(value) for value in (*scale, *tie)):
        return None
    if not (scale[0] > 0 and scale[0] == scale[1]) or _TRANSFORMATION in tiff.directories[directory]:
        return None
    # Where a position is that of a pixel's centre, its corner is half a pixel away.
    shift = 0.5 if _geo_keys(tiff, directory).get(_RASTER_TYPE_KEY) == _PIXEL_IS_POINT else 0.0
    pixel = float(scale[0])
    return tie[3] - (tie[0] + shift) * pixel, tie[4] + (tie[1] + shift) * pixel, pixel


def _epsg(tiff: Tiff, directory: int) -> int | None:
    code = _geo_keys(tiff, directory).get(_PROJECTION_KEY)
    return None if code in (None, 0, _USER_DEFINED) else code


def _geo_keys(tiff: Tiff, directory: int) -> dict[int, int]:
    """The keys of GeoTIFF whose value is one short number."""
    words = _integers(tiff.numbers(directory, _GEO_KEYS))
    rows = (words[origin : origin + 4] for origin in range(4, len(words) - 3, 4))
    return {key: value for key, where, count, value in rows if where == 0 and count == 1}
