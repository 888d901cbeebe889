"""A model that predicts the labels of chips, and its file: a head on features of an extractor or a network of its own.

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
from spacer_like.extractors.resnet_layout import layout_of, weight_shapes
from spacer_like.extras import import_extra
from spacer_like.learning.heads import Floats, Head, check_head, head_tensors, layers_in
from spacer_like.learning.model_file import Header, ModelFormat, Tensors, check_activation, check_extractor_id

if TYPE_CHECKING:
    from spacer_like.extractors.base import FeatureExtractor
    from spacer_like.extractors.networks import TorchNetwork

_CHIPS_AT_A_TIME = 16
_ID_LENGTH = 40
_MOST_LABELS = 10_000
_SIZES = range(1, 4097)
_NETWORK = "network."
_NAMES = ("hidden", "output")


@dataclass(frozen=True, eq=False)
class MultilabelModel:
    """A trained model.

    Attributes:
        labels: in the order of the outputs.
        thresholds: float64 [labels], the probability above which each label is predicted.
        head: takes features to probabilities, with one hidden layer or more.
        size: width and height of the chips that it takes.
        extractor_id: of the extractor whose features the head takes, or None where it has a network.
        network: the name of its own network, as `resnet_layout` knows it, or None.
        state: that network's weights by their names.
        metrics, versions: what is known of its quality, and of the packages that made it.
        dataset: the version of the chips and labels that it has learnt from; None: not known.
    """

    labels: tuple[str, ...]
    thresholds: Floats
    head: Head
    size: int
    extractor_id: str | None = None
    network: str | None = None
    state: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    dataset: str | None = None

    @property
    def dimension(self) -> int:
        """How many numbers an encoding has."""
        return self.head.dimension

    @cached_property
    def encoder_id(self) -> str:
        """A hash of all that encodings depend on, so without the last layer; encodings with one id are comparable."""
        digest = hashlib.sha256(f"{self.extractor_id} {self.network} {self.size}".encode())
        arrays = [array for layer in self.head.layers[:-1] for array in layer.arrays.values()]
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
        else:
            check_extractor_id(self.extractor_id, extractor.extractor_id, name, "model")

    def features(self, pixels: NDArray[np.uint8], extractor: FeatureExtractor | None = None) -> NDArray[np.float32]:
        """The inputs of the head for chips uint8 [n, size, size, 3], n above 0: float32 [n, inputs].

        Args:
            extractor: the one that the model was trained with; None for a network of its own. Its id is not checked.
        """
        if extractor is not None:
            from spacer_like.extractors.base import image_features

            return image_features(extractor, pixels)
        return network_features(self.own_network, pixels)

    def encode(self, pixels: NDArray[np.uint8], extractor: FeatureExtractor | None = None) -> NDArray[np.floating]:
        """Encodings of chips, float32 [n, dimension], not scaled to any length; arguments as `features`.

        Raises:
            ExtractorMismatchError: the extractor makes features of another length.
        """
        return self.head.encode(self.features(pixels, extractor))

    def probabilities(self, pixels: NDArray[np.uint8], extractor: FeatureExtractor | None = None) -> Floats:
        """The probability of each label for chips: float64 [n, labels]; arguments as `features`."""
        return self.head(self.features(pixels, extractor))

    def predicted(self, probabilities: Floats) -> NDArray[np.bool_]:
        """Which labels are predicted, [n, labels]: those above their threshold."""
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
    """The outputs of a network for chips uint8 [n, size, size, 3], n above 0, in batches: float32 [n, m]."""
    starts = range(0, len(pixels), _CHIPS_AT_A_TIME)
    # Copied, for the caller's pixels may be such as cannot be written to, and torch warns of those.
    return np.concatenate([network.run(np.array(pixels[start : start + _CHIPS_AT_A_TIME])) for start in starts])


def _parts(model: MultilabelModel) -> tuple[Header, Tensors]:
    # The tensors: hidden<i>.weights, .offsets, .scales, .shifts; output.weights, .offsets; network.<name>.
    header = {
        "labels": list(model.labels),
        "thresholds": model.thresholds.tolist(),
        "layers": model.head.hidden_sizes,
        "activation": model.head.activation,
        "size": model.size,
        "network": model.network,
    }
    if model.dataset is not None:
        header["dataset"] = model.dataset
    network = {f"{_NETWORK}{name}": array for name, array in model.state.items()}
    return header, head_tensors(model.head, *_NAMES) | network


def _build(header: Header, tensors: Tensors) -> MultilabelModel:
    check_activation(header)
    model = MultilabelModel(
        labels=tuple(header["labels"]),
        thresholds=np.array(header["thresholds"], np.float64),
        head=Head(layers_in(tensors, *_NAMES), "sigmoid"),
        size=header["size"],
        extractor_id=header["extractor_id"],
        network=header["network"],
        state={key.removeprefix(_NETWORK): value for key, value in tensors.items() if key.startswith(_NETWORK)},
        metrics=header["metrics"],
        versions=header["versions"],
        dataset=header.get("dataset"),
    )
    _check_header(header, model)
    check_head(model.head, len(model.labels), _inputs(model))
    return model


MULTILABEL_MODEL = ModelFormat("spacer_like.multilabel_model", 1, "model of many labels", _parts, _build)


def _check_header(header: Header, model: MultilabelModel) -> None:
    labels, thresholds = model.labels, model.thresholds
    fits = (
        isinstance(header["labels"], list)
        and 0 < len(labels) <= _MOST_LABELS
        and all(isinstance(label, str) and label for label in labels)
    )
    fits = fits and len(set(labels)) == len(labels) == thresholds.size and thresholds.ndim == 1
    # NaN lies not between them either.
    if not fits or not ((thresholds >= 0) & (thresholds <= 1)).all():
        raise ValueError("its labels and thresholds do not fit together")
    if type(model.size) is not int or model.size not in _SIZES:
        raise ValueError(f"its chips would be {str(model.size)[:20]} pixels wide")
    if model.dataset is not None and not (isinstance(model.dataset, str) and len(model.dataset) == _ID_LENGTH):
        raise ValueError("its data have a version that is none")
    texts = [text for text in (model.extractor_id, model.network) if text is not None]
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise ValueError("it must have either an extractor or a network")


def _inputs(model: MultilabelModel) -> int | None:
    """How many numbers the head must take, where the header says it."""
    if model.network is None:
        if model.state:
            raise ValueError("it has a network's weights, and names none")
        return None
    shapes = weight_shapes(model.network)
    if set(model.state) != set(shapes):
        other = min(set(model.state) ^ set(shapes))
        raise ValueError(f"its network has other weights than {model.network}, or lacks some, such as {other[:100]}")
    for name, array in model.state.items():
        if array.dtype != np.float32 or array.shape != shapes[name] or not np.isfinite(array).all():
            raise ValueError(f"its network's {name} are no weights of {model.network}")
    return layout_of(model.network).dimension
