"""Where the material lies in the work folder; what makes it and what reads it agree here.

Its folder is named after the programs that make it: when they change, there is other material.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

IMAGES = 500
N_VECTORS = 10_000
DIMENSION = 512
TAGS = 50
MAKERS = ("make_images", "make_vectors", "pick_stamps", "folders")
ENCODERS = {"lite0": "EfficientNetLite0Extractor", "lite2": "EfficientNetLite2Extractor"}


@dataclass(frozen=True)
class Folders:
    """Paths of the material and of what programs write, under one work folder.

    `images` is how many most measures work on, `vectors` how many images tags are learnt from: fewer of them only try
    the programs out.
    """

    root: Path
    images: int = IMAGES
    vectors: int = N_VECTORS

    @cached_property
    def work(self) -> Path:
        sources = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in MAKERS]
        sizes = f"{self.images}-{self.vectors}".encode()
        return self.root / f"tags-{sha256(b''.join([*sources, sizes])).hexdigest()[:8]}"

    @property
    def numbers_of_images(self) -> tuple[int, int, int]:
        """A fifth, all, and three times as many images as most measures work on."""
        return self.images // 5, self.images, 3 * self.images

    @property
    def photographs(self) -> Path:
        """A folder for each of `numbers_of_images`, of which a larger one has what a smaller one has."""
        return self.work / "photographs"

    def some_photographs(self, count: int) -> Path:
        return self.photographs / str(count)

    @property
    def examples(self) -> Path:
        """``vectors.npy``, float32 [n, 512], and ``targets.npy``, int8 [n, 50]."""
        return self.work / "examples"

    @property
    def stamps(self) -> Path:
        """Photographs of the stamps as PNG in folders of tags."""
        return self.work / "stamps"

    def stamp_vectors(self, encoder: str) -> Path:
        """A table of `process_images`; `encoder` is one of `ENCODERS`."""
        return self.work / f"stamps-{encoder}.parquet"

    def output(self, side: str) -> Path:
        """Where a side's program writes its results."""
        return self.work / "output" / side
