"""A classifier trained in mini-batches and calibrated."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from logging import getLogger
from typing import Any, Protocol, get_args

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like import config
from spacer_like.data_classes import ImageLabels, LabelId
from spacer_like.data_classes.feature_reading import READ_POINTS
from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError, MessageError, TrainingLabelsError
from spacer_like.extras import package_versions
from spacer_like.learning.batches import Batch, LabelledFeatures
from spacer_like.learning.calibration import fit_sigmoids
from spacer_like.learning.classifier import Classifier
from spacer_like.learning.evaluation import agreement
from spacer_like.learning.labels_split import learned_points
from spacer_like.learning.perceptron import Perceptron
from spacer_like.learning.sklearn_objects import Kind, Layer
from spacer_like.learning.stochastic_gradient import StochasticGradient
from spacer_like.progress import report

logger = getLogger(__name__)


class Recipe(Protocol):
    """The parameters of a training, as `MiniBatchTrainer` has them."""

    sgd_loss: str
    sgd_average: bool | int
    sgd_random_state: int

    @property
    def batch_size(self) -> int:
        """Points handed to the classifier at a time."""

    def network(self, label_count: int) -> tuple[tuple[int, ...], float]:
        """Hidden layers and learning rate for a training set of this size."""


class Learner(Protocol):
    """A model in training, one batch after the other."""

    parameters: dict[str, Any]

    def learn(self, batch: Batch, random: RandomState) -> None:
        """Learn from a batch; `random` is the epoch's stream."""

    def outputs(self, vectors: NDArray[np.float32]) -> NDArray[np.floating]:
        """[n, columns]: the class is the greatest; of a single column above 0 is the second of two."""

    def layers(self) -> tuple[Layer, ...]:
        """The weights as they stand."""


def train(
    trainer: Recipe, train_labels: ImageLabels, ref_labels: ImageLabels, nbr_epochs: int, clf_type: str
) -> tuple[Classifier, list[float]]:
    """Train on one set, calibrate on the other.

    Returns:
        The classifier, and the uncalibrated one's accuracy on the reference set after each epoch.

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
        learner, ref_accs = _learn(trainer, kind, data, ref, nbr_epochs, len(classes))
    with config.log_entry_and_exit("calibration"):
        unused = np.zeros(len(classes) if len(classes) > 2 else 1)
        uncalibrated = Classifier(
            kind,
            classes,
            learner.layers(),
            unused,
            unused,
            parameters=learner.parameters,
            extractor_id=_common_extractor(data.extractor_ids | ref.extractor_ids),
            metrics=learned_points([train_labels, ref_labels]),
            versions=package_versions("numpy", "scikit-learn"),
        )
        return _calibrate(uncalibrated, ref), ref_accs


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
    trainer: Recipe, kind: Kind, data: LabelledFeatures, ref: LabelledFeatures, nbr_epochs: int, classes: int
) -> tuple[Learner, list[float]]:
    learner: Learner | None = None
    ref_accs = []
    for epoch in range(nbr_epochs):
        # One stream for an epoch: it shuffles the images, and then whatever the classifier draws.
        random = RandomState(epoch)
        for batch in data.batches(trainer.batch_size, random):
            learner = learner or _new_learner(trainer, kind, data, classes, random)
            learner.learn(batch, random)
        if learner is None or not all(np.isfinite(weights).all() for weights, _ in learner.layers()):
            raise FeatureFileError("The training diverged: the features hold numbers too large to learn from.")
        hits = sum(agreement(learner.outputs(batch.vectors), batch.targets) for batch in ref.batches(READ_POINTS))
        ref_accs.append(hits / ref.labels.label_count)
        logger.debug("Epoch %d, acc: %s", epoch, ref_accs[-1])
        report("epochs", epoch + 1, nbr_epochs)
    assert learner is not None
    return learner, ref_accs


def _new_learner(trainer: Recipe, kind: Kind, data: LabelledFeatures, classes: int, random: RandomState) -> Learner:
    if kind == "MLP":
        hidden, rate = trainer.network(data.labels.label_count)
        return _PerceptronLearner((data.dimension, *hidden), classes, rate, random)
    if trainer.sgd_loss == "log_loss" and trainer.sgd_average in (True, False):
        return _GradientLearner(data.dimension, classes, bool(trainer.sgd_average), trainer.sgd_random_state)
    return _SklearnLearner(trainer, classes)


def _targets_by_column(targets: NDArray[np.intp], classes: int) -> NDArray[np.bool_]:
    """[n, columns] whether a point is of the column's class; of two classes only the second has a column."""
    columns = np.arange(classes) if classes > 2 else np.array([1])
    is_positive: NDArray[np.bool_] = targets[:, None] == columns
    return is_positive


