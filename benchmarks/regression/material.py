"""Make what the measures of regression work on, once: simulated galaxies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.making import make_once
from benchmarks.measures import NotThere, Report
from benchmarks.processes import Command, run
from benchmarks.regression.folders import SIZE, SPEED_SIZES, Folders

PICTURES = "usr/share/stellarium/nebulae/default/textures.json"
CATALOGUE = "ongc.db"
WITHOUT_PICTURES = (
    "there are no pictures of the sky at {}: unpack Debian's package stellarium-data into a folder, put ongc.db of "
    "PyPI's pyongc beside its usr, and name the folder with --stellarium."
)
_PER_FILE = 512


def program(python: Path, name: str, *arguments: object, threads: int | None = None) -> Command:
    """A program of `benchmarks.regression`, perhaps with fewer threads than there are cores."""
    environment = {} if threads is None else {"OMP_NUM_THREADS": str(threads), "SPACER_TORCH_THREADS": str(threads)}
    return Command(python, ("-m", f"benchmarks.regression.{name}", *map(str, arguments)), environment)


@dataclass(frozen=True)
class Material:
    """What is made; each method makes it where it is not there yet.

    `stellarium` is where pictures of the sky lie; None: nowhere.
    """

    folders: Folders
    python: Path
    stellarium: Path | None = None

    def batches(self, report: Report) -> None:
        """Batches to measure the speed of training with."""
        for size, count in zip(SPEED_SIZES, self.folders.batches, strict=True):
            self._make(self.folders.batches_of(size), report, count * _PER_FILE, size, "plain", 3)

    def galaxies(self, report: Report) -> None:
        """Galaxies to learn from and to test with."""
        self._make(self.folders.learnt, report, self.folders.galaxies, SIZE, "plain", 1)
        self._make(self.folders.held_out, report, self.folders.tested, SIZE, "plain", 2)

    def sky(self, report: Report) -> None:
        """Randomised galaxies to learn from.

        Raises:
            NotThere: the pictures to test with are not there.
        """
        folder = self.stellarium
        if folder is None or not (folder / PICTURES).is_file() or not (folder / CATALOGUE).is_file():
            raise NotThere(WITHOUT_PICTURES.format("no named place" if folder is None else folder))
        self._make(self.folders.randomised, report, self.folders.galaxies, SIZE, "randomised", 4)

    def _make(self, target: Path, report: Report, *arguments: object) -> None:
        make_once(target, lambda partial: run(program(self.python, "make_galaxies", partial, *arguments)), report)
