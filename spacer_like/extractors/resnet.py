"""ResNet-50 with weights of one's own, such as torchvision's for ImageNet."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, ClassVar

from spacer_like.extractors.resnet_layout import layout_of
from spacer_like.extractors.torch_extractors import TorchExtractor

if TYPE_CHECKING:
    from torch import nn


class ResNet50Extractor(TorchExtractor):
    """Features by a ResNet-50: the averaged output of its last block, 2048 numbers.

    The file ``weights`` is a state dict with torchvision's names, maybe as the entry ``net``; its last layer, which
    gives classes, is not read.
    """

    PREPROCESSING = "(RGB / 255 - ImageNet's mean) / its deviation"
    ONNX_VERSION: ClassVar[int | None] = 1

    @property
    def feature_dim(self) -> int:
        return layout_of("resnet50").dimension

    @property
    def architecture(self) -> str:
        return "resnet50"

    @classmethod
    def untrained_model(cls) -> nn.Module:
        from spacer_like.extractors.resnet_network import ResNet

        return ResNet("resnet50")

    @classmethod
    def load_weights(cls, weights_datastream: IO[bytes]) -> nn.Module:
        from spacer_like.extractors.resnet_network import Normalised, resnet_of
        from spacer_like.extractors.torch_weights import read_state_dict

        network = resnet_of("resnet50", read_state_dict(weights_datastream, "weights"), "weights")
        return Normalised(network).eval().requires_grad_(False)
