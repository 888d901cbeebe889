"""Safetensors that are written a block at a time, and mapped instead of read: arrays larger than the memory.

The head takes a fixed number of bytes, filled up with spaces, so that arrays whose length is known only in the end can
be written before it. Readers of safetensors read these files as any others.
"""

from __future__ import annotations

import json
import mmap
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO, UnsupportedOperation
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import FeatureFileError, damage_as

HEAD_BYTES = 4096
"""Where the arrays begin in files of ours; of others any head up to `LARGEST_HEAD` is read."""
LARGEST_HEAD = 2**20
_LENGTH_BYTES = 8
_COPIED_BYTES = 2**22
_KINDS = {"F16": np.float16, "F32": np.float32, "I64": np.int64, "U32": np.uint32, "U8": np.uint8}
_NAMES = {np.dtype(kind): name for name, kind in _KINDS.items()}


class Layout(NamedTuple):
    """What an array of a file must be: of this type, with this many axes."""

    dtype: type[np.generic]
    n_axes: int


class TensorWriter:
    """Writes arrays in sequence; `finish` makes them a file.

    Args:
        file: a seekable file, empty.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._entries: dict[str, Any] = {}
        self._end = 0
        file.write(b" " * HEAD_BYTES)

    def add(
        self, name: str, blocks: Iterable[NDArray[Any]], dtype: type[np.generic], row_shape: Sequence[int] = ()
    ) -> int:
        """Write the array [n, *row_shape] that consists of `blocks` [any, *row_shape]; returns n."""
        begin, rows = self._end, 0
        for block in blocks:
            rows += len(block)
            data = np.ascontiguousarray(block, np.dtype(dtype).newbyteorder("<"))
            self._file.write(data.data.cast("B") if data.size else b"")
            self._end += data.nbytes
        self._entries[name] = {
            "dtype": _NAMES[np.dtype(dtype)],
            "shape": [rows, *row_shape],
            "data_offsets": [begin, self._end],
        }
        return rows

    def finish(self, header: Mapping[str, Any]) -> None:
        """Write the head, with `header` as the JSON text ``header`` of its metadata.

        Raises:
            FeatureFileError: the header is longer than fits.
        """
        metadata = {"__metadata__": {"header": json.dumps(header, sort_keys=True)}}
        head = json.dumps(metadata | self._entries, separators=(",", ":")).encode()
        room = HEAD_BYTES - _LENGTH_BYTES
        if len(head) > room:
            raise FeatureFileError(f"The header of the file would take {len(head)} bytes, and may take {room}.")
        self._file.seek(0)
        self._file.write(room.to_bytes(_LENGTH_BYTES, "little") + head.ljust(room))
        self._file.seek(0, 2)


def read_tensors(
    file: BinaryIO, name: str, format_name: str, versions: Mapping[int, Mapping[str, Layout]]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header of a file, and those of its arrays that its version names and that are there: read-only, not yet read.

    A file of the filesystem is mapped, so that only what is looked at is read, bytes in memory are taken as they are,
    and any other file is copied to a temporary one, a part at a time. The file may be closed afterwards.

    Args:
        name: what errors call it.
        format_name: what the header must say in ``format``.
        versions: the arrays of each ``format_version`` that can be read, 1 to the newest.

    Raises:
        FeatureFileError: damaged, of another format, or an array is not as its layout says.
    """
    data = _mapped(file)
    with damage_as(FeatureFileError, name, f"'{name}' is no {_called(format_name)}, or is damaged"):
        entries, begin = _head(data)
        header = json.loads(entries.pop("__metadata__")["header"])
        if header["format"] != format_name or header["format_version"] not in versions:
            newest = "1" if len(versions) == 1 else f"up to {max(versions)}"
            raise ValueError(
                f"it is of the format {str(header['format'])[:50]} {str(header['format_version'])[:20]}, and this "
                f"version reads {format_name} {newest}"
            )
        _check_offsets(entries, len(data) - begin)
        arrays = {
            tensor: _array(data, begin, tensor, entries[tensor], layout)
            for tensor, layout in versions[header["format_version"]].items()
            if tensor in entries
        }
    return header, arrays


def _called(format_name: str) -> str:
    return f"file of {format_name.rpartition('.')[2].replace('_', ' ')}"


def _mapped(file: BinaryIO) -> memoryview:
    """The bytes of a file, without reading them where that is possible."""
    if isinstance(file, BytesIO):
        return memoryview(file.getvalue())
    try:
        descriptor = file.fileno()
    except (UnsupportedOperation, OSError):
        with tempfile.TemporaryFile(prefix="spacer-") as copy:
            shutil.copyfileobj(file, copy, _COPIED_BYTES)
            copy.flush()
            return _mapping(copy.fileno())
    return _mapping(descriptor)


def _mapping(descriptor: int) -> memoryview:
    try:
        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
    except ValueError:
        # Nothing cannot be mapped.
        return memoryview(b"")


def _head(data: memoryview) -> tuple[dict[str, Any], int]:
    """The JSON object at the beginning of a file, and where its arrays begin."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if len(data) < _LENGTH_BYTES or length > min(LARGEST_HEAD, len(data) - _LENGTH_BYTES):
        raise ValueError("it does not begin as such a file does")
    begin = _LENGTH_BYTES + length
    head = json.loads(bytes(data[_LENGTH_BYTES:begin]))
    if not isinstance(head, dict):
        raise ValueError("its head is no JSON object")
    return head, begin


def _check_offsets(entries: Mapping[str, Any], size: int) -> None:
    """Refuse arrays that overlap, leave holes, or do not end where the file does."""
    end = 0
    for first, last in sorted(_offsets(entry) for entry in entries.values()):
        if first != end or last < first:
            raise ValueError("its arrays do not lie one after the other")
        end = last
    if end != size:
        raise ValueError(f"its arrays should take {end} bytes, and take {size}")


def _offsets(entry: Mapping[str, Any]) -> tuple[int, int]:
    first, last = entry["data_offsets"]
    if type(first) is not int or type(last) is not int:
        raise ValueError("its offsets are no whole numbers")
    return first, last


def _array(data: memoryview, begin: int, tensor: str, entry: Mapping[str, Any], layout: Layout) -> NDArray[Any]:
    dtype = np.dtype(layout.dtype)
    shape = entry["shape"]
    if entry["dtype"] != _NAMES[dtype] or not isinstance(shape, list) or len(shape) != layout.n_axes:
        raise ValueError(f"its array {tensor} is of another type or shape")
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"its array {tensor} has a shape of no whole numbers")
    first, last = _offsets(entry)
    count = int(np.prod([1, *shape], dtype=object))
    if count * dtype.itemsize != last - first:
        raise ValueError(f"its array {tensor} does not take the bytes that its shape says")
    flat = np.frombuffer(data[begin + first : begin + last], dtype.newbyteorder("<"))
    array: NDArray[Any] = flat.reshape(shape)
    array.flags.writeable = False
    return array
