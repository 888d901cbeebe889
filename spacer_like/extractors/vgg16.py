"""Names that PySpacer's callers import from here."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacer_like.extractors.vgg16_caffe import VGG16CaffeExtractor

__all__ = ["Transformer", "VGG16CaffeExtractor"]


class Transformer:
    """Pixels as VGG16 in Caffe takes them, and back: blue before red, a mean subtracted, channels first.

    >>> pixels = np.zeros((2, 3, 3), np.uint8)
    >>> Transformer((128, 128, 128)).preprocess(pixels).shape
    (3, 2, 3)
    """

    def __init__(self, mean: ArrayLike = (0, 0, 0)) -> None:
        self.mean = np.array(mean, dtype=np.float32)
        self.scale = 1.0

    def preprocess(self, im: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB pixels [height, width, 3] as float32 [3, height, width]."""
        pixels: NDArray[np.float32] = (im[:, :, ::-1].astype(np.float32) - self.mean) * np.float32(self.scale)
        return pixels.transpose(2, 0, 1)

    def deprocess(self, im: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The RGB pixels [height, width, 3] that `preprocess` was given."""
        pixels = im.transpose(1, 2, 0) / np.float32(self.scale) + self.mean
        image: NDArray[np.uint8] = np.rint(pixels[:, :, ::-1]).clip(0, 255).astype(np.uint8)
        return image
