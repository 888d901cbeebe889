"""Models in training, one batch after the other: a network, logistic regression, and scikit-learn's own descent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.exceptions import FeatureFileError
from spacer_like.learning.batches import Batch
from spacer_like.learning.calibration import calibrated
from spacer_like.learning.perceptron import Perceptron
from spacer_like.learning.sklearn_objects import Floats, Kind, Layer
from spacer_like.learning.stochastic_gradient import StochasticGradient

LARGE_NETWORK = 400_000
"""Weights from which on both halves of a step are worth a thread each."""


class Recipe(Protocol):
    """The parameters of a training, as `MiniBatchTrainer` has them."""

    sgd_loss: str
    sgd_average: bool | int
    sgd_random_state: int
    patience: int | None
    stopping_share: float | None
    class_weight: str | None
    balanced_subsample: int | None

    @property
    def batch_size(self) -> int:
        """Points handed to the classifier at a time."""

    def network(self, label_count: int) -> tuple[tuple[int, ...], float]:
        """Hidden layers and learning rate for a training set of this size."""


class Learner(Protocol):
    """A model in training, one batch after the other.

    Attributes:
        parameters: what distinguishes it from scikit-learn's defaults, by scikit-learn's names.
    """

    parameters: dict[str, Any]

    def learn(self, batch: Batch, random: RandomState) -> None:
        """Learn from a batch; `random` is the epoch's stream."""

    def outputs(self, vectors: NDArray[np.float32]) -> NDArray[np.floating]:
        """[n, columns]: the class is the greatest; of a single column above 0 is the second of two."""

    def probabilities(self, outputs: NDArray[np.floating]) -> Floats:
        """[n, classes] of outputs, before calibration."""

    def layers(self) -> tuple[Layer, ...]:
        """The weights as they stand."""

    def state(self) -> dict[str, NDArray[Any]] | None:
        """A copy of everything that learning changes; None where that is not known."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what `state` returned, or raise a ValueError or KeyError where it does not fit."""


def new_learner(
    trainer: Recipe, kind: Kind, label_count: int, dimension: int, weights: Floats, random: RandomState
) -> Learner:
    """A model that has learnt nothing yet.

    Args:
        label_count: points to learn from.
        dimension: numbers of a feature vector.
        weights: [classes] what a point of each class counts in the loss.
        random: draws the first weights of a network.
    """
    if kind == "MLP":
        hidden, rate = trainer.network(label_count)
        return _PerceptronLearner((dimension, *hidden), weights, rate, random)
    if trainer.sgd_loss == "log_loss" and trainer.sgd_average in (True, False):
        return _GradientLearner(dimension, weights, bool(trainer.sgd_average), trainer.sgd_random_state)
    return _SklearnLearner(trainer, weights)


def targets_by_column(targets: NDArray[np.intp], classes: int) -> NDArray[np.bool_]:
    """[n, columns] whether a point is of the column's class; of two classes only the second has a column."""
    columns = np.arange(classes) if classes > 2 else np.array([1])
    is_positive: NDArray[np.bool_] = targets[:, None] == columns
    return is_positive


def _counted(weights: Floats, targets: NDArray[np.intp]) -> Floats | None:
    """What each point counts in the loss; None where all count alike."""
    return None if (weights == 1).all() else weights[targets]


class _PerceptronLearner:
    def __init__(self, sizes: tuple[int, ...], weights: Floats, rate: float, random: RandomState) -> None:
        self._weights, self._classes = weights, len(weights)
        columns = self._classes if self._classes > 2 else 1
        layers = (*sizes, columns)
        is_large = sum(inputs * units for inputs, units in pairwise(layers)) >= LARGE_NETWORK
        self._network = Perceptron(layers, rate, random, in_halves=is_large)
        self.parameters: dict[str, Any] = {"hidden_layer_sizes": sizes[1:], "learning_rate_init": rate}

    def learn(self, batch: Batch, random: RandomState) -> None:
        targets = targets_by_column(batch.targets, self._classes)
        counted = _counted(self._weights, batch.targets)
        self._network.learn(batch.features, batch.rows, targets, random, counted)

    def outputs(self, vectors: NDArray[np.float32]) -> NDArray[np.floating]:
        probabilities = self._network.outputs(vectors)
        return probabilities if self._classes > 2 else probabilities - 0.5

    def probabilities(self, outputs: NDArray[np.floating]) -> Floats:
        found = outputs.astype(np.float64)
        return found if self._classes > 2 else np.concatenate([0.5 - found, found + 0.5], axis=1)

    def layers(self) -> tuple[Layer, ...]:
        return tuple(self._network.layers)

    def state(self) -> dict[str, NDArray[Any]]:
        return self._network.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._network.restore(state)


