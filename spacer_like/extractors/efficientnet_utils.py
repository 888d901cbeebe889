"""Parts of an EfficientNet by the names that PySpacer's callers import from here, for networks of their own.

Our own network is built by `efficientnet_network` from `efficientnet_layout`, whose numbers stand here too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from spacer_like.exceptions import ConfigError, MessageError
from spacer_like.extractors.efficientnet_layout import CHANNEL_STEP, SCALINGS, SQUEEZE_RATIO, STAGES, same_padding

__all__ = [
    "BlockArgs",
    "Conv2dDynamicSamePadding",
    "Conv2dStaticSamePadding",
    "GlobalParams",
    "Identity",
    "drop_connect",
    "efficientnet",
    "efficientnet_params",
    "get_model_params",
    "get_same_padding_conv2d",
    "relu_fn",
    "round_filters",
    "round_repeats",
]

Identity = nn.Identity
relu_fn = silu

_DROPOUT = {"b0": 0.2, "b1": 0.2, "b2": 0.3, "b3": 0.3, "b4": 0.4, "b5": 0.4, "b6": 0.5, "b7": 0.5}


class GlobalParams(NamedTuple):
    """Numbers that hold for a whole network."""

    batch_norm_momentum: float | None = None
    batch_norm_epsilon: float | None = None
    dropout_rate: float | None = None
    num_classes: int | None = None
    width_coefficient: float | None = None
    depth_coefficient: float | None = None
    depth_divisor: int | None = None
    min_depth: int | None = None
    drop_connect_rate: float | None = None
    image_size: int | None = None


class BlockArgs(NamedTuple):
    """Numbers of one stage of blocks, before they are scaled."""

    kernel_size: int | None = None
    num_repeat: int | None = None
    input_filters: int | None = None
    output_filters: int | None = None
    expand_ratio: int | None = None
    id_skip: bool | None = None
    stride: list[int] | None = None
    se_ratio: float | None = None


def efficientnet_params(model_name: str) -> tuple[float, float, int, float]:
    """Width and depth coefficients, resolution and dropout of ``efficientnet-b0`` to ``-b7``.

    >>> efficientnet_params("efficientnet-b0")
    (1.0, 1.0, 224, 0.2)
    """
    size = model_name.removeprefix("efficientnet-")
    if size not in _DROPOUT or model_name not in SCALINGS:
        names = ", ".join(f"efficientnet-{name}" for name in _DROPOUT)
        raise ConfigError(f"There is no network '{model_name}': it must be one of {names}.")
    return *SCALINGS[model_name], _DROPOUT[size]


def efficientnet(
    width_coefficient: float | None = None,
    depth_coefficient: float | None = None,
    dropout_rate: float = 0.2,
    drop_connect_rate: float = 0.2,
    image_size: int | None = None,
    num_classes: int = 1000,
) -> tuple[list[BlockArgs], GlobalParams]:
    """The seven stages of EfficientNet-B0, and the numbers that scale them."""
    stages = [
        BlockArgs(kernel, repeats, channels_in, channels_out, expansion, True, [stride], SQUEEZE_RATIO)
        for repeats, kernel, stride, expansion, channels_in, channels_out in STAGES
    ]
    scaling = GlobalParams(
        batch_norm_momentum=0.99,
        batch_norm_epsilon=1e-3,
        dropout_rate=dropout_rate,
        num_classes=num_classes,
        width_coefficient=width_coefficient,
        depth_coefficient=depth_coefficient,
        depth_divisor=CHANNEL_STEP,
        drop_connect_rate=drop_connect_rate,
        image_size=image_size,
    )
    return stages, scaling


def get_model_params(
    model_name: str, override_params: Mapping[str, Any] | None
) -> tuple[list[BlockArgs], GlobalParams]:
    """The stages and numbers of a network by its name, some of the numbers replaced."""
    width, depth, resolution, dropout = efficientnet_params(model_name)
    stages, scaling = efficientnet(width, depth, dropout, image_size=resolution)
    if unknown := set(override_params or {}) - set(GlobalParams._fields):
        raise MessageError(f"A network has no '{min(unknown)}': it has {', '.join(GlobalParams._fields)}.")
    return stages, scaling._replace(**dict(override_params or {}))


def round_filters(filters: int, global_params: GlobalParams) -> int:
    """Channels of a widened layer: a multiple of `depth_divisor`, at most 10 % fewer than asked for."""
    if not global_params.width_coefficient:
        return filters
    step = global_params.depth_divisor or CHANNEL_STEP
    wanted = filters * global_params.width_coefficient
    rounded = max(global_params.min_depth or step, int(wanted + step / 2) // step * step)
    return rounded + step if rounded < 0.9 * wanted else rounded


def round_repeats(repeats: int, global_params: GlobalParams) -> int:
    """Blocks of a deepened stage, rounded up."""
    return math.ceil(repeats * global_params.depth_coefficient) if global_params.depth_coefficient else repeats


def drop_connect(inputs: Tensor, p: float, training: bool) -> Tensor:
    """Of a batch [n, channels, height, width], each image set to zero with the probability `p`, while training."""
    if not training:
        return inputs
    kept = torch.rand((len(inputs), 1, 1, 1), dtype=inputs.dtype, device=inputs.device) >= p
    return inputs / (1 - p) * kept


class Conv2dDynamicSamePadding(nn.Conv2d):
    """A convolution whose output has size / stride pixels, rounded up, whatever the size of its input."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(pad(inputs, self._border(*inputs.shape[-2:])))

    def _border(self, height: int, width: int) -> tuple[int, ...]:
        """Pixels left, right, above and below."""
        sizes = zip((width, height), self.kernel_size[::-1], self.stride[::-1], self.dilation[::-1], strict=True)
        return tuple(
            border
            for size, kernel, stride, dilation in sizes
            for border in same_padding(size, (kernel - 1) * dilation + 1, stride)
        )


class Conv2dStaticSamePadding(Conv2dDynamicSamePadding):
    """As the dynamic one, but padded as for images of `image_size` pixels."""

    def __init__(self, *args: Any, image_size: int | tuple[int, int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        height, width = image_size if isinstance(image_size, list | tuple) else (image_size, image_size)
        self._fixed_border = super()._border(height, width)

    def _border(self, height: int, width: int) -> tuple[int, ...]:
        return self._fixed_border


def get_same_padding_conv2d(image_size: int | tuple[int, int] | None = None) -> type[nn.Conv2d]:
    """A class of convolutions: padded as for images of a size, or for each input by its own size."""
    if image_size is None:
        return Conv2dDynamicSamePadding
    return cast("type[nn.Conv2d]", partial(Conv2dStaticSamePadding, image_size=image_size))
