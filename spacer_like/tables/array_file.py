"""A NumPy array as the member arr_0 of a ``.npz``, and read again without trusting the file."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from spacer_like.exceptions import DataLimitError, TableError, damage_as
from spacer_like.npy_header import read_npy_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 2**33
"""The largest array that is read."""
# Far above what compression makes of real numbers, and of ids; small arrays may be all alike.
_FREE_BYTES, _MOST_RATIO = 2**27, 200


class ArrayMissingError(TableError):
    """A valid file without an array of that name."""


def to_npz(array: NDArray[Any]) -> bytes:
    """The file's bytes, not compressed; equal arrays give equal bytes."""
    sink = BytesIO()
    np.savez(sink, array)
    return sink.getvalue()


def from_npz(data: bytes, name: str, array: str = "arr_0") -> NDArray[Any]:
    """An array of a file.

    Nothing in the file is ever run, and its size is checked against what it says before memory is taken for it.

    Args:
        name: what errors call the file.
        array: which of its arrays.

    Raises:
        ArrayMissingError: it has no such array.
        TableError: no ``.npz``, damaged, or with Python objects in it.
        DataLimitError: an array of more than `MOST_BYTES`, or one that only an attack packs so densely.
    """
    with (
        damage_as(TableError, name, f"The file '{name}' is no .npz of one array"),
        zipfile.ZipFile(BytesIO(data)) as archive,
    ):
        if f"{array}.npy" not in archive.NameToInfo:
            raise ArrayMissingError(f"The file '{name}' has no array {array}.")
        member = archive.getinfo(f"{array}.npy")
        if member.file_size > min(MOST_BYTES, max(_FREE_BYTES, _MOST_RATIO * len(data))):
            raise DataLimitError(f"The array in '{name}' would take {member.file_size} bytes: it is not read.")
        with archive.open(member) as file:
            return _array(file, member.file_size)


def _array(file: IO[bytes], size: int) -> NDArray[Any]:
    shape, in_columns, kind = read_npy_header(file)
    if kind.hasobject:
        raise ValueError("it holds Python objects")
    count = 1
    for length in shape:
        count *= length
    if count * kind.itemsize != size - file.tell():
        raise ValueError("its size is not the one that it announces")
    values = np.frombuffer(file.read(), kind)
    return values.reshape(shape[::-1]).T if in_columns else values.reshape(shape)
