"""ResNets in torch: torchvision's, up to the average over pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from spacer_like.extractors.resnet_layout import Layout, layout_of
from spacer_like.extractors.torch_weights import fit
from spacer_like.extras import import_torchvision

_resnet: Any = import_torchvision().models.resnet

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue as numbers from 0 to 1."""
STAGES = ("layer4", "layer3", "layer2", "layer1", "stem")
"""The parts of a network, the last one first."""
_CLASSES_OF_THE_NETWORK = "fc."
BATCH_COUNT = ".num_batches_tracked"


class ResNet(_resnet.ResNet):  # type: ignore[misc]
    """The network `name`, without its last layer: float32 [n, 3, height, width] to [n, dimension].

    Its inputs are colours from 0 to 1, ImageNet's mean subtracted and divided by its deviation.
    """

    def __init__(self, name: str) -> None:
        layout = layout_of(name)
        super().__init__(_resnet.Bottleneck, list(layout.depths), num_classes=1)
        self.fc = nn.Identity()
        if layout.stem != self.conv1.out_channels:
            self._narrow(layout)

    def extract_features(self, inputs: Tensor) -> Tensor:
        """Feature vectors, float32 [n, dimension]."""
        return cast(Tensor, self(inputs))

    def stage(self, name: str) -> list[nn.Module]:
        """The modules of a part of the network, one of `STAGES`."""
        return [self.conv1, self.bn1] if name == "stem" else [self.get_submodule(name)]

    def _narrow(self, layout: Layout) -> None:
        """Replace all layers by narrower ones of the same kind: torchvision's have at least 64 channels."""
        self.conv1 = nn.Conv2d(3, layout.stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(layout.stem)
        channels = layout.stem
        for number, (width, depth) in enumerate(zip(layout.widths, layout.depths, strict=True), 1):
            outputs, stride = width * _resnet.Bottleneck.expansion, 1 if number == 1 else 2
            shortcut = nn.Sequential(nn.Conv2d(channels, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            blocks = [_resnet.Bottleneck(channels, width, stride, shortcut)]
            blocks += [_resnet.Bottleneck(outputs, width) for _ in range(depth - 1)]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
            channels = outputs


class Normalised(nn.Module):
    """A network on pixels divided by 255: ImageNet's mean is subtracted, and the result divided by its deviation."""

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        deviation = torch.tensor(IMAGENET_DEVIATION)
        # Not merged into the first convolution, whose border of zeros is of the normalised image.
        self.normalisation = nn.Conv2d(3, 3, 1, groups=3)
        self.normalisation.weight.data = (1 / deviation).reshape(3, 1, 1, 1)
        self.normalisation.bias = nn.Parameter(-torch.tensor(IMAGENET_MEAN) / deviation)
        self.normalisation.requires_grad_(False)
        self.network = network

    def extract_features(self, inputs: Tensor) -> Tensor:
        """Feature vectors, float32 [n, dimension]."""
        return self.network.extract_features(self.normalisation(inputs))

    def for_inference(self) -> None:
        """Order the weights as convolutions read them fastest; they stay the same numbers."""
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, inputs: Tensor) -> Tensor:
        """As `extract_features`."""
        return self.extract_features(inputs)


def resnet_of(name: str, state: Mapping[str, Tensor], weights_name: str) -> ResNet:
    """The network `name` with weights, in evaluation mode and without gradients; the weights of classes are left out.

    Args:
        weights_name: what errors call the weights.

    Raises:
        WeightsError: weights of another network; the sentence names what does not fit.
    """
    network = _empty(name)
    # Files of torch before 0.4.1, of which torchvision's are, do not count batches.
    counts = {key: torch.tensor(0) for key in network.state_dict() if key.endswith(BATCH_COUNT)}
    own = {key: value for key, value in state.items() if not key.startswith(_CLASSES_OF_THE_NETWORK)}
    return cast(ResNet, fit(network, {**counts, **own}, weights_name))


def random_resnet(name: str, generator: torch.Generator) -> ResNet:
    """A network with random weights (K. He et al., "Delving deep into rectifiers", 2015); the process's own random
    numbers are left alone."""
    network = _empty(name)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            cast(Any, module).reset_parameters()
    return network


def _empty(name: str) -> ResNet:
    """The network without initial weights, which saves time and draws no random numbers."""
    with torch.device("meta"):
        network = ResNet(name)
    return cast(ResNet, network.to_empty(device="cpu"))
