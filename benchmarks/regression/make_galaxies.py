"""Make files of simulated galaxies in colour, in the layout of augmented batches, and their exact inclinations.

usage: python -m benchmarks.regression.make_galaxies FOLDER COUNT SIZE plain|randomised SEED

Plain ones lie with the major axis along the rows, as in images prepared for InclinET; randomised ones anyhow. Labels
are whole degrees, rounded, and ``inclinations.npy`` has the inclinations as they were drawn, float64 [COUNT].
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.cores import THREADS
from spacer_like.location import DataLocation
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.dataset import write_pool
from spacer_like.regression.simulation import SimulationOptions, simulated

PER_FILE = 512
OPTIONS = {"plain": SimulationOptions(), "randomised": SimulationOptions(rotated=False, randomised=True)}


def drawn(kind: str, seed: int, size: int, numbers: range) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [n, size, size, 3] of the galaxies of these numbers, and their inclinations float64 [n]."""
    made = [simulated(seed, number, size, OPTIONS[kind]) for number in numbers]
    return np.stack([one.colour for one in made]), np.array([one.truth.inclination for one in made])


def main(folder: Path, count: int, size: int, kind: str, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    parts = [range(begin, min(begin + PER_FILE, count)) for begin in range(0, count, PER_FILE)]
    found = []
    with ProcessPoolExecutor(THREADS) as pool:
        made = pool.map(partial(drawn, kind, seed, size), parts)
        for index, (numbers, (images, inclinations)) in enumerate(zip(parts, made, strict=True)):
            codes = np.rint(inclinations).astype(np.int32)
            galaxies = Pool(images, codes, np.array(numbers, np.int32), np.full(len(numbers), "c"))
            write_pool(DataLocation("filesystem", str(folder / f"batch_{index:02}.npz")), galaxies)
            found.append(inclinations)
    np.save(folder / "inclinations.npy", np.concatenate(found))
    print(json.dumps({"galaxies": count}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
