"""Where the material lies in the work folder; what makes it and what reads it agree here.

Its folder is named after the programs that make it: when they change, there is other material.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

SIZE = 224
IMAGES = 1000
MANY_IMAGES = 10_000
COLLECTIONS = 200
SCORES_PER_COLLECTION = 10_000
MAKERS = ("make_images", "make_pixel_art", "make_histograms", "make_scores", "folders")


@dataclass(frozen=True)
class Folders:
    """Paths of the material and of what programs write, under one work folder.

    `images` is how many the collection has that most measures work on, `collections` how many are merged: fewer of
    them only try the programs out.
    """

    root: Path
    images: int = IMAGES
    many_images: int = MANY_IMAGES
    collections: int = COLLECTIONS

    @cached_property
    def work(self) -> Path:
        sources = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in MAKERS]
        counts = f"{self.images}-{self.many_images}-{self.collections}".encode()
        return self.root / f"rarity-{sha256(b''.join([*sources, counts])).hexdigest()[:8]}"

    @property
    def collection(self) -> Path:
        """A collection of squares of 224 pixels as ``png/``, ``jpeg/`` and ``stack.npy``."""
        return self.work / "collection"

    @property
    def stack(self) -> Path:
        """The collection's pixels, uint8 [n, 224, 224, 3]."""
        return self.collection / "stack.npy"

    def files(self, kind: str) -> Path:
        """The collection's images as files, ``png`` or ``jpeg``."""
        return self.collection / kind

    def few_files(self, kind: str) -> Path:
        """Some of them, to warm a process up with."""
        return self.collection / f"few-{kind}"

    def pixel_art(self, sheet: Path | None) -> Path:
        """PNG files of 224 pixels, cut from a sheet or drawn."""
        return self.work / ("pixel-art" if sheet is None else "punks")

    @property
    def histograms(self) -> Path:
        """Histograms of many collections as `compute_histogram` writes them."""
        return self.work / "histograms"

    @property
    def scores(self) -> Path:
        """Score tables of many collections, CSV."""
        return self.work / "scores"

    def output(self, side: str) -> Path:
        """Where a side's program writes its results."""
        return self.work / "output" / side
