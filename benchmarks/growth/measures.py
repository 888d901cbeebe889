"""The measures of growth: for each row, the exponent of its time and its peak memory."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import OURS, Comparison, Figure, Target
from benchmarks.growth.rows import ROWS
from benchmarks.measures import Measure
from benchmarks.processes import Command

LINEAR = Target(Comparison.ALONE, 1.25)
"""Above it the time of a tenfold size grows by more than eighteen times."""


def growth_measures(python: Path) -> list[Measure]:
    """A measure of each row."""
    return [_measure(python, name, sizes) for name, (_, sizes) in ROWS.items()]


def _measure(python: Path, name: str, sizes: tuple[int, ...]) -> Measure:
    title = f"{name.replace('_', ' ')}, {' / '.join(f'{size:,}' for size in sizes)}"
    largest = f"{name.replace('_', ' ')}, {sizes[-1]:,}"
    return Measure(
        name=f"growth-{name.replace('_', '-')}",
        sides={OURS: Command(python, ("-m", "benchmarks.growth.measure", name, *map(str, sizes)))},
        figures=[
            Figure(f"{title}: exponent of time", "exponent", "", other=None),
            Figure(f"{title}: exponent, last decade", "last_exponent", "", LINEAR, other=None),
            Figure(f"{largest}: time", "largest_seconds", other=None),
            *(
                Figure(f"{name.replace('_', ' ')}, {size:,}: peak memory", quantity, "MiB", other=None)
                for size, quantity in zip(sizes, ("smallest_mib", "middle_mib", "largest_mib"), strict=True)
            ),
        ],
        family="growth",
    )
