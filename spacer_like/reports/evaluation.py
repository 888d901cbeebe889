"""What a picture or page shows of an evaluation report: the numbers in ready arrays, and the sentences about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.drawing.class_style import plain_text
from spacer_like.exceptions import MessageError, damage_as
from spacer_like.learning.image_metrics import ImageEvaluation

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

DEFAULT_THRESHOLD = 0.8


@dataclass(frozen=True)
class Evaluation:
    """An evaluation's numbers; n classes, b confidence bins, t thresholds. A number that does not exist is NaN."""

    classes: list[str]
    accuracy: float
    point_count: int
    precision: Floats
    """Of the points given a class, the share that are of it: [n]."""
    recall: Floats
    """Of the points of a class, the share that were given it: [n]."""
    f1: Floats
    support: Counts
    """Points of each class in the truth: [n]."""
    confusion: Counts
    """Points by true class (row) and given class (column): [n, n]."""
    bin_edges: Floats
    """Borders of the confidence bins: [b + 1]."""
    bin_confidence: Floats
    """Mean confidence in each bin: [b]."""
    bin_accuracy: Floats
    bin_count: Counts
    thresholds: Floats
    threshold_accuracy: Floats
    """Accuracy over the points whose confidence reaches the threshold: [t]."""
    threshold_coverage: Floats
    """Share of all points whose confidence reaches the threshold: [t]."""
    epoch_accuracies: list[float]
    """Accuracy on the reference set after each epoch; may be empty."""
    previous_accuracies: list[float]
    """Accuracy of each previous model on the same points; may be empty."""
    left_out: list[tuple[str, int, str]] = field(default_factory=list)
    """Class, points and reason of each class that was labelled and that the model does not know."""
    by_image: ImageEvaluation | None = None
    """Intervals, baselines and metrics by source, where it is known which points are of one image."""

    def sentence(self, threshold: float = DEFAULT_THRESHOLD) -> str:
        """How far the machine may be trusted alone, at the threshold of the table nearest to the one asked for."""
        if not len(self.thresholds):
            return ""
        at = int(np.abs(self.thresholds - threshold).argmin())
        coverage, accuracy = float(self.threshold_coverage[at]), float(self.threshold_accuracy[at])
        if coverage == 0 or isnan(accuracy):
            return f"Above {self.thresholds[at]:.2f} the machine decides no point."
        return (
            f"Above {self.thresholds[at]:.2f} the machine is right {percent(accuracy)} of the time "
            f"and decides {percent(coverage)} of the points."
        )

    def warning(self) -> str:
        """How many labelled classes the model does not know; empty where it knows all."""
        if not self.left_out:
            return ""
        points = sum(count for _, count, _ in self.left_out)
        classes = count_of(len(self.left_out), "labelled class", "labelled classes")
        return f"The model does not know {classes} ({count_of(points, 'point')} left out)."

    def headline(self) -> str:
        return (
            f"Right on {percent(self.accuracy, 1)} of {count_of(self.point_count, 'point')} "
            f"in {count_of(len(self.classes), 'class', 'classes')}"
        )

    def calibration_error(self) -> float:
        """Mean distance between confidence and accuracy, weighted by the bins' points (expected calibration error)."""
        used = self.bin_count > 0
        if not used.any():
            return float("nan")
        gaps = np.abs(self.bin_confidence[used] - self.bin_accuracy[used])
        return float(np.average(gaps, weights=self.bin_count[used]))

    def largest_confusions(self, limit: int = 10) -> list[tuple[str, str, int, float]]:
        """The most frequent mistakes: true class, given class, points, share of the true class's points."""
        mistakes = self.confusion - np.diag(np.diag(self.confusion))
        order = np.argsort(mistakes, axis=None, kind="stable")[::-1][:limit]
        rows, columns = np.unravel_index(order, mistakes.shape)
        return [
            (
                self.classes[row],
                self.classes[column],
                int(mistakes[row, column]),
                _share(mistakes, self.support, row, column),
            )
            for row, column in zip(rows, columns, strict=True)
            if mistakes[row, column] > 0
        ]


