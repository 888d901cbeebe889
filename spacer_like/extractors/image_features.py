"""Features of whole images, one vector each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spacer_like.exceptions import ExtractorMismatchError, MessageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.extractors.base import FeatureExtractor


def image_features(extractor: FeatureExtractor, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The extractor's features of images uint8 [n, CROP_SIZE, CROP_SIZE, 3], n above 0: float32 [n, m], finite.

    Raises:
        MessageError: the extractor does not look at images.
        ExtractorMismatchError: it made no vector of finite numbers of each image.
        WeightsError, HashMismatchError: its files are not what they should be.
    """
    try:
        vectors, _ = extractor.patches_to_features(list(pixels))
    except NotImplementedError:
        raise MessageError(
            f"The extractor {type(extractor).__name__} does not look at images: name one that does."
        ) from None
    features = np.asarray(vectors, np.float32)
    if features.ndim != 2 or len(features) != len(pixels) or not np.isfinite(features).all():
        raise ExtractorMismatchError(
            f"The extractor {type(extractor).__name__} must make a vector of finite numbers of each image, and has "
            f"made {list(features.shape)} of {len(pixels)} images."
        )
    return features


def check_size(extractor: FeatureExtractor, size: int) -> None:
    """Refuse images of another size than the extractor takes, as a `MessageError`."""
    if size != extractor.CROP_SIZE:
        raise MessageError(
            f"The extractor {type(extractor).__name__} takes squares of {extractor.CROP_SIZE} pixels: the message's "
            f"size must be {extractor.CROP_SIZE}, and is {size}."
        )
