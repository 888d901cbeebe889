"""Make what the measures work on, once: photographs, weights, feature files, a classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.making import make_once
from benchmarks.measures import Report
from benchmarks.points.folders import IMAGES, PACKAGES, POINTS_TO_CLASSIFY, Folders
from benchmarks.processes import Command, run


@dataclass(frozen=True)
class Pythons:
    """The interpreter of each package's environment."""

    ours: Path
    peer: Path

    def of(self, package: str) -> Path:
        """The interpreter that has a package, by the package's name in Python."""
        return self.ours if package == "spacer_like" else self.peer

    def program(self, package: str, name: str, *arguments: object) -> Command:
        """A program of `benchmarks.points` for a package, in that package's environment."""
        return Command(self.of(package), ("-m", f"benchmarks.points.{name}", *map(str, arguments)))


def make(folders: Folders, pythons: Pythons, report: Report) -> None:
    """Make whatever of the material is not there yet."""

    def images(target: Path) -> None:
        target.mkdir()
        run(pythons.program("spacer_like", "make_images", target, IMAGES))

    def weights(target: Path) -> None:
        run(pythons.program("spacer_like", "make_weights", folders.photograph, target))

    def numbers(target: Path) -> None:
        run(pythons.program("spacer_like", "make_numbers", target, folders.labels))

    def classifier(target: Path) -> None:
        results = folders.output("material", "results.json")
        features = folders.features("spacer")
        run(pythons.program("spacer", "train", "spacer", "MLP", folders.labels, features, target, results))

    make_once(folders.images, images, report)
    make_once(folders.weights, weights, report)
    make_once(folders.numbers, numbers, report)
    for package in PACKAGES:
        make_once(folders.features(package), _feature_files(package, folders, pythons), report)
    make_once(folders.classifier, classifier, report)


def _feature_files(package: str, folders: Folders, pythons: Pythons) -> Callable[[Path], None]:
    def store(target: Path) -> None:
        target.mkdir(parents=True)
        run(pythons.program(package, "store_features", package, folders.numbers, target, POINTS_TO_CLASSIFY))

    return store
