"""ONNX models of trained networks, which ONNX Runtime, and any program with it, predicts by without torch.

The metadata of such a model are the header of a model file, so that it is read as one: the weights are taken out of its
graph, and the graph is written anew from them and must be the same, byte for byte. What ONNX Runtime is given is
therefore a graph of this module and never a stranger's: it can name no other files, operators or shapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ModelFileError, SpacerInputError, damage_as
from spacer_like.learning.model_file import LARGEST_HEADER, begins_as_safetensors
from spacer_like.protocol_buffers import encoded, fields
from spacer_like.regression.architectures import NORM_EPSILON, NORM_PARTS, architecture_of
from spacer_like.regression.labels import HIGHEST, LOWEST
from spacer_like.regression.regressor import EXTRACTOR, REGRESSOR, Regressor

PIXELS = "pixels"
INCLINATIONS, PROBABILITIES = "inclinations", "probabilities"
"""The results of a model: degrees [n, 1], or probabilities of the classes [n, 2], of which the second is rejected."""
HEADER = "header"
"""The key of the metadata that has the header as JSON."""
# IR 8 with operators 17 is what ONNX Runtime reads from 1.12 on.
_IR, _OPERATORS = 8, 17
# Numbers of fields in onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
_GRAPH, _METADATA, _INITIALIZER = 7, 14, 5
_AXES, _KIND, _NAME, _NUMBERS = 1, 2, 8, 9
_FLOAT, _UINT8 = 1, 2
_CONSTANT = "constant."
# A model has fewer nodes and weights than this.
_MOST_FIELDS = 500


def onnx_bytes(regressor: Regressor) -> bytes:
    """The ONNX model of a network, from ``pixels`` uint8 [n, size, size, 3] to float32 `INCLINATIONS` or
    `PROBABILITIES`; equal networks give equal bytes.

    Raises:
        SpacerInputError: an extractor sees the images, and not a network of its own.
    """
    if regressor.network == EXTRACTOR:
        raise SpacerInputError(
            f"Only {INCLINATIONS} by a network of its own can become an ONNX model, and this one has an extractor."
        )
    header = json.dumps(REGRESSOR.header(regressor), sort_keys=True)
    return b"".join(
        [
            encoded(1, _IR),
            encoded(2, "spacer_like"),
            encoded(_GRAPH, _graph(regressor)),
            encoded(8, encoded(1, "") + encoded(2, _OPERATORS)),
            encoded(_METADATA, encoded(1, HEADER) + encoded(2, header)),
        ]
    )


def begins_as_onnx(data: bytes) -> bool:
    """Whether bytes begin with the version of an ONNX model, and not as a model file does."""
    return data[:1] == b"\x08" and not begins_as_safetensors(data)


def read_onnx(data: bytes, name: str) -> Regressor:
    """The network in an ONNX model that `onnx_bytes` made; ONNX Runtime will run it.

    Args:
        name: what errors call the file.

    Raises:
        ModelFileError: a damaged file, or another model.
    """
    with damage_as(ModelFileError, name, f"{name}: the file holds no network of inclinations"):
        model = list(_some_fields(memoryview(data)))
        graphs, metadata = ([value for number, value in model if number == wanted] for wanted in (_GRAPH, _METADATA))
        if len(graphs) != 1 or len(metadata) != 1:
            raise ValueError("it is an ONNX model that was not exported by this package")
        header = dict(_some_fields(metadata[0]))[2]
        if len(header) > LARGEST_HEADER:
            raise ValueError("its header is longer than any such file's")
        tensors = dict(_array(value) for number, value in _some_fields(graphs[0]) if number == _INITIALIZER)
        weights = {key: array for key, array in tensors.items() if not key.startswith(_CONSTANT)}
        found = replace(REGRESSOR.built(json.loads(bytes(header)), weights), is_onnx=True)
        if found.network == EXTRACTOR or onnx_bytes(found) != data:
            raise ValueError("it is another ONNX model than this version exports of such a network: export it again")
        return found


def _some_fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a message's fields, of which there are few."""
    found = list(islice(fields(message), _MOST_FIELDS + 1))
    if len(found) > _MOST_FIELDS:
        raise ValueError("it has more parts than any such model")
    return ((number, value) for number, _, value in found)


def _array(tensor: memoryview) -> tuple[str, NDArray[np.float32]]:
    """The name and the numbers of a weight; whether it is one of float32 shows when it is written anew."""
    axes, name, numbers = [], "", memoryview(b"")
    for number, value in _some_fields(tensor):
        if number == _AXES:
            axes.append(value)
        elif number == _NAME:
            name = bytes(memoryview(value)).decode()
        elif number == _NUMBERS:
            numbers = value
    return name, np.frombuffer(numbers, "<f4").astype(np.float32).reshape(axes)


