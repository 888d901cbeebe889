"""A classifier trained in mini-batches and calibrated."""

from __future__ import annotations

from dataclasses import replace
from logging import getLogger
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from spacer_like import config
from spacer_like.data_classes import ImageLabels, LabelId
from spacer_like.data_classes.feature_reading import READ_POINTS
from spacer_like.exceptions import ExtractorMismatchError, MessageError, TrainingLabelsError
from spacer_like.extras import package_versions
from spacer_like.learning.batch_learners import Recipe, targets_by_column
from spacer_like.learning.batches import LabelledFeatures
from spacer_like.learning.calibration import fit_sigmoids
from spacer_like.learning.classifier import Classifier
from spacer_like.learning.labels_sampling import balanced_subsample, hold_back
from spacer_like.learning.labels_split import learned_points
from spacer_like.learning.sklearn_objects import Kind
from spacer_like.learning.snapshots import Snapshots
from spacer_like.learning.training_epochs import Epochs, History, class_weights

logger = getLogger(__name__)


def train(
    trainer: Recipe,
    train_labels: ImageLabels,
    ref_labels: ImageLabels,
    nbr_epochs: int,
    clf_type: str,
    snapshots: Snapshots | None = None,
) -> tuple[Classifier, History]:
    """Train on one set, calibrate on the other, which also follows the epochs.

    It stops them too, unless images of the first are held back for that.

    Args:
        snapshots: where one is kept after each epoch, and a training that was killed goes on from; None: nowhere.

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
    stop_labels = ImageLabels()
    if trainer.patience is not None and trainer.stopping_share is not None:
        train_labels, stop_labels = hold_back(train_labels, trainer.stopping_share)
    if trainer.balanced_subsample is not None:
        train_labels = balanced_subsample(train_labels, trainer.balanced_subsample)
    memory = config.settings().training_memory_bytes
    with config.log_entry_and_exit("loading of features"):
        ref = LabelledFeatures(ref_labels, class_index, memory)
        memory -= ref.held_bytes
        stop = LabelledFeatures(stop_labels, class_index, memory) if len(stop_labels) else None
        memory -= 0 if stop is None else stop.held_bytes
        data = LabelledFeatures(train_labels, class_index, memory)
    for name, other in (("reference set", ref), ("images held back", stop or ref)):
        if other.dimension != data.dimension:
            raise ExtractorMismatchError(
                f"The feature vectors of the training set have {data.dimension} numbers, and those of the {name} "
                f"{other.dimension}: they are of different extractors."
            )
    kind: Kind = "MLP" if clf_type == "MLP" else "LR"
    with config.log_entry_and_exit("training using " + clf_type):
        weights = class_weights(train_labels, classes, trainer.class_weight)
        epochs = Epochs(trainer, kind, data, ref, weights, snapshots, stop)
        learner, layers = epochs.run(nbr_epochs)
    with config.log_entry_and_exit("calibration"):
        unused = np.zeros(len(classes) if len(classes) > 2 else 1)
        uncalibrated = Classifier(
            kind,
            classes,
            layers,
            unused,
            unused,
            parameters=learner.parameters,
            extractor_id=common_extractor(data.extractor_ids | ref.extractor_ids | (stop or ref).extractor_ids),
            metrics=learned_points([train_labels, ref_labels, stop_labels]),
            versions=package_versions("numpy", "scikit-learn"),
        )
        return _calibrate(uncalibrated, ref), epochs.history


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


def _calibrate(classifier: Classifier, ref: LabelledFeatures) -> Classifier:
    scores, targets = [], []
    for batch in ref.batches(READ_POINTS):
        scores.append(classifier.scores(batch.vectors))
        targets.append(targets_by_column(batch.targets, len(classifier.classes_)))
    slopes, bias = fit_sigmoids(np.concatenate(scores), np.concatenate(targets))
    return replace(classifier, slopes=slopes, bias=bias)


def common_extractor(ids: set[str]) -> str | None:
    """The extractor that features are of, where their files name it; several are an `ExtractorMismatchError`."""
    if len(ids) > 1:
        names = ", ".join(sorted(one[:16] for one in ids))
        raise ExtractorMismatchError(f"The features to learn from are of different extractors: {names}.")
    return next(iter(ids), None)
