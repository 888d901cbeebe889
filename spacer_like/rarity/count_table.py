"""A histogram as a dense table to look counts up in, a ``.npy`` file that processes share, and its description.

The file is mapped into memory, not read: processes on one machine hold it once. Beside it lies its description,
``NAME.npy.json``.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from spacer_like.exceptions import HistogramError, damage_as
from spacer_like.rarity.bins import BINS, COLOURS
from spacer_like.rarity.histogram import Counted, Header

if TYPE_CHECKING:
    from numpy.typing import NDArray

KIND, VERSION = "rarity count table", 1
LARGEST_DESCRIPTION = 2**20


@dataclass(frozen=True)
class CountTable:
    """Counts by position and colour.

    Attributes:
        counts: uint32 [positions, 1000]; each row adds up to `n_images`.
        smallest_count: the smallest count that is not 0.
    """

    header: Header
    n_images: int
    smallest_count: int
    counts: NDArray[np.uint32]

    @classmethod
    def from_histogram(cls, histogram: Counted) -> Self:
        """The table of a histogram.

        Raises:
            HistogramError: it counts no image.
        """
        n_images, smallest = sum(histogram.collections.values()), 2**32 - 1
        if not n_images:
            raise HistogramError("The histogram is empty: there is nothing to score against.")
        counts = np.zeros(histogram.header.positions * COLOURS, np.uint32)
        for keys, values in histogram.pieces():
            counts[keys] = values
            smallest = min(smallest, int(values.min(initial=smallest)))
        return cls(histogram.header, n_images, smallest, counts.reshape(-1, COLOURS))

    def check_size(self, size: int, resample: str, background: str) -> None:
        """Raise a `HistogramError` where images prepared like this cannot be looked up."""
        self.header.check_same(Header(size, resample, background))

    def description(self) -> bytes:
        """What the table counts, as JSON."""
        return json.dumps(
            {
                "kind": KIND,
                "version": VERSION,
                "header": asdict(self.header),
                "n_images": self.n_images,
                "smallest_count": self.smallest_count,
            }
        ).encode()

    @classmethod
    def described(cls, counts: Any, description: bytes, name: str) -> Self:
        """The table of an array as it was found in a file, and its description.

        Raises:
            HistogramError: they are malformed, or do not belong to each other.
        """
        again = f"The table {name} is malformed, or its description is: merge the histograms again"
        malformed = HistogramError(f"{again}.")
        with damage_as(HistogramError, name, again):
            found = json.loads(description)
            if found["kind"] != KIND or found["version"] != VERSION:
                raise HistogramError(f"The table {name} is described as another kind or version of table.")
            header = Header(**found["header"])
            n_images, smallest = int(found["n_images"]), int(found["smallest_count"])
            positions = int(header.positions)
        as_written = counts.dtype == np.uint32 and counts.flags.c_contiguous and counts.shape == (positions, COLOURS)
        if header.bins != BINS or not as_written or not 1 <= smallest <= n_images < 2**32:
            raise malformed
        # Some rows; to add all of them up would read the file that is meant to be mapped.
        rows = counts[np.linspace(0, positions - 1, min(positions, 16)).astype(int)]
        if np.any(rows.sum(axis=1, dtype=np.uint64) != n_images):
            raise malformed
        return cls(header, n_images, smallest, counts)


def npy_head(shape: tuple[int, ...]) -> bytes:
    """The beginning of a ``.npy`` file of uint32 numbers."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<u4", "fortran_order": False, "shape": shape})
    return head.getvalue()
