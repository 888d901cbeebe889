"""Ranks of scores, and how far two rankings agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Agreement:
    """How two columns of scores agree over the `n` tokens that have both.

    Attributes:
        pearson: correlation of the scores.
        spearman: correlation of their ranks.
        kendall: Kendall's tau-b.
        top_overlap: share of the top of one that is in the top of the other, as `top_overlap`.

    The last four are None where n < 2, or one column is constant.
    """

    n: int
    pearson: float | None
    spearman: float | None
    kendall: float | None
    top_overlap: float | None


def descending_ranks(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ranks from the highest score, which has 1: float64 [n] twice, NaN where the score is NaN.

    Returns:
        The average rank of equal scores, and their least ("1224", as in competitions).
    """
    average = np.full(len(scores), np.nan)
    least = np.full(len(scores), np.nan)
    scored = np.flatnonzero(~np.isnan(scores))
    if not len(scored):
        return average, least
    order = scored[np.argsort(-scores[scored], kind="stable")]
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ends = np.append(starts[1:], len(ordered))
    tied = ends - starts
    average[order] = np.repeat((starts + 1 + ends) / 2, tied)
    least[order] = np.repeat(starts + 1.0, tied)
    return average, least


def pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Pearson's correlation over the pairs without NaN; None where fewer than two remain, or one side is constant."""
    return _correlation(*_pairs(first, second))


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Spearman's correlation: Pearson's of the average ranks, over the pairs without NaN; None as `pearson`."""
    first, second = _pairs(first, second)
    return _correlation(descending_ranks(first)[0], descending_ranks(second)[0])


def kendall(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Kendall's tau-b over the pairs without NaN, in n log n; None as `pearson`."""
    first, second = _pairs(first, second)
    if _is_constant(first) or _is_constant(second):
        return None
    from scipy.stats import kendalltau

    return float(np.clip(kendalltau(first, second).statistic, -1, 1))


def top_overlap(first: NDArray[np.float64], second: NDArray[np.float64], share: float) -> float | None:
    """Which share of the top of one ranking is in the top of the other; the top are ceil(share * n) tokens.

    Where equal scores straddle the end of the top, each is in it by the part of them that finds room, so that the order
    of the tokens does not matter; what both have of a token counts. Over the pairs without NaN; None as `pearson`.
    """
    first, second = _pairs(first, second)
    if _is_constant(first) or _is_constant(second):
        return None
    # The product of two decimal numbers may be a hair above the integer that is meant.
    size = max(math.ceil(round(share * len(first), 9)), 1)
    return float(np.minimum(_part_in_top(first, size), _part_in_top(second, size)).sum() / size)


def agreement(first: NDArray[np.float64], second: NDArray[np.float64], top_share: float) -> Agreement:
    """All of the above over the pairs without NaN."""
    first, second = _pairs(first, second)
    return Agreement(
        n=len(first),
        pearson=pearson(first, second),
        spearman=spearman(first, second),
        kendall=kendall(first, second),
        top_overlap=top_overlap(first, second, top_share),
    )


def _pairs(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    both = ~(np.isnan(first) | np.isnan(second))
    return first[both], second[both]


def _is_constant(values: NDArray[np.float64]) -> bool:
    return len(values) < 2 or bool(values.min() == values.max())


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    if _is_constant(first) or _is_constant(second):
        return None
    product = float(np.dot(_direction(first), _direction(second)))
    return min(max(product, -1.0), 1.0)


def _direction(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The deviations from the mean, as a vector of length 1."""
    # Scaled first: the square of a very large or very small number is not one.
    scaled = values / np.abs(values).max()
    deviations = scaled - scaled.mean()
    deviations /= np.abs(deviations).max()
    return np.asarray(deviations / np.sqrt(np.dot(deviations, deviations)))


def _part_in_top(scores: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Of each score, how much of it is among the `size` highest: 1, 0, or a part of those equal to the last."""
    last = np.partition(scores, len(scores) - size)[len(scores) - size]
    above, equal = scores > last, scores == last
    return np.asarray(above + equal * ((size - above.sum()) / equal.sum()), np.float64)
