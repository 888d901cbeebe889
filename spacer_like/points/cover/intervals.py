"""Intervals of cover from photographs that people labelled, and from a machine's that people checked in part.

The points of one photograph are alike, so that the photograph is the unit: its shares of the classes are one
observation. All functions take shares, 0 to 1, of shape (..., photographs, classes); leading axes are separate surveys.

**With a machine** the estimate is that of prediction-powered inference (PPI++: Angelopoulos, Duchi and Zrnic 2023,
arXiv 2311.01453), which for a mean is the regression estimator of two-phase sampling (Cochran 1977, Sampling
Techniques, ch. 12): the checked photographs' mean by people, plus ``rate`` times what the machine's mean over all N
photographs differs from its mean over the n checked ones. ``rate`` is tuned for each class; the variance is
var(people - rate * machine) / n + rate^2 * var(machine) / N, the residuals divided by sqrt(1 - leverage) (HC2:
MacKinnon and White 1985).

**The interval** is Wilson's (1927) with an effective number of photographs, p (1 - p) / variance (Kish 1965; for
clustered samples Dean and Pagano 2015), and a quantile of Student's t. A class that few photographs hold says little of
its own variance: one patch that was hit by a single point would give an interval of nearly no width. Therefore the
variance, as a share of p (1 - p), and the rate of a class are averaged with those of all classes, weighted by the
effective number of photographs that hold the class, (sum of shares)^2 / (sum of squares), against `VARIANCE_WEIGHT` and
`RATE_WEIGHT`.

These constants were chosen by simulation (``benchmarks/points/cover.py``); docs/points.md has its figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

VARIANCE_WEIGHT, VARIANCE_WEIGHT_WITH_MACHINE = 1.0, 0.5
"""Photographs that the variance of all classes counts for, beside a class's own."""
VARIANCE_MARGIN = 1.2
"""Factor of that variance: of a class that was hardly seen it may be larger."""
RATE_WEIGHT = 2.0
"""Photographs that the rate of all classes counts for, beside a class's own."""
LEAST_PHOTOGRAPHS = 3
"""With fewer (checked) photographs there is no variance to speak of, and no interval."""
FEW_PHOTOGRAPHS, FEW_WITH_CLASS = 5, 3
"""Below these an interval holds, and is too wide to be of use: too few photographs, or too few with the class."""
_LEAST_LEFT, _MIDDLE = 0.1, 0.5
_SMALLEST = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cover:
    """Shares of classes with their intervals, each of shape (..., classes).

    Attributes:
        share: the estimates, 0 to 1.
        low, high: ends of the intervals, 0 to 1.
        n_with_class: photographs labelled by people, or by the machine where people labelled none, that hold the class.
        too_few: whether these photographs, or those of them with the class, are too few for a useful interval.
        rate: how far the machine's differences are followed, of each class; zeros without a machine.
        deviation: of a photograph's share from the one predicted for it by the machine, as a share of p (1 - p): its
            variance; zeros without a machine.
    """

    share: Floats
    low: Floats
    high: Floats
    n_with_class: NDArray[np.int64]
    too_few: NDArray[np.bool_]
    rate: Floats
    deviation: Floats


def cover_of_photographs(shares: Floats, coverage: float = 0.95, n_points: Floats | None = None) -> Cover:
    """The cover of all that the photographs were drawn from, from n >= `LEAST_PHOTOGRAPHS` that were labelled alike.

    Labels of a machine alone give what the machine sees; their errors are not in the interval.

    Args:
        n_points: labelled points of each photograph, of shape (..., n): photographs that are by chance more alike than
            independent points would make them are taken to vary as these do.
    """
    n = shares.shape[-2]
    share, variance = shares.mean(axis=-2), shares.var(axis=-2, ddof=1)
    inflation = _averaged(variance, share, _effective(shares), VARIANCE_WEIGHT, VARIANCE_MARGIN)
    inflation = np.maximum(inflation, _of_points(n_points))
    low, high = wilson(share, n / np.minimum(inflation, 1), _quantile(coverage, n - 1))
    return _cover(shares, share, low, high)


def cover_with_machine(
    people: Floats,
    machine: Floats,
    machine_everywhere: Floats,
    coverage: float = 0.95,
    n_points: Floats | None = None,
) -> Cover:
    """The cover of all that the photographs were drawn from, by a machine and people who checked some photographs.

    Args:
        people: shares of the n >= `LEAST_PHOTOGRAPHS` checked photographs, drawn at random from all.
        machine: the machine's of the same photographs, at the same points.
        machine_everywhere: the machine's of all N photographs, the checked ones among them.
        coverage: how often the interval is to hold the truth.
        n_points: as in `cover_of_photographs`, of all N photographs.
    """
    n, n_everywhere = people.shape[-2], machine_everywhere.shape[-2]
    known, seen = people.mean(axis=-2), machine.mean(axis=-2)
    weight = _effective(people)
    rate, residuals = _regression(people, machine, weight)
    share = np.clip(known + rate * (machine_everywhere.mean(axis=-2) - seen), 0, 1)
    unexplained = (residuals**2).mean(axis=-2)
    variance = unexplained / n + rate**2 * machine_everywhere.var(axis=-2, ddof=1) / n_everywhere
    inflation = _averaged(variance, share, weight, VARIANCE_WEIGHT_WITH_MACHINE, VARIANCE_MARGIN)
    inflation = np.maximum(inflation, _of_points(n_points) / n_everywhere)
    quantile = _quantile(coverage, n - 2)
    low, high = wilson(share, 1 / np.minimum(inflation, 1 / n), quantile)
    low, high = _widened(share, low, high, quantile * np.sqrt(variance))
    deviation = _averaged(unexplained, share, weight, VARIANCE_WEIGHT_WITH_MACHINE, VARIANCE_MARGIN)
    return _cover(people, share, low, high, rate, deviation)


