"""What is measured of the regression family, and what each figure should come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.environment import multiplies_bfloat16
from benchmarks.figures import OURS, Comparison, Figure, Target
from benchmarks.measures import Measure
from benchmarks.regression.folders import SPEED_SIZES, Folders
from benchmarks.regression.material import Material, program

FAMILY = "regression"
EAGER = "eager torch, float32"
KERAS = "Keras on TensorFlow"
NETWORKS = ("small_cnn", "model4")
CLASSICAL = "axis ratios"
CRUDE = "crude moments"
THREADS = 1
"""Of all who train: threads that wait for each other take time of the processor too, most on a busy machine."""
PASSES = 2
_SAME_LOSS = Target(Comparison.SHARE, 1.25)


@dataclass(frozen=True)
class Effort:
    """How much is spent on the accuracy.

    Attributes:
        cpu_seconds: of the processor, for each network.
        seeds: networks of each kind.
    """

    cpu_seconds: float = 240
    seeds: int = 3


class RegressionMeasures:
    """The measures, on the material of a work folder.

    Args:
        tensorflow: a Python with TensorFlow; None: it is not measured.
        stellarium: as of `Material`.
    """

    def __init__(
        self,
        folders: Folders,
        python: Path,
        effort: Effort | None = None,
        tensorflow: Path | None = None,
        stellarium: Path | None = None,
    ) -> None:
        self.folders, self.python, self.effort, self.tensorflow = folders, python, effort or Effort(), tensorflow
        self.material = Material(folders, python, stellarium)

    def all(self) -> list[Measure]:
        measures = [*(self.training(size) for size in SPEED_SIZES), self.accuracy(), self.sky()]
        return [replace(measure, family=FAMILY) for measure in measures]

    def training(self, size: int) -> Measure:
        about, batches = f"training of model4, {size} pixels", self.folders.batches_of(size)
        faster = Target(Comparison.TIMES_LESS, 3 if multiplies_bfloat16() else 1.7)
        sides = {
            OURS: program(self.python, "train_ours", batches, PASSES, threads=THREADS),
            EAGER: program(self.python, "train_plainly", batches, PASSES, threads=THREADS),
        }
        figures = [
            Figure(f"{about}: processor time of an image", "cpu_seconds_each", "ms", faster, other=EAGER),
            Figure(f"{about}: mean square error at the end", "loss", "", _SAME_LOSS, other=EAGER),
        ]
        if self.tensorflow is not None:
            sides[KERAS] = program(self.tensorflow, "train_by_keras", batches, PASSES, THREADS, threads=THREADS)
            than_keras = Target(Comparison.TIMES_LESS, 1.5)
            figures += [
                Figure(f"{about}: processor time of an image", "cpu_seconds_each", "ms", than_keras, other=KERAS),
                Figure(f"{about}: mean square error at the end", "loss", "", other=KERAS),
            ]
        rates = [
            Figure(f"{about}: images a second of the processor, {side}", "images_per_cpu_second", "", None, side, None)
            for side in sides
        ]
        waited = Figure(f"{about}: share of waiting", "waited_share", "", Target(Comparison.ALONE, 0.05), other=None)
        return Measure(f"regression-train-{size}", sides, [*figures, *rates, waited], material=self.material.batches)

    def accuracy(self) -> Measure:
        effort, folders = self.effort, self.folders
        spent = (effort.cpu_seconds, effort.seeds)
        sides = {
            name: program(self.python, "learn", name, folders.learnt, folders.held_out, *spent, threads=THREADS)
            for name in NETWORKS
        }
        sides[CLASSICAL] = program(self.python, "classical", folders.learnt, folders.held_out, threads=THREADS)
        about = f"{folders.galaxies:,} + {folders.tested:,} simulated galaxies"
        best, *_ = NETWORKS
        figures = [
            *self.errors(about, best, at_most(1.2)),
            *(figure for network in NETWORKS[1:] for figure in self.errors(about, network, None)),
            *self.errors_of_axis_ratios(about),
            *self.coverage(f"{about}, {best}, intervals of 90 %", best),
        ]
        return Measure("regression-simulated", sides, figures, material=self.material.galaxies, once=True)

    def errors(self, about: str, network: str, target: Target | None) -> list[Figure]:
        """Figures of a network, of which the RMS has a target."""
        return [
            Figure(f"{about}, {network}: RMS", "rms", "degrees", target, network, None),
            Figure(f"{about}, {network}: RMS of its best seed", "least_rms", "degrees", None, network, None),
            Figure(f"{about}, {network}: RMS of its worst seed", "largest_rms", "degrees", None, network, None),
            Figure(f"{about}, {network}: MAE", "mae", "degrees", None, network, None),
            Figure(f"{about}, {network}: processor time of learning", "learning_seconds", "s", None, network, None),
            Figure(f"{about}, {network}: passes", "passes", "", None, network, None),
        ]

    def errors_of_axis_ratios(self, about: str) -> list[Figure]:
        """The same of what uses no network."""
        about = f"{about}, {CLASSICAL}"
        return [
            Figure(f"{about} by Hubble's formula: RMS", "rms", "degrees", None, CLASSICAL, None),
            Figure(f"{about} by Hubble's formula: MAE", "mae", "degrees", None, CLASSICAL, None),
            Figure(f"{about} by Hubble's formula: not measured", "failed", "", None, CLASSICAL, None),
            Figure(f"{about} calibrated: RMS", "calibrated_rms", "degrees", None, CLASSICAL, None),
            Figure(f"{about} calibrated: MAE", "calibrated_mae", "degrees", None, CLASSICAL, None),
            Figure(f"{about}: processor time of a galaxy", "seconds_each", "ms", None, CLASSICAL, None),
        ]

    def coverage(self, about: str, side: str) -> list[Figure]:
        """Figures of the intervals."""
        return [
            Figure(f"{about}: hold", "covered", "", None, side, None),
            Figure(f"{about}: in the lowest bin of 5 degrees", "least_covered", "", at_least(0.88), side, None),
            Figure(f"{about}: in the highest bin", "most_covered", "", at_most(0.92), side, None),
            Figure(f"{about}: in the lowest bin of true ones", "least_covered_by_truth", "", None, side, None),
            Figure(f"{about}: mean half width", "half_width", "degrees", None, side, None),
        ]

    def sky(self) -> Measure:
        stellarium = self.material.stellarium
        sides = {
            CLASSICAL: program(self.python, "transfer", "classical", stellarium, threads=THREADS),
            CRUDE: program(self.python, "transfer", "crude", stellarium, threads=THREADS),
        }
        for network in NETWORKS:
            arguments = (network, self.folders.randomised, stellarium, self.effort.cpu_seconds)
            sides[network] = program(self.python, "transfer", *arguments, threads=THREADS)
        about = "pictures of the sky"
        figures = [
            Figure(f"{about}, {side}: {what}", quantity, unit, None, side, None)
            for side in sides
            for quantity, unit, what in (
                ("n", "", "galaxies above 45 degrees"),
                ("rms", "degrees", "RMS"),
                ("mae", "degrees", "MAE"),
                ("median", "degrees", "median error"),
                ("surest_rms", "degrees", "RMS of the surest 80 %"),
            )
            if side != CRUDE or quantity != "surest_rms"
        ]
        return Measure("regression-sky", sides, figures, material=self.material.sky, once=True)


def at_most(bound: float) -> Target:
    return Target(Comparison.ALONE, bound)


def at_least(bound: float) -> Target:
    return Target(Comparison.LEAST, bound)
