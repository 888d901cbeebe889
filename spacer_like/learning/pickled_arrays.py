"""NumPy arrays and numbers out of a pickle's inert tree."""

from __future__ import annotations

import re
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ModelFileError
from spacer_like.learning.pickles import Made, Reference

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
RECONSTRUCT = frozenset(f"{module}._reconstruct" for module in _MULTIARRAY)
SCALAR = frozenset(f"{module}.scalar" for module in _MULTIARRAY)
FROM_BUFFER = frozenset({"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"})
ENCODE = "_codecs.encode"
NAMES = RECONSTRUCT | SCALAR | FROM_BUFFER | {ENCODE, "numpy.ndarray", "numpy.dtype"}

_NUMBERS_OR_TEXT = re.compile(r"[biuf][1248]|[SU]\d{1,4}")


def array_of(node: Any) -> NDArray[Any]:
    """The array that a node of the tree describes.

    Raises:
        ModelFileError: it describes none, or one of objects other than numbers and texts.
    """
    try:
        return _array_of(node)
    except (ValueError, TypeError, AttributeError, IndexError, LookupError, OverflowError) as error:
        raise ModelFileError(f"An array in the pickle is malformed ({error}).") from None


def _array_of(node: Any) -> NDArray[Any]:
    if isinstance(node, list | tuple):
        return np.array([scalar_of(entry) for entry in node])
    if isinstance(node, Made) and node.name in FROM_BUFFER:
        buffer, dtype, shape, order = node.arguments
        return _from_bytes(_bytes_of(buffer), dtype_of(dtype), shape, order)
    if not isinstance(node, Made) or node.name not in RECONSTRUCT:
        raise TypeError("there is none where one is expected")
    _, shape, dtype, is_fortran, content = node.state
    if isinstance(content, list):
        entries = np.array([scalar_of(entry) for entry in content])
        return entries.reshape(shape, order="F" if is_fortran else "C")
    return _from_bytes(_bytes_of(content), dtype_of(dtype), shape, "F" if is_fortran else "C")


def _from_bytes(content: bytes, dtype: np.dtype[Any], shape: Any, order: Any) -> NDArray[Any]:
    sizes = tuple(int(size) for size in shape)
    if min(sizes, default=0) < 0 or prod(sizes) * dtype.itemsize != len(content):
        raise ValueError("its shape does not fit its bytes")
    array = np.frombuffer(content, dtype).reshape(sizes, order="F" if order == "F" else "C")
    # Texts of Python 2 are bytes.
    return np.char.decode(array, "latin-1") if dtype.kind == "S" else array.astype(dtype.newbyteorder("="))


def dtype_of(node: Any) -> np.dtype[Any]:
    """The type of numbers or texts that a node describes; what is wrong with it as a TypeError."""
    if not isinstance(node, Made) or node.name != "numpy.dtype":
        raise TypeError("its type is not described")
    code = node.arguments[0]
    if not isinstance(code, str) or not _NUMBERS_OR_TEXT.fullmatch(code):
        raise TypeError("it holds neither numbers nor texts")
    is_big_endian = bool(node.state) and node.state[1] == ">"
    return np.dtype(code).newbyteorder(">" if is_big_endian else "<")


def has_records(node: Made) -> bool:
    """Whether the array that a node describes is of records, and not of numbers or texts."""
    parts = node.arguments if node.name in FROM_BUFFER else node.state
    described = parts[1 if node.name in FROM_BUFFER else 2] if isinstance(parts, tuple) and len(parts) > 2 else None
    state = described.state if isinstance(described, Made) else None
    return isinstance(state, tuple) and len(state) > 4 and state[3] is not None


def records_of(node: Any) -> NDArray[Any]:
    """The one-dimensional array of records of numbers that a node describes; errors as `array_of`."""
    try:
        if isinstance(node, Made) and node.name in FROM_BUFFER:
            content, described, shape, _ = node.arguments
        elif isinstance(node, Made) and node.name in RECONSTRUCT:
            _, shape, described, _, content = node.state
        else:
            raise TypeError("there is none where one is expected")
        _, _, _, names, fields, size, *_ = described.state
        offsets = [fields[name][1] for name in names]
        formats = [dtype_of(fields[name][0]) for name in names]
        if any(dtype.kind not in "iuf" for dtype in formats):
            raise TypeError("its records hold something else than numbers")
        dtype = np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": int(size)})
        (length,) = shape
        data = _bytes_of(content)
        if length * dtype.itemsize != len(data):
            raise ValueError("its shape does not fit its bytes")
        return np.frombuffer(data, dtype).copy()
    except (ValueError, TypeError, AttributeError, IndexError, LookupError, OverflowError) as error:
        raise ModelFileError(f"An array in the pickle is malformed ({error}).") from None


def _bytes_of(node: Any) -> bytes:
    if isinstance(node, bytes | bytearray):
        return bytes(node)
    # Python 2 kept bytes as text; Python 3 in protocol 2 as text that is to be encoded.
    if isinstance(node, Made) and node.name == ENCODE:
        node = node.arguments[0]
    if isinstance(node, str):
        return node.encode("latin1")
    raise TypeError("its content is missing")


def scalar_of(node: Any) -> Any:
    """A number, a text or nothing; `ModelFileError` if the node is anything else."""
    if isinstance(node, Made) and node.name in SCALAR:
        dtype, content = node.arguments
        return array_of(Made("numpy._core.multiarray._reconstruct", (), (1, (), dtype, False, content))).item()
    if isinstance(node, Made) and node.name in RECONSTRUCT:
        array = array_of(node)
        if array.size == 1:
            return array.item()
    if node is None or isinstance(node, str | int | float):
        return node
    what = node.name if isinstance(node, Made | Reference) else type(node).__name__
    raise ModelFileError(f"The pickle has a {what} where a number or text is expected.")
