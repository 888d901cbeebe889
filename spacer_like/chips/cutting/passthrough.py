"""Chips that are blocks of their tile: a JPEG file is made of a block of JPEG without decoding it.

A TIFF keeps the tables that its blocks share apart, in tag 347: a file is the start of a stream, the segment that says
how its colours are meant, the tables, and the block without its own start. The compressed picture stays bit by bit.
"""

from __future__ import annotations

import struct
from typing import Any

from spacer_like.exceptions import TileError

START_OF_IMAGE, END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
CHIP_START_BYTES = 2**17
"""The most that a chip may have before its block."""
# JFIF 1.1, no density: luma and chroma.
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
# Adobe's segment, no transformation: red, green and blue as they are.
_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_START_OF_SCAN = 0xDA


def chip_start(tables: bytes, is_ycbcr: bool = True, bands: int = 3) -> bytes:
    """What a chip begins with, in place of the first 2 bytes of its block.

    Args:
        tables: the stream of tables of tag 347, or nothing.
        is_ycbcr: whether blocks of three bands are of luma and chroma.
    """
    colours = _ADOBE_RGB if bands == 3 and not is_ycbcr else _JFIF
    return START_OF_IMAGE + colours + tables[2:-2]


def jpeg_of_block(start: bytes, block: bytes) -> bytes:
    """The JPEG file of a block, of what `chip_start` gave."""
    return start + block[2:]


def check_block(block: Any, width: int, height: int, bands: int, name: str) -> None:
    """See to it that a block is JPEG of the size that its tile says: nothing else gets into chips.

    Args:
        block: bytes, or a memoryview of them.
        name: what errors call the tile.

    Raises:
        TileError: it is not.
    """
    if len(block) < 4 or block[:2] != START_OF_IMAGE or block[-2:] != END_OF_IMAGE:
        raise _damaged(name, "is no whole stream of JPEG")
    place = 2
    found = None
    while place + 4 <= len(block):
        mark, kind, length = struct.unpack_from(">BBH", block, place)
        if mark != 0xFF or length < 2 or kind in _OTHER_FRAMES:
            break
        if kind == _START_OF_SCAN:
            if found != (8, height, width, bands):
                break
            return
        if kind in _FRAMES:
            if found is not None or length < 8 or place + 10 > len(block):
                break
            found = struct.unpack_from(">BHHB", block, place + 4)
        place += 2 + length
    raise _damaged(name, f"is no picture of {width} x {height} pixels and {bands} bands in JPEG")


def _damaged(name: str, reason: str) -> TileError:
    return TileError(f"The tile '{name}' is damaged: one of its blocks {reason}.")
