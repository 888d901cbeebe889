"""Training of the models of tags: all logistic regressions together, support vector machines, and their thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacer_like.learning.linear_tags import NEGATIVE, POSITIVE, fit_linear_tags
from spacer_like.learning.split import fold_numbers
from spacer_like.learning.svm_tags import fit_svm_tags
from spacer_like.learning.thresholds import f1_thresholds, out_of_fold, precision_threshold
from spacer_like.tags.tag_model import TagModel, scorers_of, tag_scores
from spacer_like.tags.tag_split import TagExamples

Floats = NDArray[np.float64]

LOGISTIC_REGRESSION, SVM = "ovr-logistic-regression", "ovr-svm"
FOLDS = 5


@dataclass(frozen=True, eq=False)
class TrainedTags:
    """Models of one type.

    Attributes:
        models: [tags], without metrics.
        scores: float64 [n, tags] what they say of all images.
    """

    models: list[TagModel]
    scores: Floats


def train_models(
    vectors: NDArray[np.float32],
    examples: TagExamples,
    model_type: str,
    groups: NDArray[np.integer],
    *,
    encoder_id: str,
    precision: float | None = None,
    seed: int = 0,
) -> TrainedTags:
    """A model of each tag, with its thresholds.

    The threshold with the best F1 is chosen by what models that were trained without a fifth of the images say of
    that fifth. With a `precision` that one is where a person is asked, and the tag is given from the threshold on that
    is shown to have that precision on the images that were held out, or never where none is.

    Args:
        vectors: float32 [n, d].
        model_type: `LOGISTIC_REGRESSION` or `SVM`.
        groups: [n] equal numbers for near duplicates, which are in one fold.

    Raises:
        TrainingLabelsError: a tag without an example of either kind to learn from.
    """
    targets = examples.train_targets
    folds = fold_numbers(groups, targets == POSITIVE, FOLDS, seed)
    if model_type == SVM:
        machines, said = fit_svm_tags(vectors, targets, folds, names=examples.tags)
        scorers = scorers_of(machines)
    else:
        fitted = fit_linear_tags(vectors, targets, names=examples.tags)
        said = out_of_fold(vectors, targets, folds, start=fitted)
        scorers = scorers_of(fitted)
    best = f1_thresholds(said, targets)
    models = [
        TagModel(tag, model_type, scorer, encoder_id, threshold, threshold)
        for tag, scorer, threshold in zip(examples.tags, scorers, np.clip(best, 0, 1).tolist(), strict=True)
    ]
    scores = tag_scores(models, vectors)
    if precision is not None:
        models = [
            _promising(model, scores[:, column], examples, column, precision, groups)
            for column, model in enumerate(models)
        ]
    return TrainedTags(models, scores)


def _promising(
    model: TagModel,
    scores: Floats,
    examples: TagExamples,
    column: int,
    precision: float,
    groups: NDArray[np.integer],
) -> TagModel:
    """The model with a threshold that is shown to have a precision."""
    held = examples.is_held_out[:, column]
    threshold = precision_threshold(scores[held], examples.targets[held, column], precision, groups=groups[held])
    review = model.review_threshold if threshold is None else min(model.review_threshold, threshold)
    return TagModel(model.tag, model.model_type, model.scorer, model.extractor_id, threshold, review)


def why_untrained(examples: TagExamples, column: int) -> str | None:
    """Why nothing can be learnt of a tag, as a sentence; None: it can."""
    targets = examples.targets[:, column]
    if not (targets == POSITIVE).any():
        return "No image has it."
    if not (targets == NEGATIVE).any():
        return "There is no image that it could be told from."
    return None
