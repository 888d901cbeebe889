"""What is measured of the engines, and what each figure should come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.figures import OURS, Comparison, Figure, Target
from benchmarks.measures import Measure, NotThere, Report, nothing
from benchmarks.processes import Command

FAMILY = "engines"
FUTURES = "concurrent.futures"
DASK = "Dask, Client.map"
OUR_DASK = f"{OURS}, dask"
BATCH = f"{OURS}, LocalBatch"
SLURM = f"{OURS}, slurm"
SBATCH = "sbatch"
ALONE = "the task alone"
KIB = 256
SOAKED = ("local", "dask", "submitted", "batch", "slurm")
GROWING = ("local", "submitted", "dask")
NOTHING = Target(Comparison.ALONE, 0)


class EnginesMeasures:
    """The measures; `is_short` has them run few requests."""

    def __init__(self, python: Path, is_short: bool = False) -> None:
        self._python = python
        self._requests = 100 if is_short else 1000
        self._sizes = (30, 60, 120) if is_short else (100, 1000, 10_000)
        self._soaked = 200 if is_short else 5000

    def all(self) -> list[Measure]:
        measures = [
            self.overhead(),
            self.throughput(),
            self.arrays(),
            *(self.growth(side) for side in GROWING),
            self.one_kill(),
            self.four_kills(),
            *(self.soak(side) for side in SOAKED),
        ]
        return [replace(measure, family=FAMILY) for measure in measures]

    def overhead(self) -> Measure:
        """One at a time: what a request takes besides its task."""
        about = f"a request with a result of {KIB} KiB, one at a time"
        dask = Target(Comparison.SHARE, 1.5)
        return Measure(
            name="engines-overhead",
            sides={
                OURS: self._run("local", 1),
                FUTURES: self._run("futures", 1),
                DASK: self._run("bare-dask", 1),
                OUR_DASK: self._run("dask", 1),
                ALONE: self._run("alone", 1),
            },
            figures=[
                Figure(
                    f"{about}: added to the task",
                    "overhead_cpu_seconds",
                    "ms",
                    Target(Comparison.ALONE, 0.005),
                    other=FUTURES,
                ),
                Figure(f"{about}: added to the task", "overhead_cpu_seconds", "ms", dask, other=DASK),
                Figure(
                    f"{about}: added to the task, by a Dask cluster", "overhead_cpu_seconds", "ms", None, OUR_DASK, DASK
                ),
                Figure(f"{about}: in all", "seconds", "ms", other=FUTURES),
                Figure(f"{about}: in all", "seconds", "ms", dask, other=DASK),
                Figure(f"{about}: in all, by a Dask cluster", "seconds", "ms", None, OUR_DASK, DASK),
                Figure(f"{about}: in all", "seconds", "ms", other=ALONE),
            ],
        )

    def throughput(self) -> Measure:
        """One or two at once."""
        two = f"{OURS}, two at once"
        names = {1: "one at a time", 2: "two at once"}
        sides = {f"{OURS}, one at a time": self._run("local", 1), two: self._run("local", 2)}
        sides |= {f"{FUTURES}, {name}": self._run("futures", count) for count, name in names.items()}
        sides |= {f"{DASK}, {name}": self._run("bare-dask", count) for count, name in names.items()}
        figures = [
            Figure(f"requests a second, {name}", "a_second", "", None, f"{OURS}, {name}", f"{peer}, {name}")
            for name in names.values()
            for peer in (FUTURES, DASK)
        ]
        return Measure(name="engines-throughput", sides=sides, figures=figures)

    def arrays(self) -> Measure:
        """Shards of 50, two children at once; each child starts a Python."""
        about = f"a request with a result of {KIB} KiB, in shards of 50, two children at once"
        return Measure(
            name="engines-arrays",
            sides={
                SLURM: self._run("slurm", 2),
                SBATCH: self._run("sbatch", 2),
                BATCH: self._run("batch", 2),
            },
            figures=[
                Figure(f"{about}: in all, slurm", "seconds", "ms", None, SLURM, SBATCH),
                Figure(f"{about}: in all, LocalBatch", "seconds", "ms", None, BATCH, SBATCH),
            ],
            material=_slurm,
            long=True,
        )

    def growth(self, side: str) -> Measure:
        """Three sizes, a decade apart, with small results."""
        counts = " / ".join(f"{size:,}" for size in self._sizes)
        about = f"{side}, {counts} requests"
        return Measure(
            name=f"engines-growth-{side}",
            sides={OURS: self._program("grow", side, 2, *self._sizes)},
            figures=[
                Figure(f"{about}: exponent of time", "exponent", "", Target(Comparison.ALONE, 1.25), other=None),
                Figure(f"{about}: exponent of the processor's time", "cpu_exponent", "", other=None),
                *(
                    Figure(f"{side}, {size:,} requests: memory of the submitter", name, "MiB", target, other=None)
                    for size, name, target in zip(
                        self._sizes,
                        ("smallest_mib", "middle_mib", "largest_mib"),
                        (None, None, Target(Comparison.ALONE, 150e6 / 2**20)),
                        strict=True,
                    )
                ),
            ],
            once=True,
            long=True,
        )

    def one_kill(self) -> Measure:
        return Measure(
            name="engines-one-kill",
            sides={OURS: self._program("kill", "local", 600, 1), FUTURES: self._program("kill", "futures", 600, 1)},
            figures=[Figure("600 requests, one process killed: not done", "lost", "", NOTHING, other=FUTURES)],
        )

    def four_kills(self) -> Measure:
        about = f"{self._soaked:,} requests, two Dask workers, four kills"
        return Measure(
            name="engines-dask-kills",
            sides={OUR_DASK: self._program("kill", "dask", self._soaked, 4)},
            figures=[
                Figure(f"{about}: not done", "lost", "", NOTHING, OUR_DASK, None),
                Figure(f"{about}: time", "seconds", "s", None, OUR_DASK, None),
            ],
            once=True,
        )

    def soak(self, side: str) -> Measure:
        about = f"{side}, {self._soaked:,} requests, 5 % of which meet faults"
        return Measure(
            name=f"engines-soak-{side}",
            sides={OURS: self._program("soak", side, 2, self._soaked)},
            figures=[
                Figure(f"{about}: {what}", quantity, unit, target, other=None)
                for what, quantity, unit, target in (
                    ("lost", "lost", "", NOTHING),
                    ("done wrongly", "wrong", "", NOTHING),
                    ("done", "done", "", None),
                    ("failed, as they must", "failed", "", None),
                    ("time", "seconds", "s", None),
                )
            ],
            material=_slurm if side == "slurm" else nothing,
            once=True,
            long=True,
        )

    def _run(self, side: str, workers: int) -> Command:
        return self._program("run", side, workers, self._requests, KIB)

    def _program(self, name: str, *arguments: object) -> Command:
        return Command(self._python, ("-m", f"benchmarks.engines.{name}", *map(str, arguments)))


def _slurm(report: Report) -> None:
    from tests.engines.slurm_here import missing

    if why := missing():
        raise NotThere(why)
