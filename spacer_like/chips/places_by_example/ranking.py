"""A linear classifier of chips, learnt from the few that a person said yes or no to, which ranks all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spacer_like.exceptions import MessageError
from spacer_like.learning.calibration import sigmoid
from spacer_like.learning.linear_tags import NEGATIVE, POSITIVE, QUICK_TOLERANCE, fit_linear_tags
from spacer_like.row_blocks import block_threads, row_blocks

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from spacer_like.embeddings import MergedEmbeddings, NameList

MOST_MARKS = 2000
"""Chips that may be marked: with more a model of labels is better trained."""
# How many times a mark counts against the squared weights, found on chips of Helsinki.
_IMPORTANCE = 10.0
_BACKGROUND = 64
_LEAST_TOLERANCE = 1e-12
# Root of the mean squared distance of vectors from their mean. Those of networks are farther apart, and stay.
_LEAST_SPREAD = 0.3
_SAMPLED = 4096
_ROWS_AT_ONCE = 2**14


class Ranking(NamedTuple):
    """All chips by how much they are like those with a yes, and unlike those with a no.

    Fields:
        scores: float32 [n], from 0 to 1, as a probability would be.
        order: int64 [n], the chips' indices, the highest score first, equal ones by their indices.
    """

    scores: NDArray[np.float32]
    order: NDArray[np.int64]


class Ranked(NamedTuple):
    """Ranked chips.

    Fields:
        names: of the chips.
        marks: by the index of a chip with an answer, whether it is a yes.
    """

    names: NameList
    ranking: Ranking
    marks: Mapping[int, bool]


class PlaceRanker:
    """Ranks chips by their vectors.

    Args:
        vectors: float32 [n, d], of length one or of nothing but zeros. Where all are nearly alike, as those of band
            statistics may be, their distances from their mean are enlarged, so that scores differ.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors
        n = len(vectors)
        some = vectors[:: max(n // _SAMPLED, 1)]
        self._centre = some.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = float(np.sqrt(np.square(some - self._centre).sum(axis=1).mean())) if n else 0.0
        self._factor = np.float32(max(_LEAST_SPREAD / spread, 1.0) if spread else 1.0)
        self._background = np.unique(np.linspace(0, n - 1, min(n, _BACKGROUND)).astype(np.int64))

    def __len__(self) -> int:
        return len(self._vectors)

    def rank(self, yes: Sequence[int], no: Sequence[int]) -> Ranking:
        """The ranking by the chips with a yes and with a no, by their indices.

        A logistic regression on the vectors, where all with a yes count as much together as all with a no. Where one
        of both is missing, some chips from all over the set stand for it.

        Raises:
            MessageError: nothing is marked, a chip both ways, or too many are.
        """
        if both := set(yes) & set(no):
            raise MessageError(f"The chip number {min(both)} has a yes and a no: give one of them.")
        n_marks = len(yes) + len(no)
        if not 1 <= n_marks <= MOST_MARKS:
            raise MessageError(f"Between 1 and {MOST_MARKS:,} chips may have a yes or a no, and {n_marks:,} have.")
        marked = [*yes, *no]
        sides = [self._side(yes, marked), self._side(no, marked)]
        rows = np.concatenate(sides)
        importance = np.concatenate([np.full(len(side), _IMPORTANCE * n_marks / 2 / len(side)) for side in sides])
        targets = np.repeat([POSITIVE, NEGATIVE], [len(side) for side in sides])[:, None]
        # In an order of its own, so that it does not matter in which one they were marked.
        order = np.argsort(rows, kind="stable")
        vectors = self._spread(rows[order])
        found = fit_linear_tags(vectors, targets[order], importance=importance[order], tolerance=_tolerance(vectors))
        weights, bias = found.weights[0].astype(np.float32), found.bias[0]
        with block_threads() as threads:
            blocks = row_blocks(len(self), _ROWS_AT_ONCE)
            products = np.concatenate(list(threads.map(lambda rows: self._spread(rows) @ weights, blocks)))
        scores = sigmoid(products.astype(np.float64) + bias).astype(np.float32)
        return Ranking(scores, np.argsort(-products, kind="stable"))

    def _spread(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some chips, farther apart where all are nearly alike."""
        vectors = self._vectors[rows]
        return vectors if self._factor == 1 else np.asarray((vectors - self._centre) * self._factor, np.float32)

    def _side(self, given: Sequence[int], marked: Sequence[int]) -> NDArray[np.int64]:
        if given:
            return np.array(given, np.int64)
        others = np.setdiff1d(self._background, marked)
        return others if len(others) else self._background


def _tolerance(vectors: NDArray[np.float32]) -> float:
    """How exact probabilities must be for the order to be right: where vectors are alike, as those of band statistics
    are, even the right ones are all near one half.
    """
    spread = np.square(vectors - vectors.mean(axis=0)).sum(axis=1).max()
    return float(np.clip(spread / 4, _LEAST_TOLERANCE, QUICK_TOLERANCE))


def vectors_of(merged: MergedEmbeddings) -> NDArray[np.float32]:
    """All vectors of files, float32 [n, d], in the order of their names.

    Raises:
        FeatureFileError: one is not of length one.
    """
    found = np.empty((len(merged), merged.dimension), np.float32)
    for rows in row_blocks(len(merged), _ROWS_AT_ONCE):
        found[rows] = merged.singles(np.arange(rows.start, rows.stop))
    return found


def quantiles(ranking: Ranking) -> NDArray[np.uint8]:
    """The share of chips that each chip stands before, 0 to 255: uint8 [n]."""
    n = len(ranking.order)
    found = np.empty(n, np.uint8)
    found[ranking.order] = np.linspace(255, 0, n).astype(np.uint8)
    return found


def unmarked(ranking: Ranking, marked: Iterable[int]) -> NDArray[np.int64]:
    """The indices of chips that nobody marked, the highest score first."""
    is_marked = np.zeros(len(ranking.order), bool)
    is_marked[list(marked)] = True
    found: NDArray[np.int64] = ranking.order[~is_marked[ranking.order]]
    return found


def ranked_table(ranked: Ranked, corners: NDArray[np.float64] | None) -> pa.Table:
    """A row for each chip, the best first: chip, rank from 1, score, answer, longitude and latitude of the centre.

    Args:
        corners: of the chips, see `corners_of_chips`; None: no place is known, which is null.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    order = ranked.ranking.order
    answers: list[str | None] = [None] * len(order)
    for chip, is_yes in ranked.marks.items():
        answers[chip] = "yes" if is_yes else "no"
    centres = np.full((len(order), 2), np.nan) if corners is None else corners.mean(axis=1)
    centres[:, 0] = (centres[:, 0] + 180) % 360 - 180
    names = ranked.names.to_arrow().cast(pa.large_binary()).cast(pa.string())
    longitudes, latitudes = (pa.array(values, from_pandas=True) for values in centres.T)
    table = pa.table(
        {
            "chip": names,
            "score": pa.array(ranked.ranking.scores),
            "answer": pa.array(answers, pa.string()),
            "longitude": longitudes,
            "latitude": latitudes,
        }
    ).take(pa.array(order))
    return table.add_column(1, "rank", pc.cast(pa.array(np.arange(1, len(order) + 1)), pa.int32()))
