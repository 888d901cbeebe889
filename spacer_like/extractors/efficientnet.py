"""EfficientNet with weights of one's own, as CoralNet uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from spacer_like.extractors.efficientnet_layout import layout_of
from spacer_like.extractors.torch_extractors import TorchExtractor

if TYPE_CHECKING:
    from torch import nn


class EfficientNetExtractor(TorchExtractor):
    """Features by an EfficientNet: the averaged output of its last convolution (b0: 1280 numbers).

    Subclasses may name another of the networks b0 to b7 and another number of classes that it was trained for.
    """

    MODEL_NAME = "efficientnet-b0"
    NUM_CLASSES = 1275
    ONNX_VERSION: ClassVar[int | None] = 1

    @property
    def feature_dim(self) -> int:
        return layout_of(self.MODEL_NAME).head

    @property
    def architecture(self) -> str:
        return self.MODEL_NAME

    @classmethod
    def untrained_model(cls) -> nn.Module:
        from spacer_like.extractors.efficientnet_network import EfficientNet

        return EfficientNet(cls.MODEL_NAME, cls.NUM_CLASSES)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # PySpacer has the network here; torch is imported for who asks for it.
        if name == "EfficientNet":
            from spacer_like.extractors.efficientnet_network import EfficientNet

            return EfficientNet
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "EfficientNet"})
