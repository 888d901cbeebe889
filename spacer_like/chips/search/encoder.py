"""What makes vectors of chips: an extractor's features, or what the last hidden layer of a model makes of chips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError, MessageError
from spacer_like.extractors.image_features import image_features

if TYPE_CHECKING:
    from spacer_like.chips.models.multilabel_model import MultilabelModel
    from spacer_like.extractors.base import FeatureExtractor


@dataclass(frozen=True, eq=False)
class Encoder:
    """Makes a vector of every chip.

    Attributes:
        encoder_id: only vectors of the same encoder are comparable.
        dimension: how many numbers a vector has.
        size: width and height of the chips that it takes, in pixels.
        vectors: takes chips uint8 [n, size, size, 3], n above 0, to float32 [n, dimension] of any length.
    """

    encoder_id: str
    dimension: int
    size: int
    vectors: Callable[[NDArray[np.uint8]], NDArray[np.float32]]

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors of chips, float32 [n, dimension], scaled to length one; one of nothing but zeros stays as it is.

        Args:
            pixels: uint8 [n, size, size, 3].

        Raises:
            ExtractorMismatchError: the encoder made vectors of another length, or numbers that are not finite.
        """
        if not len(pixels):
            return np.empty((0, self.dimension), np.float32)
        vectors = np.asarray(self.vectors(pixels), np.float32)
        if vectors.shape != (len(pixels), self.dimension) or not np.isfinite(vectors).all():
            raise ExtractorMismatchError(
                f"The encoder must make a vector of {self.dimension} finite numbers of each chip, and has made "
                f"{list(vectors.shape)} of {len(pixels)} chips."
            )
        return scaled_to_one(vectors)


def open_encoder(
    extractor: FeatureExtractor | None, model: MultilabelModel | None, model_name: str = "The model"
) -> Encoder:
    """The encoder that an extractor, a model, or a model with the extractor that it was trained with make.

    Args:
        model_name: what errors call the model.

    Raises:
        MessageError: there is neither.
        ExtractorMismatchError: the model was trained with another extractor, or takes none.
    """
    if model is not None:
        model.check_extractor(extractor, model_name)
        return Encoder(
            model.encoder_id, model.dimension, model.size, lambda pixels: model.encode(pixels, extractor)
        )  # fmt: skip
    if extractor is None:
        raise MessageError("Chips are encoded by an extractor, by a model, or by both: name one.")
    return Encoder(
        extractor.extractor_id,
        extractor.feature_dim,
        extractor.CROP_SIZE,
        lambda pixels: image_features(extractor, pixels),
    )


def scaled_to_one(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors [n, d] divided by their lengths; one of nothing but zeros stays as it is."""
    # The squares of small or large numbers would leave the range of single precision.
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return scaled
