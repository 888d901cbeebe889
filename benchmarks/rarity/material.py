"""Make what the measures work on, once: images, histograms, score tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.making import make_once
from benchmarks.measures import Report
from benchmarks.processes import Command, run
from benchmarks.rarity.folders import SCORES_PER_COLLECTION, Folders


@dataclass(frozen=True)
class Pythons:
    """The interpreter of our environment, and of one with pandas."""

    ours: Path
    pandas: Path

    def program(self, name: str, *arguments: object) -> Command:
        """A program of `benchmarks.rarity` in our environment."""
        return Command(self.ours, ("-m", f"benchmarks.rarity.{name}", *map(str, arguments)))


@dataclass(frozen=True)
class Material:
    """What is made; each method makes it where it is not there yet.

    `sheet` is an image of tiles of 24 pixels, the pictures of which stand for those that are drawn otherwise.
    """

    folders: Folders
    pythons: Pythons
    sheet: Path | None = None

    def collection(self, report: Report) -> None:
        self._make(self.folders.collection, report, "make_images", self.folders.images)

    def pixel_art(self, report: Report) -> None:
        sheet = () if self.sheet is None else (self.sheet,)
        target = self.folders.pixel_art(self.sheet)
        self._make(target, report, "make_pixel_art", self.folders.many_images, *sheet)

    def histograms(self, report: Report) -> None:
        self.collection(report)
        counts = (self.folders.collections, self.folders.stack)
        self._make(self.folders.histograms, report, "make_histograms", *counts)

    def scores(self, report: Report) -> None:
        counts = (self.folders.collections, SCORES_PER_COLLECTION)
        self._make(self.folders.scores, report, "make_scores", *counts)

    def _make(self, target: Path, report: Report, program: str, *arguments: object) -> None:
        def maker(partial: Path) -> None:
            partial.mkdir()
            run(self.pythons.program(program, partial, *arguments))

        make_once(target, maker, report)
