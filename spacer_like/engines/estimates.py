"""Estimates of what many requests take, from the seconds of a few.

Of a task whose n sampled requests took m seconds in the mean, with the standard deviation s, the R that are left take
R m seconds, with the variance R² s²/n + R s² of a prediction. The first of the sample is not among the n: it took
longer, by the start of its worker and by what that loads once, and each child takes that once. The error bar is that
of Student's distribution for 95 %, with the degrees of freedom of Welch and Satterthwaite where there are several
tasks. It is never narrower than a tenth: machines of one kind differ by as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import Annotated, NamedTuple

from pydantic import Field, StrictFloat

from spacer_like.message_base import BaseMessage

_CONFIDENCE = 0.95
_NARROWEST = 0.1

Amount = Annotated[StrictFloat, Field(ge=0, le=1e15, allow_inf_nan=False)]


class Estimate(BaseMessage):
    """An estimate with its error bar.

    Fields:
        mean: the estimate itself.
        low: the lower end of the error bar, which holds the truth 19 times out of 20.
        high: its upper end.
    """

    mean: Amount
    low: Amount
    high: Amount

    def times(self, factor: float) -> Estimate:
        """The estimate of something that many times as large."""
        return Estimate(self.mean * factor, self.low * factor, self.high * factor)


class _Task(NamedTuple):
    """The requests of a task: mean and standard deviation of n, and the seconds that the first took longer."""

    mean: float
    deviation: float
    n: int
    start: float
    least: float


def _task(seconds: Sequence[float]) -> _Task:
    first, *others = seconds
    if not others:
        return _Task(first, first, 1, 0.0, 0.0)
    mean = fmean(others)
    # A single one does not say how much others differ from it: as much as it takes.
    deviation = stdev(others) if len(others) > 1 else mean
    return _Task(mean, deviation, len(others), max(0.0, first - mean), min(others))


def seconds_to_start(seconds: Mapping[str, Sequence[float]], launch: float) -> float:
    """How long a child takes until it has begun its first request, and has loaded what each task needs.

    Args:
        seconds: of the sample's requests, by their task, in the order in which one worker did them.
        launch: from the start of a child until it begins its first request.
    """
    return launch + sum(_task(one).start for one in seconds.values())


def work_seconds(
    seconds: Mapping[str, Sequence[float]], launch: float, left: Mapping[str, int], children: int, processes: int
) -> Estimate:
    """How many seconds all children together take.

    Args:
        seconds, launch: as of `seconds_to_start`.
        left: how many requests of each task there are to do, each of a task that is among `seconds`.
        children: how many there are.
        processes: how many requests a child works on at once.
    """
    total = least = children * launch
    variances: list[tuple[float, int]] = []
    for name, count in left.items():
        task, share = _task(seconds[name]), count / processes
        total += share * task.mean + children * task.start
        least += share * task.least
        # The mean is taken off what the first request of the sample took.
        factor = (share - children) ** 2 / task.n + children**2 + share / processes
        variances.append((factor * task.deviation**2, max(1, task.n - 1)))
    half = _half_of_the_bar(variances)
    low, high = max(least, total - half), total + half
    return Estimate(total, min(low, total * (1 - _NARROWEST)), max(high, total * (1 + _NARROWEST)))


def _half_of_the_bar(variances: Sequence[tuple[float, int]]) -> float:
    """Half the error bar of a sum whose terms have these variances, each known by so many degrees of freedom."""
    variance = sum(one for one, _ in variances)
    if not variance:
        return 0.0
    from scipy.special import stdtrit

    freedom = variance**2 / sum(one**2 / degrees for one, degrees in variances)
    return float(stdtrit(freedom, (1 + _CONFIDENCE) / 2)) * sqrt(variance)
