"""Encoders of images, and the vectors of many images, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError
from spacer_like.extractors.base import image_features

if TYPE_CHECKING:
    from spacer_like.extractors.base import FeatureExtractor


@dataclass(frozen=True, eq=False)
class Encoder:
    """Makes a vector of every image.

    Attributes:
        encoder_id: the hash of the weights and of the preprocessing: only vectors of the same encoder are comparable.
        dimension: how many numbers a vector has.
        size: width and height in pixels of the images that it takes.
        function: takes images uint8 [n, size, size, 3], n above 0, to float32 [n, dimension] of any length.
    """

    encoder_id: str
    dimension: int
    size: int
    function: Callable[[NDArray[np.uint8]], NDArray[np.float32]]

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors of images, not scaled to any length, float32 [n, dimension].

        Args:
            pixels: uint8 [n, size, size, 3].

        Raises:
            ExtractorMismatchError: the encoder made vectors of another length, or numbers that are not finite.
        """
        if not len(pixels):
            return np.empty((0, self.dimension), np.float32)
        vectors = np.asarray(self.function(pixels), np.float32)
        if vectors.shape != (len(pixels), self.dimension) or not np.isfinite(vectors).all():
            raise ExtractorMismatchError(
                f"The encoder must make a vector of {self.dimension} finite numbers of each image, and has made "
                f"{list(vectors.shape)} of {len(pixels)} images."
            )
        return vectors

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same, scaled to length one; a vector of nothing but zeros stays as it is. Errors as of `features`."""
        return unit_length(self.features(pixels))

    def encode_batches(
        self, batches: Iterable[tuple[Sequence[str], NDArray[np.uint8]]]
    ) -> Iterator[tuple[Sequence[str], NDArray[np.float32]]]:
        """Names [b] and vectors float32 [b, dimension] of length one of each batch, as `write_embeddings` takes them.

        Args:
            batches: names [b] and pixels uint8 [b, size, size, 3]; not kept, so that a buffer may be used again.
        """
        return ((names, self.encode(pixels)) for names, pixels in batches)

    def features_of_all(
        self, batches: Iterable[tuple[Sequence[str], NDArray[np.uint8]]]
    ) -> tuple[list[str], NDArray[np.float32]]:
        """Names [n] and `features` float32 [n, dimension] of all batches, in their order. Arguments as above."""
        names: list[str] = []
        blocks = [np.empty((0, self.dimension), np.float32)]
        for some, pixels in batches:
            names += some
            blocks.append(self.features(pixels))
        return names, np.concatenate(blocks)


def extractor_encoder(extractor: FeatureExtractor, whole_images: bool = False) -> Encoder:
    """The encoder whose vectors are an extractor's features of squares.

    Args:
        whole_images: the squares are made by `FeatureExtractor.preprocessing`, which is then a part of the id; of
            others the caller knows how they were made.
    """
    return Encoder(
        extractor.whole_image_id if whole_images else extractor.extractor_id,
        extractor.feature_dim,
        extractor.preprocessing.size if whole_images else extractor.CROP_SIZE,
        lambda pixels: image_features(extractor, pixels),
    )


def check_same_encoder(made_by: str, given: str, name: str) -> None:
    """Refuse to compare vectors of different encoders, as an `ExtractorMismatchError`.

    Args:
        made_by: the id of the encoder that made what is stored.
        given: the id of the encoder that is named now.
        name: what errors call what is stored, such as ``The index 'i.safetensors'``.
    """
    if made_by != given:
        raise ExtractorMismatchError(
            f"{name} was made with the encoder {made_by[:16]}, and the message names {given[:16]}: name that one, or "
            "make it again with this one."
        )


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors [n, d] divided by their lengths; one of nothing but zeros stays as it is."""
    # The squares of small or large numbers would leave the range of single precision.
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return scaled