def predicted_photographs(
    cover: Cover, people: Floats, machine: Floats, machine_everywhere: Floats, n_points: Floats, coverage: float = 0.95
) -> tuple[Floats, Floats, Floats]:
    """(share, low, high) of each photograph by itself, of shape (..., N, classes), from the machine's labels.

    The deviation of the checked photographs from their prediction is taken as it is on average, or in proportion to
    p (1 - p) where that is more: the intervals of photographs with much of a rare class are still somewhat short.

    Args:
        cover: what `cover_with_machine` gives of the same shares.
        n_points: of each photograph, of shape (..., N).
    """
    moved = machine_everywhere - machine.mean(axis=-2)[..., None, :]
    share = np.clip(people.mean(axis=-2)[..., None, :] + cover.rate[..., None, :] * moved, 0, 1)
    most = share * (1 - share)
    on_average = (cover.share * (1 - cover.share))[..., None, :]
    variance = cover.deviation[..., None, :] * np.maximum(most, on_average) + most / n_points[..., None]
    half = _quantile(coverage, people.shape[-2] - 2) * np.sqrt(variance)
    return share, np.maximum(share - half, 0), np.minimum(share + half, 1)


def wilson(share: Floats, n: Floats, quantile: float) -> tuple[Floats, Floats]:
    """Wilson's interval of a share among n independent observations; n may be an effective number, not whole."""
    square = quantile**2 / n
    centre = (share + square / 2) / (1 + square)
    half = np.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    # Rounding alone would leave 0 and 1 outside.
    low = np.where(share > 0, np.clip(centre - half, 0, share), 0.0)
    high = np.where(share < 1, np.clip(centre + half, share, 1), 1.0)
    return low, high


def points_quantile(coverage: float) -> float:
    """The quantile for independent points, of the normal distribution."""
    from scipy.special import ndtri

    return float(ndtri((1 + coverage) / 2))


def _regression(people: Floats, machine: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The rate of each class, and the residuals of the checked photographs."""
    about_people = people - people.mean(axis=-2, keepdims=True)
    about_machine = machine - machine.mean(axis=-2, keepdims=True)
    squares, products = (about_machine**2).sum(axis=-2), (about_machine * about_people).sum(axis=-2)
    of_all = _ratio(products.sum(axis=-1), squares.sum(axis=-1))[..., None]
    rate = (weight * _ratio(products, squares) + RATE_WEIGHT * of_all) / (weight + RATE_WEIGHT)
    rate = np.maximum(rate, 0)
    fitted = weight / (weight + RATE_WEIGHT)
    leverage = 1 / people.shape[-2] + _ratio(about_machine**2, squares[..., None, :]) * fitted[..., None, :]
    residuals = about_people - rate[..., None, :] * about_machine
    return rate, residuals / np.sqrt(np.maximum(1 - leverage, _LEAST_LEFT))


def _widened(share: Floats, low: Floats, high: Floats, half: Floats) -> tuple[Floats, Floats]:
    """The interval, on the side of the middle at least as far as `half`.

    A machine's false labels vary also where the class is not, and p (1 - p) is nothing.
    """
    is_small = share < _MIDDLE
    return (
        np.where(is_small, low, np.maximum(np.minimum(low, share - half), 0)),
        np.where(is_small, np.minimum(np.maximum(high, share + half), 1), high),
    )


def _averaged(variance: Floats, share: Floats, weight: Floats, others: float, margin: float) -> Floats:
    """A variance as a share of p (1 - p), averaged with that of all classes."""
    most = share * (1 - share)
    own = _ratio(variance, most)
    # One class alone that is everywhere: nothing is known of how it varies.
    of_all = _ratio(variance.sum(axis=-1), most.sum(axis=-1), otherwise=1.0)[..., None]
    return np.maximum((weight * own + others * margin * of_all) / (weight + others), _SMALLEST)


def _of_points(n_points: Floats | None) -> Floats:
    """The variance of a photograph's share if its points were independent, as a share of p (1 - p), on average."""
    return np.zeros(1) if n_points is None else (1 / np.maximum(n_points, 1)).mean(axis=-1)[..., None]


def _effective(shares: Floats) -> Floats:
    """The effective number of photographs that hold each class."""
    return _ratio(shares.sum(axis=-2) ** 2, (shares**2).sum(axis=-2))


def _ratio(above: Floats, below: Floats, otherwise: float = 0.0) -> Floats:
    above, below = np.broadcast_arrays(above, below)
    ratio = np.full(above.shape, otherwise)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def _quantile(coverage: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + coverage) / 2))


def _cover(shares: Floats, share: Floats, low: Floats, high: Floats, *machine: Any) -> Cover:
    n_with_class = np.count_nonzero(shares, axis=-2)
    too_few = (n_with_class < FEW_WITH_CLASS) | (shares.shape[-2] < FEW_PHOTOGRAPHS)
    rate, deviation = machine or (np.zeros_like(share), np.zeros_like(share))
    return Cover(share, low, high, n_with_class, too_few, rate, deviation)
