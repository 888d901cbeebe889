"""The head of a model of many labels, in torch: what learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spacer_like.chips.models.multilabel_model import HiddenLayer


class MultilabelHead(nn.Module):
    """Hidden layers (linear, rectified, batch norm, dropout) and one linear layer with an output for each label.

    Args:
        inputs: numbers of a feature vector; n_labels: outputs.
        layers: units of the hidden layers; dropouts: the share of each one's units that are left out while learning.
        generator: of random numbers, for the weights; the process's own are left alone.
    """

    def __init__(
        self, inputs: int, layers: Sequence[int], dropouts: Sequence[float], n_labels: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.linears = nn.ModuleList()
        self.norms = nn.ModuleList()
        for units in layers:
            self.linears.append(_linear(inputs, units, generator))
            self.norms.append(nn.BatchNorm1d(units))
            inputs = units
        self.output = _linear(inputs, n_labels, generator)
        self._dropouts = tuple(dropouts)

    def expect(self, logits: NDArray[np.float64]) -> None:
        """Begin with outputs around `logits` [labels]: rare labels are not first to be unlearnt."""
        self.output.bias.data = torch.from_numpy(logits.astype(np.float32))

    def forward(self, features: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Logits [n, labels] of features [n, inputs]; with `random`, of the features' device, dropout is done."""
        values = features
        for linear, norm, share in zip(self.linears, self.norms, self._dropouts, strict=True):
            values = norm(torch.relu(linear(values)))
            if random is not None and share > 0:
                stays = torch.rand(values.shape, generator=random, device=values.device) >= share
                values = values * stays / (1 - share)
        return cast(Tensor, self.output(values))

    def arrays(
        self, mean: NDArray[np.float64], scale: float
    ) -> tuple[tuple[HiddenLayer, ...], NDArray[np.float32], NDArray[np.float32]]:
        """The hidden layers, and the last one's weights and offsets, for features that were not yet scaled.

        Args:
            mean, scale: the head learnt from (features - mean) / scale.
        """
        hidden: list[HiddenLayer] = []
        for linear, norm in zip(self.linears, self.norms, strict=True):
            weights, offsets = _numbers(cast(nn.Linear, linear))
            if not hidden:
                weights /= scale
                offsets -= mean @ weights
            hidden.append(HiddenLayer(_float32(weights), _float32(offsets), *_affine(cast(nn.BatchNorm1d, norm))))
        weights, offsets = _numbers(self.output)
        return tuple(hidden), _float32(weights), _float32(offsets)


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    with torch.device("meta"):
        layer = nn.Linear(inputs, outputs)
    layer = layer.to_empty(device="cpu")
    # As torch itself does it.
    bound = inputs**-0.5
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


def _numbers(linear: nn.Linear) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights [inputs, outputs] and offsets, copied."""
    return _array(linear.weight).T.copy(), _array(linear.bias)


def _affine(norm: nn.BatchNorm1d) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a batch norm multiplies by and adds once it has learnt."""
    scales = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    return _float32(scales), _float32(_array(norm.bias) - _array(norm.running_mean) * scales)


def _array(tensor: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = tensor.detach().cpu().numpy().astype(np.float64)
    return found


def _float32(array: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, np.float32)
