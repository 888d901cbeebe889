"""Evaluation of classifiers on points whose labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spacer_like.data_classes import ImageLabels, LabelId, ValResults
from spacer_like.data_classes.feature_reading import FeatureReader, read_in_groups
from spacer_like.exceptions import ExtractorMismatchError, TrainingLabelsError

Answers = tuple[list[LabelId], list[float]]

SMALLEST_PROBABILITY = 1e-12
"""A smaller one counts as this in a logarithmic loss: one point must not decide about all."""


def evaluate_classifier(clf: Any, labels: ImageLabels) -> tuple[list[LabelId], list[LabelId], list[float]]:
    """A classifier's answers for labelled points.

    Args:
        clf: anything with `predict_proba` and `classes_`.
        labels: the points.

    Returns:
        True labels, estimated labels, and the highest probability of each point.

    Raises:
        TrainingLabelsError: there are no points.
        ExtractorMismatchError: the features are of another extractor than the classifier's.
    """
    true, [(estimated, scores)] = evaluate_classifiers([clf], labels)
    return true, estimated, scores


def evaluate_classifiers(
    classifiers: Sequence[Any], labels: ImageLabels, of_true: list[float] | None = None
) -> tuple[list[LabelId], list[Answers]]:
    """True labels, and each classifier's estimated labels and highest probabilities. Files are read once for all.

    Args:
        of_true: takes the probability that the first classifier gives to each point's true class.
    """
    true: list[LabelId] = []
    answers: list[Answers] = [([], []) for _ in classifiers]
    reader = FeatureReader(labels)
    for vectors, names in read_in_groups(reader):
        true.extend(names)
        for classifier, (estimated, scores) in zip(classifiers, answers, strict=True):
            _check_extractor(classifier, reader.extractor_ids)
            probabilities = classifier.predict_proba(vectors)
            estimated.extend(classifier.classes_[probabilities.argmax(axis=1)].tolist())
            scores.extend(probabilities.max(axis=1).tolist())
            if of_true is not None and classifier is classifiers[0]:
                of_true.extend(_probabilities_of(names, classifier.classes_.tolist(), probabilities))
    if not true:
        raise TrainingLabelsError("There are no points to evaluate the classifier on.")
    return true, answers


def _probabilities_of(names: Sequence[LabelId], classes: Sequence[LabelId], probabilities: Any) -> list[float]:
    """The probability of each point's class; 0 for a class that the classifier does not know."""
    index = {label: number for number, label in enumerate(classes)}
    columns = np.array([index.get(name, -1) for name in names], np.intp)
    own = np.where(columns >= 0, probabilities[np.arange(len(names)), columns], 0.0)
    found: list[float] = own.tolist()
    return found


def _check_extractor(classifier: Any, found: set[str]) -> None:
    wanted = getattr(classifier, "extractor_id", None)
    if wanted is not None and found - {wanted}:
        raise ExtractorMismatchError(
            f"The classifier was trained on features of the extractor {wanted[:16]}, and cannot be evaluated on those "
            f"of {min(found - {wanted})[:16]}."
        )


def validation_results(
    true: Sequence[LabelId], estimated: Sequence[LabelId], scores: Sequence[float], classes: Sequence[LabelId]
) -> ValResults:
    """The same answers with classes as indices.

    Raises:
        TrainingLabelsError: a true label is none of the classes.
    """
    index = {label: number for number, label in enumerate(classes)}
    if unknown := next((label for label in true if label not in index), None):
        raise TrainingLabelsError(
            f"The class {unknown!r} of the validation set is unknown to the classifier: preprocess_labels leaves such "
            "classes out."
        )
    return ValResults(
        scores=list(scores),
        gt=[index[label] for label in true],
        est=[index[label] for label in estimated],
        classes=list(classes),
    )


def agreement(outputs: Any, targets: Any) -> int:
    """The number of n points with the right class: outputs [n, classes], or [n, 1], above 0 for the second of two."""
    given = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > 0
    return int(np.count_nonzero(given == targets))
