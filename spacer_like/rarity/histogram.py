"""How many images of a collection have which colour at which position: sparse, and made to be added up.

Histograms of images prepared alike are a commutative monoid under addition, whose identity is the empty one; a
collection may be in a sum once only, and can be taken away again. Counts are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from threading import Condition
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from typing_extensions import Self

from spacer_like.exceptions import HistogramError
from spacer_like.rarity.bins import BINS, COLOURS
from spacer_like.rarity.counting import (
    Piece,
    add_into,
    count_into,
    counts_of,
    empty_counts,
    number_into,
    occurring,
    occurring_pieces,
    positions_of,
    subtract_into,
    tally_into,
)
from spacer_like.rarity.image_colours import ImageColours

if TYPE_CHECKING:
    from numpy.typing import NDArray

POSITIONS_IN_A_PIECE = 2048
_LARGEST_UINT16 = 2**16 - 1
_LARGEST_UINT32 = 2**32 - 1


@dataclass(frozen=True)
class Header:
    """What histograms must have in common to be added up.

    Attributes:
        size: width and height of the squares that were counted.
        resample, background: how images became squares, see `spacer_like.rarity.messages.PreparationMsg`.
    """

    size: int
    resample: str
    background: str
    bins: int = BINS
    colour_space: str = "RGB"

    @property
    def positions(self) -> int:
        return self.size * self.size

    def check_same(self, other: Header) -> None:
        """Raise a `HistogramError` that names the first difference, if there is one."""
        mine, theirs = asdict(self), asdict(other)
        for name, value in mine.items():
            if theirs[name] != value:
                raise HistogramError(
                    f"The histograms do not go together: the {name.replace('_', ' ')} is {value} of one "
                    f"and {theirs[name]} of the other; count both alike."
                )


class Counted(Protocol):
    """Counts as they are written and added up: a piece at a time, so that all of them need never be in memory."""

    @property
    def header(self) -> Header: ...

    @property
    def collections(self) -> Mapping[str, int]:
        """How many images of which collection were counted."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """Keys and counts, uint32, of `POSITIONS_IN_A_PIECE` positions each, or another number; the keys rise."""
        ...


@dataclass(frozen=True)
class DenseCounts:
    """Counts by position and colour, [positions, 1000]."""

    header: Header
    collections: Mapping[str, int]
    counts: Any

    def pieces(self) -> Iterator[Piece]:
        """See `Counted`."""
        for start in range(0, len(self.counts), POSITIONS_IN_A_PIECE):
            keys, counts = occurring(self.counts[start : start + POSITIONS_IN_A_PIECE])
            keys += np.uint32(start * COLOURS)
            yield keys, counts


@dataclass(frozen=True)
class WaitingCounts:
    """Counts of images whose colours are in memory, computed on request."""

    header: Header
    collections: Mapping[str, int]
    colours: ImageColours

    def pieces(self) -> Iterator[Piece]:
        """See `Counted`."""
        return occurring_pieces(self.colours, sum(self.collections.values()), POSITIONS_IN_A_PIECE)


@dataclass(frozen=True)
class Histogram:
    """Sparse counts.

    Attributes:
        collections: how many images of which collection were counted.
        keys: uint32, ascending: position * 1000 + colour.
        counts: uint32, none of them 0.
    """

    header: Header
    collections: Mapping[str, int]
    keys: NDArray[np.uint32]
    counts: NDArray[np.uint32]

    @classmethod
    def empty(cls, header: Header) -> Self:
        return cls(header, {}, np.empty(0, np.uint32), np.empty(0, np.uint32))

    @property
    def n_images(self) -> int:
        return sum(self.collections.values())

    @property
    def smallest_count(self) -> int:
        """The smallest count that is not 0; 0 where nothing was counted."""
        return int(self.counts.min()) if len(self.counts) else 0

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Histogram)
            and self.header == other.header
            and dict(self.collections) == dict(other.collections)
            and np.array_equal(self.keys, other.keys)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Histogram) -> Histogram:
        return HistogramSum(self.header).add(self).add(other).histogram()

    def __sub__(self, other: Histogram) -> Histogram:
        return HistogramSum(self.header).add(self).subtract(other).histogram()

    def pieces(self) -> Iterator[Piece]:
        """See `Counted`."""
        starts = np.arange(0, self.header.positions, POSITIONS_IN_A_PIECE, dtype=np.uint32) * np.uint32(COLOURS)
        ends = [*np.searchsorted(self.keys, starts[1:]).tolist(), len(self.keys)]
        for low, high in zip([0, *ends], ends, strict=False):
            yield self.keys[low:high], self.counts[low:high]

    def to_dense(self) -> NDArray[np.int32]:
        """The counts in PixelScore's layout, int32 [positions, 10, 10, 10].

        Raises:
            HistogramError: a count is too large for it.
        """
        check_fits_dense(int(self.counts.max(initial=0)))
        dense = np.zeros(self.header.positions * COLOURS, np.int32)
        dense[self.keys] = self.counts
        return dense.reshape(-1, BINS, BINS, BINS)

    @classmethod
    def from_dense(cls, dense: Any, header: Header, collections: Mapping[str, int]) -> Self:
        """The histogram of dense counts [positions, 10, 10, 10]; see `to_dense`."""
        counts = np.ascontiguousarray(dense).reshape(header.positions, COLOURS)
        return cls(header, dict(collections), *occurring(counts))

    def check(self, name: str = "The histogram") -> None:
        """See that the counts are what they are said to be.

        Raises:
            HistogramError: a key out of range or out of order, or counts that are not one for each image everywhere.
        """
        for _ in checked(self, self.pieces(), name):
            pass


def checked(counted: Counted, pieces: Iterator[Piece], name: str) -> Iterator[Piece]:
    """The pieces, each looked at before it is given.

    Raises:
        HistogramError: as `Histogram.check`; what only all of them show is raised after the last piece.
    """
    sums = np.zeros(counted.header.positions, np.uint64)
    previous = -1
    uneven = HistogramError(f"{name} is malformed: its counts are not one for each image at each position.")
    for keys, counts in pieces:
        if not tally_into(sums, keys, counts, previous):
            raise HistogramError(f"{name} is malformed: its keys are not in order.")
        if not counts.all():
            raise uneven
        previous = int(keys[-1]) if len(keys) else previous
        yield keys, counts
    if np.any(sums != sum(counted.collections.values())):
        raise uneven


def check_fits_dense(largest: int) -> None:
    """Raise a `HistogramError` if a count of `largest` is too large for PixelScore's dense layout."""
    if largest > np.iinfo(np.int32).max:
        raise HistogramError("The histogram counts too many images for the dense layout, which has 32 bits.")


