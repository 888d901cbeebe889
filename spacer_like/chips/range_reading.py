"""Many small ranges of files read in few large reads: across a network each read waits, however little it fetches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# What lies between two ranges is fetched with them where that is faster than asking twice.
_MOST_BETWEEN = 2**16
_MOST_TOGETHER = 2**22
# Ranges that are asked for one soon after the other; what is read together is held until all of it was asked for.
_WINDOW = 256


class Range(NamedTuple):
    """Bytes of a file: its number, where they begin, and how many they are."""

    file: int
    offset: int
    length: int


@dataclass
class _Together:
    """Ranges of a file that are read at once, by who asks first for one of them."""

    file: int
    begin: int
    end: int
    waiting: int = 0
    data: bytes | None = None
    error: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class RangesReader:
    """Gives each range of a list once, in any order that is about the list's; many threads may ask.

    Args:
        ranges: what will be asked for.
        read: gives the bytes of a range, as many as there are.
    """

    def __init__(self, ranges: Sequence[Range], read: Callable[[Range], bytes]) -> None:
        self._ranges = ranges
        self._read = read
        self._together: list[_Together] = []
        for first in range(0, len(ranges), _WINDOW):
            self._together += _joined(ranges, range(first, min(first + _WINDOW, len(ranges))))

    def __getitem__(self, place: int) -> bytes:
        """The bytes of a range, fewer where the file ends; the error that reading them gave."""
        wanted = self._ranges[place]
        together = self._together[place]
        with together.lock:
            if together.data is None and together.error is None:
                try:
                    together.data = self._read(Range(together.file, together.begin, together.end - together.begin))
                except Exception as error:
                    together.error = error
            if together.error is not None:
                raise together.error
            data = together.data or b""
            together.waiting -= 1
            if together.waiting <= 0:
                # Who asks for more than was said reads it again.
                together.data = None
        begin = wanted.offset - together.begin
        return data[begin : begin + wanted.length]


def _joined(ranges: Sequence[Range], places: range) -> list[_Together]:
    """For each of some ranges the read that it belongs to."""
    of_place: dict[int, _Together] = {}
    last: _Together | None = None
    for place in sorted(places, key=lambda place: ranges[place]):
        file, offset, length = ranges[place]
        end = offset + length
        if (
            last is None
            or file != last.file
            or offset > last.end + _MOST_BETWEEN
            or max(end, last.end) - last.begin > _MOST_TOGETHER
        ):
            last = _Together(file, offset, end)
        last.end = max(last.end, end)
        last.waiting += 1
        of_place[place] = last
    return [of_place[place] for place in places]
