"""Reports of how good a model of a tag is: figures of the images that were held out, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import visible
from spacer_like.learning.linear_tags import NEGATIVE, POSITIVE
from spacer_like.learning.tag_metrics import BINS, TagMetrics, probability_bins, tag_metrics
from spacer_like.tags.tag_model import TagModel

Floats = NDArray[np.float64]

HALF = 0.5
"""The probability at which the rates, the counts and the accuracy are, as in the reports of image-tagging-tools."""
_COUNTS = ("false_positive", "true_positive", "false_negative", "true_negative")
_BAR = 50
_SHOWN_PATHS = 100


@dataclass(frozen=True, eq=False)
class TagEvaluation:
    """What a model says of its images.

    Attributes:
        model: the model.
        n_tag, n_other: images with the tag, and those that it is told from.
        n_learnt_tag, n_learnt_other: those of each that it was trained on.
        test: (probability, whether it has the tag, path) of the images that the figures are of.
        is_held_out: whether the model has not learnt from these.
        in_distribution: probabilities of the tag for all images that have it.
        out_distribution: those for the images of ``other-validation``.
    """

    model: TagModel
    n_tag: int
    n_other: int
    n_learnt_tag: int
    n_learnt_other: int
    test_scores: Floats
    test_has: NDArray[np.bool_]
    test_paths: list[str]
    is_held_out: bool
    in_distribution: Floats
    out_distribution: Floats

    @cached_property
    def at_half(self) -> TagMetrics:
        """The figures at the probability `HALF`."""
        return tag_metrics(self.test_scores, self.test_has, HALF)

    @property
    def counts(self) -> dict[str, int]:
        """How many images of the test are rightly or wrongly (true, false) said to have the tag or not."""
        return {name: getattr(self.at_half, f"{name}s") for name in _COUNTS}

    @property
    def rates(self) -> dict[str, float | None]:
        """Each of the `counts` as a share of the images with the tag, or without it; None: there are none."""
        return {name: getattr(self.at_half, f"{name}_rate") for name in _COUNTS}

    @cached_property
    def metrics(self) -> dict[str, float | None]:
        """Accuracy at `HALF` as a share, average precision, ROC-AUC, precision and recall at the model's threshold."""
        half, threshold = self.at_half, self.model.threshold
        given = tag_metrics(self.test_scores, self.test_has, np.inf if threshold is None else threshold)
        return {
            "accuracy": None if half.accuracy is None else half.accuracy / 100,
            "average_precision": None if half.roc_auc is None else half.average_precision,
            "roc_auc": half.roc_auc,
            "precision_at_threshold": given.precision,
            "recall_at_threshold": given.true_positive_rate,
        }


def report_text(evaluation: TagEvaluation) -> str:
    """The report as image-tagging-tools writes it, with what that leaves out."""
    blocks = [
        _heading(evaluation),
        _set_counts(evaluation),
        _rates(evaluation),
        _results(evaluation),
        _thresholds(evaluation),
        _histogram("in-distribution", f"P({visible(evaluation.model.tag)})", evaluation.in_distribution),
        _histogram("out-distribution", "P(other)", 1 - evaluation.out_distribution),
        _test_images(evaluation),
    ]
    return "\n".join("\n".join([*block, ""]) for block in blocks)


def report_json(evaluation: TagEvaluation) -> bytes:
    """The report for machines, with all paths."""
    model = evaluation.model
    found = {
        "model": model.model_type,
        "tag": model.tag,
        "extractor_id": model.extractor_id,
        "threshold": model.threshold,
        "review_threshold": model.review_threshold,
        "tag_set_image_count": evaluation.n_tag,
        "other_set_image_count": evaluation.n_other,
        "validation_tag_image_count": int(evaluation.test_has.sum()),
        "validation_other_image_count": int((~evaluation.test_has).sum()),
        "learnt_tag_image_count": evaluation.n_learnt_tag,
        "learnt_other_image_count": evaluation.n_learnt_other,
        "validation_is_held_out": evaluation.is_held_out,
        "counts": evaluation.counts,
        "rates": evaluation.rates,
        "metrics": evaluation.metrics,
        "in_distribution": probability_bins(evaluation.in_distribution),
        "out_distribution": probability_bins(1 - evaluation.out_distribution),
        "validation_images": [
            {"path": path, "has_tag": has, "score": score}
            for path, has, score in zip(
                evaluation.test_paths, evaluation.test_has.tolist(), evaluation.test_scores.tolist(), strict=True
            )
        ],
    }
    return json.dumps(found, indent=1).encode() + b"\n"


