"""The networks that learn a number of an image, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import Self

from spacer_like.exceptions import ModelFileError
from spacer_like.extractors.preprocessing import PerChannel
from spacer_like.regression.architectures import N_CHANNELS, NORM_EPSILON, Architecture, architecture_of, check_weights

_BYTES = 256


class WithLayers(nn.Module):
    """The base of networks that end in rectified layers ``dense0``, ``dense1`` and so on, and the outputs ``out``.

    Weights begin as in Keras: uniform by Glorot and Bengio (2010), and zero for what is added.
    """

    _n_layers: int

    def add_layers(self, n_features: int, units: Sequence[int], n_outputs: int | None, random: torch.Generator) -> None:
        """Add the layers, of so many units, for `n_features` numbers; `n_outputs` None: one number."""
        self._n_layers = len(units)
        for number, n_units in enumerate(units):
            self.add_module(f"dense{number}", begun(nn.Linear(n_features, n_units, device="meta"), random))
            n_features = n_units
        self.add_module("out", begun(nn.Linear(n_features, n_outputs or 1, device="meta"), random))

    def outputs(self, features: Tensor) -> Tensor:
        """What the layers make of features [n, numbers]: [n, outputs], before a tanh or softmax."""
        values = features
        for number in range(self._n_layers):
            values = torch.relu_(self.get_submodule(f"dense{number}")(values))
        return cast(Tensor, self.get_submodule("out")(values))


class ImageNetwork(WithLayers):
    """Convolutions, then layers. Its parts are ``conv0``, ``norm0``, ``dense0`` and so on, as they follow each other.

    Args:
        architecture: what comes before the outputs.
        size: width and height of the images.
        n_outputs: classes; None: one number.
        random: of the first weights.
    """

    def __init__(self, architecture: Architecture, size: int, n_outputs: int | None, random: torch.Generator) -> None:
        super().__init__()
        self._blocks, self._is_averaged = architecture.blocks, architecture.is_averaged
        channels, n_convolutions, n_norms = N_CHANNELS, 0, 0
        for number, block in enumerate(architecture.blocks):
            for made in block.channels:
                convolution = nn.Conv2d(channels, made, 3, padding=architecture.border, device="meta")
                self.add_module(f"conv{n_convolutions}", begun(convolution, random))
                channels, n_convolutions = made, n_convolutions + 1
            if block.has_norm:
                self.add_module(f"norm{n_norms}", nn.BatchNorm2d(channels, NORM_EPSILON, architecture.momentum))
                n_norms += 1
            self.add_module(f"pool{number}", nn.MaxPool2d(block.pool))
        self.add_layers(architecture.n_features(size), architecture.units, n_outputs, random)

    def forward(self, pixels: Tensor, random: torch.Generator | None = None) -> Tensor:
        """The outputs [n, outputs], before a tanh or softmax, for pixels [n, 3, size, size] times the input scale.

        Args:
            random: of the pixels' device, for dropout; None: there is none.
        """
        return self.outputs(self.features(pixels, random))

    def features(self, pixels: Tensor, random: torch.Generator | None = None) -> Tensor:
        """What the layers take, [n, numbers] in the order channel, row, column; arguments as `forward`."""
        values, n_convolutions, n_norms = pixels, 0, 0
        for number, block in enumerate(self._blocks):
            pool = self.get_submodule(f"pool{number}")
            for _ in block.channels[1:]:
                values = torch.relu_(self.get_submodule(f"conv{n_convolutions}")(values))
                n_convolutions += 1
            values = self.get_submodule(f"conv{n_convolutions}")(values)
            n_convolutions += 1
            if block.has_norm:
                values = pool(self.get_submodule(f"norm{n_norms}")(torch.relu_(values)))
                n_norms += 1
            else:
                # The largest number is rectified instead of all: the same, and sooner done.
                values = torch.relu_(pool(values))
            if random is not None and block.dropout:
                values = dropped(values, block.dropout, random)
        return values.mean((2, 3)) if self._is_averaged else values.flatten(1)


class FeatureNetwork(WithLayers):
    """Layers on an extractor's features [n, n_features]; other arguments as `WithLayers.add_layers`."""

    def __init__(self, n_features: int, units: Sequence[int], n_outputs: int | None, random: torch.Generator) -> None:
        super().__init__()
        self.add_layers(n_features, units, n_outputs, random)

    def forward(self, features: Tensor, random: torch.Generator | None = None) -> Tensor:
        """The outputs [n, outputs], before a tanh or softmax; there is no dropout."""
        return self.outputs(features)


