"""Checkpoints: those that TensorFlow wrote, and indexes as small and as wrong as a test wants them."""

import io
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from spacer_like.regression.crc32c import crc32c, masked

MAGIC = bytes.fromhex("57fb808b247547db")
FLOAT32 = 1


@cache
def golden() -> dict[str, bytes]:
    """The files of golden/keras.tar.xz by their names; tests/tensorflow/write_golden.py wrote them."""
    with tarfile.open(Path(__file__).parent / "golden" / "keras.tar.xz") as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        return {name: file.read() for name, file in files.items() if file is not None}


@cache
def expected() -> dict[str, np.ndarray]:
    """Images of golden/keras.tar.xz, and what the model in it makes of a 255th of their pixels."""
    with np.load(io.BytesIO(golden()["expected.npz"])) as arrays:
        return dict(arrays)


def varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def field(number: int, value: int | bytes) -> bytes:
    """A field of a protocol-buffer message; an integer of the field 6 is a fixed one, as checksums are."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3 | 5) + value.to_bytes(4, "little") if number == 6 else varint(number << 3) + varint(value)


def entry(numbers: bytes, shape: tuple[int, ...], offset: int = 0, dtype: int = FLOAT32, **other: int) -> bytes:
    """What an index says of a tensor; `other`: size, shard and checksum, where they are to be others."""
    axes = b"".join(field(2, field(1, axis)) for axis in shape)
    return (
        field(1, dtype)
        + field(2, axes)
        + field(3, other.get("shard", 0))
        + field(4, offset)
        + field(5, other.get("size", len(numbers)))
        + field(6, other.get("checksum", masked(crc32c(numbers))))
    )


def block_of(pairs: Mapping[bytes, bytes]) -> bytes:
    """A block of LevelDB's, each key whole."""
    entries = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in pairs.items())
    return entries + bytes(4) + (1).to_bytes(4, "little")


def table(block: bytes, compression: int = 0) -> bytes:
    """A table of LevelDB's with one block."""

    def stored(one: bytes, kind: int = 0) -> bytes:
        return one + bytes([kind]) + masked(crc32c(one + bytes([kind]))).to_bytes(4, "little")

    first, nothing = stored(block, compression), stored(block_of({}))
    names = stored(block_of({b"z": varint(0) + varint(len(block))}))
    handles = varint(len(first)) + varint(len(nothing) - 5) + varint(len(first + nothing)) + varint(len(names) - 5)
    return first + nothing + names + handles.ljust(40, b"\0") + MAGIC


def index_of(entries: Mapping[str, bytes], header: bytes = field(1, 1)) -> bytes:
    return table(block_of({b"": header} | {name.encode(): value for name, value in entries.items()}))
