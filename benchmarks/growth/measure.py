"""Do a row in its three sizes, each in a process of its own, and print how time and memory grow.

usage: python -m benchmarks.growth.measure ROW SIZE SIZE SIZE

It imports the standard library alone, as `benchmarks.processes` says why.
"""

from __future__ import annotations

import json
import sys
import tempfile
from math import log
from pathlib import Path

from benchmarks.processes import Command, Quantities, run

_LEAST_SECONDS = 0.001


def exponent(sizes: list[int], values: list[float]) -> float:
    """The slope of the values over the sizes, both as logarithms, by least squares: 1 is linear, 2 is quadratic."""
    x, y = [log(size) for size in sizes], [log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((one - mean_x) ** 2 for one in x)
    return sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y, strict=True)) / spread


def main(row: str, *sizes: str) -> None:
    runs: list[Quantities] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            place = str(Path(folder) / "work")
            runs.append(run(Command(Path(sys.executable), ("-m", "benchmarks.growth.rows", row, size, place))))
    seconds = [max(one["work_seconds"], _LEAST_SECONDS) for one in runs]
    # Of the two largest: what is done once, whatever the size, weighs less there.
    last = exponent([int(size) for size in sizes[-2:]], seconds[-2:])
    answer = {
        "exponent": exponent([int(size) for size in sizes], seconds),
        "last_exponent": last,
        "largest_seconds": seconds[-1],
        "smallest_mib": runs[0]["peak_mib"],
        "middle_mib": runs[1]["peak_mib"],
        "largest_mib": runs[-1]["peak_mib"],
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
