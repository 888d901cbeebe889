"""Draw the feature vectors and labels to train on: 20 classes that overlap so far that about .7 can be told apart.

usage: python -m benchmarks.points.make_numbers NUMBERS LABELS
"""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path

import numpy as np

IMAGES = {"train": 160, "ref": 20, "val": 20}
POINTS = 50
DIMENSION = 1280
CLASSES = 20
CAUSES = 60
KINDS = 2
SEPARATION = 0.46


def main(numbers: Path, labels: Path) -> None:
    random = np.random.default_rng(7)
    count = sum(IMAGES.values()) * POINTS
    truth = random.integers(0, CLASSES, count)
    # A network's features are many, depend on few causes, and end at a lower bound as its last activation does.
    centres = random.normal(0, SEPARATION, (CLASSES, KINDS, CAUSES))
    causes = centres[truth, random.integers(0, KINDS, count)] + random.normal(0, 1, (count, CAUSES))
    effects = causes @ random.normal(0, 0.15, (CAUSES, DIMENSION))
    vectors = np.maximum(effects + random.normal(0, 0.15, (count, DIMENSION)), -0.25).astype(np.float32)
    rowcols = np.stack([random.permutation(3000)[:POINTS] for _ in range(2 * sum(IMAGES.values()))])
    rowcols = rowcols.reshape(-1, 2, POINTS).transpose(0, 2, 1).reshape(-1, 2)
    np.savez(numbers, vectors=vectors.reshape(-1, POINTS, DIMENSION), rowcols=rowcols.reshape(-1, POINTS, 2))
    labels.write_text(json.dumps(_by_set(truth.reshape(-1, POINTS) + 100, rowcols.reshape(-1, POINTS, 2))))
    print(json.dumps({"vectors": count}))


def _by_set(truth: np.ndarray, rowcols: np.ndarray) -> dict[str, dict[str, list[list[int]]]]:
    numbers = iter(range(len(truth)))
    return {
        name: {
            str(number): np.column_stack([rowcols[number], truth[number]]).tolist() for number in islice(numbers, size)
        }
        for name, size in IMAGES.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
