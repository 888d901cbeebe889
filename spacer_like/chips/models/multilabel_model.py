"""A model that says which labels a chip bears: a head on the features of an extractor, or of a network of its own.

The head is a few products of matrices, which NumPy computes; torch is needed only for a network of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from spacer_like.extractors.base import FeatureExtractor
    from spacer_like.extractors.networks import TorchNetwork

_ROWS_AT_A_TIME = 4096
_CHIPS_AT_A_TIME = 16
_ID_LENGTH = 40


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """A layer that makes max(x @ weights + offsets, 0) * scales + shifts of x; the latter two are a batch norm's.

    Attributes:
        weights: float32 [inputs, units]; offsets, scales, shifts: float32 [units].
    """

    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    scales: NDArray[np.float32]
    shifts: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class MultilabelModel:
    """A trained model.

    Attributes:
        labels: in the order of the outputs.
        thresholds: float64 [labels], the probability above which each label is given.
        hidden: the hidden layers, one or more.
        weights, offsets: of the last layer, float32 [units, labels] and [labels].
        size: width and height of the chips that it takes.
        extractor_id: of the extractor whose features the head takes, or None where it has a network.
        network: the name of its own network, as `resnet_layout` knows it, or None.
        state: that network's weights by their names.
        metrics, versions: what is known of its quality, and of the packages that made it.
    """

    labels: tuple[str, ...]
    thresholds: NDArray[np.float64]
    hidden: tuple[HiddenLayer, ...]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    size: int
    extractor_id: str | None = None
    network: str | None = None
    state: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """How many numbers an encoding has."""
        return len(self.weights)

    @cached_property
    def encoder_id(self) -> str:
        """What makes encodings comparable: a hash of all that they depend on; the last layer is not among that."""
        digest = hashlib.sha256(f"{self.extractor_id} {self.network} {self.size}".encode())
        arrays = [array for layer in self.hidden for array in vars(layer).values()]
        arrays += [self.state[name] for name in sorted(self.state)]
        for array in arrays:
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:_ID_LENGTH]

    def check_extractor(self, extractor: FeatureExtractor | None, name: str) -> None:
        """Refuse an extractor that is not the one that the model was trained with; None is right for its own network.

        Raises:
            ExtractorMismatchError: the sentence begins with `name`, the model's.
        """
        if self.extractor_id is None:
            if extractor is not None:
                raise ExtractorMismatchError(
                    f"{name}: the model has a network of its own, and takes no extractor: leave it out."
                )
        elif extractor is None:
            raise ExtractorMismatchError(
                f"{name}: the model was trained on features of the extractor {self.extractor_id[:16]}: name that one."
            )
        elif (other := extractor.extractor_id) != self.extractor_id:
            raise ExtractorMismatchError(
                f"{name}: the model was trained on features of the extractor {self.extractor_id[:16]}, and the "
                f"message's is {other[:16]}: name that extractor, or train a model for this one."
            )

    def features(self, pixels: NDArray[np.uint8], extractor: FeatureExtractor | None = None) -> NDArray[np.float32]:
        """What the head takes, of chips uint8 [n, size, size, 3], n above 0: float32 [n, inputs].

        Args:
            extractor: the one that the model was trained with; None for a network of its own. Its id is not checked.
        """
        if extractor is not None:
            from spacer_like.extractors.base import image_features

            return image_features(extractor, pixels)
        return network_features(self.own_network, pixels)

    def encode_features(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """What the last hidden layer makes of features [n, inputs]: float32 [n, dimension].

        Raises:
            ExtractorMismatchError: features of another length.
        """
        inputs = len(self.hidden[0].weights)
        if features.ndim != 2 or features.shape[1] != inputs:
            raise ExtractorMismatchError(
                f"The model of labels expects feature vectors of {inputs} numbers, and these have the shape "
                f"{list(features.shape)}: they are of another extractor."
            )
        found = np.empty((len(features), self.dimension), np.float32)
        for start in range(0, len(features), _ROWS_AT_A_TIME):
            rows = slice(start, start + _ROWS_AT_A_TIME)
            values = features[rows].astype(np.float32, copy=False)
            for layer in self.hidden:
                values = np.maximum(values @ layer.weights + layer.offsets, 0) * layer.scales + layer.shifts
            found[rows] = values
        return found

    def encode(self, pixels: NDArray[np.uint8], extractor: FeatureExtractor | None = None) -> NDArray[np.float32]:
        """Encodings of chips, float32 [n, dimension], not scaled to any length; arguments as `features`."""
        return self.encode_features(self.features(pixels, extractor))

    def probabilities_of(self, encodings: NDArray[np.float32]) -> NDArray[np.float64]:
        """The probability of each label for encodings [n, dimension]: float64 [n, labels]."""
        outputs = encodings.astype(np.float64) @ self.weights.astype(np.float64) + self.offsets
        # Half a tangent is the logistic function, and does not overflow.
        return np.asarray(0.5 * (1 + np.tanh(0.5 * outputs)), np.float64)

    def probabilities(
        self, pixels: NDArray[np.uint8], extractor: FeatureExtractor | None = None
    ) -> NDArray[np.float64]:
        """The probability of each label for chips: float64 [n, labels]; arguments as `features`."""
        return self.probabilities_of(self.encode(pixels, extractor))

    def given(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which labels are given, [n, labels]: those above their threshold."""
        return np.asarray(probabilities > self.thresholds)

    @cached_property
    def own_network(self) -> TorchNetwork:
        if self.network is None:
            raise ExtractorMismatchError(
                "The model takes features of an extractor, and none is named: name the one it was trained with."
            )
        import_extra("torch", "A model with a network of its own", "torch")
        from spacer_like.chips.models.multilabel_network import inference_network

        return inference_network(self.network, self.state)


def network_features(network: TorchNetwork, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a network makes of chips uint8 [n, size, size, 3], n above 0, a few at a time: float32 [n, m]."""
    starts = range(0, len(pixels), _CHIPS_AT_A_TIME)
    # Copied, for the caller's pixels may be such as cannot be written to, and torch warns of those.
    return np.concatenate([network.run(np.array(pixels[start : start + _CHIPS_AT_A_TIME])) for start in starts])
