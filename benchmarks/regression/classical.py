"""Tell inclinations of simulated galaxies without a network: axis ratios, by Hubble's formula and calibrated.

usage: python -m benchmarks.regression.classical LEARNT HELD_OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.regression.made import read
from benchmarks.regression.real_sky import calibrated, calibration_features, columns, figures, ours

CALIBRATING = 1000


def main(learn: Path, held_out: Path) -> None:
    galaxies, others = read(learn), read(held_out)
    size = others.pool.images.shape[1]
    measured, seconds = ours(list(others.pool.images))
    known, _ = ours(list(galaxies.pool.images[:CALIBRATING]))
    features, of_known = calibration_features(measured, size), calibration_features(known, size)
    # Galaxies that cannot be measured have a calibrated inclination all the same, and count.
    better = calibrated(of_known, galaxies.inclinations[: len(known)], features)
    by_formula, by_fit = (
        figures(found, others.inclinations, least=0) for found in (columns(measured)[0], np.asarray(better))
    )
    answer = {"rms": by_formula.rms, "mae": by_formula.mae, "failed": by_formula.failed}
    answer |= {"calibrated_rms": by_fit.rms, "calibrated_mae": by_fit.mae, "seconds_each": seconds / len(measured)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