def _heading(evaluation: TagEvaluation) -> list[str]:
    model = evaluation.model
    return [f"model: {model.model_type}", "task: binary-classification", f"tag: [{visible(model.tag)}]"]


def _set_counts(evaluation: TagEvaluation) -> list[str]:
    return [
        f"tag-set-image-count: {evaluation.n_tag}",
        f"other-set-image-count: {evaluation.n_other}",
        f"validation-tag-image-count: {int(evaluation.test_has.sum())}",
        f"validation-other-image-count: {int((~evaluation.test_has).sum())}",
    ]


def _rates(evaluation: TagEvaluation) -> list[str]:
    rates, counts = evaluation.rates, evaluation.counts
    size = len(evaluation.test_has)
    lines = [f"{_spoken(name)}-rate: {'none' if rate is None else f'{rate:.4f}'}" for name, rate in rates.items()]
    return [*lines, "", *(f"{_spoken(name)}: {count} out of {size}" for name, count in counts.items())]


def _results(evaluation: TagEvaluation) -> list[str]:
    from sklearn.metrics import classification_report

    accuracy = evaluation.metrics["accuracy"]
    lines = [f">Accuracy : {'none' if accuracy is None else f'{100 * accuracy:.4f}'}", ""]
    if len(evaluation.test_has):
        # As in image-tagging-tools class 0 is the tag.
        said, has = (np.where(rows, 0, 1) for rows in (evaluation.test_scores >= HALF, evaluation.test_has))
        lines += [classification_report(has, said, labels=[0, 1], zero_division=0).rstrip(), ""]
    return [*lines, f"Index 0 is class {visible(evaluation.model.tag)}", "Index 1 is class other"]


def _thresholds(evaluation: TagEvaluation) -> list[str]:
    model, metrics = evaluation.model, evaluation.metrics
    threshold = "none: no probability is sure enough" if model.threshold is None else f"{model.threshold:.4f}"
    lines = [f"threshold: {threshold}", f"review-threshold: {model.review_threshold:.4f}"]
    names = ("precision_at_threshold", "recall_at_threshold", "roc_auc", "average_precision")
    return lines + [f"{_spoken(name)}: {_number(metrics[name])}" for name in names]


def _histogram(name: str, of: str, probabilities: Floats) -> list[str]:
    counts = probability_bins(probabilities)
    longest = max(*counts, 1)
    lines = [f"{name}: {of} of {len(probabilities)} images"]
    for number, count in enumerate(counts):
        bar = "#" * -(-count * _BAR // longest)
        lines.append(f"{number / BINS:.1f} - {(number + 1) / BINS:.1f} | {count:6d} {bar}".rstrip())
    return lines


def _test_images(evaluation: TagEvaluation) -> list[str]:
    if not len(evaluation.test_has):
        return ["validation-images: none"]
    if evaluation.is_held_out:
        lines = ["validation-images: held out, the model has not learnt from them"]
    else:
        lines = ["validation-images: LEARNT FROM as well, for there are too few: the figures are too good"]
    for has, name in ((True, visible(evaluation.model.tag)), (False, "other")):
        own = [path for path, one in zip(evaluation.test_paths, evaluation.test_has, strict=True) if one == has]
        lines += [f"  {name}: {visible(path)}" for path in own[:_SHOWN_PATHS]]
        if len(own) > _SHOWN_PATHS:
            lines.append(f"  {name}: and {len(own) - _SHOWN_PATHS} more, which the report as JSON names")
    return lines


def _spoken(name: str) -> str:
    return name.replace("_", "-")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def evaluate(
    model: TagModel,
    scores: Floats,
    targets: NDArray[np.integer],
    tested: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    paths: Sequence[str],
    out_rows: NDArray[np.bool_],
) -> TagEvaluation:
    """The evaluation of a model.

    Args:
        scores: [n] what it says of all images.
        targets: [n] what each is to the tag.
        tested: [n] which images the figures are of, and which it has learnt from.
        paths: [n] of the images.
        out_rows: [n] the images of ``other-validation``.
    """
    is_test, is_trained = tested
    has, has_not = targets == POSITIVE, targets == NEGATIVE
    rows = np.flatnonzero(is_test).tolist()
    return TagEvaluation(
        model=model,
        n_tag=int(has.sum()),
        n_other=int(has_not.sum()),
        n_learnt_tag=int((has & is_trained).sum()),
        n_learnt_other=int((has_not & is_trained).sum()),
        test_scores=scores[rows],
        test_has=has[rows],
        test_paths=[paths[row] for row in rows],
        is_held_out=not (is_test & is_trained).any(),
        in_distribution=scores[has],
        out_distribution=scores[out_rows],
    )
