"""Where the material lies in the work folder; what makes it and what reads it agree here.

Its folder is named after the programs that make it: when they change, there is other material.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

MAKERS = ("make_galaxies", "folders")
SIZE = 64
"""Pixels of the galaxies that accuracy is measured on."""
SPEED_SIZES = (64, 128)


@dataclass(frozen=True)
class Folders:
    """Paths of the material, under one work folder.

    Attributes:
        galaxies: how many networks learn from.
        tested: how many they are tested on.
        batches: files of `make_galaxies.PER_FILE` galaxies that the speed of training is measured with, by their size
            in pixels.
    """

    root: Path
    galaxies: int = 6000
    tested: int = 1000
    batches: tuple[int, int] = (12, 4)

    @cached_property
    def work(self) -> Path:
        sources = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in MAKERS]
        sizes = f"{self.galaxies}-{self.tested}-{self.batches}".encode()
        return self.root / f"regression-{sha256(b''.join([*sources, sizes])).hexdigest()[:8]}"

    @property
    def learnt(self) -> Path:
        """Galaxies to learn from, as `made.read` reads them; so are the others."""
        return self.work / "learnt"

    @property
    def held_out(self) -> Path:
        """Galaxies to test with."""
        return self.work / "held-out"

    @property
    def randomised(self) -> Path:
        """Galaxies in which all is random that real images differ in, to learn from."""
        return self.work / "randomised"

    def batches_of(self, size: int) -> Path:
        """Galaxies of `size` pixels for the speed of training."""
        return self.work / f"batches-{size}"
