"""Scores in buckets by quantiles, the highest number the rarest.

Bucket k of n holds the scores above edge k - 1 up to and including edge k; the first one holds its lower edge too.
Where edges coincide, the buckets between them are one with the bucket below: the numbers above keep their meaning, so
that 10 stays the rarest hundredth however many scores are equal, and the numbers between are given to no score.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from spacer_like.exceptions import TableError
from spacer_like.rarity.messages import QUANTILE_PROBABILITIES
from spacer_like.rarity.score_table import ScoreTable
from spacer_like.tables.array_file import ArrayMissingError, from_npz

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MOST_EDGES = 2**17
_LONGEST_METHOD = 40


@dataclass(frozen=True, eq=False)
class Buckets:
    """Edges of buckets.

    Attributes:
        edges: float64 [n + 1] for n buckets, rising, some of them perhaps equal.
        probabilities: of the edges, from 0 to 1; None where they are not known.
        method: which score they are of; None where it is not known.
    """

    edges: NDArray[np.float64]
    probabilities: tuple[float, ...] | None
    method: str | None = None

    @property
    def n_merged(self) -> int:
        """How many edges coincide with the one before."""
        return int((np.diff(self.edges) == 0).sum())

    @property
    def labels(self) -> list[str]:
        """The buckets in words, from the first one on."""
        n_buckets = len(self.edges) - 1
        if self.probabilities is None:
            return [f"bucket {number} of {n_buckets}, {n_buckets} the rarest" for number in range(1, n_buckets + 1)]
        if n_buckets == 1:
            return ["as rare as any"]
        return [
            f"less than {_percent(1 - self.probabilities[1])} rarest",
            *(f"top {_percent(1 - probability)} rarest" for probability in self.probabilities[1:-1]),
        ]

    def numbers(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """The bucket of each score, int64 [n] from 1; beyond the ends the first and the last; 0 for NaN."""
        numbers = np.searchsorted(self.edges, scores, side="left").clip(1, len(self.edges) - 1)
        numbers[np.isnan(scores)] = 0
        return np.asarray(numbers, np.int64)

    def counts(self, numbers: NDArray[np.int64]) -> dict[str, int]:
        """How many scores lie in each bucket, by its number as text."""
        counts = np.bincount(numbers, minlength=len(self.edges))
        return {str(number): int(counts[number]) for number in range(1, len(self.edges))}

    def bucketized(self, table: ScoreTable) -> ScoreTable:
        """The table with the columns bin_pixelScore and readable_bin_pixelScore, null where there is no score."""
        numbers = self.numbers(table.scores)
        unscored = numbers == 0
        words = pa.DictionaryArray.from_arrays(pa.array(numbers - 1, pa.int32(), mask=unscored), pa.array(self.labels))
        with_numbers = table.with_column("bin_pixelScore", pa.array(numbers, mask=unscored))
        return with_numbers.with_column("readable_bin_pixelScore", words)

    def to_npz(self) -> bytes:
        """The bytes of a ``.npz`` with arr_0, the edges, and the probabilities and the method where they are known."""
        known: dict[str, NDArray[Any]] = {}
        if self.probabilities is not None:
            known["probabilities"] = np.array(self.probabilities, np.float64)
        if self.method is not None:
            known["method"] = np.array([self.method])
        sink = BytesIO()
        np.savez(sink, self.edges, **known)  # type: ignore[arg-type]
        return sink.getvalue()


def quantile_buckets(
    scores: NDArray[np.float64], name: str, probabilities: Sequence[float] = QUANTILE_PROBABILITIES
) -> Buckets:
    """Buckets whose edges are the quantiles of the scores, by linear interpolation, as `numpy.quantile`.

    Args:
        scores: float64 [n]; NaN does not count.
        name: what errors call the table.
        probabilities: rising from 0 to 1.

    Raises:
        TableError: there is no score.
    """
    scores = scores[~np.isnan(scores)]
    if not len(scores):
        raise TableError(f"The table '{name}' has no score: there is nothing to sort into buckets.")
    edges = np.quantile(scores, np.array(probabilities, np.float64))
    return Buckets(np.asarray(edges, np.float64), tuple(float(probability) for probability in probabilities))


def read_buckets(data: bytes, name: str) -> Buckets:
    """The buckets in a ``.npz`` of `Buckets.to_npz`, or with arr_0 alone; eleven edges are then the usual ones.

    Raises:
        TableError: no ``.npz``, or its edges are not two or more rising finite numbers.
    """
    edges = _numbers(data, name, "arr_0")
    if len(edges) < 2 or not np.isfinite(edges).all() or (np.diff(edges) < 0).any():
        raise TableError(f"The edges '{name}' must be two float64 numbers or more that rise, in arr_0.")
    method = _method(data, name)
    try:
        probabilities = _numbers(data, name, "probabilities")
    except ArrayMissingError:
        return Buckets(edges, QUANTILE_PROBABILITIES if len(edges) == len(QUANTILE_PROBABILITIES) else None, method)
    if probabilities.shape != edges.shape or not _are_probabilities(probabilities):
        raise TableError(f"The probabilities of the edges '{name}' must rise from 0 to 1, one for each edge.")
    return Buckets(edges, tuple(probabilities.tolist()), method)


def _method(data: bytes, name: str) -> str | None:
    try:
        method = from_npz(data, name, "method")
    except ArrayMissingError:
        return None
    if method.dtype.kind != "U" or method.shape != (1,):
        raise TableError(f"The method of the edges '{name}' must be one text.")
    return str(method[0])[:_LONGEST_METHOD]


def _numbers(data: bytes, name: str, array: str) -> NDArray[np.float64]:
    numbers = from_npz(data, name, array)
    if numbers.dtype != np.float64 or numbers.ndim != 1 or len(numbers) > _MOST_EDGES:
        raise TableError(
            f"The edges '{name}' must be float64 [n], and {array} is {numbers.dtype} {list(numbers.shape)}."
        )
    return numbers


def _are_probabilities(values: NDArray[np.float64]) -> bool:
    return bool(values[0] == 0 and values[-1] == 1 and (np.diff(values) > 0).all())


def _percent(share: float) -> str:
    """A share in percent, without the digits that floating point adds.

    >>> _percent(1 - 0.93), _percent(0.0005)
    ('7%', '0.05%')
    """
    return f"{round(100 * share, 6):g}%"
