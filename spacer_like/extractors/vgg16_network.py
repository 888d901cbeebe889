"""VGG16 in torch, up to its layer fc7, with weights named as in Caffe."""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spacer_like.exceptions import WeightsError
from spacer_like.extractors.vgg16_definition import CONVOLUTIONS, HIDDEN, SCORE, Vgg16Definition

_COLOURS = 3


class Vgg16(nn.Module):
    """The network of a definition, for RGB images float32 [n, 3, image_size, image_size] with the mean subtracted."""

    def __init__(self, definition: Vgg16Definition, image_size: int) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = _COLOURS
        for stage, names in enumerate(CONVOLUTIONS, start=1):
            for name in names:
                layers[name] = nn.Conv2d(channels, definition.widths[name], 3, padding=1)
                layers[f"relu_{name}"] = nn.ReLU()
                channels = definition.widths[name]
            layers[f"pool{stage}"] = nn.MaxPool2d(2, 2)
        pooled = image_size // 2 ** len(CONVOLUTIONS)
        layers["flatten"] = nn.Flatten()
        layers[HIDDEN] = nn.Linear(channels * pooled * pooled, definition.widths[HIDDEN])
        layers[f"relu_{HIDDEN}"] = nn.ReLU()
        layers[SCORE] = nn.Linear(definition.widths[HIDDEN], definition.widths[SCORE])
        if definition.score_is_rectified:
            # Caffe's ReLU works in place, so what stands in the blob fc7 after a pass is its output.
            layers[f"relu_{SCORE}"] = nn.ReLU()
        self.layers = nn.Sequential(layers)

    def extract_features(self, inputs: Tensor) -> Tensor:
        """The layer fc7, float32 [n, its width]."""
        return cast(Tensor, self.layers(inputs))


def build_vgg16(definition: Vgg16Definition, blobs: dict[str, list[NDArray[np.float32]]], image_size: int) -> Vgg16:
    """The network with the weights of a Caffe model, in evaluation mode and without gradients.

    Raises:
        WeightsError: a layer's weights are missing or of another shape.
    """
    # Without memory for weights until they are put in: there are 138 million of them.
    with torch.device("meta"):
        network = Vgg16(definition, image_size)
    state = {
        f"layers.{name}.{part}": _tensor(blobs.get(name, []), name, part, wanted.shape)
        for name in definition.widths
        for part, wanted in network.layers.get_submodule(name).named_parameters()
    }
    first = f"layers.{CONVOLUTIONS[0][0]}.weight"
    # Caffe's networks take blue before red.
    state[first] = state[first].flip(1)
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _tensor(blobs: list[NDArray[np.float32]], layer: str, part: str, wanted: torch.Size) -> Tensor:
    index = ("weight", "bias").index(part)
    if len(blobs) <= index:
        raise WeightsError(f"The extractor's 'weights' lack those of the layer {layer}: they are of another network.")
    blob = blobs[index]
    # Caffe of before 2014 gives everything four axes.
    if [axis for axis in blob.shape if axis != 1] != [axis for axis in wanted if axis != 1]:
        raise WeightsError(
            f"The extractor's 'weights' are of another network: the {part} of the layer {layer} has the shape "
            f"{blob.shape} instead of {tuple(wanted)}."
        )
    return torch.tensor(blob).reshape(wanted)
