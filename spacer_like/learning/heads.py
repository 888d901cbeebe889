"""The head of a model: a few layers as arrays, computed by NumPy, on the features of an extractor or a network.

A head with hidden layers of rectified units and

- a softmax predicts one of several classes,
- a sigmoid for each output predicts labels or tags, of which any number may apply,
- a tanh or linear output predicts a number, or several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError
from spacer_like.learning.calibration import sigmoid

Floats = NDArray[np.float64]
Output = Literal["softmax", "sigmoid", "tanh", "linear"]

ACTIVATIONS = ("relu", "tanh", "logistic", "identity")
"""Of hidden layers, by scikit-learn's names."""
_MOST_LAYERS = 100
_ROWS_AT_A_TIME = 4096
# A layer's arrays by their names in files, which stay as they are.
_PARTS = {"weights": "weights", "bias": "offsets", "scales": "scales", "shifts": "shifts"}
_OPTIONAL = ("scales", "shifts")


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer that makes activation(x @ weights + bias) * scales + shifts of x.

    Attributes:
        weights: [inputs, units].
        bias: [units].
        scales, shifts: [units], of a batch norm behind the activation; None: there is none.
    """

    weights: NDArray[np.floating]
    bias: NDArray[np.floating]
    scales: NDArray[np.floating] | None = None
    shifts: NDArray[np.floating] | None = None

    @property
    def arrays(self) -> dict[str, NDArray[np.floating]]:
        """The layer's arrays by their attributes, without those that are None."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}


@dataclass(frozen=True, eq=False)
class Head:
    """Layers, the last of which gives the outputs. It computes in the type of its weights, and the outputs in float64.

    Attributes:
        layers: hidden ones, if any, and the last one, which has no batch norm.
        output: what the outputs go through.
        activation: of the hidden layers, one of `ACTIVATIONS`.
    """

    layers: tuple[Layer, ...]
    output: Output = "linear"
    activation: str = "relu"

    @property
    def n_inputs(self) -> int:
        """Numbers in a feature vector."""
        return len(self.layers[0].weights)

    @property
    def dimension(self) -> int:
        """Numbers in an encoding."""
        return len(self.layers[-1].weights)

    @property
    def n_outputs(self) -> int:
        return len(self.layers[-1].bias)

    @property
    def hidden_sizes(self) -> list[int]:
        """Units of the hidden layers."""
        return [len(layer.bias) for layer in self.layers[:-1]]

    @cached_property
    def exact(self) -> Head:
        """The same head in float64."""
        layers = (
            Layer(**{name: array.astype(np.float64) for name, array in one.arrays.items()}) for one in self.layers
        )
        return Head(tuple(layers), self.output, self.activation)

    def encode(self, features: NDArray[np.floating], holder: str = "The model") -> NDArray[np.floating]:
        """The output [n, dimension] of the last hidden layer for features [n, n_inputs], of the weights' type.

        Args:
            holder: what the error calls the model.

        Raises:
            ExtractorMismatchError: features of another length.
        """
        check_width(features, self.n_inputs, holder)
        dtype = self.layers[0].weights.dtype
        found = np.empty((len(features), self.dimension), dtype)
        for start in range(0, len(features), _ROWS_AT_A_TIME):
            rows = slice(start, start + _ROWS_AT_A_TIME)
            values = features[rows].astype(dtype, copy=False)
            for layer in self.layers[:-1]:
                values = values @ layer.weights
                values += layer.bias
                values = _activated(values, self.activation)
                if layer.scales is not None:
                    values *= layer.scales
                if layer.shifts is not None:
                    values += layer.shifts
            found[rows] = values
        return found

    def outputs_of(self, encodings: NDArray[np.floating]) -> Floats:
        """The outputs for encodings [n, dimension]: float64 [n, n_outputs]."""
        last = self.layers[-1]
        values = encodings.astype(np.float64, copy=False) @ last.weights.astype(np.float64, copy=False)
        return output_values(values + last.bias, self.output)

    def __call__(self, features: NDArray[np.floating]) -> Floats:
        """The outputs for features [n, n_inputs]: float64 [n, n_outputs]; errors as `encode`."""
        return self.outputs_of(self.encode(features))


def output_values(values: Floats, output: Output) -> Floats:
    """The outputs, float64 [n, outputs], from the last layer's sums."""
    if output == "softmax":
        values = values - values.max(axis=1, keepdims=True)
        np.exp(values, out=values)
        values /= values.sum(axis=1, keepdims=True)
        return values
    if output == "sigmoid":
        return sigmoid(values)
    return np.tanh(values) if output == "tanh" else values


