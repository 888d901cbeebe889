"""Make vectors as an encoder makes them of many photographs, and which of 50 tags each has.

usage: python -m benchmarks.tags.make_vectors FOLDER COUNT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.tags.folders import DIMENSION, TAGS

SLOPE = 0.35
"""The deviation along the k-th direction is k^-SLOPE, about as that of an EfficientNet's numbers."""
LENGTH = 5.0
NOISE = 0.1
"""Share of a tag's images that someone has tagged wrongly."""


def vectors(count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Vectors float32 [count, 512] of about the length 5, correlated and not centred, as those of a network."""
    turned = np.linalg.qr(random.standard_normal((DIMENSION, DIMENSION)))[0]
    deviations = np.arange(1, DIMENSION + 1) ** -SLOPE
    found = (random.standard_normal((count, DIMENSION)) * deviations) @ turned + random.uniform(0, 0.3, DIMENSION)
    return (found * (LENGTH / np.linalg.norm(found, axis=1).mean())).astype(np.float32)


def tagged(examples: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.int8]:
    """Which tags images have: int8 [n, 50], 1 or 0. The most frequent is on a third of them, the rarest on one in 200.

    A tag is a direction, which half of the vectors' deviations say something of, and some images are tagged wrongly.
    """
    directions = random.standard_normal((DIMENSION, TAGS)) / np.sqrt(DIMENSION)
    amounts = (examples - examples.mean(axis=0)) @ directions
    amounts += 0.3 * amounts.std(axis=0) * random.standard_normal(amounts.shape)
    shares = np.geomspace(1 / 3, 1 / 200, TAGS)
    bounds = np.array([np.quantile(column, 1 - share) for column, share in zip(amounts.T, shares, strict=True)])
    has = amounts >= bounds
    has ^= random.random(has.shape) < NOISE * shares
    return has.astype(np.int8)


def main(folder: Path, count: int) -> None:
    random = np.random.default_rng(512)
    made = vectors(count, random)
    np.save(folder / "vectors.npy", made)
    np.save(folder / "targets.npy", tagged(made, random))
    print(json.dumps({"vectors": count}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
