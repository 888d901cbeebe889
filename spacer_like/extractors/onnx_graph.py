"""ONNX models from torch networks.

torch's own exporters need a further package, or are about to be removed, and take seconds. Feature networks consist of
few kinds of layers, so the graph that `torch.fx` traces is translated layer by layer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import fx, nn

from spacer_like.extractors.onnx_session import FEATURES, PIXELS
from spacer_like.extractors.preprocessing import PerChannel

_OPSET = 17
_IR_VERSION = 10


class UntranslatableError(Exception):
    """A network with a layer that is not translated here."""


def to_onnx(network: nn.Module, image_size: int, mean: PerChannel, scale: PerChannel) -> onnx.ModelProto:
    """A model from uint8 [n, image_size, image_size, 3] to what `network.extract_features` makes of it, float32 [n, m].

    Args:
        network: in evaluation mode, on the CPU.
        mean, scale: a pixel p enters the network as (p - mean) / scale, in each channel.

    Raises:
        UntranslatableError: the network has a layer, or takes a turn, that cannot be translated.
    """
    try:
        traced = fx.Tracer().trace(_FeatureNetwork(network))
    except Exception as error:
        raise UntranslatableError(f"the network cannot be traced: {error}") from error
    return _Translation(_FeatureNetwork(network), image_size, mean, scale).translate(traced)


class _FeatureNetwork(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: torch.Tensor) -> Any:
        return cast(Any, self.network).extract_features(inputs)


class _Translation:
    """The nodes and weights of one model, as they are added."""

    def __init__(self, network: nn.Module, image_size: int, mean: PerChannel, scale: PerChannel) -> None:
        self._network = network
        self._image_size = image_size
        self._mean, self._scale = mean, scale
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        # What has been made of a traced node: the name of a tensor, or a border that waits for its convolution.
        self._made: dict[fx.Node, str | _Bordered] = {}

    def translate(self, traced: fx.Graph) -> onnx.ModelProto:
        for node in traced.nodes:
            if node.op == "placeholder":
                self._made[node] = self._prepared_pixels()
            elif node.op == "output":
                self._nodes.append(helper.make_node("Identity", [self._name(node.args[0])], [FEATURES]))
            elif node.op != "get_attr":
                self._made[node] = self._translated(node)
        size = self._image_size
        pixels = helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, ["n", size, size, 3])
        features = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["n", None])
        graph = helper.make_graph(self._nodes, "features", [pixels], [features], self._weights)
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)

    def _prepared_pixels(self) -> str:
        """Pixels as the network wants them; in the model, because there the conversion leaves Python to others."""
        x = self._add("Cast", self._add("Transpose", PIXELS, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
        if self._mean:
            x = self._add("Sub", x, self._weight(_of_channels(self._mean)))
        return x if self._scale == 1 else self._add("Div", x, self._weight(_of_channels(self._scale)))

    def _translated(self, node: fx.Node) -> str | _Bordered:
        if node.op == "call_module":
            module = self._network.get_submodule(str(node.target))
            translate = next((made for kind, made in _MODULES.items() if type(module) is kind), None)
            if translate is None:
                raise UntranslatableError(f"there is no translation of the layer {type(module).__name__}")
            return translate(self, module, node.args[0])
        call = _CALLS.get(node.target)
        if call is None:
            raise UntranslatableError(f"there is no translation of the call {node.target}")
        return call(self, *node.args, **node.kwargs)

    def _name(self, node: Any) -> str:
        made = self._made.get(node) if isinstance(node, fx.Node) else None
        if not isinstance(made, str):
            raise UntranslatableError(f"the value {node} is used in a way that is not translated")
        return made

    def _tensor(self, node: Any) -> NDArray[np.float32] | None:
        """The weights at a traced node."""
        if node is None:
            return None
        value: Any = self._network
        for part in str(node.target).split("."):
            value = getattr(value, part)
        return _array(value)

    def _weight(self, value: Any) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def unary(self, kind: str, x: Any, **attributes: Any) -> str:
        return self._add(kind, self._name(x), **attributes)

    def binary(self, kind: str, x: Any, other: Any) -> str:
        return self._add(kind, self._name(x), self._name(other))

    def relu6(self, x: Any) -> str:
        return self._add("Clip", self._name(x), self._weight(np.float32(0)), self._weight(np.float32(6)))

    def silu(self, x: Any) -> str:
        # ONNX Runtime recognises the pair and runs it as one.
        return self._add("Mul", self._name(x), self._add("Sigmoid", self._name(x)))

    def same(self, x: Any) -> str:
        return self._name(x)

    def bordered(self, module: nn.ZeroPad2d, x: Any) -> _Bordered:
        left, right, top, bottom = module.padding
        return _Bordered(self._name(x), (top, left, bottom, right))

    def convolution(
        self,
        x: Any,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        stride: Sequence[int],
        padding: Any,
        dilation: Sequence[int],
        groups: int,
    ) -> str:
        if isinstance(padding, str):
            raise UntranslatableError(f"there is no translation of the padding {padding}")
        border = self._made[x]
        top, left, bottom, right = border.pads if isinstance(border, _Bordered) else (0, 0, 0, 0)
        source = border.source if isinstance(border, _Bordered) else border
        inputs = [source, self._weight(weight)] + ([] if bias is None else [self._weight(bias)])
        return self._add(
            "Conv",
            *inputs,
            kernel_shape=weight.shape[2:],
            strides=list(stride),
            pads=[top + padding[0], left + padding[1], bottom + padding[0], right + padding[1]],
            dilations=list(dilation),
            group=groups,
        )

    def convolution_module(self, module: nn.Conv2d, x: Any) -> str:
        if module.padding_mode != "zeros":
            raise UntranslatableError(f"there is no translation of the padding mode {module.padding_mode}")
        bias = None if module.bias is None else _array(module.bias)
        weight = _array(module.weight)
        return self.convolution(x, weight, bias, module.stride, module.padding, module.dilation, module.groups)

    def convolution_call(
        self, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
    ) -> str:
        weights = cast(NDArray[np.float32], self._tensor(weight))
        return self.convolution(x, weights, self._tensor(bias), stride, padding, dilation, groups)

    def batch_norm(self, module: nn.BatchNorm2d, x: Any) -> str:
        parameters = (module.weight, module.bias, module.running_mean, module.running_var)
        if any(parameter is None for parameter in parameters):
            raise UntranslatableError("there is no translation of a batch normalisation without parameters")
        weights = [self._weight(_array(cast(torch.Tensor, parameter))) for parameter in parameters]
        return self._add("BatchNormalization", self._name(x), *weights, epsilon=module.eps)

    def linear(self, module: nn.Linear, x: Any) -> str:
        bias: torch.Tensor | None = module.bias
        weights = [self._weight(_array(weight)) for weight in (module.weight, bias) if weight is not None]
        return self._add("Gemm", self._name(x), *weights, transB=1)

    def max_pool(self, module: nn.MaxPool2d, x: Any) -> str:
        kernel, stride, padding = (_pair(value) for value in (module.kernel_size, module.stride, module.padding))
        return self._add(
            "MaxPool",
            self._name(x),
            kernel_shape=kernel,
            strides=stride,
            pads=padding * 2,
            ceil_mode=int(module.ceil_mode),
            dilations=_pair(module.dilation),
        )

    def adaptive_average(self, module: nn.AdaptiveAvgPool2d, x: Any) -> str:
        if module.output_size not in (1, (1, 1)):
            raise UntranslatableError(f"there is no translation of an average to {module.output_size} pixels")
        return self._add("GlobalAveragePool", self._name(x))

    def mean(self, x: Any, dim: Any, keepdim: bool = False) -> str:
        if not isinstance(dim, tuple | list) or sorted(axis % 4 for axis in dim) != [2, 3]:
            raise UntranslatableError(f"there is no translation of a mean over the axes {dim}")
        average = self._add("GlobalAveragePool", self._name(x))
        return average if keepdim else self._add("Flatten", average)

    def flatten(self, x: Any, start_dim: int = 0, end_dim: int = -1) -> str:
        if (start_dim, end_dim) != (1, -1):
            raise UntranslatableError(f"there is no translation of flattening the axes {start_dim} to {end_dim}")
        return self._add("Flatten", self._name(x))


class _Bordered:
    """An image with a border of zeros still to be added, (top, left, bottom, right) pixels wide."""

    def __init__(self, source: str, pads: tuple[int, int, int, int]) -> None:
        self.source = source
        self.pads = pads


_MODULES: dict[type[nn.Module], Callable[[_Translation, Any, Any], str | _Bordered]] = {
    nn.Conv2d: _Translation.convolution_module,
    nn.ZeroPad2d: _Translation.bordered,
    nn.BatchNorm2d: _Translation.batch_norm,
    nn.Linear: _Translation.linear,
    nn.MaxPool2d: _Translation.max_pool,
    nn.AdaptiveAvgPool2d: _Translation.adaptive_average,
    nn.ReLU: lambda made, module, x: made.unary("Relu", x),
    nn.ReLU6: lambda made, module, x: made.relu6(x),
    nn.SiLU: lambda made, module, x: made.silu(x),
    nn.Sigmoid: lambda made, module, x: made.unary("Sigmoid", x),
    nn.Flatten: lambda made, module, x: made.flatten(x, module.start_dim, module.end_dim),
    nn.Dropout: lambda made, module, x: made.same(x),
    nn.Identity: lambda made, module, x: made.same(x),
}
_CALLS: dict[Any, Callable[..., str | _Bordered]] = {
    torch.conv2d: _Translation.convolution_call,
    torch.flatten: _Translation.flatten,
    torch.relu: lambda made, x: made.unary("Relu", x),
    operator.add: lambda made, x, other: made.binary("Add", x, other),
    operator.iadd: lambda made, x, other: made.binary("Add", x, other),
    operator.mul: lambda made, x, other: made.binary("Mul", x, other),
    "mean": _Translation.mean,
    "sigmoid": lambda made, x: made.unary("Sigmoid", x),
    "flatten": _Translation.flatten,
}


def _of_channels(numbers: PerChannel) -> NDArray[np.float32]:
    """Numbers that apply to planes [n, 3, size, size]: [] or [3, 1, 1]."""
    array = np.asarray(numbers, np.float32)
    return array.reshape(3, 1, 1) if array.ndim else array


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)


def _pair(value: Any) -> list[int]:
    return list(value) if isinstance(value, tuple) else [value, value]
