"""A small dense network on the features of a frozen extractor, which tells the deciles of the metadata's rarity.

Hidden layers of rectified units, a softmax, cross entropy, Adam at 0.001, as in PixelScore. Unlike there, a part of the
tokens that are learnt from is set aside to say when the learning rate falls and when to stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError, TrainingLabelsError
from spacer_like.progress import report

if TYPE_CHECKING:
    from spacer_like.learning.perceptron import Perceptron

Layer = tuple[NDArray[np.floating], NDArray[np.floating]]

LEARNING_RATE = 1e-3
VALIDATION_SHARE = 0.15
SMALLEST_VALIDATION = 20
"""With fewer tokens to validate with, all are learnt from, for as many passes as are allowed."""
RATE_FACTOR, RATE_PATIENCE = 0.1, 2
"""The learning rate falls by the factor after so many passes without a better validation loss."""
STOP_PATIENCE = 6
SMALLEST_STEP, LARGEST_STEP, STEPS = 32, 200, 64
"""Samples of a step: so many that a pass has `STEPS` steps, between the smallest and the largest."""
_ROWS_AT_A_TIME = 4096


@dataclass(frozen=True, eq=False)
class DenseHead:
    """A trained network.

    Attributes:
        layers: (weights [inputs, outputs], offsets [outputs]) of each layer, float32; the last one gives the classes.
        edges: float64 [classes + 1], the rarityScores between the classes, as `spacer_like.rarity.deciles.Deciles`.
        extractor_id: what made the features.
        preparation: size, resample and background of the images.
        metrics, versions: what is known of its quality, and of the packages that made it.
    """

    layers: tuple[Layer, ...]
    edges: NDArray[np.float64]
    extractor_id: str
    preparation: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def embeddings(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """What the last hidden layer makes of features [n, inputs]: float32 [n, units], none negative.

        Raises:
            ExtractorMismatchError: features of another length.
        """
        inputs, units = len(self.layers[0][0]), self.layers[-1][0].shape[0]
        if features.ndim != 2 or features.shape[1] != inputs:
            raise ExtractorMismatchError(
                f"The rarity network expects feature vectors of {inputs} numbers, and these have the shape "
                f"{list(features.shape)}: they are of another extractor."
            )
        embeddings = np.empty((len(features), units), np.float32)
        for rows in _blocks(len(features)):
            values = features[rows].astype(np.float32, copy=False)
            for weights, offsets in self.layers[:-1]:
                values = np.maximum(values @ weights + offsets, 0)
            embeddings[rows] = values
        return embeddings

    def probabilities(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """The probability of each class for `embeddings` [n, units]: float64 [n, classes]."""
        weights, offsets = self.layers[-1]
        values = embeddings.astype(np.float64) @ weights.astype(np.float64) + offsets
        values -= values.max(axis=1, keepdims=True)
        np.exp(values, out=values)
        values /= values.sum(axis=1, keepdims=True)
        return np.asarray(values, np.float64)

    def check_features(self, extractor_id: str, preparation: Mapping[str, Any], name: str) -> None:
        """Refuse features that another extractor made, or the same one of images prepared otherwise.

        Raises:
            ExtractorMismatchError: the sentence begins with `name`, the model's.
        """
        if extractor_id != self.extractor_id:
            raise ExtractorMismatchError(
                f"{name}: the rarity network was trained on features of the extractor {self.extractor_id[:16]}, and "
                f"the message's is {extractor_id[:16]}: name that extractor, or train a network for this one."
            )
        for field_name, value in self.preparation.items():
            if preparation.get(field_name) != value:
                raise ExtractorMismatchError(
                    f"{name}: the rarity network was trained on images whose {field_name} is {value}, and the message "
                    f"says {preparation.get(field_name)}: prepare the images alike."
                )


def train_layers(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    hidden: Sequence[int],
    nbr_epochs: int,
    seed: int,
) -> tuple[tuple[Layer, ...], int]:
    """Train a network. The same arguments give the same network.

    Args:
        features: [n, inputs], finite.
        labels: [n] from 0 to n_classes - 1, two or more of them different.
        n_classes: how many outputs the network has, two or more.
        hidden: units of the hidden layers.
        nbr_epochs: passes at most.

    Returns:
        The layers after the pass with the best validation loss, float32, and how many passes were made.

    Raises:
        TrainingLabelsError: all labels are equal, or the training diverges.
    """
    from spacer_like.learning.perceptron import Perceptron

    if len(np.unique(labels)) < 2:
        raise TrainingLabelsError("All images to learn from are of the same decile: there is nothing to tell apart.")
    random = RandomState(seed)
    # One scale for all: a feature that is nearly always 0 would become huge where it is not.
    mean = features.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(features.var(axis=0, dtype=np.float64).mean())) or 1.0
    scaled = ((features - mean) / scale).astype(np.float32)
    network = Perceptron((features.shape[1], *hidden, n_classes), LEARNING_RATE, random)
    layers, epochs = _train(network, scaled, labels, n_classes, nbr_epochs, random)
    if not all(np.isfinite(weights).all() and np.isfinite(offsets).all() for weights, offsets in layers):
        raise TrainingLabelsError("The training diverges: the extractor's features are too large to learn from.")
    # The scaling becomes a part of the first layer.
    weights, offsets = (array.astype(np.float64) for array in layers[0])
    weights /= scale
    first = weights.astype(np.float32), (offsets - mean @ weights).astype(np.float32)
    return (first, *layers[1:]), epochs


def _train(
    network: Perceptron,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    nbr_epochs: int,
    random: RandomState,
) -> tuple[tuple[Layer, ...], int]:
    order = random.permutation(len(labels))
    n_validation = round(VALIDATION_SHARE * len(labels))
    n_validation = n_validation if n_validation >= SMALLEST_VALIDATION else 0
    validation, learnt = order[:n_validation], order[n_validation:]
    targets = labels[:, None] == np.arange(n_classes)
    step = min(max(len(learnt) // STEPS, SMALLEST_STEP), LARGEST_STEP)
    best, best_loss, waited, epoch = _copied(network), np.inf, 0, 0
    for epoch in range(1, nbr_epochs + 1):
        shuffled = random.permutation(learnt)
        for start in range(0, len(shuffled), step):
            rows = shuffled[start : start + step]
            network.learn(features, rows, targets[rows], random)
        report("training the rarity network", epoch, nbr_epochs)
        loss = _loss(network, features, labels, validation) if n_validation else -float(epoch)
        if loss < best_loss:
            best, best_loss, waited = _copied(network), loss, 0
            continue
        waited += 1
        if waited == STOP_PATIENCE:
            break
        if waited % RATE_PATIENCE == 0:
            network.learning_rate *= RATE_FACTOR
    return best, epoch


def _copied(network: Perceptron) -> tuple[Layer, ...]:
    return tuple((weights.copy(), offsets.copy()) for weights, offsets in network.layers)


def _loss(
    network: Perceptron, features: NDArray[np.float32], labels: NDArray[np.int64], rows: NDArray[np.int64]
) -> float:
    """Mean cross entropy of some rows."""
    given = [network.outputs(features[rows[part]]) for part in _blocks(len(rows))]
    own = np.concatenate(given)[np.arange(len(rows)), labels[rows]]
    return float(-np.log(np.maximum(own.astype(np.float64), 1e-12)).mean())


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS_AT_A_TIME) for start in range(0, count, _ROWS_AT_A_TIME))
