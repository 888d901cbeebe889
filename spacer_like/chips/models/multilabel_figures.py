"""How good answers of many labels are, and the thresholds above which a label is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spacer_like.chips.messages import MultilabelFigures

THRESHOLD = 0.35
"""The probability above which a label is given where nothing else is said."""
_RECALL_WEIGHT = 2
"""Of F2: how many times as much as precision recall counts."""


def multilabel_figures(true: NDArray[np.bool_], given: NDArray[np.bool_], labels: Sequence[str]) -> MultilabelFigures:
    """Figures of answers for n chips, n above 0.

    F1 is 2 TP / (2 TP + FP + FN), F2 is 5 TP / (5 TP + 4 FN + FP); a figure without a denominator is 0. So a chip that
    bears no label lowers the mean over chips whatever is said of it.

    Args:
        true, given: [n, labels].
        labels: their names.
    """
    hits = true & given
    by_label = hits.sum(axis=0), given.sum(axis=0), true.sum(axis=0)
    precision, recall = _ratio(by_label[0], by_label[1]), _ratio(by_label[0], by_label[2])
    f1 = _f_score(*by_label)
    return MultilabelFigures(
        sample_f1=sample_f_score(true, given),
        sample_f2=sample_f_score(true, given, _RECALL_WEIGHT),
        micro_f1=float(_f_score(*(counts.sum() for counts in by_label))),
        macro_f1=float(f1.mean()),
        precision=dict(zip(labels, precision.tolist(), strict=True)),
        recall=dict(zip(labels, recall.tolist(), strict=True)),
        f1=dict(zip(labels, f1.tolist(), strict=True)),
        support=dict(zip(labels, by_label[2].tolist(), strict=True)),
    )


def sample_f_score(true: NDArray[np.bool_], given: NDArray[np.bool_], weight: int = 1) -> float:
    """The mean over chips of each one's F score; `weight` says how many times as much recall counts."""
    counts = ((true & given).sum(axis=1), given.sum(axis=1), true.sum(axis=1))
    return float(_f_score(*counts, weight).mean())


def majority_labels(borne: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The labels that more than half of the chips [n, labels] bear; where there is none, the one that most bear."""
    shares = borne.mean(axis=0)
    common = shares > 0.5
    if not common.any():
        common[shares.argmax()] = True
    return np.asarray(common)


def best_thresholds(
    true: NDArray[np.bool_], probabilities: NDArray[np.float64], otherwise: float = THRESHOLD
) -> NDArray[np.float64]:
    """For each label the threshold with the best F1, float64 [labels]; among equals the one nearest to `otherwise`.

    Args:
        true, probabilities: [n, labels].
        otherwise: the threshold of a label that no chip bears.
    """
    return np.array([_best_threshold(*columns, otherwise) for columns in zip(true.T, probabilities.T, strict=True)])


def _best_threshold(true: NDArray[np.bool_], probabilities: NDArray[np.float64], otherwise: float) -> float:
    if not true.any():
        return otherwise
    order = np.argsort(probabilities)
    values, borne = probabilities[order], true[order]
    # A threshold can only lie between two values, or below all of them; above all it would give nothing.
    starts = np.flatnonzero(np.diff(values, prepend=0.0) > 0)
    if not len(starts):
        return otherwise
    hits = int(true.sum()) - np.concatenate([[0], np.cumsum(borne)])[starts]
    f1 = _f_score(hits, len(values) - starts, np.full(len(starts), true.sum()))
    lower = np.where(starts > 0, values[starts - 1], 0.0)
    # Halfway between them, or `otherwise` itself where it lies there.
    inside = (lower <= otherwise) & (otherwise < values[starts])
    thresholds = np.where(inside, otherwise, (lower + values[starts]) / 2)
    best = np.flatnonzero(f1 == f1.max())
    return float(thresholds[best[np.abs(thresholds[best] - otherwise).argmin()]])


def _f_score(
    hits: NDArray[np.int64], given: NDArray[np.int64], true: NDArray[np.int64], weight: int = 1
) -> NDArray[np.float64]:
    """(1 + w²) TP / (w² (TP + FN) + TP + FP) of numbers of hits, given and true ones."""
    square = weight * weight
    return _ratio((1 + square) * hits, square * true + given)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(part / np.maximum(whole, 1), np.float64)
