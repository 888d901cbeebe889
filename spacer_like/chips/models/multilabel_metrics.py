"""How good predictions of many labels are, the thresholds above which a label is predicted, and the report of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.chips.messages import MultilabelFigures
from spacer_like.learning.training_loop import Epoch

THRESHOLD = 0.35
"""The probability above which a label is predicted, by default."""
REPORT_FORMAT, REPORT_VERSION = "spacer_like.multilabel_metrics", 1
_RECALL_WEIGHT = 2
"""Of F2: how many times as much as precision recall counts."""


def multilabel_metrics(
    true: NDArray[np.bool_], predicted: NDArray[np.bool_], labels: Sequence[str]
) -> MultilabelFigures:
    """Metrics of predictions for n chips, n above 0.

    F1 is 2 TP / (2 TP + FP + FN), F2 is 5 TP / (5 TP + 4 FN + FP); a metric without a denominator is 0. So a chip
    without a label lowers the mean over chips whatever is predicted for it.

    Args:
        true, predicted: [n, labels].
        labels: their names.
    """
    hits = true & predicted
    by_label = hits.sum(axis=0), predicted.sum(axis=0), true.sum(axis=0)
    precision, recall = _ratio(by_label[0], by_label[1]), _ratio(by_label[0], by_label[2])
    f1 = _f_score(*by_label)
    return MultilabelFigures(
        sample_f1=sample_f_score(true, predicted),
        sample_f2=sample_f_score(true, predicted, _RECALL_WEIGHT),
        micro_f1=float(_f_score(*(counts.sum() for counts in by_label))),
        macro_f1=float(f1.mean()),
        precision=dict(zip(labels, precision.tolist(), strict=True)),
        recall=dict(zip(labels, recall.tolist(), strict=True)),
        f1=dict(zip(labels, f1.tolist(), strict=True)),
        support=dict(zip(labels, by_label[2].tolist(), strict=True)),
    )


def sample_f_score(true: NDArray[np.bool_], predicted: NDArray[np.bool_], weight: int = 1) -> float:
    """The mean over chips of each one's F score; `weight` says how many times as much recall counts."""
    counts = ((true & predicted).sum(axis=1), predicted.sum(axis=1), true.sum(axis=1))
    return float(_f_score(*counts, weight).mean())


def majority_labels(targets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The labels that more than half of the chips [n, labels] have; where there is none, the most frequent one."""
    shares = targets.mean(axis=0)
    common = shares > 0.5
    if not common.any():
        common[shares.argmax()] = True
    return np.asarray(common)


def training_report(history: Sequence[Epoch], metrics: dict[str, MultilabelFigures], **facts: Any) -> bytes:
    """The JSON file that says how a training went: ``epochs``, and the metrics of the finished model by their names.

    The same training gives the same bytes.

    Args:
        facts: other JSON-able values by their names, such as the thresholds.
    """
    content = {
        "format": REPORT_FORMAT,
        "format_version": REPORT_VERSION,
        **facts,
        **{name: found.serialize() for name, found in metrics.items()},
        "epochs": [entry.flat() for entry in history],
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def best_thresholds(
    true: NDArray[np.bool_], probabilities: NDArray[np.float64], otherwise: float = THRESHOLD
) -> NDArray[np.float64]:
    """For each label the threshold with the best F1, float64 [labels]; among equals the one nearest to `otherwise`.

    Args:
        true, probabilities: [n, labels].
        otherwise: the threshold of a label that no chip has.
    """
    return np.array([_best_threshold(*columns, otherwise) for columns in zip(true.T, probabilities.T, strict=True)])


def _best_threshold(true: NDArray[np.bool_], probabilities: NDArray[np.float64], otherwise: float) -> float:
    if not true.any():
        return otherwise
    order = np.argsort(probabilities)
    values, positive = probabilities[order], true[order]
    # A threshold can only lie between two values, or below all of them; above all it would give nothing.
    starts = np.flatnonzero(np.diff(values, prepend=0.0) > 0)
    if not len(starts):
        return otherwise
    hits = int(true.sum()) - np.concatenate([[0], np.cumsum(positive)])[starts]
    f1 = _f_score(hits, len(values) - starts, np.full(len(starts), true.sum()))
    lower = np.where(starts > 0, values[starts - 1], 0.0)
    # Halfway between them, or `otherwise` itself where it lies there.
    inside = (lower <= otherwise) & (otherwise < values[starts])
    thresholds = np.where(inside, otherwise, (lower + values[starts]) / 2)
    best = np.flatnonzero(f1 == f1.max())
    return float(thresholds[best[np.abs(thresholds[best] - otherwise).argmin()]])


def _f_score(
    hits: NDArray[np.int64], predicted: NDArray[np.int64], true: NDArray[np.int64], weight: int = 1
) -> NDArray[np.float64]:
    """(1 + w²) TP / (w² (TP + FN) + TP + FP) of numbers of hits, predicted and true ones."""
    square = weight * weight
    return _ratio((1 + square) * hits, square * true + predicted)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(part / np.maximum(whole, 1), np.float64)