class _GradientLearner:
    def __init__(self, dimension: int, weights: Floats, average: bool, seed: int) -> None:
        self._weights, self._classes = weights, len(weights)
        self._average = average
        self._descent = StochasticGradient(self._classes if self._classes > 2 else 1, dimension)
        self._random = RandomState(seed)
        self.parameters: dict[str, Any] = {"loss": "log_loss", "average": average, "random_state": seed}

    def learn(self, batch: Batch, random: RandomState) -> None:
        order = self._random.permutation(len(batch.rows))
        targets = batch.targets[order]
        counted = _counted(self._weights, targets)
        self._descent.learn(batch.features, batch.rows[order], targets_by_column(targets, self._classes), counted)

    def outputs(self, vectors: NDArray[np.float32]) -> NDArray[np.floating]:
        [(weights, bias)] = self.layers()
        return vectors.astype(np.float64) @ weights + bias

    def probabilities(self, outputs: NDArray[np.floating]) -> Floats:
        return _sigmoids(outputs)

    def layers(self) -> tuple[Layer, ...]:
        descent = self._descent
        if self._average:
            return ((descent.mean_weights.T, descent.mean_bias),)
        return ((descent.weights.T, descent.bias),)

    def state(self) -> dict[str, NDArray[Any]]:
        _, words, position, _, _ = self._random.get_state(legacy=True)
        return self._descent.state() | {"random": np.array(words), "position": np.array(position)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._descent.restore(state)
        self._random.set_state(("MT19937", state["random"].astype(np.uint32), int(state["position"]), 0, 0.0))


class _SklearnLearner:
    """Scikit-learn's own descent, for losses other than the logistic one and late averaging."""

    def __init__(self, trainer: Recipe, weights: Floats) -> None:
        from sklearn.linear_model import SGDClassifier

        self._weights = weights
        self.parameters: dict[str, Any] = {
            "loss": trainer.sgd_loss,
            "average": trainer.sgd_average,
            "random_state": trainer.sgd_random_state,
        }
        # The classes are trained in threads: they release the interpreter's lock, and give the same numbers.
        self._model = SGDClassifier(**self.parameters, n_jobs=-1)
        self._fit = partial(self._model.partial_fit, classes=np.arange(len(weights)))

    def learn(self, batch: Batch, random: RandomState) -> None:
        try:
            counted = _counted(self._weights, batch.targets)
            self._fit(batch.vectors.astype(np.float64), batch.targets, sample_weight=counted)
        except ValueError as error:
            loss = self.parameters["loss"]
            raise FeatureFileError(f"scikit-learn cannot train with the loss '{loss}': {error}") from None

    def outputs(self, vectors: NDArray[np.float32]) -> NDArray[np.floating]:
        values: NDArray[np.float64] = self._model.decision_function(vectors.astype(np.float64))
        return values.reshape(len(vectors), -1)

    def probabilities(self, outputs: NDArray[np.floating]) -> Floats:
        return _sigmoids(outputs)

    def layers(self) -> tuple[Layer, ...]:
        return ((self._model.coef_.T, self._model.intercept_),)

    def state(self) -> None:
        """Not known: scikit-learn keeps it to itself."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        raise ValueError("scikit-learn keeps its state to itself")


def _sigmoids(outputs: NDArray[np.floating]) -> Floats:
    """Of decision values [n, columns]: a sigmoid of each, of which those of a point sum to 1."""
    columns = outputs.shape[1]
    return calibrated(outputs.astype(np.float64), np.full(columns, -1.0), np.zeros(columns))
