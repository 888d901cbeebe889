"""Metrics of a classifier, from its answers for points whose labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from spacer_like.exceptions import MessageError, MissingFieldError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacer_like.data_classes import LabelId, ValResults

FORMAT = "spacer_like.evaluation"
FORMAT_VERSION = 1
CONFIDENCE_BINS = 10
_OPTIONAL = ("left_out", "by_image")
THRESHOLDS = (*(number / 100 for number in range(0, 100, 5)), 0.99)


def calc_acc(gt: Sequence[Any], est: Sequence[Any]) -> float:
    """The share of positions at which two lists agree.

    Raises:
        ValueError: lists that are empty or of unequal length.
    """
    if len(gt) == 0 or len(est) == 0:
        raise ValueError("Inputs can not be empty")
    if len(gt) != len(est):
        raise ValueError("Input gt and est must have the same length")
    return sum(bool(true == estimated) for true, estimated in zip(gt, est, strict=True)) / len(gt)


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of a class; one that is undefined, such as the precision of a class never given, is None.

    Attributes:
        label: the class.
        precision: of the points given the class, the share that are of it.
        recall: of the points of the class, the share that were given it.
        f1: harmonic mean of both, 2 TP / (2 TP + FP + FN).
        support: points of the class.
    """

    label: LabelId
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class ConfidenceBin:
    """The points whose confidence lies in [lower, upper), in the last bin also at `upper`."""

    lower: float
    upper: float
    count: int
    mean_confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class ThresholdRow:
    """Accuracy and share of the points whose confidence reaches a threshold."""

    threshold: float
    count: int
    accuracy: float | None
    coverage: float