class HistogramBuilder:
    """Counts images as they come, from several threads if need be; its memory does not grow with their number.

    Up to a thousand wait: of so many, what occurs is found at once, without a count for each colour there could be.

    Args:
        header: says the size of the squares.
    """

    def __init__(self, header: Header) -> None:
        self._header = header
        self._counts: Any = None
        self._colours = ImageColours.empty(header.positions)
        self._waiting = 0
        self._being_added = 0
        self._turn = Condition()
        self.n_images = 0

    def add(self, stack: NDArray[np.uint8]) -> None:
        """Count images, uint8 [n, size, size, 3]."""
        positions_of(stack[:0], self._header.positions)
        while len(stack):
            first, count = self._free_slots(len(stack))
            try:
                number_into(self._colours, stack[:count], first)
            finally:
                with self._turn:
                    self._being_added -= 1
                    self._turn.notify_all()
            stack = stack[count:]

    def _free_slots(self, wanted: int) -> tuple[int, int]:
        """The first free slot for waiting images, and the number of slots, at most `wanted`."""
        with self._turn:
            if self.n_images + wanted > _LARGEST_UINT32:
                raise HistogramError(f"A histogram counts at most {_LARGEST_UINT32} images.")
            while self._waiting == self._colours.room:
                if self._being_added:
                    self._turn.wait()
                else:
                    self._count_waiting()
            first, count = self._waiting, min(wanted, self._colours.room - self._waiting)
            self._waiting += count
            self._being_added += 1
            self.n_images += count
            return first, count

    def counted(self, collection_id: str) -> DenseCounts | WaitingCounts:
        """What was counted so far, not copied: until the next is added."""
        if self._counts is None:
            return WaitingCounts(self._header, {collection_id: self.n_images}, self._colours)
        return self.dense(collection_id)

    def dense(self, collection_id: str) -> DenseCounts:
        """As `counted`, with a count for each colour that there could be."""
        self._count_waiting()
        if self._counts is None:
            self._counts = empty_counts(self._header.positions)
        return DenseCounts(self._header, {collection_id: self.n_images}, self._counts)

    def histogram(self, collection_id: str) -> Histogram:
        """What was counted so far."""
        counted = self.counted(collection_id)
        keys, counts = (np.concatenate(parts) for parts in zip(*counted.pieces(), strict=True))
        return Histogram(self._header, counted.collections, keys, counts)

    def _count_waiting(self) -> None:
        if not self._waiting:
            return
        wide = np.uint16 if self.n_images <= _LARGEST_UINT16 else np.uint32
        if self._counts is None:
            self._counts = counts_of(self._colours, self._waiting, wide)
        else:
            self._counts = self._counts.astype(wide, copy=False)
            count_into(self._counts, self._colours, self._waiting)
        self._waiting = 0