class FineTunedNetwork(WithLayers):
    """An extractor's network, ``backbone``, and layers on its features. Its batch norms stay as they are.

    Args:
        backbone: has a method `extract_features`; it learns from now on.
        preprocessing: width and height that images are resized to, and mean and scale of their pixels.
        n_features: numbers of the backbone's features; other arguments as `WithLayers.add_layers`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        preprocessing: tuple[int, PerChannel, PerChannel],
        n_features: int,
        units: Sequence[int],
        n_outputs: int | None,
        random: torch.Generator,
    ) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(True)
        self._size, *numbers = preprocessing
        self._mean, self._scale = (torch.tensor(one, dtype=torch.float32).reshape(-1, 1, 1) for one in numbers)
        self.add_layers(n_features, units, n_outputs, random)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, pixels: Tensor, random: torch.Generator | None = None) -> Tensor:
        """The outputs [n, outputs], before a tanh or softmax, for pixels of 0 to 255; there is no dropout."""
        resized = nn.functional.interpolate(
            pixels, (self._size, self._size), mode="bicubic", align_corners=False, antialias=True
        )
        mean, scale = self._mean.to(pixels.device), self._scale.to(pixels.device)
        return self.outputs(cast(Any, self.backbone).extract_features((resized.clamp(0, 255) - mean) / scale))


def network(name: str, size: int, n_outputs: int | None = None, seed: int = 0) -> ImageNetwork:
    """The network of a name with first weights, in training mode.

    Args:
        name: one of `architectures.ARCHITECTURES`.
        size: width and height of the images.
        n_outputs: classes; None: one number.
        seed: of the first weights; the process's own random numbers are left alone.

    Raises:
        MessageError: there is none of this name, or it takes no images of this size.
    """
    return ImageNetwork(architecture_of(name, size), size, n_outputs, torch.Generator().manual_seed(seed))


def weights_of(module: nn.Module) -> dict[str, NDArray[np.float32]]:
    """A module's weights by their names, copied; counts, of batches that norms have seen, are left out."""
    return {
        name: value.detach().cpu().numpy().copy()
        for name, value in module.state_dict().items()
        if value.is_floating_point()
    }


def set_weights(module: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    """Give a module all the weights that `weights_of` named.

    Raises:
        ModelFileError: they are not those of this module.
    """
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items() if value.is_floating_point()}
    try:
        check_weights(weights, shapes)
    except ValueError as error:
        raise ModelFileError(f"The weights do not fit the network: {error}.") from None
    # Copied: an array of a model must not change, and torch warns of those that cannot.
    module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()}, strict=False)


def dropped(values: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Values of which a share is zero, at random, and the others larger by as much.

    Args:
        values: dense, in any order of their axes.
        share: in steps of 1/256, below 1.
    """
    n, least = values.numel(), round(share * _BYTES)
    # Eight bytes at a time take a tenth of the time that as many numbers do.
    words = torch.empty((n + 7) // 8, dtype=torch.int64, device=values.device)
    drawn = words.random_(-(2**63), None, generator=random).view(torch.uint8)[:n]
    stays = drawn.as_strided(values.shape, values.stride()) >= least
    return values * stays * (_BYTES / (_BYTES - least))


def begun(layer: nn.Linear | nn.Conv2d, random: torch.Generator) -> nn.Module:
    """A layer on the device ``meta`` with first weights, on the CPU."""
    layer = layer.to_empty(device="cpu")
    nn.init.xavier_uniform_(layer.weight, generator=random)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
