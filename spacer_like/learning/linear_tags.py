"""Linear classifiers of tags: a logistic regression for each tag, all fitted together, on the features as they are.

Each is the optimum of scikit-learn's ``LogisticRegression(C=1)``: of the sum of the examples' logarithmic losses plus
half the squared weights, of which the bias is no part. Tags may differ in which examples are theirs to learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError, TrainingLabelsError
from spacer_like.learning.batched_logistic import Conditioner, conditioner_of, solve
from spacer_like.learning.calibration import sigmoid
from spacer_like.learning.heads import check_width
from spacer_like.row_blocks import block_threads, row_blocks

Floats = NDArray[np.float64]

POSITIVE, NEGATIVE, NOT_USED = 1, 0, -1
"""What an image is to a tag, in a matrix of targets: an example of it, of what it is not, or none."""
TOLERANCE = 1e-4
QUICK_TOLERANCE = 1e-2
"""For training again while a person waits: it takes half the time, and seldom moves a probability by .001."""
_TAGS_AT_ONCE = 64
_EXACT_BYTES = 2**28
_FLOAT64_BYTES = 8


@dataclass(frozen=True, eq=False)
class LinearTags:
    """Linear classifiers of tags.

    Attributes:
        weights: float64 [tags, d].
        bias: float64 [tags].
    """

    weights: Floats
    bias: Floats

    def of_tags(self, tags: Sequence[int] | NDArray[np.intp]) -> LinearTags:
        """Those of some tags, by their indices."""
        return LinearTags(self.weights[tags], self.bias[tags])


def fit_linear_tags(
    features: NDArray[np.floating],
    targets: NDArray[np.integer],
    *,
    importance: NDArray[np.floating] | None = None,
    start: LinearTags | None = None,
    conditioner: Conditioner | None = None,
    names: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
) -> LinearTags:
    """A logistic regression for each tag. The same data give the same bytes with any number of threads.

    Args:
        features: float32 or float64 [n, d]; they are neither scaled nor changed.
        targets: [n, tags] `POSITIVE`, `NEGATIVE` or `NOT_USED`.
        importance: [n] or [n, tags] how many times an example counts, 0 or more; None: once.
        start: where to begin, such as the classifiers before a correction; it takes time off and changes no more than
            the tolerance allows.
        conditioner: of these features or of others like them, which spares the time to make it here; the same holds.
        names: of the tags, for errors.
        tolerance: no example's probability is farther than this from the optimum's.

    Raises:
        TrainingLabelsError: arrays that do not fit together, or a tag without an example of either kind.
        FeatureFileError: features that are not finite.
        ExtractorMismatchError: a start or conditioner for features of another length.
    """
    weight_of = check_targets(features, targets, importance, names)
    first = _first(features.shape[1], targets, weight_of) if start is None else _raw(start, features, targets)
    if conditioner is not None:
        check_width(features, len(conditioner.mean), "The conditioner")
    found = np.empty_like(first)
    with block_threads() as threads:
        conditioner = conditioner or conditioner_of(features)
        for begin in range(0, targets.shape[1], _TAGS_AT_ONCE):
            some = slice(begin, begin + _TAGS_AT_ONCE)
            weights = weight_of if weight_of.shape[1] == 1 else weight_of[:, some]
            examples = _examples(features, targets[:, some], weights)
            found[:, some] = solve(examples, first[:, some], conditioner, tolerance, threads)
    return LinearTags(np.ascontiguousarray(found[:-1].T), found[-1].copy())


def tag_scores(features: NDArray[np.floating], weights: Floats, bias: Floats) -> Floats:
    """The probability of each tag for each feature vector: float64 [n, tags].

    Args:
        features: float32 or float64 [n, d].
        weights, bias: [tags, d] and [tags], of `LinearTags`.

    Raises:
        ExtractorMismatchError: features of another length.
    """
    check_width(features, weights.shape[1], "The tags' classifier")
    found = np.empty((len(features), len(bias)))
    transposed = np.ascontiguousarray(weights.T, np.float64)

    def work(rows: slice) -> None:
        found[rows] = sigmoid(features[rows].astype(np.float64, copy=False) @ transposed + bias)

    with block_threads() as threads:
        for _ in threads.map(work, row_blocks(len(features))):
            pass
    return found


def check_targets(
    features: NDArray[np.floating],
    targets: NDArray[np.integer],
    importance: NDArray[np.floating] | None = None,
    names: Sequence[str] | None = None,
) -> Floats:
    """The importance of examples [n, 1] or [n, tags], of arrays that tags can be learnt from.

    Args:
        features, targets, importance, names: as `fit_linear_tags` takes them.

    Raises:
        TrainingLabelsError: arrays that do not fit together, or a tag without an example of either kind.
        FeatureFileError: features that are not finite.
    """
    if features.ndim != 2 or targets.ndim != 2 or len(features) != len(targets) or not features.size:
        raise TrainingLabelsError(
            f"Features [examples, numbers] and targets [examples, tags] are needed, and they have the shapes "
            f"{features.shape} and {targets.shape}."
        )
    if targets.size and not (targets.min() >= NOT_USED and targets.max() <= POSITIVE):
        raise TrainingLabelsError("The targets of tags must be 1 (positive), 0 (negative) or -1 (not used).")
    if not all(np.isfinite(features[rows]).all() for rows in row_blocks(len(features))):
        raise FeatureFileError("The features hold numbers that are not finite.")
    weights = np.ones((len(targets), 1)) if importance is None else np.asarray(importance, np.float64)
    weights = weights[:, None] if weights.ndim == 1 else weights
    if weights.shape not in ((len(targets), 1), targets.shape) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise TrainingLabelsError(
            f"The examples' importance must be numbers of 0 or more, {len(targets)} or {list(targets.shape)} of them."
        )
    for kind, what in ((POSITIVE, "positive"), (NEGATIVE, "negative")):
        lacking = np.flatnonzero(~((targets == kind) & (weights > 0)).any(axis=0))
        if len(lacking):
            name = f"'{names[lacking[0]]}'" if names is not None else f"number {lacking[0]}"
            raise TrainingLabelsError(
                f"The tag {name} has no {what} example, and nothing can be learnt of it: add one, or leave it out."
            )
    return weights


def _first(dimension: int, targets: NDArray[np.integer], importance: Floats) -> Floats:
    """Where to begin without a start: every example has the share of positives as its probability."""
    found = np.zeros((dimension + 1, targets.shape[1]))
    counts = [(importance * (targets == kind)).sum(axis=0) for kind in (POSITIVE, NEGATIVE)]
    found[-1] = np.log(counts[0] / counts[1])
    return found


def _raw(start: LinearTags, features: NDArray[np.floating], targets: NDArray[np.integer]) -> Floats:
    if start.weights.shape != (targets.shape[1], features.shape[1]) or len(start.bias) != targets.shape[1]:
        raise ExtractorMismatchError(
            f"The start has weights [tags, numbers] of the shape {start.weights.shape}, and the examples have "
            f"{(targets.shape[1], features.shape[1])}."
        )
    return np.concatenate([start.weights.T, start.bias[None]]).astype(np.float64)


def _examples(
    features: NDArray[np.floating], targets: NDArray[np.integer], importance: Floats
) -> tuple[NDArray[np.floating], Floats, Floats]:
    """What `solve` takes, of those examples that one of the tags uses."""
    counts = np.where(targets == NOT_USED, 0.0, importance)
    rows = counts.any(axis=1)
    if not rows.all():
        features, targets, counts = features[rows], targets[rows], counts[rows]
    if features.size * _FLOAT64_BYTES <= _EXACT_BYTES:
        features = features.astype(np.float64, copy=False)
    return features, (targets == POSITIVE).astype(np.float64), counts
