"""Platt's calibration: a sigmoid for each class maps a classifier's scores to probabilities.

J. Platt, "Probabilistic outputs for support vector machines" (1999), with the targets of its section 2.2, fitted by
Newton's method with backtracking as in H.-T. Lin, C.-J. Lin, R. C. Weng, "A note on Platt's probabilistic outputs for
support vector machines" (2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LARGE_SCORE = 30.0
_NEGLIGIBLE_SCORE = 1e-6
_MAX_STEPS = 100
_MAX_HALVINGS = 40
# Keeps the Hessian invertible where a class's scores are all alike.
_RIDGE = 1e-12
# A step that promises less than this may be taken unseen: rounding would hide what the loss does.
_SMALLEST_DESCENT = 1e-10


def fit_sigmoids(scores: NDArray[np.floating], is_positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Slopes a and bias b of 1 / (1 + exp(a * score + b)), one pair for each column.

    Args:
        scores: [n, columns] decision values or probabilities.
        is_positive: [n, columns] whether the point is of the column's class.

    Returns:
        a, b: float64 [columns].
    """
    scores = scores.astype(np.float64)
    largest = np.abs(scores).max(axis=0)
    scale = np.where(largest > _LARGE_SCORE, largest, 1.0)
    # Scores that are all next to nothing differ by rounding; a slope fitted to that would be enormous.
    scaled = np.where(largest < _NEGLIGIBLE_SCORE, 0.0, scores / scale)
    positives = is_positive.sum(axis=0).astype(np.float64)
    negatives = len(scores) - positives
    targets = np.where(is_positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    slopes = np.zeros(scores.shape[1])
    bias = np.log((negatives + 1) / (positives + 1))
    for _ in range(_MAX_STEPS):
        step_a, step_b, descent = _newton_direction(scaled, targets, slopes, bias)
        slopes, bias = _step(scaled, targets, slopes, bias, step_a, step_b, descent)
        if descent.min() > -_SMALLEST_DESCENT:
            break
    return slopes / scale, bias


def _newton_direction(scores: Floats, targets: Floats, slopes: Floats, bias: Floats) -> tuple[Floats, Floats, Floats]:
    """The step of slopes and bias, and the loss's slope along it, for each column."""
    probabilities = sigmoid(-(scores * slopes + bias))
    residuals = targets - probabilities
    weights = probabilities * (1 - probabilities)
    gradient_a, gradient_b = (residuals * scores).sum(axis=0), residuals.sum(axis=0)
    h_aa = (weights * scores * scores).sum(axis=0) + _RIDGE
    h_bb = weights.sum(axis=0) + _RIDGE
    h_ab = (weights * scores).sum(axis=0)
    determinant = np.maximum(h_aa * h_bb - h_ab * h_ab, 1e-300)
    step_a = -(h_bb * gradient_a - h_ab * gradient_b) / determinant
    step_b = -(h_aa * gradient_b - h_ab * gradient_a) / determinant
    return step_a, step_b, gradient_a * step_a + gradient_b * step_b


def _step(
    scores: Floats, targets: Floats, slopes: Floats, bias: Floats, step_a: Floats, step_b: Floats, descent: Floats
) -> tuple[Floats, Floats]:
    """The next (slopes, bias): in each column the step is halved until the loss falls."""
    before = _losses(scores, targets, slopes, bias)
    length = np.ones_like(slopes)
    watched = descent <= -_SMALLEST_DESCENT
    for _ in range(_MAX_HALVINGS):
        after = _losses(scores, targets, slopes + length * step_a, bias + length * step_b)
        too_long = watched & ~(after <= before + 1e-4 * length * descent)
        if not too_long.any():
            break
        length[too_long] /= 2
    else:
        length[too_long] = 0
    return slopes + length * step_a, bias + length * step_b


def _losses(scores: Floats, targets: Floats, slopes: Floats, bias: Floats) -> Floats:
    exponents = scores * slopes + bias
    losses: Floats = (np.logaddexp(0, exponents) - (1 - targets) * exponents).sum(axis=0)
    return losses


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(-values)), without a warning where exp overflows."""
    with np.errstate(over="ignore"):
        inverse: Floats = 1.0 + np.exp(-values)
    probabilities: Floats = 1.0 / inverse
    return probabilities


def calibrated(scores: Floats, slopes: Floats, bias: Floats) -> Floats:
    """Probabilities [n, classes] that sum to 1, from scores [n, columns].

    One column is two classes, of which the score speaks for the second. Where no class keeps any probability, all are
    alike.
    """
    probabilities = sigmoid(-(slopes * scores + bias))
    if scores.shape[1] == 1:
        return np.concatenate([1 - probabilities, probabilities], axis=1)
    total = probabilities.sum(axis=1, keepdims=True)
    uniform = np.full_like(probabilities, 1 / scores.shape[1])
    normalised: Floats = np.divide(probabilities, total, out=uniform, where=total != 0)
    return normalised
