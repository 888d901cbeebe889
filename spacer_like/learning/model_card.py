"""The card of a classifier: what it was trained on, what it knows, how good it is, and where that holds.

It travels in the classifier's file as plain JSON, and nothing is computed by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from spacer_like.data_classes.labels import SET_NAMES

if TYPE_CHECKING:
    from spacer_like.data_classes import TrainingTaskLabels
    from spacer_like.learning.image_metrics import ImageEvaluation
    from spacer_like.learning.metrics import EvaluationReport

CARD_VERSION = 1
MOST_SOURCES = 200
"""Of more sources only these are named, the first in the order of their names."""
_BY_IMAGE = ("interval", "balanced_accuracy", "mcc", "log_loss", "cover_r2", "kept_epoch")


class _Counts(TypedDict):
    images: int
    points: int


class _ClassRow(TypedDict):
    label: int | str
    train: int
    ref: int
    val: int
    precision: float | None
    recall: float | None


class _Card(TypedDict):
    card_version: int
    data: dict[str, _Counts]
    classes: list[_ClassRow]
    metrics: dict[str, Any]
    domain: dict[str, list[str]]


def model_card(
    labels: TrainingTaskLabels,
    report: EvaluationReport,
    by_image: ImageEvaluation | None = None,
    sources: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The card of a classifier, as values of JSON.

    Args:
        labels: the three sets, without what was left out.
        report: its evaluation on val.
        by_image: the same by images; None: not known.
        sources: the source of each image, by the key of its feature file; None: not known.

    Returns:
        ``card_version``; ``data``: images and points of each set; ``classes``: a row for each, its label, its points in
        each set, its precision and recall; ``metrics``: of the evaluation; ``domain``: the sources that it learnt from,
        and those that it was evaluated on, among them the ones that were unlike the training.
    """
    metrics: dict[str, Any] = {
        "accuracy": report.accuracy,
        "macro_f1": report.macro_f1,
        "calibration_error": report.calibration_error,
    }
    if by_image is not None:
        metrics |= {name: getattr(by_image, name) for name in _BY_IMAGE}
        metrics["baselines"] = {one.name: one.accuracy for one in by_image.baselines}
    return {
        "card_version": CARD_VERSION,
        "data": {name: {"images": len(labels[name]), "points": labels[name].label_count} for name in SET_NAMES},
        "classes": [
            {
                "label": row.label,
                **{name: labels[name].label_count_per_class[row.label] for name in SET_NAMES},
                "precision": row.precision,
                "recall": row.recall,
            }
            for row in report.per_class
        ],
        "metrics": metrics,
        "domain": {} if sources is None else _domain(labels, by_image, sources),
    }


def checked_card(card: Any) -> dict[str, Any]:
    """A card out of a file; an empty one where it is of a later version, or nothing of the kind.

    A classifier answers without its card: what is wrong with it is no reason to refuse the file.
    """
    from pydantic import TypeAdapter, ValidationError

    if not card:
        return {}
    try:
        found = dict(TypeAdapter(_Card).validate_python(card))
    except ValidationError:
        return {}
    return found if found["card_version"] == CARD_VERSION else {}


def _domain(
    labels: TrainingTaskLabels, by_image: ImageEvaluation | None, sources: Mapping[str, str]
) -> dict[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {
        name: sorted({sources[loc.key] for loc in labels[name] if loc.key in sources})[:MOST_SOURCES]
        for name in SET_NAMES
    }
    unlike = [] if by_image is None else sorted(one.source for one in by_image.sources if one.unlike)
    return {**found, "unlike": unlike[:MOST_SOURCES]}
