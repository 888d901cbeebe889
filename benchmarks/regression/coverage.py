"""How often intervals hold that are calibrated on one half of the galaxies and tested on the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spacer_like.regression.evaluation import inclination_bins
from spacer_like.regression.intervals import fit_intervals

COVERAGE = 0.9
DIVISIONS = 100


def coverages(truth: NDArray[np.float64], predictions: NDArray[np.float64]) -> dict[str, float]:
    """Shares of galaxies whose inclination lies in the interval of `COVERAGE`, the mean of many divisions into halves.

    Intervals are fitted by the bin of five degrees of the prediction, as it is known when an interval is wanted.

    Returns:
        ``covered``: of all; ``least_covered`` and ``most_covered``: of the bin of predictions where it is lowest, and
        highest; ``least_covered_by_truth``: the same by the bin of the inclination itself; ``half_width``: the mean,
        in degrees.
    """
    by_prediction, by_truth = inclination_bins(predictions), inclination_bins(truth)
    errors, n = truth - predictions, len(truth)
    held, tested = np.zeros(n), np.zeros(n)
    widths = []
    for division in range(DIVISIONS):
        order = np.random.default_rng(division).permutation(n)
        fitting, testing = order[: n // 2], order[n // 2 :]
        intervals = fit_intervals(errors[fitting], by_prediction[fitting].tolist(), COVERAGE)
        half_widths = intervals.half_widths(by_prediction[testing].tolist())
        held[testing] += np.abs(errors[testing]) <= half_widths
        tested[testing] += 1
        widths.append(half_widths.mean())

    def of_bins(bins: NDArray[np.int64]) -> list[float]:
        found = np.unique(bins)
        return [float(held[bins == number].sum() / tested[bins == number].sum()) for number in found]

    return {
        "covered": float(held.sum() / tested.sum()),
        "least_covered": min(of_bins(by_prediction)),
        "most_covered": max(of_bins(by_prediction)),
        "least_covered_by_truth": min(of_bins(by_truth)),
        "half_width": float(np.mean(widths)),
    }