class HistogramSum:
    """Adds up histograms, in memory that does not grow with their number: 200 MB for squares of 224 pixels."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.collections: dict[str, int] = {}
        self.counts: NDArray[np.uint32] = empty_counts(header.positions, np.uint32)

    @property
    def n_images(self) -> int:
        return sum(self.collections.values())

    def add(self, counted: Counted) -> Self:
        """Add a histogram.

        Raises:
            HistogramError: its images were prepared otherwise, or one of its collections is counted already. An error
                that reading its pieces gives leaves the sum useless.
        """
        self.header.check_same(counted.header)
        if twice := self.counted_already(counted):
            raise HistogramError(f"The collection '{twice[0]}' is counted already: it may be in a sum once only.")
        if self.n_images + sum(counted.collections.values()) > _LARGEST_UINT32:
            raise HistogramError(f"A histogram counts at most {_LARGEST_UINT32} images.")
        for keys, counts in counted.pieces():
            add_into(self.counts, keys, counts)
        self.collections |= counted.collections
        return self

    def subtract(self, counted: Counted) -> Self:
        """Take a histogram away.

        Raises:
            HistogramError: it was prepared otherwise, or the sum does not hold what it counts.
        """
        self.header.check_same(counted.header)
        for name, count in counted.collections.items():
            if self.collections.get(name) != count:
                raise HistogramError(f"The collection '{name}' cannot be taken away: the sum does not hold it.")
        for done, (keys, counts) in enumerate(counted.pieces()):
            if not subtract_into(self.counts, keys, counts):
                for piece in islice(counted.pieces(), done):
                    add_into(self.counts, *piece)
                names = ", ".join(counted.collections)
                raise HistogramError(f"The collection '{names}' cannot be taken away: other images of it were counted.")
        for name in counted.collections:
            del self.collections[name]
        return self

    def counted_already(self, counted: Counted) -> list[str]:
        """Those of a histogram's collections that the sum holds."""
        return [name for name in counted.collections if name in self.collections]

    def pieces(self) -> Iterator[Piece]:
        """See `Counted`."""
        return DenseCounts(self.header, self.collections, self.counts).pieces()

    def histogram(self) -> Histogram:
        """The sum."""
        return Histogram(self.header, dict(self.collections), *occurring(self.counts))
