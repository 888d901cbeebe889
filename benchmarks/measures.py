"""A measure: two or more sides that do the same, run in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from benchmarks.figures import Figure, Line, measured
from benchmarks.processes import Command, Quantities, run

Report = Callable[[str], None]


class NotThere(Exception):
    """What a measure works on is not on this machine, so that it is left out; the message says how to get it."""


def nothing(report: Report) -> None:
    """The material of a measure that needs none."""


@dataclass(frozen=True)
class Measure:
    """What is run, and what is read off it.

    Fields:
        name: how the command line calls it.
        sides: a command by the side's name; each in a fresh process, in this order, again and again.
        figures: the lines that it adds to the table.
        before: commands that are run once and not counted: they fill caches.
        afterwards: a command of our side that is run once at the end; its answer joins our side's quantities.
        surroundings: what must be there while it runs, a server for instance.
        material: makes what it works on, where that is not there yet.
        family: the family of tasks that it belongs to.
        long: left out by ``--quick``.
        once: run once whatever the repeats, for figures that are the same each time.
    """

    name: str
    sides: Mapping[str, Command]
    figures: Sequence[Figure]
    before: Sequence[Command] = ()
    afterwards: Command | None = None
    surroundings: Callable[[], AbstractContextManager[object]] = nullcontext
    material: Callable[[Report], None] = nothing
    family: str = "points"
    long: bool = False
    once: bool = False


@dataclass(frozen=True)
class Outcome:
    """A measure with all of its runs."""

    measure: Measure
    runs: Mapping[str, list[Quantities]]

    @property
    def lines(self) -> list[Line]:
        return [measured(figure, self.runs) for figure in self.measure.figures]


def take(measure: Measure, repeats: int, report: Report) -> Outcome:
    """Run the sides of a measure in turn, `repeats` times each, or once where that is enough.

    Raises:
        ProgramFailed: a side ended with an error.
    """
    runs: dict[str, list[Quantities]] = {side: [] for side in measure.sides}
    repeats = 1 if measure.once else repeats
    with measure.surroundings():
        for command in measure.before:
            run(command)
        for repeat in range(repeats):
            for side, command in measure.sides.items():
                quantities = run(command)
                runs[side].append(quantities)
                report(f"{measure.name} {repeat + 1}/{repeats} {side}: {_described(quantities)}")
        if measure.afterwards is not None:
            added = {f"afterwards_{name}": value for name, value in run(measure.afterwards).items()}
            first = next(iter(measure.sides))
            runs[first] = [{**quantities, **added} for quantities in runs[first]]
    return Outcome(measure, runs)


def _described(quantities: Quantities) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in quantities.items())