@dataclass(frozen=True)
class EvaluationReport:
    """The metrics of an evaluation; JSON by `serialize`, and back by `deserialize`.

    Attributes:
        classes: the labels; rows and columns of the confusion matrix are in their order.
        count: points evaluated.
        accuracy: share of points given their true class.
        macro_f1: mean of the classes' F1, over classes that have one.
        per_class: a row for each class.
        confusion_matrix: [true][given] numbers of points.
        calibration: confidence bins of equal width.
        calibration_error: expected calibration error: mean distance of confidence and accuracy, weighted by the bins'
            points (C. Guo et al., "On calibration of modern neural networks", 2017).
        thresholds: what a confidence threshold would bring.
        ref_accs: accuracy on the reference set after each epoch; may be empty.
        pc_accs: accuracy of each previous classifier on the same points; may be empty.
        left_out: classes that were labelled and not learnt: label, train, ref and val (points by set), reason. Not in
            the JSON where there are none.
        by_image: an `ImageEvaluation` as JSON, where it is known which points are of one image; not in the JSON where
            it is None.
    """

    classes: list[LabelId]
    count: int
    accuracy: float
    macro_f1: float | None
    per_class: list[ClassMetrics]
    confusion_matrix: list[list[int]]
    calibration: list[ConfidenceBin]
    calibration_error: float
    thresholds: list[ThresholdRow]
    ref_accs: list[float]
    pc_accs: list[float]
    left_out: list[dict[str, Any]] = field(default_factory=list)
    by_image: dict[str, Any] | None = None

    def serialize(self) -> dict[str, Any]:
        found = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        return {name: value for name, value in found.items() if value or name not in _OPTIONAL}

    @classmethod
    def deserialize(cls, data: Any) -> EvaluationReport:
        """The report that `serialize` described; fields of later versions are ignored.

        Raises:
            MessageError: not such a report, or of a later format.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise MessageError("This is not an evaluation report.")
        if data.get("format_version") != FORMAT_VERSION:
            raise MessageError(f"The evaluation report is of the format version {data.get('format_version')!r}, not 1.")
        data = {"left_out": [], "by_image": None} | data
        if missing := [entry.name for entry in fields(cls) if entry.name not in data]:
            raise MissingFieldError(f"The evaluation report lacks '{missing[0]}'.")
        rows = {"per_class": ClassMetrics, "calibration": ConfidenceBin, "thresholds": ThresholdRow}
        try:
            values = {entry.name: data[entry.name] for entry in fields(cls)}
            for name, row_class in rows.items():
                values[name] = [row_class(**row) for row in values[name]]
            return cls(**values)
        except TypeError as error:
            raise MessageError(f"The evaluation report is malformed: {error}.") from None


def evaluation_report(
    results: ValResults,
    ref_accs: Sequence[float] = (),
    pc_accs: Sequence[float] = (),
    left_out: Sequence[dict[str, Any]] = (),
    by_image: dict[str, Any] | None = None,
) -> EvaluationReport:
    """The metrics of an evaluation.

    Args:
        results: point by point, the true class, the given one, and the confidence.
        ref_accs, pc_accs, left_out, by_image: carried into the report as they are.
    """
    import numpy as np

    true, given = np.asarray(results.gt, np.intp), np.asarray(results.est, np.intp)
    confidence, right = np.asarray(results.scores, np.float64), true == given
    confusion = confusion_matrix(true, given, len(results.classes))
    per_class = class_metrics(confusion, results.classes)
    f1s = [row.f1 for row in per_class if row.f1 is not None]
    bins = confidence_bins(confidence, right)
    return EvaluationReport(
        classes=list(results.classes),
        count=len(true),
        accuracy=float(right.mean()),
        macro_f1=sum(f1s) / len(f1s) if f1s else None,
        per_class=per_class,
        confusion_matrix=confusion.tolist(),
        calibration=bins,
        calibration_error=calibration_error(bins),
        thresholds=threshold_table(confidence, right),
        ref_accs=[float(share) for share in ref_accs],
        pc_accs=[float(share) for share in pc_accs],
        left_out=list(left_out),
        by_image=by_image,
    )


def confusion_matrix(true: NDArray[np.intp], given: NDArray[np.intp], classes: int) -> NDArray[np.int64]:
    """Numbers of points [classes, classes] by true class (row) and given class (column), from class indices [n]."""
    import numpy as np

    return np.bincount(true * classes + given, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def class_metrics(confusion: NDArray[np.int64], classes: Sequence[LabelId]) -> list[ClassMetrics]:
    """Precision, recall, F1 and support of each class of a confusion matrix."""
    hits, support, given = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return [
        ClassMetrics(
            label=label,
            precision=_share(hit, all_given),
            recall=_share(hit, all_true),
            f1=_share(2 * hit, all_true + all_given),
            support=int(all_true),
        )
        for label, hit, all_true, all_given in zip(
            classes, hits.tolist(), support.tolist(), given.tolist(), strict=True
        )
    ]


def confidence_bins(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = CONFIDENCE_BINS
) -> list[ConfidenceBin]:
    """Bins of equal width over [0, 1]: in each, the mean confidence and the share of points that are right.

    Args:
        confidence: [n] between 0 and 1.
        right: [n].
        bins: their number.
    """
    import numpy as np

    which = np.clip((confidence * bins).astype(np.intp), 0, bins - 1)
    counts = np.bincount(which, minlength=bins)
    sums = np.bincount(which, weights=confidence, minlength=bins)
    hits = np.bincount(which, weights=right, minlength=bins)
    return [
        ConfidenceBin(
            lower=number / bins,
            upper=(number + 1) / bins,
            count=count,
            mean_confidence=_share(total, count),
            accuracy=_share(hit, count),
        )
        for number, (count, total, hit) in enumerate(zip(counts.tolist(), sums.tolist(), hits.tolist(), strict=True))
    ]


def calibration_error(bins: Sequence[ConfidenceBin]) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, weighted by the bins' points."""
    count = sum(entry.count for entry in bins)
    gaps = (
        abs(entry.mean_confidence - entry.accuracy) * entry.count
        for entry in bins
        if entry.mean_confidence is not None and entry.accuracy is not None
    )
    return sum(gaps) / count if count else 0.0


def threshold_table(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], thresholds: Sequence[float] = THRESHOLDS
) -> list[ThresholdRow]:
    """For each threshold, accuracy and share of the points that reach it."""
    rows = []
    for threshold in thresholds:
        reached = confidence >= threshold
        count = int(reached.sum())
        accuracy = _share(int(right[reached].sum()), count)
        rows.append(ThresholdRow(threshold, count, accuracy, count / len(confidence)))
    return rows


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
