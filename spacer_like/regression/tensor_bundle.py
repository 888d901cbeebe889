"""Checkpoints of TensorFlow, read without TensorFlow.

A checkpoint, which TensorFlow calls a tensor bundle, is an index ``<prefix>.index`` and shards
``<prefix>.data-00000-of-00001``. The index is a table of LevelDB (its doc/table_format.md): blocks of sorted keys, each
followed by its compression and its checksum, and a footer. The key of a tensor is its name, the value a message
BundleEntryProto (tensorflow/core/protobuf/tensor_bundle.proto) that says where in which shard the numbers are.
Nothing in the files is trusted: every length is checked, and arrays are views of the shards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.exceptions import WeightsError, damage_as
from spacer_like.protocol_buffers import FIXED32, VARINT, fields, varint
from spacer_like.regression.crc32c import crc32c, masked

if TYPE_CHECKING:
    from numpy.typing import NDArray

INDEX_ENDING = ".index"
_FOOTER_BYTES = 48
_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_TRAILER_BYTES = 5
_LONGEST_KEY = 4096
_MOST_SHARDS = 1000
_MOST_AXES = 32
_MOST_AXIS = 2**40
# tensorflow/core/framework/types.proto; of the others, texts above all, no array is made.
_TYPES = {
    **{1: "f4", 2: "f8", 3: "i4", 4: "u1", 5: "i2", 6: "i1", 9: "i8"},
    **{10: "?", 17: "u2", 19: "f2", 22: "u4", 23: "u8"},
}


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies.

    Attributes:
        dtype: of the numbers; None: it holds no numbers.
        shape: lengths of its axes.
        shard: number of the shard.
        offset: of its first byte in the shard.
        size: bytes.
        checksum: masked CRC-32C of the bytes.
        is_sliced: whether its parts have entries of their own, as those of distributed variables do.
    """

    dtype: np.dtype[Any] | None
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    is_sliced: bool


@dataclass(frozen=True)
class BundleIndex:
    """What an index says.

    Attributes:
        n_shards: the number of files with numbers.
        entries: of each tensor, by its name.
    """

    n_shards: int
    entries: Mapping[str, Entry] = field(repr=False)


def shard_name(prefix: str, number: int, n_shards: int) -> str:
    """The name of a shard.

    >>> shard_name("1503.ckpt", 0, 1)
    '1503.ckpt.data-00000-of-00001'
    """
    return f"{prefix}.data-{number:05d}-of-{n_shards:05d}"


def read_bundle_index(data: bytes, name: str) -> BundleIndex:
    """The index of a checkpoint.

    Args:
        data: the bytes of ``<prefix>.index``.
        name: what errors call the file.

    Raises:
        WeightsError: no such index, a damaged one, or one of compressed blocks.
    """
    with damage_as(WeightsError, name, f"{name}: it is no index of a TensorFlow checkpoint, or a damaged one"):
        pairs = _table(memoryview(data))
        key, value = next(pairs, (b"", memoryview(b"")))
        if key:
            raise ValueError("it does not begin with a header")
        header = _integers(value, "the header")
        n_shards, is_big_endian = header.get(1, 0), header.get(2, 0) == 1
        if not 1 <= n_shards <= _MOST_SHARDS:
            raise ValueError(f"it has {n_shards} shards, and only 1 to {_MOST_SHARDS} are read")
        entries = {key.decode(): _entry(key, value, n_shards, is_big_endian) for key, value in pairs}
    return BundleIndex(n_shards, entries)


def read_bundle(
    index: BundleIndex, shards: Sequence[bytes], name: str, wanted: Callable[[str], bool] = lambda key: True
) -> dict[str, NDArray[Any]]:
    """The tensors of a checkpoint by their names, in the order of the index; arrays are views of the shards.

    What holds no numbers, such as the graph of objects that TensorFlow adds, is left out.

    Args:
        shards: their bytes, in order.
        name: what errors call the checkpoint.
        wanted: which names are read.

    Raises:
        WeightsError: a tensor does not lie within its shard, has another size than its shape, or another checksum, or
            is in slices.
    """
    found = {}
    with damage_as(WeightsError, name, f"{name}: the checkpoint is damaged"):
        if len(shards) != index.n_shards:
            raise ValueError(f"it has {index.n_shards} shards, and {len(shards)} are given")
        for key, entry in index.entries.items():
            if entry.dtype is not None and wanted(key):
                found[key] = _tensor(key, entry, shards[entry.shard])
    return found


