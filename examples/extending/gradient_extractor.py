"""An extractor of one's own: how steep the light and dark of a crop is, in each of its quarters."""

from collections.abc import Sequence

import numpy as np

from spacer_like.extractors import FeatureExtractor
from spacer_like.registry import register


@register
class GradientExtractor(FeatureExtractor):
    """Mean steepness across and down, and mean light, of the four quarters of a crop: 12 numbers."""

    CROP_SIZE = 64
    PREPROCESSING = "mean of RGB, 0 to 1"

    @property
    def feature_dim(self) -> int:
        return 12

    def patches_to_features(self, patch_list: Sequence[np.ndarray]) -> tuple[np.ndarray, bool]:
        return np.stack([self._features(patch) for patch in patch_list]), False

    @staticmethod
    def _features(patch: np.ndarray) -> np.ndarray:
        light = patch.mean(axis=2, dtype=np.float32) / 255
        down, across = np.gradient(light)
        half = len(light) // 2
        quarters = [(slice(row, row + half), slice(column, column + half)) for row in (0, half) for column in (0, half)]
        maps = (np.abs(across), np.abs(down), light)
        return np.array([one[quarter].mean() for quarter in quarters for one in maps], np.float32)
