"""Make vectors as an encoder makes them of chips: many of a few kinds of place, and all degrees between them.

usage: python -m benchmarks.chips.make_vectors FOLDER COUNT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.chips.folders import DIMENSION, N_QUERIES

KINDS = 300
DEGREES = 24
"""Directions in which places of all kinds vary."""


def vectors(count: int, random: np.random.Generator) -> NDArray[np.float16]:
    """Vectors of length one, float16 [count, 128]; some kinds are hundreds of times as frequent as others."""
    shares = 1 / np.arange(1, KINDS + 1)
    kinds = random.choice(KINDS, count, p=shares / shares.sum())
    centres = random.standard_normal((KINDS, DIMENSION), dtype=np.float32)
    directions = random.standard_normal((DEGREES, DIMENSION), dtype=np.float32) / np.sqrt(DEGREES)
    found = centres[kinds] + random.standard_normal((count, DEGREES), dtype=np.float32) @ directions
    found += 0.15 * random.standard_normal((count, DIMENSION), dtype=np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float16)


def main(folder: Path, count: int) -> None:
    random = np.random.default_rng(128)
    np.save(folder / "vectors.npy", vectors(count, random))
    np.save(folder / "queries.npy", random.choice(count, min(N_QUERIES, count), replace=False))
    print(json.dumps({"vectors": count}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
