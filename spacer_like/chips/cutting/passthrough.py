"""Chips that are blocks of their tile: a JPEG file is made of a block of JPEG without decoding it.

A TIFF keeps the tables that its blocks share apart, in tag 347: a file is the start of a stream, the segment that says
how its colours are meant, the tables, and the block without its own start. The compressed picture stays bit by bit.
"""

from __future__ import annotations

import struct
from functools import lru_cache
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
_PROGRESSIVE, _START_OF_SCAN, _QUANTIZATION, _HUFFMAN = 0xC2, 0xDA, 0xDB, 0xC4

_Table = tuple[int, int]
"""A kind of tables and a number; the numbers of Huffman codes of AC are 16 larger than those of DC."""


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


def check_block(block: Any, width: int, height: int, bands: int, name: str, tables: bytes = b"") -> None:
    """Refuse a block that is not JPEG of its tile's size with all its tables: nothing else gets into chips.

    Args:
        block: bytes, or a memoryview of them.
        name: what errors call the tile.
        tables: the stream of tables of tag 347, or nothing.

    Raises:
        TileError: it is not.
    """
    if len(block) < 4 or block[:2] != START_OF_IMAGE or block[-2:] != END_OF_IMAGE:
        raise _damaged(name, "is no whole stream of JPEG")
    shared = _tables_of(tables)
    if shared is None:
        raise TileError(f"The raster '{name}' is damaged: the tables of JPEG that its blocks share are malformed.")
    at = 2
    found, is_baseline = None, True
    own: frozenset[_Table] = frozenset()
    needed: set[_Table] = set()
    while at + 4 <= len(block):
        mark, kind, length = struct.unpack_from(">BBH", block, at)
        if mark != 0xFF or length < 2 or kind in _OTHER_FRAMES:
            break
        body = bytes(block[at + 4 : at + 2 + length])
        if kind == _START_OF_SCAN:
            if found != (8, height, width, bands):
                break
            if not needed | _needed_by_scan(body, is_baseline) <= shared | own:
                raise _damaged(name, "needs tables of JPEG that neither it nor its tile has")
            return
        if kind in _FRAMES:
            if found is not None or length < 8 or at + 10 > len(block):
                break
            found = struct.unpack_from(">BHHB", block, at + 4)
            is_baseline = kind != _PROGRESSIVE
            needed = {(_QUANTIZATION, body[byte]) for byte in range(8, min(len(body), 6 + 3 * bands), 3)}
        elif kind in (_QUANTIZATION, _HUFFMAN):
            if (more := _tables_in(kind, body)) is None:
                raise _damaged(name, "has malformed tables of JPEG")
            own |= more
        at += 2 + length
    raise _damaged(name, f"is no picture of {width} x {height} pixels and {bands} bands in JPEG")


@lru_cache(maxsize=64)
def _tables_of(stream: bytes) -> frozenset[_Table] | None:
    """The tables in a stream of nothing else; None where it is malformed."""
    found: frozenset[_Table] = frozenset()
    at, end = 2, len(stream) - 2
    while at < end:
        if at + 4 > end:
            return None
        mark, kind, length = struct.unpack_from(">BBH", stream, at)
        if mark != 0xFF or length < 2 or at + 2 + length > end:
            return None
        if kind in (_QUANTIZATION, _HUFFMAN):
            more = _tables_in(kind, stream[at + 4 : at + 2 + length])
            if more is None:
                return None
            found |= more
        at += 2 + length
    return found


def _tables_in(kind: int, body: bytes) -> frozenset[_Table] | None:
    """The tables that a segment defines; None where it is malformed."""
    found: set[_Table] = set()
    at = 0
    while at < len(body):
        number = body[at]
        if kind == _QUANTIZATION:
            size = 64 * (1 + (number >> 4))
            values = body[at + 1 : at + 1 + size]
            is_good = number >> 4 <= 1 and len(values) == size and (number >> 4 == 1 or 0 not in values)
            number &= 15
        else:
            counts = body[at + 1 : at + 17]
            size = 16 + sum(counts)
            # More codes of a length than there are leave none for longer ones.
            taken = sum(count << (15 - bits) for bits, count in enumerate(counts))
            is_good = len(counts) == 16 and 0 < sum(counts) <= 256 and taken <= 2**16
        if not is_good or at + 1 + size > len(body):
            return None
        found.add((kind, number))
        at += 1 + size
    return frozenset(found)


def _needed_by_scan(body: bytes, is_baseline: bool) -> set[_Table]:
    """The tables of Huffman codes that a scan needs; of a progressive one, the first of many, those of DC only."""
    chosen = [body[byte] for byte in range(2, min(len(body), 1 + 2 * body[0]), 2)] if body else []
    needed = {(_HUFFMAN, one >> 4) for one in chosen}
    if is_baseline:
        needed |= {(_HUFFMAN, 16 + (one & 15)) for one in chosen}
    return needed


def _damaged(name: str, reason: str) -> TileError:
    return TileError(f"The raster '{name}' is damaged: one of its blocks {reason}.")
