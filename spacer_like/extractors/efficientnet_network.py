"""EfficientNet in torch, its weights named as by the package ``efficientnet-pytorch``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from typing_extensions import Self

from spacer_like.exceptions import ConfigError
from spacer_like.extractors.efficientnet_layout import Block, Layout, layout_of, same_padding

_BATCH_NORM_EPSILON = 1e-3
_BATCH_NORM_MOMENTUM = 0.01
_DROPOUT = 0.2
_IMAGENET_CLASSES = 1000


class _FoldsBatchNorm(nn.Module):
    """A module that can merge its batch normalisations into the convolutions before them."""

    CONVOLUTIONS_AND_NORMS: ClassVar[tuple[tuple[str, str], ...]]

    def fold_batch_norm(self) -> None:
        """Merge; what the module computes stays the same but for rounding."""
        for convolution_name, norm_name in self.CONVOLUTIONS_AND_NORMS:
            convolution, norm = getattr(self, convolution_name, None), getattr(self, norm_name, None)
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                weight, bias = nn.utils.fusion.fuse_conv_bn_weights(
                    convolution.weight,
                    convolution.bias,
                    cast(Tensor, norm.running_mean),
                    cast(Tensor, norm.running_var),
                    norm.eps,
                    norm.weight,
                    norm.bias,
                )
                convolution.weight, convolution.bias = weight, bias
                setattr(self, norm_name, nn.Identity())


class EfficientNet(_FoldsBatchNorm):
    """The network `name`, as `efficientnet_layout` lists them, with a last layer for `num_classes`.

    Its input is float32 [n, 3, height, width]. The padding is the one for images of the network's own resolution,
    whatever the size of the input.
    """

    CONVOLUTIONS_AND_NORMS = (("_conv_stem", "_bn0"), ("_conv_head", "_bn1"))

    def __init__(self, name: str, num_classes: int) -> None:
        super().__init__()
        layout = layout_of(name)
        last = layout.blocks[-1].channels_out
        self._conv_stem = _convolution(3, layout.stem, 3, stride=2, size=layout.resolution)
        self._bn0 = _batch_norm(layout.stem)
        self._blocks = nn.ModuleList(_MobileBlock(block, layout) for block in layout.blocks)
        self._conv_head = _convolution(last, layout.head, 1)
        self._bn1 = _batch_norm(layout.head)
        self._dropout = nn.Dropout(_DROPOUT)
        self._fc = nn.Linear(layout.head, num_classes)
        self._activation = _activation(layout)

    @classmethod
    def from_name(cls, model_name: str, override_params: Mapping[str, Any] | None = None) -> Self:
        """The network by PySpacer's arguments, of which `num_classes` (1000) is the one that may be replaced."""
        given = dict(override_params or {})
        num_classes = given.pop("num_classes", _IMAGENET_CLASSES)
        if given:
            raise ConfigError(f"Of {model_name} only num_classes can be replaced, not '{min(given)}'.")
        return cls(model_name, num_classes)

    @staticmethod
    def get_image_size(model_name: str) -> int:
        """The resolution in pixels that a network is made for."""
        return layout_of(model_name).resolution

    def extract_features(self, inputs: Tensor) -> Tensor:
        """Feature vectors, float32 [n, channels of the head]: `feature_map`, averaged over its positions."""
        return self.feature_map(inputs).mean((2, 3))

    def feature_map(self, inputs: Tensor) -> Tensor:
        """The last convolution's output, float32 [n, channels of the head, height / 32, width / 32]."""
        x = self._activation(self._bn0(self._conv_stem(inputs)))
        for block in self._blocks:
            x = block(x)
        return cast(Tensor, self._activation(self._bn1(self._conv_head(x))))

    def for_inference(self) -> None:
        """Rearrange the weights for speed; afterwards the state dict has other names."""
        for module in (self, *self._blocks):
            cast(_FoldsBatchNorm, module).fold_batch_norm()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, inputs: Tensor) -> Tensor:
        """Class scores before softmax, float32 [n, num_classes]."""
        return cast(Tensor, self._fc(self._dropout(self.extract_features(inputs))))


class FeatureMaps(nn.Module):
    """An `EfficientNet` whose features are its whole map, float32 [n, channels x positions]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def extract_features(self, inputs: Tensor) -> Tensor:
        return cast(EfficientNet, self.network).feature_map(inputs).flatten(1)

    def for_inference(self) -> None:
        cast(EfficientNet, self.network).for_inference()


class _MobileBlock(_FoldsBatchNorm):
    """An inverted-residual block: expand, convolve each channel by itself, weigh the channels, project."""

    CONVOLUTIONS_AND_NORMS = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))

    def __init__(self, block: Block, layout: Layout) -> None:
        super().__init__()
        self._has_expansion = block.expansion != 1
        self._has_squeeze = block.squeezed > 0
        self._has_shortcut = block.has_shortcut
        expanded = block.expanded
        if self._has_expansion:
            self._expand_conv = _convolution(block.channels_in, expanded, 1)
            self._bn0 = _batch_norm(expanded)
        self._depthwise_conv = _convolution(
            expanded, expanded, block.kernel_size, block.stride, groups=expanded, size=block.size
        )
        self._bn1 = _batch_norm(expanded)
        if self._has_squeeze:
            self._se_reduce = nn.Conv2d(expanded, block.squeezed, 1)
            self._se_expand = nn.Conv2d(block.squeezed, expanded, 1)
        self._project_conv = _convolution(expanded, block.channels_out, 1)
        self._bn2 = _batch_norm(block.channels_out)
        self._activation = _activation(layout)

    def forward(self, inputs: Tensor) -> Tensor:
        x = inputs
        if self._has_expansion:
            x = self._activation(self._bn0(self._expand_conv(x)))
        x = self._activation(self._bn1(self._depthwise_conv(x)))
        if self._has_squeeze:
            weights = self._se_expand(self._activation(self._se_reduce(x.mean((2, 3), keepdim=True))))
            x = x * weights.sigmoid()
        x = self._bn2(self._project_conv(x))
        return cast(Tensor, x + inputs if self._has_shortcut else x)


class _PaddedConvolution(nn.Conv2d):
    """A convolution with more padding after than before the image, which `torch.nn.Conv2d` does not offer."""

    def __init__(
        self, before: int, after: int, channels_in: int, channels_out: int, kernel_size: int, stride: int, groups: int
    ) -> None:
        super().__init__(channels_in, channels_out, kernel_size, stride, groups=groups, bias=False)
        self._border = nn.ZeroPad2d((before, after, before, after))

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(self._border(inputs))


def _convolution(
    channels_in: int, channels_out: int, kernel_size: int, stride: int = 1, groups: int = 1, size: int = 0
) -> nn.Conv2d:
    before, after = same_padding(size, kernel_size, stride) if size else (0, 0)
    if before == after:
        return nn.Conv2d(channels_in, channels_out, kernel_size, stride, before, groups=groups, bias=False)
    return _PaddedConvolution(before, after, channels_in, channels_out, kernel_size, stride, groups)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_BATCH_NORM_EPSILON, momentum=_BATCH_NORM_MOMENTUM)


def _activation(layout: Layout) -> nn.Module:
    return nn.ReLU6() if layout.is_lite else nn.SiLU()
