"""The layers of the EfficientNets, as numbers.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), table 1 and section 3.3;
the lite ones as TensorFlow's model garden describes them. Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from spacer_like.exceptions import ConfigError

# (repeats, kernel size, stride, expansion, channels in, channels out) of the stages of b0.
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
CHANNEL_STEP = 8
# (width, depth, resolution in pixels)
SCALINGS = {
    "efficientnet-b0": (1.0, 1.0, 224),
    "efficientnet-b1": (1.0, 1.1, 240),
    "efficientnet-b2": (1.1, 1.2, 260),
    "efficientnet-b3": (1.2, 1.4, 300),
    "efficientnet-b4": (1.4, 1.8, 380),
    "efficientnet-b5": (1.6, 2.2, 456),
    "efficientnet-b6": (1.8, 2.6, 528),
    "efficientnet-b7": (2.0, 3.1, 600),
    "efficientnet-lite0": (1.0, 1.0, 224),
    "efficientnet-lite2": (1.1, 1.2, 260),
}
SQUEEZE_RATIO = 0.25


@dataclass(frozen=True)
class Block:
    """One inverted-residual block, for images `size` pixels wide; without squeeze-and-excitation `squeezed` is 0."""

    kernel_size: int
    stride: int
    expansion: int
    channels_in: int
    channels_out: int
    squeezed: int
    size: int

    @property
    def expanded(self) -> int:
        return self.channels_in * self.expansion

    @property
    def has_shortcut(self) -> bool:
        return self.stride == 1 and self.channels_in == self.channels_out


@dataclass(frozen=True)
class Layout:
    """A whole network: channels of the stem, the blocks, channels of the head (the length of a feature vector)."""

    resolution: int
    stem: int
    blocks: tuple[Block, ...]
    head: int
    is_lite: bool


def layout_of(name: str) -> Layout:
    """The layout of an EfficientNet.

    Raises:
        ConfigError: there is none of this name.

    >>> layout_of("efficientnet-b0").head
    1280
    """
    if name not in SCALINGS:
        raise ConfigError(f"There is no network '{name}': MODEL_NAME must be one of {', '.join(SCALINGS)}.")
    width, depth, resolution = SCALINGS[name]
    is_lite = "lite" in name
    width_of_ends = 1.0 if is_lite else width
    return Layout(
        resolution=resolution,
        stem=_channels(_STEM_CHANNELS, width_of_ends),
        blocks=tuple(_blocks(width, depth, resolution, is_lite)),
        head=_channels(_HEAD_CHANNELS, width_of_ends),
        is_lite=is_lite,
    )


def same_padding(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Pixels of padding before and after, so that the output has size / stride pixels, rounded up (TensorFlow's SAME).

    >>> same_padding(224, 3, 2)
    (0, 1)
    """
    total = max((math.ceil(size / stride) - 1) * stride + kernel_size - size, 0)
    return total // 2, total - total // 2


def _blocks(width: float, depth: float, resolution: int, is_lite: bool) -> Iterator[Block]:
    """The blocks of all stages. Of a lite network stem and head are as wide as lite0's, and the stages next to them as
    long."""
    size = math.ceil(resolution / 2)
    for stage, (repeats, kernel_size, stride, expansion, channels_in, channels_out) in enumerate(STAGES):
        is_fixed = is_lite and stage in (0, len(STAGES) - 1)
        for number in range(repeats if is_fixed else math.ceil(repeats * depth)):
            after_stem = is_lite and stage == number == 0
            entering = channels_in if after_stem else _channels(channels_out if number else channels_in, width)
            block = Block(
                kernel_size=kernel_size,
                stride=1 if number else stride,
                expansion=expansion,
                channels_in=entering,
                channels_out=_channels(channels_out, width),
                squeezed=0 if is_lite else max(1, int(entering * SQUEEZE_RATIO)),
                size=size,
            )
            yield block
            size = math.ceil(size / block.stride)


def _channels(channels: int, width: float) -> int:
    """Channels of a widened layer: a multiple of 8, at most 10 % fewer than asked for."""
    wanted = channels * width
    rounded = max(CHANNEL_STEP, int(wanted + CHANNEL_STEP / 2) // CHANNEL_STEP * CHANNEL_STEP)
    return rounded + CHANNEL_STEP if rounded < 0.9 * wanted else rounded
