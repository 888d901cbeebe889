"""How many photographs, points and checks an interval of a wanted width takes, from a pilot or published variances.

The variance of a photograph's share by people, at q points, is that between photographs and that of points within
them, p (1 - p) (r + (1 - r) / q), where r is the correlation of points of one photograph (Cochran 1977, ch. 10). What a
machine leaves unexplained of it counts for the n checked photographs, what it explains for all N of them, as in
`intervals`: half width = t * sqrt(unexplained / n + explained / N).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from spacer_like.exceptions import SpacerInputError
from spacer_like.points.cover.intervals import FEW_PHOTOGRAPHS, Floats

POINTS = (5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200)
"""Numbers of points of a photograph that are considered."""
MOST_CHECKED, MOST_PHOTOGRAPHS = 5_000, 1_000_000
_STEP = 1.05


@dataclass(frozen=True)
class Variances:
    """How the share of a label varies.

    Attributes:
        label: the label.
        share: its cover p, 0 to 1.
        correlation: of points of one photograph, 0 to 1: the variance between photographs as a share of p (1 - p).
        explained: the share of the variance of photographs by people that a machine explains (R squared), 0 to 1.
        n_points: of a photograph, at which it explains so much.
    """

    label: str
    share: float
    correlation: float
    explained: float = 0.0
    n_points: int = 50

    def of_photographs(self, n_points: int) -> float:
        """The variance of a photograph's share by people at so many points."""
        return self.share * (1 - self.share) * (self.correlation + (1 - self.correlation) / n_points)

    def unexplained(self, n_points: int) -> float:
        """What a machine leaves of it: with fewer points than in the pilot more, with more not less."""
        left = (1 - self.explained) * self.of_photographs(self.n_points)
        return min(left * max(self.n_points / n_points, 1), self.of_photographs(n_points))


@dataclass(frozen=True)
class Survey:
    """A survey, what it takes, and the widest interval of its labels.

    Attributes:
        n_photographs, n_checked: photographs in all, and those that people label or check.
        n_points: of each photograph.
        minutes: of people.
        half_width: half the width of the widest interval.
    """

    n_photographs: int
    n_checked: int
    n_points: int
    minutes: float
    half_width: float


@dataclass(frozen=True)
class Prices:
    """Minutes of people: for each photograph, such as to take it, and for each point that they label."""

    photograph: float
    point: float

    def of(self, n_photographs: int, n_checked: int, n_points: int) -> float:
        return n_photographs * self.photograph + n_checked * n_points * self.point


def variances_of(labels: Sequence[str], people: Floats, machine: Floats | None, n_points: int) -> list[Variances]:
    """The variances of each label in a pilot; what was seen everywhere or nowhere has none, and is left out.

    Args:
        labels: K labels.
        people: shares by people, of shape (n, K).
        machine: those of a machine in the same photographs; None: there is none.
        n_points: of a photograph.

    Raises:
        SpacerInputError: fewer than `FEW_PHOTOGRAPHS` photographs, or no label varies.
    """
    if len(people) < FEW_PHOTOGRAPHS:
        raise SpacerInputError(
            f"A pilot of {len(people)} photographs is too small to plan by: label {FEW_PHOTOGRAPHS} or more, or give "
            "published variances."
        )
    shares, variances = people.mean(axis=0), people.var(axis=0, ddof=1)
    found = []
    for number, label in enumerate(labels):
        most = shares[number] * (1 - shares[number])
        if variances[number] == 0 or most == 0:
            continue
        # var = most * (r + (1 - r) / q), solved for r.
        ratio = variances[number] / most
        correlation = (ratio - 1 / n_points) / (1 - 1 / n_points) if n_points > 1 else ratio
        explained = 0.0
        if machine is not None and machine[:, number].std() > 0:
            explained = float(np.corrcoef(people[:, number], machine[:, number])[0, 1] ** 2)
        bounded = min(max(float(correlation), 0.0), 1.0)
        found.append(Variances(label, float(shares[number]), bounded, explained, n_points))
    if not found:
        raise SpacerInputError("No label varies between the photographs of the pilot: there is nothing to plan by.")
    return found


