"""The directories of a TIFF: its tags with their values, of classic TIFF and BigTIFF, after TIFF 6.0.

Only what is asked for is read, and no number in a file makes more memory be taken than the file has bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from spacer_like.exceptions import TileError

Read = Callable[[int, int], bytes]
"""The bytes of a file from an offset on, so many, or fewer at its end."""

MOST_DIRECTORIES = 100
_MOST_ENTRIES = 1000
_MOST_VALUE_BYTES = 2**24
# The directories of a cloud-optimised tile lie at its beginning; those of a whole one take 50 KiB.
_FIRST_BYTES = 2**16
_NEXT_BYTES = 2**14

# Field type -> (bytes, letter of struct); rationals are left as pairs.
_TYPES = {
    1: (1, "B"),
    2: (1, "s"),
    3: (2, "H"),
    4: (4, "I"),
    5: (8, "2I"),
    6: (1, "b"),
    7: (1, "s"),
    8: (2, "h"),
    9: (4, "i"),
    10: (8, "2i"),
    11: (4, "f"),
    12: (8, "d"),
    13: (4, "I"),
    16: (8, "Q"),
    17: (8, "q"),
    18: (8, "Q"),
}


class Entry(NamedTuple):
    """Where the values of a tag are: `n_values` of a field type, from `offset` on."""

    kind: int
    n_values: int
    offset: int


class Tiff:
    """The directories of a TIFF.

    Args:
        read: reads a part of the file.
        size: of the file in bytes.
        name: what errors call the file.

    Attributes:
        directories: the entries of each directory, by tag.

    Raises:
        TileError: no TIFF, or one whose directories are damaged, endless or cut short.
    """

    def __init__(self, read: Read, size: int, name: str) -> None:
        self.name = name
        self.size = size
        self._read = read
        self._kept = read(0, min(_FIRST_BYTES, size))
        self._kept_at = 0
        first = self._read_header()
        self.directories = self._read_directories(first)

    def numbers(self, directory: int, tag: int) -> tuple[int | float, ...]:
        """The numbers of a tag, none where the directory lacks it.

        Raises:
            TileError: they are text, far too many, or not in the file.
        """
        entry = self.directories[directory].get(tag)
        if entry is None:
            return ()
        size, letter = _TYPES.get(entry.kind, (0, "s"))
        if letter == "s":
            self._damaged(f"tag {tag} holds no numbers")
        data = self._values(entry, size, tag)
        repeats, letter = (2, letter[1]) if len(letter) == 2 else (1, letter)
        return struct.unpack(f"{self._order}{entry.n_values * repeats}{letter}", data)

    def number(self, directory: int, tag: int, default: int) -> int:
        """The first number of a tag as an integer, or the default; errors as `numbers`."""
        values = self.numbers(directory, tag)
        if not values:
            return default
        if not isinstance(values[0], int):
            self._damaged(f"tag {tag} is no integer")
        return values[0]

    def data(self, directory: int, tag: int) -> bytes:
        """The bytes of a tag of text or data, none where the directory lacks it; errors as `numbers`."""
        entry = self.directories[directory].get(tag)
        if entry is None:
            return b""
        return self._values(entry, _TYPES.get(entry.kind, (1, ""))[0], tag)

    def _read_header(self) -> int:
        begin = self._kept[:16]
        if begin[:2] not in (b"II", b"MM") or len(begin) < 8:
            raise TileError(f"The raster '{self.name}' is no TIFF.")
        self._order = "<" if begin[:2] == b"II" else ">"
        version: int = struct.unpack_from(f"{self._order}H", begin, 2)[0]
        self._is_big = version == 43
        if version not in (42, 43) or (
            self._is_big and (len(begin) < 16 or struct.unpack_from(f"{self._order}HH", begin, 4) != (8, 0))
        ):
            raise TileError(f"The raster '{self.name}' is no TIFF.")
        first: int = struct.unpack_from(
            *((f"{self._order}Q", begin, 8) if self._is_big else (f"{self._order}I", begin, 4))
        )[0]
        return first

    def _read_directories(self, offset: int) -> list[dict[int, Entry]]:
        found: list[dict[int, Entry]] = []
        seen: set[int] = set()
        while offset:
            if offset in seen or len(found) == MOST_DIRECTORIES:
                self._damaged("its directories come to no end")
            seen.add(offset)
            entries, offset = self._directory(offset)
            found.append(entries)
        if not found:
            self._damaged("it has no directory")
        return found

    def _directory(self, offset: int) -> tuple[dict[int, Entry], int]:
        """The entries of the directory at an offset, and the offset of the next directory."""
        head, entry_bytes, next_bytes = (8, 20, 8) if self._is_big else (2, 12, 4)
        n_entries = int(struct.unpack(f"{self._order}{'Q' if self._is_big else 'H'}", self._part(offset, head))[0])
        if not 0 < n_entries <= _MOST_ENTRIES:
            self._damaged(f"a directory announces {n_entries} entries")
        body = self._part(offset + head, n_entries * entry_bytes + next_bytes)
        layout = f"{self._order}HHQ" if self._is_big else f"{self._order}HHI"
        word = f"{self._order}{'Q' if self._is_big else 'I'}"
        value_at = struct.calcsize(layout)
        inline = entry_bytes - value_at
        entries: dict[int, Entry] = {}
        for start in range(0, n_entries * entry_bytes, entry_bytes):
            tag, kind, count = struct.unpack_from(layout, body, start)
            n_bytes = count * _TYPES.get(kind, (0, ""))[0]
            at = offset + head + start + value_at
            if n_bytes > inline:
                at = struct.unpack_from(word, body, start + value_at)[0]
            entries[tag] = Entry(kind, count, at)
        return entries, int(struct.unpack_from(word, body, n_entries * entry_bytes)[0])

    def _values(self, entry: Entry, size: int, tag: int) -> bytes:
        n_bytes = entry.n_values * size
        if n_bytes > _MOST_VALUE_BYTES:
            self._damaged(f"tag {tag} announces {entry.n_values} values")
        return self._part(entry.offset, n_bytes)

    def _part(self, offset: int, length: int) -> bytes:
        if offset + length > self.size:
            raise TileError(
                f"The raster '{self.name}' is cut short: it has {self.size} bytes, and its directories reach to byte "
                f"{offset + length}."
            )
        begin = offset - self._kept_at
        if begin < 0 or begin + length > len(self._kept):
            # What follows is mostly asked for next.
            self._kept = self._read(offset, max(length, min(_NEXT_BYTES, self.size - offset)))
            self._kept_at, begin = offset, 0
        data = self._kept[begin : begin + length]
        if len(data) < length:
            raise TileError(f"The raster '{self.name}' has become shorter while it was read.")
        return data

    def _damaged(self, reason: str) -> NoReturn:
        raise TileError(f"The raster '{self.name}' is damaged: {reason}.")
