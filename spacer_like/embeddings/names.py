"""Names of images by the million: one text of bytes instead of a Python object each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import FeatureFileError

MOST_NAME_BYTES = 1024


class NameList(Sequence[str]):
    """Names in the order of their UTF-8 bytes, which is that of Python's texts; where they are in no order, only
    `find`, `with_prefix` and `near` make no sense.

    Args:
        text: uint8 [m], the names one after the other in UTF-8.
        ends: int64 [n], where each one ends in `text`.
        source: what errors call the file that they are from.

    Raises:
        FeatureFileError: the ends do not rise up to m, or a name is empty or longer than any.
    """

    def __init__(self, text: NDArray[np.uint8], ends: NDArray[np.int64], source: str = "The list of names") -> None:
        lengths = np.diff(ends, prepend=np.int64(0))
        fits = (ends[-1] if len(ends) else 0) == len(text)
        if not fits or (len(ends) and not 1 <= lengths.min() <= lengths.max() <= MOST_NAME_BYTES):
            raise FeatureFileError(f"'{source}' is damaged: the names of its images are not where it says.")
        self.text = text
        self.ends = ends
        self.source = source

    @classmethod
    def of(cls, names: Iterable[str]) -> NameList:
        """The list of some names, in their order."""
        encoded = [name.encode("utf-8", "backslashreplace") for name in names]
        ends = np.cumsum([len(name) for name in encoded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        try:
            return self._bytes(index % len(self)).decode()
        except UnicodeDecodeError:
            raise FeatureFileError(f"'{self.source}' is damaged: the name of an image is no text.") from None

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    def find(self, name: str) -> int | None:
        """The index of a name, or None."""
        wanted = _encoded(name)
        index = self._first_not_below(wanted)
        return index if index < len(self) and self._bytes(index) == wanted else None

    def with_prefix(self, prefix: str) -> range:
        """The indices of all names that begin with a text."""
        begin = _encoded(prefix)
        # Higher than any byte of UTF-8.
        return range(self._first_not_below(begin), self._first_not_below(begin + b"\xff"))

    def near(self, name: str, count: int = 3) -> list[str]:
        """At most `count` names around the index where `name` would be: those that begin most alike."""
        index = self._first_not_below(_encoded(name))
        first = max(min(index - count // 2, len(self) - count), 0)
        return self[first : first + count]

    def to_arrow(self) -> Any:
        """The names as an Arrow array of binary values, which shares the memory."""
        import pyarrow as pa

        offsets = np.concatenate([np.zeros(1, np.int64), self.ends])
        text = np.ascontiguousarray(self.text)
        return pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), len(self), [None, pa.py_buffer(offsets), pa.py_buffer(text)]
        )

    @classmethod
    def from_arrow(cls, names: Any, source: str = "The list of names") -> NameList:
        """The list that an Arrow array of large binary values, without an offset and nulls, holds."""
        _, offsets, text = names.buffers()
        ends = np.frombuffer(offsets, np.int64)[: len(names) + 1]
        taken = np.frombuffer(text, np.uint8) if text is not None else np.empty(0, np.uint8)
        return cls(taken[ends[0] : ends[-1]], ends[1:] - ends[0], source)

    def _bytes(self, index: int) -> bytes:
        begin = int(self.ends[index - 1]) if index else 0
        return self.text[begin : int(self.ends[index])].tobytes()

    def _first_not_below(self, wanted: bytes) -> int:
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._bytes(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "backslashreplace")
