"""Run three numbers of requests by an engine, each in a process of its own; print how time and the submitter grow.

usage: python -m benchmarks.engines.grow SIDE WORKERS REQUESTS REQUESTS REQUESTS

It imports the standard library alone, as `benchmarks.processes` says why.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from benchmarks.growth.measure import exponent
from benchmarks.processes import Command, run

_KIB = "1"


def main(side: str, workers: str, *counts: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name.startswith("SPACER_")}
    programs = [("-m", "benchmarks.engines.run", side, workers, count, _KIB) for count in counts]
    runs = [run(Command(Path(sys.executable), program, kept)) for program in programs]
    sizes = [int(count) for count in counts]
    answer = {
        "exponent": exponent(sizes, [one["seconds"] * size for one, size in zip(runs, sizes, strict=True)]),
        "cpu_exponent": exponent(
            sizes, [one["cpu_seconds_each"] * size for one, size in zip(runs, sizes, strict=True)]
        ),
        "largest_seconds": runs[-1]["seconds"] * sizes[-1],
        "smallest_mib": runs[0]["submitter_mib"],
        "middle_mib": runs[1]["submitter_mib"],
        "largest_mib": runs[-1]["submitter_mib"],
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