def _graph(regressor: Regressor) -> bytes:
    """The layers of a network, as `networks.ImageNetwork` has them, and what comes before and after."""
    size, graph = regressor.size, _Nodes(PIXELS)
    architecture = architecture_of(regressor.network, size)
    graph.add("Transpose", perm=(0, 3, 1, 2))
    graph.add("Cast", to=_FLOAT)
    graph.add("Mul", _CONSTANT + "input_scale")
    constants = {"input_scale": regressor.input_scale}
    n_convolutions = n_norms = 0
    for block in architecture.blocks:
        for _ in block.channels:
            graph.add("Conv", *_layer(f"conv{n_convolutions}"), pads=(architecture.border,) * 4)
            graph.add("Relu")
            n_convolutions += 1
        if block.has_norm:
            parts = [f"norm{n_norms}.{part}" for part in NORM_PARTS]
            graph.add("BatchNormalization", *parts, epsilon=NORM_EPSILON)
            n_norms += 1
        graph.add("MaxPool", kernel_shape=(block.pool,) * 2, strides=(block.pool,) * 2)
    if architecture.is_averaged:
        graph.add("ReduceMean", axes=(2, 3), keepdims=0)
    else:
        graph.add("Flatten", axis=1)
    for number in range(len(architecture.units)):
        graph.add("Gemm", *_layer(f"dense{number}"), transB=1)
        graph.add("Relu")
    graph.add("Gemm", *_layer("out"), transB=1)
    if regressor.n_classes is None:
        constants |= {"half_range": (HIGHEST - LOWEST) / 2, "middle": (HIGHEST + LOWEST) / 2}
        graph.add("Tanh")
        graph.add("Mul", _CONSTANT + "half_range")
        graph.add("Add", _CONSTANT + "middle", result=INCLINATIONS)
    else:
        graph.add("Softmax", result=PROBABILITIES, axis=1)
    tensors = {_CONSTANT + name: np.asarray(value, np.float32) for name, value in constants.items()}
    return b"".join(
        [
            *graph.nodes,
            encoded(2, regressor.network),
            *(_tensor(name, array) for name, array in {**tensors, **dict(sorted(regressor.weights.items()))}.items()),
            encoded(11, _value(PIXELS, _UINT8, ["n", size, size, 3])),
            encoded(12, _value(graph.last, _FLOAT, ["n", regressor.n_classes or 1])),
        ]
    )


def _layer(name: str) -> tuple[str, str]:
    return f"{name}.weight", f"{name}.bias"


class _Nodes:
    """The nodes of a graph, each of which takes what the one before it makes."""

    def __init__(self, begin: str) -> None:
        self.last = begin
        self.nodes: list[bytes] = []

    def add(self, operator: str, *others: str, result: str | None = None, **attributes: Any) -> None:
        """Add a node.

        Args:
            others: names of what it takes besides.
            result: what its result is called; None: as it is numbered.
        """
        inputs = b"".join(encoded(1, name) for name in (self.last, *others))
        self.last = result or f"{operator}{len(self.nodes)}"
        described = b"".join(encoded(5, _attribute(name, value)) for name, value in attributes.items())
        self.nodes.append(encoded(1, inputs + encoded(2, self.last) + encoded(4, operator) + described))


def _attribute(name: str, value: float | int | Sequence[int]) -> bytes:
    if isinstance(value, float):
        return encoded(1, name) + encoded(2, value) + encoded(20, 1)
    if isinstance(value, int):
        return encoded(1, name) + encoded(3, value) + encoded(20, 2)
    return encoded(1, name) + b"".join(encoded(8, one) for one in value) + encoded(20, 7)


def _tensor(name: str, array: NDArray[np.float32]) -> bytes:
    axes = b"".join(encoded(_AXES, length) for length in array.shape)
    numbers = np.ascontiguousarray(array).astype("<f4").tobytes()
    return encoded(_INITIALIZER, axes + encoded(_KIND, _FLOAT) + encoded(_NAME, name) + encoded(_NUMBERS, numbers))


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """A tensor's name, the kind of its numbers and its shape, in which a text is an axis of any length."""
    axes = b"".join(encoded(1, encoded(2 if isinstance(one, str) else 1, one)) for one in shape)
    return encoded(1, name) + encoded(2, encoded(1, encoded(1, kind) + encoded(2, axes)))
