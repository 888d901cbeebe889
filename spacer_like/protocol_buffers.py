"""Fields of protocol-buffer messages: written, and read from bytes of which nothing is trusted.

The encoding is described at https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types: how the value of a field is written."""
_MAX_VARINT_BYTES = 10

Field = tuple[int, int, "int | memoryview"]


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message in its order: number, wire type, and an integer (`VARINT`) or the bytes.

    Raises:
        ValueError: it is malformed, in words that can follow a colon.
    """
    position = 0
    while position < len(message):
        tag, position = varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, position = varint(message, position)
            yield number, wire_type, value
            continue
        if wire_type == BYTES:
            length, position = varint(message, position)
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise ValueError(f"a field of the unknown kind {wire_type}")
        if number == 0 or length > len(message) - position:
            raise ValueError("a field that is longer than the file")
        yield number, wire_type, message[position : position + length]
        position += length


def varint(message: memoryview, position: int) -> tuple[int, int]:
    """An integer of seven bits a byte, least significant first, and the position behind it.

    Raises:
        ValueError: it does not end.
    """
    value = 0
    for shift, byte in enumerate(message[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, position + shift + 1
    raise ValueError("an integer that does not end")


def encoded(number: int, value: int | float | str | bytes) -> bytes:
    """A field of a message: an integer of 0 or more, a float of 32 bits, a text, or a message that is encoded."""
    if isinstance(value, float):
        return _varint_bytes(number << 3 | FIXED32) + struct.pack("<f", value)
    if isinstance(value, int):
        return _varint_bytes(number << 3 | VARINT) + _varint_bytes(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint_bytes(number << 3 | BYTES) + _varint_bytes(len(data)) + data


def _varint_bytes(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
