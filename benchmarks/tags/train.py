"""Fit a logistic regression of each of 50 tags, and say how probable each tag is for each image.

usage: python -m benchmarks.tags.train ours|exact|default EXAMPLES PROBABILITIES
       python -m benchmarks.tags.train --compare OURS EXACT DEFAULT

EXAMPLES is a folder of `make_vectors`, PROBABILITIES a file .npy, float64 [n, tags]. Only ours fits all tags, and the
others every tenth one, which is compared.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.tags.folders import TAGS

Floats = NDArray[np.float64]
Fit = Callable[[NDArray[np.float32], NDArray[np.int8]], tuple[Floats, Floats]]
"""Takes vectors [n, d] and targets [n, tags] to weights [tags, d] and bias [tags]."""

WARMING = 200
EXACT_TOLERANCE = 1e-8
MOST_STEPS = 100_000
EVERY = 10


def ours(vectors: NDArray[np.float32], targets: NDArray[np.int8]) -> tuple[Floats, Floats]:
    from spacer_like.learning.linear_tags import fit_linear_tags

    fitted = fit_linear_tags(vectors, targets)
    return fitted.weights, fitted.bias


def loop(**options: float) -> Fit:
    """One ``LogisticRegression`` of scikit-learn after the other, in double precision."""

    def fit(vectors: NDArray[np.float32], targets: NDArray[np.int8]) -> tuple[Floats, Floats]:
        from sklearn.linear_model import LogisticRegression

        exact = vectors.astype(np.float64)
        fitted = [LogisticRegression(**options).fit(exact, column) for column in targets.T]
        return np.concatenate([one.coef_ for one in fitted]), np.concatenate([one.intercept_ for one in fitted])

    return fit


SIDES: dict[str, Fit] = {
    "ours": ours,
    "exact": loop(tol=EXACT_TOLERANCE, max_iter=MOST_STEPS),
    # So that the tolerance ends it, and not the limit of a hundred steps.
    "default": loop(max_iter=MOST_STEPS),
}


def apart(one: Path, other: Path) -> float:
    """The largest difference of two files' probabilities, of the tags that both have."""
    first, second = (_every_tenth(np.load(path)) for path in (one, other))
    return float(np.abs(first - second).max())


def _every_tenth(probabilities: Floats) -> Floats:
    return probabilities[:, ::EVERY] if probabilities.shape[1] == TAGS else probabilities


def main(side: str, examples: Path, probabilities: Path) -> None:
    vectors, targets = np.load(examples / "vectors.npy"), np.load(examples / "targets.npy")
    targets = targets if side == "ours" else targets[:, ::EVERY]
    fit = SIDES[side]
    # Imports what is imported on use. The first tag is frequent enough to be among a few images.
    fit(vectors[:WARMING], targets[:WARMING, :1])
    started, began = time.perf_counter(), time.process_time()
    weights, bias = fit(vectors, targets)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - began
    probabilities.parent.mkdir(parents=True, exist_ok=True)
    np.save(probabilities, 1 / (1 + np.exp(-(vectors.astype(np.float64) @ weights.T + bias))))
    n = targets.shape[1]
    print(json.dumps({"seconds_each": seconds / n, "cpu_seconds_each": cpu_seconds / n, "tags": n}))


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        own, exact, default = map(Path, sys.argv[2:])
        print(json.dumps({"apart": apart(own, exact), "default_apart": apart(default, exact)}))
    else:
        main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
