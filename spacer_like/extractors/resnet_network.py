"""ResNets in torch, their weights named as by torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from spacer_like.extractors.resnet_layout import EXPANSION, Layout, layout_of
from spacer_like.extractors.torch_weights import fit

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue as numbers from 0 to 1."""
STAGES = ("layer4", "layer3", "layer2", "layer1", "stem")
"""The parts of a network, the last one first."""
_CLASSES_OF_THE_NETWORK = "fc."
BATCH_COUNT = ".num_batches_tracked"


class ResNet(nn.Module):
    """The network `name` up to the average over pixels: float32 [n, 3, height, width] to [n, dimension].

    Its input are colours from 0 to 1, of which it takes ImageNet's mean and deviation itself.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        layout = layout_of(name)
        self.conv1 = nn.Conv2d(3, layout.stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(layout.stem)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = layout.stem
        for number in range(4):
            stage = _stage(channels, layout, number)
            self.add_module(f"layer{number + 1}", stage)
            channels = layout.widths[number] * EXPANSION

    def extract_features(self, inputs: Tensor) -> Tensor:
        """Feature vectors, float32 [n, dimension]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(inputs))))
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return cast(Tensor, x.mean((2, 3)))

    def forward(self, inputs: Tensor) -> Tensor:
        """As `extract_features`."""
        return self.extract_features(inputs)

    def stage(self, name: str) -> list[nn.Module]:
        """The modules of a part of the network, one of `STAGES`."""
        return [self.conv1, self.bn1] if name == "stem" else [self.get_submodule(name)]


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


class _Bottleneck(nn.Module):
    """A block: narrow, convolve (with the stride, as torchvision does since its first version), widen."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.has_projection = stride != 1 or channels != outputs
        if self.has_projection:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(inputs)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        shortcut = self.downsample(inputs) if self.has_projection else inputs
        return cast(Tensor, self.relu(x + shortcut))


def _stage(channels: int, layout: Layout, number: int) -> nn.Sequential:
    width = layout.widths[number]
    blocks = [_Bottleneck(channels, width, 2 if number else 1)]
    blocks += [_Bottleneck(width * EXPANSION, width, 1) for _ in range(layout.depths[number] - 1)]
    return nn.Sequential(*blocks)


def fit_resnet(network: ResNet, state: Mapping[str, Tensor], name: str) -> ResNet:
    """Put weights into a network, in evaluation mode and without gradients; what they say of classes is left out.

    Raises:
        WeightsError: weights of another network; the sentence names what does not fit.
    """
    # Files of torch before 0.4.1, of which torchvision's are, do not count batches.
    counts = {key: value for key, value in network.state_dict().items() if key.endswith(BATCH_COUNT)}
    own = {key: value for key, value in state.items() if not key.startswith(_CLASSES_OF_THE_NETWORK)}
    return cast(ResNet, fit(network, {**counts, **own}, name))


def random_resnet(name: str, generator: torch.Generator) -> ResNet:
    """A network with random weights (K. He et al., "Delving deep into rectifiers", 2015); the process's own random
    numbers are left alone."""
    with torch.device("meta"):
        network = ResNet(name)
    network = network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            cast(Any, module).reset_parameters()
    return network
