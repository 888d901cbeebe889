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
        """How many numbers a feature vector has."""
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
