"""Headers of ``.npy`` files, read safely in any thread and from untrusted files.

NumPy's own reader has Python's parser read the text, which takes ten times as long, and which in Python 3.11 fails at
times where two threads do so ("AST constructor recursion depth mismatch", CPython issue 106905; mended in 3.11.8). Once
Python up to 3.11.7 is supported no more, `ast.literal_eval` may take the place of `_ENTRY`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

MAGIC = b"\x93NUMPY"
LONGEST = 10_000
"""Bytes of a text that is read, as in NumPy."""
_LENGTH_BYTES = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}
# Python 2 wrote 3L for a long 3.
_ENTRY = re.compile(
    r"""\s*(?P<q>['"])(?P<name>descr|fortran_order|shape)(?P=q)\s*:\s*"""
    r"""(?:(?P<k>['"])(?P<kind>[<>|=]?[A-Za-z?]\d*(?:\[\w+\])?)(?P=k)|(?P<truth>True|False)|\((?P<lengths>[\d\s,L]*)\))\s*(?:,|$)"""
)
_FORM_OF = {"descr": "kind", "fortran_order": "truth", "shape": "lengths"}


class NpyHeader(NamedTuple):
    """The shape, type and order of an array.

    Attributes:
        shape: lengths, none of them negative.
        in_columns: whether the first position changes fastest, Fortran's order.
        dtype: of its elements; of fields (a structured type) it never is.
    """

    shape: tuple[int, ...]
    in_columns: bool
    dtype: np.dtype[Any]


def read_npy_header(file: IO[bytes]) -> NpyHeader:
    """The header of a ``.npy`` of the format 1.0, 2.0 or 3.0; the file is left at the array's first byte.

    Raises:
        ValueError: anything else, in words that can follow a colon.
    """
    start = file.read(len(MAGIC) + 2)
    length_bytes = _LENGTH_BYTES.get(start[len(MAGIC) :])
    if not start.startswith(MAGIC) or length_bytes is None:
        raise ValueError("it does not begin as an array of NumPy does")
    length = int.from_bytes(file.read(length_bytes), "little")
    if length > LONGEST:
        raise ValueError(f"its header of {length} bytes is longer than {LONGEST}")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("it ends within its header")
    return parse_npy_header(text)


# Thousands of files of features have one and the same header.
@lru_cache(maxsize=128)
def parse_npy_header(text: bytes) -> NpyHeader:
    """The header whose text, a dictionary as Python writes it, is given.

    Example:
        >>> parse_npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }")
        NpyHeader(shape=(3, 4), in_columns=False, dtype=dtype('float32'))

    Raises:
        ValueError: another text, or elements that are neither numbers, truths, text nor objects.
    """
    import numpy as np

    said = text.decode("utf-8", "replace").strip()
    if not (said.startswith("{") and said.endswith("}")):
        raise ValueError("its header is malformed")
    said = said[1:-1].rstrip()
    found, at = {}, 0
    while at < len(said):
        entry = _ENTRY.match(said, at)
        value = entry and entry[_FORM_OF[entry["name"]]]
        if entry is None or value is None or entry["name"] in found:
            raise ValueError("its elements have fields" if "[(" in said else "its header is malformed")
        found[entry["name"]], at = value, entry.end()
    if len(found) < len(_FORM_OF):
        raise ValueError("its header lacks the type, the order or the shape")
    try:
        dtype: np.dtype[Any] = np.dtype(found["descr"])
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"its elements are of an unknown type, {found['descr'][:20]}") from None
    return NpyHeader(_lengths(found["shape"]), found["fortran_order"] == "True", dtype)


def _lengths(text: str) -> tuple[int, ...]:
    parts = [part.strip().removesuffix("L") for part in text.split(",")]
    if parts[-1] == "":
        parts.pop()
    if len(text) > 200 or not all(part.isdecimal() for part in parts) or (len(parts) == 1 and "," not in text):
        raise ValueError("its shape is no list of lengths")
    return tuple(map(int, parts))
