"""Learn inclinations of simulated galaxies in a budget of processor time, and tell those of others.

usage: python -m benchmarks.regression.learn NETWORK LEARNT HELD_OUT CPU_SECONDS SEEDS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.regression.coverage import coverages
from benchmarks.regression.learning import learnt, views_of
from benchmarks.regression.made import read
from spacer_like.regression.evaluation import measure


def main(name: str, learn: Path, held_out: Path, cpu_seconds: float, seeds: int) -> None:
    galaxies, others = read(learn), read(held_out)
    rows = []
    for seed in range(seeds):
        found = learnt(name, galaxies.pool, seed, cpu_seconds)
        predictions = views_of(found.model, others.pool.images).mean(axis=1)
        errors = measure(others.inclinations, predictions)
        took = {"learning_seconds": found.cpu_seconds, "passes": found.passes}
        of_all = {"rms": errors.rms, "mae": errors.mae, "bias": errors.bias}
        rows.append({**of_all, **took, **coverages(others.inclinations, predictions)})
    answer = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    spread = {"least_rms": min(row["rms"] for row in rows), "largest_rms": max(row["rms"] for row in rows)}
    print(json.dumps({**answer, **spread, "seeds": seeds}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
