"""Write feature files of many annotated points: 80 classes, some common and some rare, in 1,280 numbers.

usage: python -m benchmarks.points.make_large FOLDER IMAGES
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from spacer_like.data_classes import DataLocation, ImageFeatures

POINTS, DIMENSION, CLASSES = 50, 1280, 80
ROWCOLS = [(20 * point + 5, 30 * point + 7) for point in range(POINTS)]
SEPARATION, NOISE = 0.12, 0.6


def labels_of(image: int) -> np.ndarray:
    """The classes of an image's points: [POINTS]."""
    shares = 1 / np.arange(1, CLASSES + 1) ** 0.8
    return np.random.default_rng([image, 0]).choice(CLASSES, POINTS, p=shares / shares.sum())


def path_of(folder: Path, image: int) -> Path:
    return folder / f"{image:06}.features"


def main(folder: Path, images: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    centres = np.random.default_rng(0).normal(0, SEPARATION, (CLASSES, DIMENSION)).astype(np.float32)
    for image in range(images):
        noise = np.random.default_rng([image, 1]).standard_normal((POINTS, DIMENSION), np.float32)
        # A network's features end at a lower bound as its last activation does.
        vectors = np.maximum(centres[labels_of(image)] + NOISE * noise, 0)
        location = DataLocation("filesystem", str(path_of(folder, image)))
        ImageFeatures.from_arrays(ROWCOLS, vectors).store(location)
    print(json.dumps({"files": images}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