def _tensor(key: str, entry: Entry, shard: bytes) -> NDArray[Any]:
    if entry.is_sliced:
        raise ValueError(f"'{key[:200]}' is in slices, and only whole tensors are read")
    if entry.dtype is None or entry.size != math.prod(entry.shape) * entry.dtype.itemsize:
        raise ValueError(f"'{key[:200]}' takes {entry.size} bytes, which is not what its shape {entry.shape} takes")
    if entry.offset + entry.size > len(shard):
        raise ValueError(f"'{key[:200]}' would end behind the end of its shard of {len(shard)} bytes")
    numbers = memoryview(shard)[entry.offset : entry.offset + entry.size]
    if masked(crc32c(numbers)) != entry.checksum:
        raise ValueError(f"the checksum of '{key[:200]}' is another")
    return np.frombuffer(numbers, entry.dtype).reshape(entry.shape)


def _entry(key: bytes, value: memoryview, n_shards: int, is_big_endian: bool) -> Entry:
    what = f"'{key[:200].decode()}'"
    numbers = _integers(value, what)
    shard, offset, size = (numbers.get(number, 0) for number in (3, 4, 5))
    if shard >= n_shards:
        raise ValueError(f"{what} lies in the shard {shard} of {n_shards}")
    shape: tuple[int, ...] = ()
    is_sliced = False
    for number, _, inner in fields(value):
        if number == 2 and isinstance(inner, memoryview):
            shape = _shape(inner, what)
        is_sliced |= number == 7
    kind = _TYPES.get(numbers.get(1, 0))
    dtype = None if kind is None else np.dtype(kind).newbyteorder(">" if is_big_endian else "<")
    return Entry(dtype, shape, shard, offset, size, numbers.get(6, 0), is_sliced)


def _shape(message: memoryview, what: str) -> tuple[int, ...]:
    axes: list[int] = []
    for number, _, value in fields(message):
        if number == 2 and isinstance(value, memoryview):
            length = _integers(value, what).get(1, 0)
            # A negative one is a varint of 2**63 and more.
            if length > _MOST_AXIS or len(axes) == _MOST_AXES:
                raise ValueError(f"{what} has a shape that no tensor has")
            axes.append(length)
    return tuple(axes)


def _integers(message: memoryview, what: str) -> dict[int, int]:
    """The fields of a message that are integers, by their numbers."""
    found = {
        number: value if isinstance(value, int) else int.from_bytes(value, "little")
        for number, wire_type, value in fields(message)
        if wire_type in (VARINT, FIXED32)
    }
    if any(value >= 2**64 for value in found.values()):
        raise ValueError(f"{what} has an integer of more than 64 bits")
    return found


def _table(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The keys and values of a table of LevelDB; keys rise, so that no block can be named twice."""
    footer = data[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or footer[-len(_MAGIC) :] != _MAGIC:
        raise ValueError("its last bytes are not those of a table")
    last: bytes | None = None
    # The first block that the footer names, of metadata, is empty; the second one names the blocks.
    _, position = _handle(footer, 0)
    for _, handle in _pairs(_block(data, *_handle(footer, position)[0])):
        for key, value in _pairs(_block(data, *_handle(handle, 0)[0])):
            if last is not None and key <= last:
                raise ValueError("its keys are not in order")
            last = key
            yield key, value


def _handle(message: memoryview, position: int) -> tuple[tuple[int, int], int]:
    """The offset and size of a block, and the position behind them."""
    offset, position = varint(message, position)
    size, position = varint(message, position)
    return (offset, size), position


def _block(data: memoryview, offset: int, size: int) -> memoryview:
    """The entries of a block, without the positions at its end where searches begin."""
    if offset + size + _TRAILER_BYTES > len(data) - _FOOTER_BYTES or size < 4:
        raise ValueError("a block would lie outside of the file")
    stored = data[offset : offset + size + 1]
    if masked(crc32c(stored)) != int.from_bytes(data[offset + size + 1 : offset + size + _TRAILER_BYTES], "little"):
        raise ValueError("the checksum of a block is another")
    if stored[-1] != 0:
        raise ValueError("its blocks are compressed, and only plain ones are read, as TensorFlow writes them")
    block = stored[:-1]
    n_starts = int.from_bytes(block[-4:], "little")
    if 4 * (n_starts + 1) > size:
        raise ValueError("a block is shorter than it says")
    return block[: size - 4 * (n_starts + 1)]


def _pairs(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The keys, of which a beginning may be that of the key before, and values of a block."""
    position, key = 0, b""
    while position < len(block):
        n_shared, position = varint(block, position)
        n_own, position = varint(block, position)
        length, position = varint(block, position)
        if n_shared > len(key) or n_own + length > len(block) - position:
            raise ValueError("an entry is longer than its block")
        if n_shared + n_own > _LONGEST_KEY:
            raise ValueError(f"a key is longer than {_LONGEST_KEY} bytes")
        key = key[:n_shared] + bytes(block[position : position + n_own])
        position += n_own
        yield key, block[position : position + length]
        position += length
