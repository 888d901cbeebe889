"""Measure the package against PySpacer 0.14.0, in turn, and print the table.

A full run also writes results.json, every run of it, and results.md. `make bench` sets up both environments first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.cores import keep_to_cores
from benchmarks.environment import described, quietness
from benchmarks.measures import Measure, Outcome, take
from benchmarks.points.folders import Folders
from benchmarks.points.material import Pythons, make
from benchmarks.points.measures import PointsMeasures
from benchmarks.processes import ProgramFailed
from benchmarks.storage import reading_many
from benchmarks.tables import as_markdown, as_text, target

HERE = Path(__file__).resolve().parent
PEER_PYTHON = HERE / ".pyspacer-env" / "bin" / "python"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="measure this alone; may be given again")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of each side (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one run of each side, without the longest measures")
    parser.add_argument("--list", action="store_true", help="print the measures' names and end")
    parser.add_argument("--work", type=Path, default=HERE / ".work", metavar="FOLDER", help="for the material")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where results.json and results.md go (default: benchmarks/ of a full run, else nowhere)",
    )
    parser.add_argument(
        "--peer-python",
        type=Path,
        default=Path(os.getenv("PEER_PYTHON") or PEER_PYTHON),
        metavar="PATH",
        help="the Python of an environment with PySpacer (default: PEER_PYTHON, else the one that `make bench` made)",
    )
    return parser.parse_args()


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def chosen(measures: list[Measure], only: list[str] | None, quick: bool) -> list[Measure]:
    """The measures to take.

    Raises:
        SystemExit: a name that none has.
    """
    names = {measure.name for measure in measures}
    if unknown := set(only or ()) - names:
        raise SystemExit(f"There is no measure {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}.")
    if only:
        return [measure for measure in measures if measure.name in only]
    return [measure for measure in measures if not (quick and measure.long)]


def main() -> int:
    options = arguments()
    folders = Folders(options.work.resolve())
    pythons = Pythons(Path(sys.executable), options.peer_python.absolute())
    measures = [
        *PointsMeasures(folders, pythons).all(),
        *(
            reading_many(pythons.ours, folders.features("spacer_like"), folders.work / f"s3-{points}", points)
            for points in (10, 50)
        ),
    ]
    if options.list:
        print("\n".join(measure.name for measure in measures))
        return 0
    measures = chosen(measures, options.only, options.quick)
    if not pythons.peer.exists():
        raise SystemExit(f"There is no PySpacer at {pythons.peer}: run `make bench`, or name one with --peer-python.")
    cores = keep_to_cores()
    make(folders, pythons, report)
    repeats = 1 if options.quick else options.repeats
    outcomes, failed = take_all(measures, repeats)
    lines = [line for outcome in outcomes for line in outcome.lines]
    about = f"{described(pythons, cores, repeats)}\n{quietness(outcomes)}"
    print(f"{as_text(lines)}\n\n{about}")
    output = options.output or (None if options.only or options.quick else HERE)
    if output is not None:
        write(output, outcomes, about)
    return 1 if failed else 0


def take_all(measures: list[Measure], repeats: int) -> tuple[list[Outcome], list[str]]:
    """The outcomes of all measures that could be taken, and the names of those that could not."""
    outcomes, failed = [], []
    for measure in measures:
        try:
            outcomes.append(take(measure, repeats, report))
        except ProgramFailed as error:
            report(f"{measure.name} FAILED: {error}")
            failed.append(measure.name)
    return outcomes, failed


def write(folder: Path, outcomes: list[Outcome], about: str) -> None:
    """Write results.json, with every single run, and results.md."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for outcome in outcomes for line in outcome.lines]
    (folder / "results.md").write_text(f"{as_markdown(lines)}\n{about}\n", encoding="utf-8")
    everything = {
        "about": about,
        "figures": [
            {
                "title": line.figure.title,
                "ours": line.ours,
                "smallest_and_largest": line.spread,
                "other": line.other,
                "compared_with": line.figure.other,
                "number": line.number,
                "target": target(line.figure) or None,
                "met": line.is_met,
            }
            for line in lines
        ],
        "runs": {outcome.measure.name: outcome.runs for outcome in outcomes},
    }
    (folder / "results.json").write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
