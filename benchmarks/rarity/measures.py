"""What is measured of the rarity family, and what each figure should come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.cores import THREADS
from benchmarks.figures import OURS, Comparison, Figure, Target
from benchmarks.measures import Measure
from benchmarks.processes import Command
from benchmarks.rarity.folders import SCORES_PER_COLLECTION, Folders
from benchmarks.rarity.material import Material, Pythons

FAMILY = "rarity"
ONE_CORE = f"{OURS} on one core"
WITHOUT_NUMBA = f"{OURS} without numba"
LOOP = "the original's loop"
UNIQUE = "np.unique"
MEMORY = "reading memory"
STORED = f"{OURS}, compute_histogram"
DECODING = "decoding alone"
GLOBAL = f"{OURS}, global table"
ALL_METHODS = f"{OURS}, all methods"
ALL_METHODS_GLOBAL = f"{OURS}, all methods, global table"
PANDAS = "a pandas loop"
TOP_ROWS = 20_000
MEGABYTES_600 = 600e6 / 2**20


def times_less(bound: float) -> Target:
    return Target(Comparison.TIMES_LESS, bound)


def at_most(bound: float) -> Target:
    return Target(Comparison.ALONE, bound)


EQUAL = Target(Comparison.APART, 1e-9)


class RarityMeasures:
    """The measures, on the material of a work folder; `sheet` as of `Material`."""

    def __init__(self, folders: Folders, pythons: Pythons, sheet: Path | None = None) -> None:
        self.folders = folders
        self.pythons = pythons
        self.material = Material(folders, pythons, sheet)

    def all(self) -> list[Measure]:
        measures = [
            self.counting(),
            self.from_files("png"),
            self.from_files("jpeg"),
            self.merging_histograms(),
            self.scoring(),
            self.whole_collection(),
            self.merging_scores(),
        ]
        return [replace(measure, family=FAMILY) for measure in measures]

    def counting(self) -> Measure:
        def command(side: str) -> Command:
            return self.pythons.program("count", side, self.folders.stack)

        ours = command("numba")
        about = f"histogram of {self.folders.images:,} decoded images"
        return Measure(
            name="rarity-histogram",
            sides={
                OURS: ours,
                ONE_CORE: command("one-core"),
                WITHOUT_NUMBA: command("numpy"),
                LOOP: command("loop"),
                UNIQUE: command("unique"),
                MEMORY: command("memory"),
            },
            before=[ours],
            figures=[
                Figure(f"{about}: counting", "counting_seconds", "ms", times_less(60), other=LOOP),
                Figure(f"{about}: counting", "counting_seconds", "ms", times_less(30), other=UNIQUE),
                Figure(f"{about}: counted and made sparse, as np.unique does", "histogram_seconds", "ms", other=UNIQUE),
                Figure(f"{about}: counting on one core", "counting_seconds", "ms", ours=ONE_CORE, other=LOOP),
                Figure(f"{about}: counting on one core", "counting_seconds", "ms", ours=ONE_CORE, other=UNIQUE),
                Figure(f"{about}: without numba", "counting_seconds", "ms", ours=WITHOUT_NUMBA, other=LOOP),
                Figure(f"{about}: without numba", "counting_seconds", "ms", ours=WITHOUT_NUMBA, other=UNIQUE),
                Figure(f"{about}: images a second, counting", "images_a_second", "images/s", other=None),
                Figure(
                    f"{about}: images a second, without numba", "images_a_second", "images/s", None, WITHOUT_NUMBA, None
                ),
                Figure(f"{about}: the ratio is the share of the limit", "counting_seconds", "ms", other=MEMORY),
                Figure(f"{about}: pairs of position and colour", "pairs", "", EQUAL, other=LOOP),
            ],
            material=self.material.collection,
        )

    def from_files(self, kind: str) -> Measure:
        def command(what: str) -> Command:
            folders = (self.folders.files(kind), self.folders.few_files(kind))
            histogram = self.folders.output(kind) / "histogram.parquet"
            return self.pythons.program("files_to_histogram", what, kind, *folders, histogram)

        ours = command("memory")
        about = f"{self.folders.images:,} {kind.upper()} files decoded, counted and made sparse"
        rate = Target(Comparison.RATE, 0.85)
        return Measure(
            name=f"rarity-{kind}",
            sides={OURS: ours, STORED: command("task"), DECODING: command("decoding")},
            before=[ours],
            figures=[
                Figure(about, "task_seconds", "ms", rate, other=DECODING),
                Figure(f"{about}: images a second", "images_a_second", "images/s", other=None),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=None),
                Figure(f"{about}, and stored, as compute_histogram", "task_seconds", "ms", None, STORED, None),
            ],
            material=self.material.collection,
        )

    def merging_histograms(self) -> Measure:
        def command(what: str) -> Command:
            merged = self.folders.output(what) / "merged.parquet"
            return self.pythons.program("merge_histograms", what, self.folders.histograms, merged)

        about = f"merge_histograms, {self.folders.collections} collections of {self.folders.images:,} images"
        return Measure(
            name="rarity-merge",
            sides={OURS: command("task")},
            afterwards=command("steps"),
            figures=[
                Figure(f"{about}: the task", "task_seconds", other=None),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", at_most(MEGABYTES_600), other=None),
                Figure(f"{about}: adding one", "afterwards_adding_seconds_each", "ms", at_most(0.03), other=None),
                Figure(f"{about}: reading one", "afterwards_reading_seconds_each", "ms", other=None),
                Figure(f"{about}: writing the sum", "afterwards_writing_seconds", other=None),
            ],
            material=self.material.histograms,
        )

    def scoring(self) -> Measure:
        def command(methods: str, table: str) -> Command:
            return self.pythons.program("score", methods, table, self.folders.stack)

        sides = {
            OURS: command("log", "local"),
            GLOBAL: command("log", "global"),
            ALL_METHODS: command("all", "local"),
            ALL_METHODS_GLOBAL: command("all", "global"),
        }
        about = f"score {self.folders.images:,} decoded images"
        titles = {
            OURS: f"{about} by one method (log), collection's table",
            GLOBAL: f"{about} by one method (log), global table",
            ALL_METHODS: f"{about} by all five, the loop by one, collection's table",
            ALL_METHODS_GLOBAL: f"{about} by all five, the loop by one, global table",
        }
        targets = {OURS: times_less(20), GLOBAL: times_less(20)}
        return Measure(
            name="rarity-score",
            sides={**sides, LOOP: command("loop", "local")},
            before=list(sides.values()),
            figures=[
                *(Figure(titles[side], "task_seconds", "ms", targets.get(side), side, LOOP) for side in sides),
                *(Figure(f"{titles[side]}: speed", "images_a_second", "images/s", None, side, None) for side in sides),
                Figure(f"{about}: mean of the score log", "mean_log_score", "", EQUAL, other=LOOP),
            ],
            material=self.material.collection,
        )

    def whole_collection(self) -> Measure:
        images = self.folders.pixel_art(self.material.sheet)
        ours = self.pythons.program("whole_collection", images, self.folders.output("whole"))
        what = "drawn pixel pictures" if self.material.sheet is None else self.material.sheet.stem
        about = f"{self.folders.many_images:,} {what} of 224 px on {THREADS} cores"
        return Measure(
            name="rarity-whole",
            sides={OURS: ours},
            figures=[
                Figure(f"{about}: histogram and all five scores", "count_and_score_seconds", other=None),
                Figure(f"{about}: the histogram of it", "count_seconds", other=None),
                Figure(f"{about}: the scores of it", "score_seconds", other=None),
                Figure(f"{about}: before it, PNG files to the stack", "convert_seconds", other=None),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=None),
            ],
            material=self.material.pixel_art,
        )

    def merging_scores(self) -> Measure:
        def arguments(side: str) -> tuple[object, ...]:
            output = self.folders.output(side)
            return self.folders.scores, output / "merged.csv", output / "top.csv", TOP_ROWS

        program = self.pythons.program("pandas_loop", *arguments("pandas"))
        about = f"merge_scores, {self.folders.collections} files of {SCORES_PER_COLLECTION:,} rows, CSV to CSV"
        return Measure(
            name="rarity-merge-scores",
            sides={
                OURS: self.pythons.program("merge_scores", *arguments("scores")),
                PANDAS: replace(program, python=self.pythons.pandas),
            },
            figures=[
                Figure(f"{about}: the task", "task_seconds", target=times_less(4), other=PANDAS),
                Figure(f"{about}: whole process", "wall_seconds", other=PANDAS),
                Figure(f"{about}: peak memory", "peak_mib", "MiB", other=PANDAS),
                Figure(f"{about}: rows", "rows", "", EQUAL, other=PANDAS),
            ],
            material=self.material.scores,
        )
