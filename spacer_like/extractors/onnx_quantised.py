"""Models of ONNX that compute in whole numbers of eight bits, out of those that compute in float32.

Every convolution's input and output, and what is added or averaged, is stored as uint8; weights are stored as int8,
with a scale for each of their channels. The model says so by pairs of QuantizeLinear and DequantizeLinear, which ONNX
Runtime joins with what stands between them. What rounding the weights adds to a channel on average is taken off its
bias (M. Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction, 2019, section 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from spacer_like.exceptions import WeightsError
from spacer_like.extractors.calibration import Calibration, TensorRange
from spacer_like.extractors.onnx_session import OnnxNetwork

_QUANTISED = ("Conv", "Add", "GlobalAveragePool")
_LARGEST_UINT8 = 255
_LARGEST_WEIGHT = 127
# A bias is an int32; half of its range is left for what is added to it.
_LARGEST_BIAS = 2.0**30
_DIGITS = 7


def observed(model: onnx.ModelProto, patches: Sequence[NDArray[np.uint8]]) -> dict[str, TensorRange]:
    """What those tensors of a float32 model hold, on crops, that `quantised` stores in eight bits."""
    names = _stored_tensors(model)
    with_outputs = onnx.ModelProto()
    with_outputs.CopyFrom(model)
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    with_outputs.graph.output.extend(outputs)
    network = OnnxNetwork(with_outputs.SerializeToString())
    lows, highs = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    means: list[Any] = [0.0] * len(names)
    for patch in patches:
        for index, tensor in enumerate(network.tensors(names, patch[None])):
            lows[index], highs[index] = min(lows[index], tensor.min()), max(highs[index], tensor.max())
            means[index] += tensor.mean((0, 2, 3), np.float64)
    return {
        name: TensorRange(
            low=_rounded(min(low, 0)),
            high=_rounded(max(high, 0)),
            means=tuple(_rounded(mean) for mean in total / len(patches)),
        )
        for name, low, high, total in zip(names, lows, highs, means, strict=True)
    }


def quantised(model: onnx.ModelProto, calibration: Calibration) -> onnx.ModelProto:
    """The model, from the same pixels to nearly the same features, that computes in eight bits.

    Args:
        model: of `to_onnx`, whose pixels are prepared by a whole number taken off and a division.

    Raises:
        WeightsError: the calibration lacks a tensor of the model, or one has other channels.
    """
    return _Quantisation(model, calibration).model()


def _stored_tensors(model: onnx.ModelProto) -> list[str]:
    weights = {weight.name for weight in model.graph.initializer}
    inputs = (name for node in model.graph.node if node.op_type in _QUANTISED for name in _data_inputs(node))
    return list(dict.fromkeys(name for name in inputs if name not in weights))


def _data_inputs(node: onnx.NodeProto) -> list[str]:
    return list(node.input[:1] if node.op_type == "Conv" else node.input)


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


class _Quantisation:
    """The nodes and weights of one model, as they are added."""

    def __init__(self, model: onnx.ModelProto, calibration: Calibration) -> None:
        self._model = model
        self._calibration = calibration
        self._given = {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer}
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        # Stored tensor -> the scale of its numbers.
        self._scales: dict[str, np.float32] = {}

    def model(self) -> onnx.ModelProto:
        nodes = list(self._model.graph.node)
        first = next(index for index, node in enumerate(nodes) if node.op_type == "Conv")
        # As the stored numbers of what the preparation makes of them, pixels need none.
        self._nodes.append(nodes[0])
        self._dequantise(nodes[first].input[0], nodes[0].output[0])
        for node in nodes[first:]:
            self._add(node)
        used = {name for node in self._nodes for name in node.input}
        kept = [weight for weight in self._model.graph.initializer if weight.name in used]
        graph = self._model.graph
        return helper.make_model(
            helper.make_graph(self._nodes, graph.name, graph.input, graph.output, [*kept, *self._weights.values()]),
            opset_imports=self._model.opset_import,
            ir_version=self._model.ir_version,
        )

    def _add(self, node: onnx.NodeProto) -> None:
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        if node.op_type in _QUANTISED:
            inputs = [name if name in self._given else self._stored(name) for name in node.input]
            changed.input[:] = self._convolution_inputs(node, inputs[0]) if node.op_type == "Conv" else inputs
        self._nodes.append(changed)

    def _stored(self, tensor: str) -> str:
        """The name of a tensor after it was stored and read."""
        if tensor not in self._scales:
            self._dequantise(tensor, "")
        return f"{tensor}.read"

    def _dequantise(self, tensor: str, stored: str) -> None:
        """Read a tensor from its stored numbers, which are `stored`, or are made here."""
        found = self._range(tensor)
        scale = np.float32((found.high - found.low) / _LARGEST_UINT8)
        zero = np.uint8(round(-found.low / float(scale)))
        self._scales[tensor] = scale
        parameters = [self._weight(f"{tensor}.scale", scale), self._weight(f"{tensor}.zero", zero)]
        if not stored:
            stored = f"{tensor}.stored"
            self._nodes.append(helper.make_node("QuantizeLinear", [tensor, *parameters], [stored]))
        self._nodes.append(helper.make_node("DequantizeLinear", [stored, *parameters], [f"{tensor}.read"]))

    def _convolution_inputs(self, node: onnx.NodeProto, source: str) -> list[str]:
        weight = self._given[node.input[1]]
        bias = self._given[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight), np.float32)
        scale_in = self._scales[node.input[0]]
        largest = np.abs(weight).reshape(len(weight), -1).max(1) / _LARGEST_WEIGHT
        scale = np.maximum(largest, np.abs(bias) / (_LARGEST_BIAS * scale_in)).astype(np.float32)
        scale[scale == 0] = 1
        wide = scale[:, None, None, None]
        stored = np.clip(np.round(weight / wide), -_LARGEST_WEIGHT, _LARGEST_WEIGHT)
        added = self._mean_response(node, stored * wide - weight)
        scale_of_sum = scale * scale_in
        stored_bias = np.round((bias.astype(np.float64) - added) / scale_of_sum)
        limit = np.iinfo(np.int32).max
        return [
            source,
            self._channels(node.input[1], stored.astype(np.int8), scale),
            self._channels(f"{node.name}.bias", np.clip(stored_bias, -limit, limit).astype(np.int32), scale_of_sum),
        ]

    def _mean_response(self, node: onnx.NodeProto, weight: NDArray[np.float32]) -> NDArray[np.float64]:
        """What a convolution by `weight` makes of its input's mean, by channel."""
        groups = helper.get_node_attr_value(node, "group")
        means = np.asarray(self._range(node.input[0]).means)
        if len(means) != weight.shape[1] * groups:
            raise WeightsError(
                f"The calibration has {len(means)} channels of the tensor {node.input[0]}, and the network has "
                f"{weight.shape[1] * groups}."
            )
        of_group = np.repeat(means.reshape(groups, -1), len(weight) // groups, axis=0)
        response: NDArray[np.float64] = (weight.sum((2, 3), np.float64) * of_group).sum(1)
        return response

    def _channels(self, name: str, stored: NDArray[Any], scale: NDArray[np.float32]) -> str:
        """The name of weights that are read from whole numbers, with a scale for each of their first axis."""
        zeros = np.zeros(len(stored), stored.dtype)
        parts = [
            self._weight(f"{name}.{part}", of) for part, of in (("stored", stored), ("scale", scale), ("zero", zeros))
        ]
        self._nodes.append(helper.make_node("DequantizeLinear", parts, [f"{name}.read"], axis=0))
        return f"{name}.read"

    def _range(self, tensor: str) -> TensorRange:
        if tensor not in self._calibration.tensors:
            raise WeightsError(f"The calibration lacks the tensor {tensor} of the network.")
        return self._calibration.tensors[tensor]

    def _weight(self, name: str, value: Any) -> str:
        self._weights[name] = numpy_helper.from_array(np.asarray(value), name)
        return name
