"""The shapes of ResNets, without torch."""

from __future__ import annotations

from dataclasses import dataclass

from spacer_like.exceptions import ConfigError

EXPANSION = 4
"""A block's outputs per unit of its width."""


@dataclass(frozen=True)
class Layout:
    """A ResNet of bottleneck blocks (K. He et al., "Deep residual learning for image recognition", 2016).

    Attributes:
        stem: channels of the first convolution.
        widths: of the blocks of each of the four stages.
        depths: blocks of each stage.
    """

    stem: int
    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]

    @property
    def dimension(self) -> int:
        """The dimension of a feature vector."""
        return self.widths[-1] * EXPANSION


_LAYOUTS = {
    "resnet50": Layout(64, (64, 128, 256, 512), (3, 4, 6, 3)),
    "small": Layout(16, (8, 16, 32, 64), (1, 1, 1, 1)),
}


def layout_of(name: str) -> Layout:
    """The layout of a network; an unknown name is a `ConfigError`."""
    if name not in _LAYOUTS:
        raise ConfigError(f"There is no network '{name[:50]}': it must be one of {', '.join(_LAYOUTS)}.")
    return _LAYOUTS[name]


def weight_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's weights by their names, which are torchvision's; an unknown name is a `ConfigError`."""
    layout = layout_of(name)
    shapes = _convolution("conv1", "bn1", 3, layout.stem, 7)
    channels = layout.stem
    for number, (width, depth) in enumerate(zip(layout.widths, layout.depths, strict=True)):
        for block in range(depth):
            prefix = f"layer{number + 1}.{block}."
            outputs = width * EXPANSION
            shapes |= _convolution(f"{prefix}conv1", f"{prefix}bn1", channels, width, 1)
            shapes |= _convolution(f"{prefix}conv2", f"{prefix}bn2", width, width, 3)
            shapes |= _convolution(f"{prefix}conv3", f"{prefix}bn3", width, outputs, 1)
            if not block and (number or channels != outputs):
                shapes |= _convolution(f"{prefix}downsample.0", f"{prefix}downsample.1", channels, outputs, 1)
            channels = outputs
    return shapes


def _convolution(name: str, norm: str, inputs: int, outputs: int, kernel: int) -> dict[str, tuple[int, ...]]:
    """A convolution without bias and the batch norm behind it."""
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.weight": (outputs, inputs, kernel, kernel)} | {f"{norm}.{part}": (outputs,) for part in parts}
