"""The networks that models of many labels may have of their own, in torch: their weights, and which of them learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spacer_like.exceptions import ModelFileError, WeightsError
from spacer_like.extractors.network_extractor import chosen_device
from spacer_like.extractors.networks import TorchNetwork
from spacer_like.extractors.resnet_network import BATCH_COUNT, STAGES, Normalised, ResNet, resnet_of

PIXEL_SCALE = 255.0
"""Pixels are divided by it."""


def inference_network(name: str, state: Mapping[str, NDArray[Any]]) -> TorchNetwork:
    """The network with weights out of a model's file, ready to run on pixels.

    Raises:
        ModelFileError: the weights are those of another network.
    """
    try:
        # A model's arrays must not change, and torch warns of arrays that cannot.
        tensors = {key: torch.from_numpy(np.array(value)) for key, value in state.items()}
        network = resnet_of(name, tensors, "weights")
    except (WeightsError, TypeError) as error:
        raise ModelFileError(f"The model's weights are not those of the network {name}: {error}") from None
    return as_network(network)


def as_network(network: ResNet) -> TorchNetwork:
    """The network as it stands, on pixels; it is in evaluation mode and does not learn afterwards."""
    module = Normalised(network)
    module.for_inference()
    return TorchNetwork(module, chosen_device(), 0.0, PIXEL_SCALE)


def state_arrays(network: ResNet) -> dict[str, NDArray[Any]]:
    """A network's weights by their names, copied; how many batches they have seen is left out."""
    return {
        name: value.detach().cpu().numpy().copy()
        for name, value in network.state_dict().items()
        if not name.endswith(BATCH_COUNT)
    }


def unfreeze(network: ResNet, n_stages: int) -> None:
    """Let the last `n_stages` of a network's stages learn, 0 to 5, and freeze the others with their batch norms."""
    network.eval().requires_grad_(False)
    for name in STAGES[:n_stages]:
        for module in network.stage(name):
            module.train().requires_grad_(True)
