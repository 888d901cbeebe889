"""What is read off the runs of a measure: medians, their ratio, and whether a target is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

from benchmarks.processes import Quantities

OURS = "spacer_like"
PEER = "PySpacer"


class Comparison(Enum):
    """How two medians, or one alone, are held against a bound."""

    TIMES_LESS = "at least {} times less"
    SHARE = "at most {} times as much"
    RATE = "at least {} of its rate"
    APART = "at most {} apart"
    ALONE = "at most {}"
    LEAST = "at least {}"

    @property
    def is_of_one(self) -> bool:
        """Whether our number is held against the bound, whatever another side does."""
        return self in (Comparison.ALONE, Comparison.LEAST)

    def of(self, ours: float, other: float) -> float:
        """The number that is held against the bound."""
        match self:
            case Comparison.TIMES_LESS | Comparison.RATE:
                return other / ours
            case Comparison.SHARE:
                return ours / other
            case Comparison.APART:
                return abs(ours - other)
            case Comparison.ALONE | Comparison.LEAST:
                return ours

    def is_met(self, number: float, bound: float) -> bool:
        is_least = self in (Comparison.TIMES_LESS, Comparison.RATE, Comparison.LEAST)
        return number >= bound if is_least else number <= bound


@dataclass(frozen=True)
class Target:
    comparison: Comparison
    bound: float


@dataclass(frozen=True)
class Figure:
    """A line of the table.

    Fields:
        title: what was measured.
        quantity: its name among what a run gives.
        unit: ``s``, ``ms`` or ``µs`` (of a quantity in seconds), any other that the quantity is in, or nothing.
        target: what it should come to, where that was settled.
        ours, other: the sides that are compared; None: there is nothing to compare with.
    """

    title: str
    quantity: str
    unit: str = "s"
    target: Target | None = None
    ours: str = OURS
    other: str | None = PEER


@dataclass(frozen=True)
class Line:
    """A figure, measured: medians, the number that the target is about, and the smallest and largest of our runs."""

    figure: Figure
    ours: float
    other: float | None
    number: float | None
    spread: tuple[float, float]

    @property
    def is_met(self) -> bool | None:
        """None where there is no target."""
        target = self.figure.target
        if target is None or self.number is None:
            return None
        return target.comparison.is_met(self.number, target.bound)


def measured(figure: Figure, runs: Mapping[str, Sequence[Quantities]]) -> Line:
    """A figure's line, from the runs of each side.

    >>> runs = {"spacer_like": [{"seconds": 1.0}, {"seconds": 3.0}, {"seconds": 2.0}], "PySpacer": [{"seconds": 8.0}]}
    >>> measured(Figure("a job", "seconds"), runs).number
    4.0
    """
    own = [quantities[figure.quantity] for quantities in runs[figure.ours]]
    other = None
    if figure.other is not None:
        other = median(quantities[figure.quantity] for quantities in runs[figure.other])
    comparison = figure.target.comparison if figure.target else Comparison.TIMES_LESS
    ours = median(own)
    number = None
    if comparison.is_of_one:
        number = ours
    elif other is not None:
        number = comparison.of(ours, other)
    return Line(figure, ours, other, number, (min(own), max(own)))
