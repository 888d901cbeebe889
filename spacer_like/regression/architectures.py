"""The networks that learn a number of an image, as data: their layers and the shapes of their weights, without torch.

model4, model5 and model6 are InclinET's: blocks of two 3x3 convolutions without a border, rectified; a batch norm in
some blocks behind the second; a pool; a dropout. small_cnn keeps the size within a block and ends with the mean of each
channel, so that its weights are the same for every size of images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import MessageError

Name = Literal["model4", "model5", "model6", "small_cnn"]
N_CHANNELS = 3
LARGEST_SIZE = 1024
_KERNEL = 3
NORM_EPSILON = 1e-3
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
"""Of a batch norm, as the names of its weights end."""


class Block(NamedTuple):
    """Convolutions and a pool.

    Fields:
        channels: that each convolution makes.
        has_norm: whether there is a batch norm behind the last convolution, rectified, and before the pool.
        pool: width and height in pixels of what becomes one.
        dropout: share of the numbers that are left out while learning.
    """

    channels: tuple[int, ...]
    has_norm: bool
    pool: int
    dropout: float


@dataclass(frozen=True)
class Architecture:
    """A network up to its outputs.

    Attributes:
        blocks: from the pixels on.
        units: of the layers between the last block and the outputs.
        border: zeros around the image in each convolution, 0 or 1.
        is_averaged: whether the layers take the mean of each channel, and not every number of it.
        momentum: of the averages of batch norms: what each batch adds to them. Keras counts the other way.
    """

    blocks: tuple[Block, ...]
    units: tuple[int, ...]
    border: int = 0
    is_averaged: bool = False
    momentum: float = 0.01

    def final_size(self, size: int) -> int:
        """Width and height of what images of `size` pixels become; below 1 where they are too small."""
        for block in self.blocks:
            size = (size - len(block.channels) * (_KERNEL - 1 - 2 * self.border)) // block.pool
            if size < 1:
                return 0
        return size

    def n_features(self, size: int) -> int:
        """The numbers that the first layer takes, in the order channel, row, column."""
        side = 1 if self.is_averaged else self.final_size(size)
        return self.blocks[-1].channels[-1] * side**2


ARCHITECTURES: dict[str, Architecture] = {
    "model4": Architecture(
        (Block((16, 16), False, 2, 0.25), Block((32, 32), True, 4, 0.25)),
        (256, 32, 8),
    ),
    "model5": Architecture(
        (Block((128, 128), False, 2, 0.25), Block((256, 256), True, 4, 0.25), Block((256, 256), True, 4, 0.0)),
        (256, 128, 64, 8),
    ),
    "model6": Architecture(
        (Block((32, 32), False, 2, 0.25), Block((64, 64), True, 4, 0.25)),
        (128, 64, 8),
    ),
    "small_cnn": Architecture(
        tuple(Block((channels,), True, 2, 0.0) for channels in (24, 48, 96, 128)),
        (32,),
        border=1,
        is_averaged=True,
        # Four averages that lag behind each other would need thousands of batches.
        momentum=0.1,
    ),
}
"""By their names."""


def architecture_of(name: str, size: int) -> Architecture:
    """The architecture of a name.

    Args:
        size: width and height in pixels of the images that it is to take.

    Raises:
        MessageError: there is none of this name, or it takes no images of this size.
    """
    if name not in ARCHITECTURES:
        raise MessageError(f"The network '{name}' is unknown: it must be one of {', '.join(ARCHITECTURES)}.")
    found = ARCHITECTURES[name]
    if not found.final_size(size):
        least = next(enough for enough in range(1, LARGEST_SIZE) if found.final_size(enough))
        raise MessageError(
            f"The network {name} takes images of at least {least} pixels, and these have {size}: prepare larger "
            "images, or take another network."
        )
    if size > LARGEST_SIZE:
        raise MessageError(f"The network {name} takes images of at most {LARGEST_SIZE} pixels, and these have {size}.")
    return found


def weight_shapes(name: str, size: int, n_outputs: int | None) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's weights by their names, in the order of the layers.

    ``conv<i>.weight`` is [channels, channels before, rows, columns], ``dense<i>.weight`` and ``out.weight`` are
    [units, units before]. The first of these takes the numbers of the last block in the order channel, row, column;
    Keras has them in the order row, column, channel.

    Args:
        n_outputs: classes; None: one number.

    Raises:
        MessageError: as `architecture_of`.
    """
    architecture = architecture_of(name, size)
    shapes: dict[str, tuple[int, ...]] = {}
    channels, n_convolutions, n_norms = N_CHANNELS, 0, 0
    for block in architecture.blocks:
        for made in block.channels:
            shapes[f"conv{n_convolutions}.weight"] = (made, channels, _KERNEL, _KERNEL)
            shapes[f"conv{n_convolutions}.bias"] = (made,)
            channels, n_convolutions = made, n_convolutions + 1
        if block.has_norm:
            shapes |= {f"norm{n_norms}.{part}": (channels,) for part in NORM_PARTS}
            n_norms += 1
    return shapes | head_shapes(architecture.n_features(size), architecture.units, n_outputs)


def head_shapes(n_features: int, units: Sequence[int], n_outputs: int | None) -> dict[str, tuple[int, ...]]:
    """The shapes of the layers behind `n_features` numbers: ``dense<i>`` of these units, and ``out``."""
    shapes: dict[str, tuple[int, ...]] = {}
    names = [f"dense{number}" for number in range(len(units))]
    for name, n_units in zip([*names, "out"], [*units, n_outputs or 1], strict=True):
        shapes[f"{name}.weight"] = (n_units, n_features)
        shapes[f"{name}.bias"] = (n_units,)
        n_features = n_units
    return shapes


def check_weights(weights: Mapping[str, NDArray[np.generic]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse, as a ValueError, weights that are not float32, finite and of these shapes."""
    if set(weights) != set(shapes):
        other = min(set(weights) ^ set(shapes))
        raise ValueError(f"it has other weights than its network, or lacks some, such as {other[:100]}")
    for name, array in weights.items():
        if array.dtype != np.float32 or array.shape != shapes[name] or not np.isfinite(array).all():
            raise ValueError(f"its {name[:100]} are no weights of its network")
