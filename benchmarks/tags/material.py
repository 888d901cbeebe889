"""Make what the measures work on, once: photographs, vectors with tags, the photographs among stamps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.making import make_once
from benchmarks.measures import NotThere, Report
from benchmarks.processes import Command, run
from benchmarks.tags.folders import ENCODERS, Folders

STAMPS = Path("/usr/share/tuxpaint/stamps")
WITHOUT_STAMPS = (
    "there are no stamps of Tux Paint at {}: install Debian's package tuxpaint-stamps-default, or name its folder "
    "'stamps' with --stamps."
)


def program(python: Path, name: str, *arguments: object) -> Command:
    """A program of `benchmarks.tags`."""
    return Command(python, ("-m", f"benchmarks.tags.{name}", *map(str, arguments)))


@dataclass(frozen=True)
class Material:
    """What is made; each method makes it where it is not there yet.

    `stamps` is where the stamps lie.
    """

    folders: Folders
    python: Path
    stamps: Path = STAMPS

    def photographs(self, report: Report) -> None:
        self._make(self.folders.photographs, report, "make_images", *self.folders.numbers_of_images)

    def examples(self, report: Report) -> None:
        self._make(self.folders.examples, report, "make_vectors", self.folders.vectors)

    def stamp_vectors(self, report: Report) -> None:
        """The table of each encoder, of the stamps that are photographs.

        Raises:
            NotThere: the stamps are not there.
        """
        if not self.stamps.is_dir():
            raise NotThere(WITHOUT_STAMPS.format(self.stamps))
        self._make(self.folders.stamps, report, "pick_stamps", self.stamps)
        for encoder in ENCODERS:
            table = self.folders.stamp_vectors(encoder)
            if not table.exists():
                report(f"Making {table}")
                run(program(self.python, "embed", self.folders.stamps, table, encoder, "--tagged"))

    def _make(self, target: Path, report: Report, name: str, *arguments: object) -> None:
        def maker(partial: Path) -> None:
            partial.mkdir()
            run(program(self.python, name, partial, *arguments))

        make_once(target, maker, report)
