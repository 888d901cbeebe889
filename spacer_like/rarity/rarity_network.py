"""A small dense network on the features of a frozen extractor, which predicts the deciles of the metadata's rarity.

Hidden layers of rectified units, a softmax, cross entropy, Adam at 0.001, as in PixelScore. Unlike there, a part of the
tokens that are learnt from is set aside to say when the learning rate falls and when to stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError, TrainingLabelsError
from spacer_like.learning.heads import Floats, Head, Layer, check_head, head_tensors, layers_in, scaling, unscaled
from spacer_like.learning.model_file import Header, ModelFormat, Tensors, check_activation, check_extractor_id
from spacer_like.learning.perceptron import Perceptron, PerceptronLearner
from spacer_like.learning.split import Split
from spacer_like.learning.training_loop import TrainingConfig, fit

LEARNING_RATE = 1e-3
VALIDATION_SHARE = 0.15
SMALLEST_VALIDATION = 20
"""With fewer tokens to validate with, all are learnt from, for as many epochs as are allowed."""
STOP_PATIENCE = 6
SMALLEST_STEP, LARGEST_STEP, STEPS = 32, 200, 64
"""Samples of a step: so many that an epoch has `STEPS` steps, between the smallest and the largest."""


@dataclass(frozen=True, eq=False)
class RarityNetwork:
    """A trained network.

    Attributes:
        head: takes features to the probabilities of classes, with one hidden layer or more.
        edges: float64 [classes + 1], the rarityScores between the classes, as `spacer_like.rarity.metadata.Deciles`.
        extractor_id: what made the features.
        preparation: size, resample and background of the images.
        metrics, versions: what is known of its quality, and of the packages that made it.
    """

    head: Head
    edges: Floats
    extractor_id: str
    preparation: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def embeddings(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """What the last hidden layer makes of features [n, inputs]: float32 [n, units], none negative.

        Raises:
            ExtractorMismatchError: features of another length.
        """
        return self.head.encode(features, "The rarity network")

    def check_features(self, extractor_id: str, preparation: Mapping[str, Any], name: str) -> None:
        """Refuse features that another extractor made, or the same one of images prepared otherwise.

        Raises:
            ExtractorMismatchError: the sentence begins with `name`, the model's.
        """
        check_extractor_id(self.extractor_id, extractor_id, name, "rarity network")
        for field_name, value in self.preparation.items():
            if preparation.get(field_name) != value:
                raise ExtractorMismatchError(
                    f"{name}: the rarity network was trained on images whose {field_name} is {value}, and the message "
                    f"says {preparation.get(field_name)}: prepare the images alike."
                )


def _parts(network: RarityNetwork) -> tuple[Header, Tensors]:
    header = {
        "layers": network.head.hidden_sizes,
        "n_classes": len(network.edges) - 1,
        "activation": network.head.activation,
        "preparation": dict(network.preparation),
    }
    return header, head_tensors(network.head) | {"edges": network.edges}


def _build(header: Header, tensors: Tensors) -> RarityNetwork:
    check_activation(header)
    edges, head = tensors["edges"], Head(layers_in(tensors), "softmax")
    if edges.dtype != np.float64 or edges.ndim != 1 or len(edges) < 3 or not (np.diff(edges) > 0).all():
        raise ValueError("its classes have no edges that rise")
    check_head(head, len(edges) - 1)
    preparation = dict(header["preparation"])
    return RarityNetwork(
        head, edges, str(header["extractor_id"]), preparation, header["metrics"], header["versions"]
    )  # fmt: skip


RARITY_NETWORK = ModelFormat("spacer_like.rarity_head", 1, "rarity network", _parts, _build)


def train_head(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    hidden: Sequence[int],
    nbr_epochs: int,
    seed: int,
) -> tuple[Head, int]:
    """Train a head with a softmax. The same arguments give the same head.

    Args:
        features: [n, inputs], finite.
        labels: [n] from 0 to n_classes - 1, two or more of them different.
        n_classes: how many outputs the head has, two or more.
        hidden: units of the hidden layers.
        nbr_epochs: epochs at most.

    Returns:
        The head after the epoch with the best validation loss, float32, and how many epochs there were.

    Raises:
        TrainingLabelsError: all labels are equal, or the training diverges.
    """
    if len(np.unique(labels)) < 2:
        raise TrainingLabelsError("All images to learn from are of the same decile: there is nothing to learn.")
    mean, scale = scaling(features, np.arange(len(features)), features.shape[1])
    scaled = ((features - mean) / scale).astype(np.float32)
    network = Perceptron((features.shape[1], *hidden, n_classes), LEARNING_RATE, RandomState(seed))
    learner = PerceptronLearner(network, scaled, labels[:, None] == np.arange(n_classes))
    learner.advice = "the extractor's features are too large to learn from"
    split = _split(len(labels), seed)
    step = min(max(len(split.train) // STEPS, SMALLEST_STEP), LARGEST_STEP)
    config = TrainingConfig(
        nbr_epochs, step, LEARNING_RATE, seed, "plateau", stop_patience=STOP_PATIENCE, keeps="best",
        no_single_batch=False,
    )  # fmt: skip
    fitted = fit(learner, config, split, progress="training the rarity network")
    layers = [(weights.copy(), bias.copy()) for weights, bias in network.layers]
    weights, bias = (array.astype(np.float64) for array in layers[0])
    # The scaling becomes a part of the first layer.
    first, first_bias = unscaled(weights, bias, mean, scale)
    layers[0] = first.astype(np.float32), first_bias.astype(np.float32)
    if not all(np.isfinite(array).all() for arrays in layers for array in arrays):
        raise TrainingLabelsError(f"The training diverges: {learner.advice}.")
    return Head(tuple(Layer(*arrays) for arrays in layers), "softmax"), len(fitted.history)


def _split(count: int, seed: int) -> Split:
    order = RandomState(seed).permutation(count)
    held = round(VALIDATION_SHARE * count)
    held = held if held >= SMALLEST_VALIDATION else 0
    return Split(np.sort(order[held:]), np.sort(order[:held]))