def percent(share: float, digits: int = 0) -> str:
    """A share as people read it; never rounded up to 100 % nor down to 0 % where it is not.

    >>> percent(0.9999), percent(0.0001), percent(1.0)
    ('more than 99 %', 'less than 1 %', '100 %')
    """
    if isnan(share):
        return "–"
    text = f"{100 * share:.{digits}f}"
    step = 10.0**-digits
    if share < 1 and float(text) >= 100:
        return f"more than {100 - step:.{digits}f} %"
    if share > 0 and float(text) == 0:
        return f"less than {step:.{digits}f} %"
    return f"{text} %"


def count_of(number: int, singular: str, plural: str | None = None) -> str:
    """
    >>> count_of(1, "point"), count_of(12000, "point")
    ('1 point', '12,000 points')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _share(mistakes: Counts, support: Counts, row: int, column: int) -> float:
    return float(mistakes[row, column]) / max(int(support[row]), 1)


def read_evaluation(report: Mapping[str, Any], name: str = "The report") -> Evaluation:
    """The numbers of an evaluation report, as `train_classifier` writes it (`EvaluationReport.serialize`).

    Args:
        name: what errors call it.

    Raises:
        MessageError: a part of the report is absent or malformed.
    """
    with damage_as(MessageError, name, f"{name} is not an evaluation report that can be drawn"):
        evaluation = _read(report)
        _check_shapes(evaluation)
        return evaluation


def _read(report: Mapping[str, Any]) -> Evaluation:
    per_class, bins, table = report["per_class"], report["calibration"], report["thresholds"]
    return Evaluation(
        classes=[plain_text(name) for name in report["classes"]],
        accuracy=float(report["accuracy"]),
        point_count=int(report["count"]),
        precision=_floats(per_class, "precision"),
        recall=_floats(per_class, "recall"),
        f1=_floats(per_class, "f1"),
        support=_counts(per_class, "support"),
        confusion=np.asarray(report["confusion_matrix"], dtype=np.int64),
        bin_edges=np.asarray(
            [*(entry["lower"] for entry in bins), *(entry["upper"] for entry in bins[-1:])], dtype=np.float64
        ),
        bin_confidence=_floats(bins, "mean_confidence"),
        bin_accuracy=_floats(bins, "accuracy"),
        bin_count=_counts(bins, "count"),
        thresholds=_floats(table, "threshold"),
        threshold_accuracy=_floats(table, "accuracy"),
        threshold_coverage=_floats(table, "coverage"),
        epoch_accuracies=[float(share) for share in report.get("ref_accs") or []],
        previous_accuracies=[float(share) for share in report.get("pc_accs") or []],
        left_out=[
            (plain_text(one["label"]), sum(int(one[name]) for name in ("train", "ref", "val")), str(one["reason"]))
            for one in report.get("left_out") or []
        ],
        by_image=ImageEvaluation.deserialize(report["by_image"]) if report.get("by_image") else None,
    )


def _floats(rows: list[Mapping[str, Any]], key: str) -> Floats:
    return np.asarray([np.nan if row[key] is None else row[key] for row in rows], dtype=np.float64)


def _counts(rows: list[Mapping[str, Any]], key: str) -> Counts:
    return np.asarray([row[key] for row in rows], dtype=np.int64)


def _check_shapes(evaluation: Evaluation) -> None:
    count = len(evaluation.classes)
    if count == 0 or evaluation.confusion.shape != (count, count) or evaluation.support.shape != (count,):
        raise MessageError(
            f"This is not an evaluation report that can be drawn: it names {count} classes, scores "
            f"{len(evaluation.support)} and has a confusion matrix of shape {evaluation.confusion.shape}."
        )