class _PerceptronLearner:
    def __init__(self, sizes: tuple[int, ...], classes: int, rate: float, random: RandomState) -> None:
        self._classes = classes
        self._network = Perceptron((*sizes, classes if classes > 2 else 1), rate, random)
        self.parameters: dict[str, Any] = {"hidden_layer_sizes": sizes[1:], "learning_rate_init": rate}

    def learn(self, batch: Batch, random: RandomState) -> None:
        self._network.learn(batch.features, batch.rows, _targets_by_column(batch.targets, self._classes), random)

    def outputs(self, vectors: NDArray[np.float32]) -> NDArray[np.floating]:
        probabilities = self._network.outputs(vectors)
        return probabilities if self._classes > 2 else probabilities - 0.5

    def layers(self) -> tuple[Layer, ...]:
        return tuple(self._network.layers)


class _GradientLearner:
    def __init__(self, dimension: int, classes: int, average: bool, seed: int) -> None:
        self._classes = classes
        self._average = average
        self._descent = StochasticGradient(classes if classes > 2 else 1, dimension)
        self._random = RandomState(seed)
        self.parameters: dict[str, Any] = {"loss": "log_loss", "average": average, "random_state": seed}

    def learn(self, batch: Batch, random: RandomState) -> None:
        order = self._random.permutation(len(batch.rows))
        targets = _targets_by_column(batch.targets[order], self._classes)
        self._descent.learn(batch.features, batch.rows[order], targets)

    def outputs(self, vectors: NDArray[np.float32]) -> NDArray[np.floating]:
        [(weights, bias)] = self.layers()
        return vectors.astype(np.float64) @ weights + bias

    def layers(self) -> tuple[Layer, ...]:
        descent = self._descent
        if self._average:
            return ((descent.mean_weights.T, descent.mean_bias),)
        return ((descent.weights.T, descent.bias),)


class _SklearnLearner:
    """Scikit-learn's own descent, for losses other than the logistic one and late averaging."""

    def __init__(self, trainer: Recipe, classes: int) -> None:
        from sklearn.linear_model import SGDClassifier

        self.parameters: dict[str, Any] = {
            "loss": trainer.sgd_loss,
            "average": trainer.sgd_average,
            "random_state": trainer.sgd_random_state,
        }
        # The classes are trained in threads: they release the interpreter's lock, and give the same numbers.
        self._model = SGDClassifier(**self.parameters, n_jobs=-1)
        self._fit = partial(self._model.partial_fit, classes=np.arange(classes))

    def learn(self, batch: Batch, random: RandomState) -> None:
        try:
            self._fit(batch.vectors.astype(np.float64), batch.targets)
        except ValueError as error:
            loss = self.parameters["loss"]
            raise FeatureFileError(f"scikit-learn cannot train with the loss '{loss}': {error}") from None

    def outputs(self, vectors: NDArray[np.float32]) -> NDArray[np.floating]:
        values: NDArray[np.float64] = self._model.decision_function(vectors.astype(np.float64))
        return values.reshape(len(vectors), -1)

    def layers(self) -> tuple[Layer, ...]:
        return ((self._model.coef_.T, self._model.intercept_),)


def _calibrate(classifier: Classifier, ref: LabelledFeatures) -> Classifier:
    scores, targets = [], []
    for batch in ref.batches(READ_POINTS):
        scores.append(classifier.scores(batch.vectors))
        targets.append(_targets_by_column(batch.targets, len(classifier.classes_)))
    slopes, bias = fit_sigmoids(np.concatenate(scores), np.concatenate(targets))
    return replace(classifier, slopes=slopes, bias=bias)


def _common_extractor(ids: set[str]) -> str | None:
    if len(ids) > 1:
        names = ", ".join(sorted(one[:16] for one in ids))
        raise ExtractorMismatchError(f"The features to learn from are of different extractors: {names}.")
    return next(iter(ids), None)
