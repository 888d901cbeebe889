"""A classifier trained in mini-batches and calibrated."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from logging import getLogger
from typing import Any, get_args

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like import config
from spacer_like.data_classes import ImageLabels, LabelId
from spacer_like.data_classes.feature_reading import READ_POINTS
from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError, MessageError, TrainingLabelsError
from spacer_like.extras import package_versions
from spacer_like.learning.batch_learners import Learner, Recipe, new_learner, targets_by_column
from spacer_like.learning.batches import LabelledFeatures
from spacer_like.learning.calibration import fit_sigmoids
from spacer_like.learning.classifier import Classifier
from spacer_like.learning.evaluation import SMALLEST_PROBABILITY, agreement
from spacer_like.learning.labels_sampling import balanced_subsample
from spacer_like.learning.labels_split import learned_points
from spacer_like.learning.sklearn_objects import Floats, Kind, Layer
from spacer_like.progress import report

logger = getLogger(__name__)


@dataclass(frozen=True)
class ReferenceEpoch:
    """What the uncalibrated classifier was worth on the reference set after an epoch.

    Attributes:
        epoch: counted from 1.
        accuracy: the share of its points with the right class.
        loss: mean negative log probability of the points' classes, weighted as in the training.
    """

    epoch: int
    accuracy: float
    loss: float


@dataclass
class History:
    """The epochs of a training.

    Attributes:
        epochs: all that were trained.
        kept: the number of the one whose weights the classifier has.
    """

    epochs: list[ReferenceEpoch] = field(default_factory=list)
    kept: int = 0

    @property
    def best(self) -> int:
        """The number of the epoch with the least loss, the first among equals; 0 before the first."""
        return min(self.epochs, key=lambda entry: entry.loss).epoch if self.epochs else 0


def train(
    trainer: Recipe, train_labels: ImageLabels, ref_labels: ImageLabels, nbr_epochs: int, clf_type: str
) -> tuple[Classifier, History]:
    """Train on one set, calibrate on the other, which also follows the epochs and stops them.

    Returns:
        The classifier and its epochs.

    Raises:
        TrainingLabelsError: fewer than two classes, or a class that the reference set lacks.
        ExtractorMismatchError: features of different extractors.
        FeatureFileError: features that cannot be learned from.
    """
    if clf_type not in get_args(Kind) or nbr_epochs < 1:
        raise MessageError("A classifier is of the type MLP or LR, and is trained for at least one epoch.")
    logger.debug("Training on %r, calibrating on %r", train_labels, ref_labels)
    classes = sorted_classes(ref_labels)
    class_index = {label: number for number, label in enumerate(classes.tolist())}
    if trainer.balanced_subsample is not None:
        train_labels = balanced_subsample(train_labels, trainer.balanced_subsample)
    memory = config.settings().training_memory_bytes
    with config.log_entry_and_exit("loading of features"):
        ref = LabelledFeatures(ref_labels, class_index, memory)
        data = LabelledFeatures(train_labels, class_index, memory - ref.held_bytes)
    if ref.dimension != data.dimension:
        raise ExtractorMismatchError(
            f"The feature vectors of the training set have {data.dimension} numbers, and those of the reference set "
            f"{ref.dimension}: they are of different extractors."
        )
    kind: Kind = "MLP" if clf_type == "MLP" else "LR"
    with config.log_entry_and_exit("training using " + clf_type):
        weights = class_weights(train_labels, classes, trainer.class_weight)
        learner, layers, history = _learn(trainer, kind, data, ref, nbr_epochs, weights)
    with config.log_entry_and_exit("calibration"):
        unused = np.zeros(len(classes) if len(classes) > 2 else 1)
        uncalibrated = Classifier(
            kind,
            classes,
            layers,
            unused,
            unused,
            parameters=learner.parameters,
            extractor_id=_common_extractor(data.extractor_ids | ref.extractor_ids),
            metrics=learned_points([train_labels, ref_labels]),
            versions=package_versions("numpy", "scikit-learn"),
        )
        return _calibrate(uncalibrated, ref), history


def sorted_classes(labels: ImageLabels) -> NDArray[Any]:
    """The classes of a set of labels, sorted: int64 or text.

    Raises:
        TrainingLabelsError: fewer than two, or numbers mixed with texts.
    """
    found: list[LabelId] = list(labels.classes_set)
    if len(found) < 2:
        raise TrainingLabelsError(f"Need multiple classes to do training; the reference set has {len(found)}.")
    if len({isinstance(label, str) for label in found}) > 1:
        raise TrainingLabelsError("The classes must be either all numbers or all texts.")
    classes = np.unique(np.array(found))
    if classes.dtype.kind not in "iU":
        raise TrainingLabelsError("The classes must be texts, or whole numbers of at most 63 bits.")
    return classes


def _learn(
    trainer: Recipe, kind: Kind, data: LabelledFeatures, ref: LabelledFeatures, nbr_epochs: int, weights: Floats
) -> tuple[Learner, tuple[Layer, ...], History]:
    """The learner, the weights that are kept, and its epochs."""
    learner: Learner | None = None
    history, best = History(), tuple[Layer, ...]()
    for epoch in range(nbr_epochs):
        # One stream for an epoch: it shuffles the images, and then whatever the classifier draws.
        random = RandomState(epoch)
        for batch in data.batches(trainer.batch_size, random):
            if learner is None:
                learner = new_learner(trainer, kind, data.labels.label_count, data.dimension, weights, random)
            learner.learn(batch, random)
        if learner is None or not all(np.isfinite(one).all() for one, _ in learner.layers()):
            raise FeatureFileError("The training diverged: the features hold numbers too large to learn from.")
        history.epochs.append(_on_reference(learner, ref, epoch + 1, weights))
        logger.debug("After epoch %d: %s", epoch, history.epochs[-1])
        report("epochs", epoch + 1, nbr_epochs)
        if trainer.patience is not None:
            if history.best == epoch + 1:
                best = tuple((one.copy(), bias.copy()) for one, bias in learner.layers())
            if epoch + 1 - history.best >= trainer.patience:
                break
    assert learner is not None
    history.kept = history.best if best else len(history.epochs)
    return learner, best or learner.layers(), history


def _on_reference(learner: Learner, ref: LabelledFeatures, epoch: int, weights: Floats) -> ReferenceEpoch:
    hits, loss, counted = 0, 0.0, 0.0
    for batch in ref.batches(READ_POINTS):
        outputs = learner.outputs(batch.vectors)
        hits += agreement(outputs, batch.targets)
        own = learner.probabilities(outputs)[np.arange(len(outputs)), batch.targets]
        of_points = weights[batch.targets]
        loss -= float(of_points @ np.log(np.maximum(own, SMALLEST_PROBABILITY)))
        counted += float(of_points.sum())
    return ReferenceEpoch(epoch, hits / ref.labels.label_count, loss / counted)


def class_weights(labels: ImageLabels, classes: NDArray[Any], how: str | None) -> Floats:
    """What a point of each class counts in the loss: 1, or so much that all classes count alike (``balanced``)."""
    if how is None:
        return np.ones(len(classes))
    counts = np.array([labels.label_count_per_class[label] for label in classes.tolist()], np.float64)
    # A class without a point has nothing to count.
    return labels.label_count / (len(classes) * np.maximum(counts, 1))


def _calibrate(classifier: Classifier, ref: LabelledFeatures) -> Classifier:
    scores, targets = [], []
    for batch in ref.batches(READ_POINTS):
        scores.append(classifier.scores(batch.vectors))
        targets.append(targets_by_column(batch.targets, len(classifier.classes_)))
    slopes, bias = fit_sigmoids(np.concatenate(scores), np.concatenate(targets))
    return replace(classifier, slopes=slopes, bias=bias)


def _common_extractor(ids: set[str]) -> str | None:
    if len(ids) > 1:
        names = ", ".join(sorted(one[:16] for one in ids))
        raise ExtractorMismatchError(f"The features to learn from are of different extractors: {names}.")
    return next(iter(ids), None)
