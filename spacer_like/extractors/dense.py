"""Features of many points of a photograph by one pass of the network over the whole of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from spacer_like.exceptions import RowColumnInvalidError, SpacerInputError
from spacer_like.extractors.base import Extraction, RowCol
from spacer_like.extractors.efficientnet_lite import EfficientNetLite0Extractor
from spacer_like.extractors.precision import FP32

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
    from torch import nn

_STRIDE = 32
_CELLS = 34
_MARGIN = 1
# A cell sees far beyond its 32 pixels: of squares of 32, 64, 96 and 224 pixels this one told classes apart best.
_SQUARE = 64


class DenseLite0Extractor(EfficientNetLite0Extractor):
    """Features of points by EfficientNet-Lite0, 1280 numbers, which sees large windows of the photograph once and not a
    crop around each point.

    A feature is the mean of the network's last map over the square of 64 pixels around the point. It is not comparable
    with that of `EfficientNetLite0Extractor`, whose network sees zeros beyond a crop, and here the photograph. The time
    depends on the photograph and hardly on the points: that of 12 megapixels is that of 300 crops.
    """

    PREPROCESSING = "(RGB - 127) / 128, mean over 64 pixels of maps of windows of 34 cells, 1 left out at each edge"
    ONNX_VERSION: ClassVar[int | None] = 1
    PRECISIONS: ClassVar[tuple[str, ...]] = (FP32,)

    @property
    def input_size(self) -> int:
        return _CELLS * _STRIDE

    @property
    def architecture(self) -> str:
        return f"{self.MODEL_NAME}-map"

    def build_module(self) -> nn.Module:
        from spacer_like.extractors.efficientnet_network import FeatureMaps

        return FeatureMaps(super().build_module())

    def patches_to_features(self, patch_list: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], bool]:
        """Refused: crops alone are what this extractor does without.

        Raises:
            SpacerInputError: always.
        """
        raise SpacerInputError(
            f"{type(self).__name__} reads points in photographs and takes no single squares: take lite0 for those."
        )

    def _begun(self, im: Image.Image | NDArray[np.uint8], rowcols: Sequence[RowCol]) -> Callable[[], Extraction]:
        from spacer_like.images.decode import to_rgb_array
        from spacer_like.images.windows import Windows

        start = time.perf_counter()
        if not len(rowcols):
            raise RowColumnInvalidError("There must be at least one point.")
        windows = Windows(to_rgb_array(im), rowcols, _SQUARE, _STRIDE, _CELLS, _MARGIN)
        begun = self._begin_network(windows)

        def answer() -> tuple[NDArray[np.float32], bool]:
            maps, loaded_remotely = begun()
            return windows.features(maps.reshape(len(windows), -1, _CELLS, _CELLS)), loaded_remotely

        return partial(self._ended, rowcols, answer, time.perf_counter() - start)
