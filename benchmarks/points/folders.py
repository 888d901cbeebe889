"""Where the material lies in the work folder; what makes it and what reads it agree here.

Its folder is named after the programs that make it: when they change, there is other material.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

IMAGES = 20
POINTS_PER_IMAGE = 50
POINTS_TO_CLASSIFY = 200
IMAGES_TO_TRAIN = 2200
PACKAGES = ("spacer_like", "spacer")
MAKERS = ("make_images", "make_weights", "make_numbers", "store_features", "folders")


@dataclass(frozen=True)
class Folders:
    """Paths of the material and of what programs write, under one work folder."""

    root: Path

    @cached_property
    def work(self) -> Path:
        sources = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in MAKERS]
        return self.root / f"points-{sha256(b''.join(sources)).hexdigest()[:8]}"

    @property
    def large(self) -> Path:
        """Feature files to train on by the hundred thousand."""
        return self.root / "points-large"

    @property
    def images(self) -> Path:
        return self.work / "images"

    @property
    def photograph(self) -> Path:
        return self.image(0)

    def image(self, number: int) -> Path:
        return self.images / f"{number:02}.jpg"

    @property
    def weights(self) -> Path:
        return self.work / "efficientnet-b0.pt"

    @property
    def numbers(self) -> Path:
        """Feature vectors as one array, before a package has put them into its files."""
        return self.work / "numbers.npz"

    @property
    def labels(self) -> Path:
        return self.work / "labels.json"

    def features(self, package: str) -> Path:
        """The feature files that a package has written, in its own format."""
        return self.work / "features" / package

    def to_classify(self, package: str) -> Path:
        return self.features(package) / "to-classify.npz"

    @property
    def classifier(self) -> Path:
        """The classifier that both packages classify with; PySpacer has trained it."""
        return self.work / "classifier.pkl"

    @property
    def converted_networks(self) -> Path:
        return self.work / "onnx"

    def output(self, side: str, name: str) -> Path:
        """Where a side's program writes a result."""
        return self.work / "output" / side / name