def planned(
    variances: Sequence[Variances], prices: Prices, coverage: float, half_width: float | None, minutes: float | None
) -> Survey:
    """The cheapest survey whose intervals are all as narrow, or, without a width, the narrowest for so many minutes.

    Args:
        variances: of each label.
        prices: minutes of people.
        coverage: how often an interval is to hold the truth.
        half_width: wanted, 0 to 1; None: as small as `minutes` allow.
        minutes: at most; None: no limit.

    Raises:
        SpacerInputError: no survey is so narrow, or costs so little.
    """
    surveys: Iterable[Survey]
    if half_width is not None:
        surveys = _narrow(variances, prices, coverage, half_width)
        best = min(surveys, key=lambda one: (one.minutes, one.n_photographs), default=None)
        if best is None:
            raise SpacerInputError(
                f"No survey of {MOST_PHOTOGRAPHS:,} photographs is so narrow as +- {half_width:.1%}: ask for less."
            )
        if minutes is not None and best.minutes > minutes:
            narrowest = planned(variances, prices, coverage, None, minutes)
            raise SpacerInputError(
                f"Intervals of +- {half_width:.1%} take {best.minutes:.0f} minutes; {minutes:.0f} are enough for "
                f"+- {narrowest.half_width:.1%}."
            )
        return best
    if minutes is None:
        raise SpacerInputError("Give a half width, or the minutes that there are.")
    best = min(_affordable(variances, prices, coverage, minutes), key=lambda one: one.half_width, default=None)
    if best is None:
        raise SpacerInputError(f"{minutes:.0f} minutes are not enough for {FEW_PHOTOGRAPHS} photographs.")
    return best


def half_width_of(variances: Sequence[Variances], survey: Survey, coverage: float) -> float:
    """Half the width of the widest interval of a survey."""
    return max(_half_width(one, survey.n_photographs, survey.n_checked, survey.n_points, coverage) for one in variances)


def _half_width(one: Variances, n_photographs: int, n_checked: int, n_points: int, coverage: float) -> float:
    whole, left = one.of_photographs(n_points), one.unexplained(n_points)
    variance = left / n_checked + (whole - left) / n_photographs
    return float(_quantile(coverage, n_checked - 2)) * math.sqrt(variance)


def _quantile(coverage: float, freedom: int) -> float:
    return float(stdtrit(freedom, (1 + coverage) / 2))


def _numbers(most: int) -> Iterator[int]:
    """Numbers of photographs to consider, each about a twentieth larger."""
    number = FEW_PHOTOGRAPHS
    while number <= most:
        yield number
        number = max(number + 1, int(number * _STEP))


def _narrow(variances: Sequence[Variances], prices: Prices, coverage: float, half_width: float) -> Iterator[Survey]:
    """The surveys that are as narrow, each with as few photographs as will do."""
    for n_points in POINTS:
        for n_checked in _numbers(MOST_CHECKED):
            allowed = (half_width / _quantile(coverage, n_checked - 2)) ** 2
            needed = max([_needed(one, n_checked, n_points, allowed) for one in variances])
            if needed <= MOST_PHOTOGRAPHS:
                number = math.ceil(needed)
                found = Survey(number, n_checked, n_points, prices.of(number, n_checked, n_points), 0.0)
                yield replace(found, half_width=half_width_of(variances, found, coverage))


def _needed(one: Variances, n_checked: int, n_points: int, allowed: float) -> float:
    """Photographs, the checked ones among them, that bring the variance of an estimate down to what is allowed."""
    whole, left = one.of_photographs(n_points), one.unexplained(n_points)
    room = allowed - left / n_checked
    if room <= 0:
        return math.inf
    return max(float(n_checked), (whole - left) / room)


def _affordable(variances: Sequence[Variances], prices: Prices, coverage: float, minutes: float) -> Iterator[Survey]:
    """The surveys that take so many minutes, with as many photographs as these allow."""
    has_machine = any(one.explained > 0 for one in variances)
    for n_points in POINTS:
        for n_checked in _numbers(MOST_CHECKED):
            if prices.of(n_checked, n_checked, n_points) > minutes:
                break
            left = minutes - n_checked * n_points * prices.point
            most = int(left / prices.photograph) if prices.photograph > 0 else MOST_PHOTOGRAPHS
            number = min(most, MOST_PHOTOGRAPHS) if has_machine else n_checked
            found = Survey(number, n_checked, n_points, prices.of(number, n_checked, n_points), 0.0)
            yield replace(found, half_width=half_width_of(variances, found, coverage))