def _activated(values: NDArray[Any], activation: str) -> NDArray[Any]:
    """The activation of values, which may be overwritten."""
    if activation == "relu":
        np.maximum(values, 0, out=values)
    elif activation == "tanh":
        np.tanh(values, out=values)
    elif activation == "logistic":
        values = sigmoid(values)
    return values


def check_width(features: NDArray[Any], n_inputs: int, holder: str) -> None:
    """Refuse features that are not [n, n_inputs] as an `ExtractorMismatchError`; `holder` is what takes them."""
    if features.ndim != 2 or features.shape[1] != n_inputs:
        raise ExtractorMismatchError(
            f"{holder} expects feature vectors of {n_inputs} numbers, and these have the shape {features.shape}: they "
            "are of another extractor."
        )


def feature_vectors(features: Any, n_inputs: int, holder: str) -> Floats:
    """Feature vectors out of an array [n, n_inputs] or n vectors: float64.

    Raises:
        ExtractorMismatchError: vectors of another length.
        FeatureFileError: a number that is not finite.
    """
    values = np.asarray(features if isinstance(features, np.ndarray) else list(features), dtype=np.float64)
    check_width(values, n_inputs, holder)
    if not np.isfinite(values).all():
        raise FeatureFileError("The features hold numbers that are not finite.")
    return values


def output_width(layers: Sequence[Layer], n_inputs: int | None = None) -> int | None:
    """The number of outputs of layers; None where their arrays do not fit together.

    Args:
        n_inputs: how many numbers they must take; None: any.
    """
    width = n_inputs
    for layer in layers:
        arrays = layer.arrays
        weights = arrays.pop("weights")
        if weights.ndim != 2 or 0 in weights.shape or weights.dtype.kind != "f" or width not in (None, len(weights)):
            return None
        if any(array.shape != weights.shape[1:] or array.dtype.kind != "f" for array in arrays.values()):
            return None
        width = weights.shape[1]
    return width if 1 <= len(layers) <= _MOST_LAYERS else None


def check_head(head: Head, n_outputs: int, n_inputs: int | None = None) -> None:
    """Refuse a head, as a ValueError, that is no head of finite float32 numbers with hidden layers and `n_outputs`."""
    arrays = [array for layer in head.layers for array in layer.arrays.values()]
    fits = len(head.layers) > 1 and all(array.dtype == np.float32 for array in arrays)
    if (
        not fits
        or output_width(head.layers, n_inputs) != n_outputs
        or not all(bool(np.isfinite(array).all()) for array in arrays)
    ):
        raise ValueError("its arrays do not fit together")


# Heads in files: tensors such as ``layer0.weights``.


def head_tensors(head: Head, hidden: str = "layer", last: str | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of a head by their names in a file.

    Args:
        hidden: what the names of hidden layers begin with, before their number from 0.
        last: the name of the last layer; None: it has a number as the hidden ones have.
    """
    names = [f"{hidden}{number}" for number in range(len(head.layers))]
    if last is not None:
        names[-1] = last
    return {
        f"{name}.{_PARTS[part]}": array
        for name, layer in zip(names, head.layers, strict=True)
        for part, array in layer.arrays.items()
    }


def layers_in(tensors: Mapping[str, NDArray[Any]], hidden: str = "layer", last: str | None = None) -> tuple[Layer, ...]:
    """The layers among the tensors of a file, unchecked; arguments as `head_tensors`.

    Raises:
        KeyError: an array is missing.
    """
    count = sum(name.startswith(hidden) and name.endswith(".weights") for name in tensors)
    names = [f"{hidden}{number}" for number in range(count)] + ([] if last is None else [last])
    return tuple(
        Layer(
            **{
                part: tensors[f"{name}.{kept}"]
                for part, kept in _PARTS.items()
                if part not in _OPTIONAL or f"{name}.{kept}" in tensors
            }
        )
        for name in names
    )


def unscaled(weights: Floats, bias: Floats, mean: Floats, scale: float) -> tuple[Floats, Floats]:
    """A first layer's weights and bias for raw features, where it was trained on (features - mean) / scale."""
    weights = weights / scale
    return weights, bias - mean @ weights


def scaling(features: NDArray[np.floating] | None, rows: NDArray[np.int64], n_inputs: int) -> tuple[Floats, float]:
    """Mean [n_inputs] of some rows of features, and one standard deviation for all numbers.

    One for each would become huge for a number that is nearly always 0. Without features nothing is scaled.
    """
    if features is None:
        return np.zeros(n_inputs), 1.0
    some = features[rows]
    mean = some.mean(axis=0, dtype=np.float64)
    return mean, float(np.sqrt(some.var(axis=0, dtype=np.float64).mean())) or 1.0
