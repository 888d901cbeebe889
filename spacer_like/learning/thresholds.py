"""Thresholds of tags: an image has a tag whose probability reaches the tag's threshold, and perhaps it has none.

They are chosen on images that the classifier was not trained on: on what it says out of fold, or on a held-out set.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.learning.linear_tags import (
    NEGATIVE,
    NOT_USED,
    POSITIVE,
    TOLERANCE,
    LinearTags,
    fit_linear_tags,
    tag_scores,
)

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
DEFAULT_THRESHOLD = 0.5
"""Of a tag of which nothing is known out of fold."""
_STARTS = 2
_GROWTH = 1.05


def out_of_fold(
    features: NDArray[np.floating],
    targets: NDArray[np.integer],
    folds: NDArray[np.integer],
    *,
    importance: NDArray[np.floating] | None = None,
    start: LinearTags | None = None,
) -> Floats:
    """The probability of each tag for each image by a classifier that was trained without its fold: [n, tags].

    It is NaN where nothing could be trained, because all of a tag's positive or negative examples are in that fold.
    All folds' classifiers are fitted together.

    Args:
        features, targets, importance: as `fit_linear_tags` takes them; images that a tag does not use get a
            probability too.
        folds: [n] the fold of each image, as `split.fold_numbers` gives them.
        start: the classifiers of all images.
    """
    found = np.full(targets.shape, np.nan)
    for number, places, fitted in fold_classifiers(features, targets, folds, importance=importance, start=start):
        rows = np.flatnonzero(folds == number)
        found[np.ix_(rows, places)] = tag_scores(features[rows], fitted.weights, fitted.bias)
    return found


class FoldClassifiers(NamedTuple):
    """The classifiers that were trained without a fold.

    Fields:
        fold: its number.
        places: the tags that could be trained, ascending.
        fitted: their classifiers.
    """

    fold: int
    places: NDArray[np.intp]
    fitted: LinearTags


def fold_classifiers(
    features: NDArray[np.floating],
    targets: NDArray[np.integer],
    folds: NDArray[np.integer],
    *,
    importance: NDArray[np.floating] | None = None,
    start: LinearTags | None = None,
    tolerance: float = TOLERANCE,
) -> list[FoldClassifiers]:
    """Classifiers of the tags for each fold, trained on the images of the others, all fitted together.

    Args:
        features, targets, importance, tolerance: as `fit_linear_tags` takes them.
        folds, start: as `out_of_fold` takes them.
    """
    counted = targets if importance is None else np.where(_wide(importance) > 0, targets, NOT_USED)
    numbers = np.unique(folds)
    columns, places = [], []
    for number in numbers:
        left = np.where((folds == number)[:, None], NOT_USED, counted)
        can = (left == POSITIVE).any(axis=0) & (left == NEGATIVE).any(axis=0)
        columns.append(left[:, can])
        places.append(np.flatnonzero(can))
    all_columns, tags = np.concatenate(columns, axis=1), np.concatenate(places)
    if not len(tags):
        return []
    weights = None if importance is None else _wide(importance)
    if weights is not None and weights.shape[1] > 1:
        weights = weights[:, tags]
    begun = None if start is None else start.of_tags(tags)
    fitted = fit_linear_tags(features, all_columns, importance=weights, start=begun, tolerance=tolerance)
    ends = np.cumsum([len(place) for place in places])
    return [
        FoldClassifiers(int(number), place, fitted.of_tags(np.arange(end - len(place), end)))
        for number, place, end in zip(numbers, places, ends, strict=True)
    ]


def _wide(importance: NDArray[np.floating]) -> NDArray[np.floating]:
    return importance[:, None] if importance.ndim == 1 else importance


def f1_thresholds(probabilities: Floats, targets: NDArray[np.integer]) -> Floats:
    """The threshold of each tag with the greatest F1 = 2 TP / (2 TP + FP + FN): [tags].

    It lies half way between the least probability that reaches it and the next lower one. Of thresholds with the same
    F1 the highest is taken, which gives the fewest tags; without a positive example it is `DEFAULT_THRESHOLD`.

    Args:
        probabilities: [n, tags] of images that the classifier was not trained on; NaN: not known.
        targets: [n, tags] `POSITIVE`, `NEGATIVE` or `NOT_USED`.
    """
    found = np.full(targets.shape[1], DEFAULT_THRESHOLD)
    for tag in range(targets.shape[1]):
        used = (targets[:, tag] != NOT_USED) & ~np.isnan(probabilities[:, tag])
        values, is_positive = _falling(probabilities[used, tag], targets[used, tag] == POSITIVE)
        if not is_positive.any():
            continue
        ends = _ends(values)
        hits = np.cumsum(is_positive)[ends]
        best = int(np.argmax(2 * hits / (ends + 1 + is_positive.sum())))
        found[tag] = _between(values, int(ends[best]))
    return found


def precision_threshold(
    probabilities: Floats,
    targets: NDArray[np.integer],
    precision: float,
    confidence: float = CONFIDENCE,
    groups: NDArray[np.integer] | None = None,
) -> float | None:
    """The lowest threshold that is shown to give a tag with a precision; None where none is.

    Of drawing held-out images anew, a share of `confidence` at least gives a threshold above which, among all such
    images, at least the share `precision` has the tag, or gives none. The images above a threshold are shown to have it
    by the exact lower bound of a binomial share (C. Clopper, E. Pearson 1934). Looking at many thresholds is allowed
    for by testing them in a fixed order, from the highest down until one fails, from two beginnings that share the
    risk (A. Angelopoulos et al., "Learn then test", 2021). At a precision and confidence of .95 at least 72 images
    with the tag are needed.

    Args:
        probabilities: [n] of held-out images, that neither the classifier nor anything else was chosen with, and that
            are drawn as those will be that the threshold is used for; NaN: not known.
        targets: [n] `POSITIVE`, `NEGATIVE` or `NOT_USED`.
        precision, confidence: between 0 and 1.
        groups: [n] equal numbers for near duplicates, of which the first alone counts: copies are no new evidence.

    Raises:
        TrainingLabelsError: a precision or confidence that is not between 0 and 1.
    """
    if not (0 < precision < 1 and 0 < confidence < 1):
        raise TrainingLabelsError(
            f"The precision and the confidence must be between 0 and 1, and are {precision} and {confidence}."
        )
    used = (targets != NOT_USED) & ~np.isnan(probabilities)
    if groups is not None:
        rows = np.flatnonzero(used)
        used = np.zeros(len(used), bool)
        used[rows[np.unique(groups[rows], return_index=True)[1]]] = True
    values, is_positive = _falling(probabilities[used], targets[used] == POSITIVE)
    ends, hits = _ends(values), np.cumsum(is_positive)
    risk = (1 - confidence) / _STARTS
    least = math.log(risk) / math.log(precision)
    lowest = -1
    for begin in range(_STARTS):
        wanted = least * 2**begin
        while len(ends) and wanted <= ends[-1] + 1:
            end = int(ends[np.searchsorted(ends, math.ceil(wanted) - 1)])
            if lower_bound(int(hits[end]), end + 1, risk) < precision:
                break
            lowest = max(lowest, end)
            wanted = max(wanted * _GROWTH, end + 2)
    return None if lowest < 0 else float(values[lowest])


def lower_bound(hits: int, count: int, risk: float) -> float:
    """The exact lower bound of a share of which `hits` of `count` are seen, too high with the probability `risk`."""
    from scipy.stats import beta

    return float(beta.ppf(risk, hits, count - hits + 1)) if hits else 0.0


def _falling(values: Floats, is_positive: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    order = np.argsort(-values, kind="stable")
    return values[order], is_positive[order]


def _ends(values: Floats) -> NDArray[np.intp]:
    """Where falling values have the last of equal ones."""
    return np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else np.zeros(0, np.intp)


def _between(values: Floats, end: int) -> float:
    following = values[end + 1] if end + 1 < len(values) else values[end]
    middle = float((values[end] + following) / 2)
    return middle if middle > following else float(values[end])
