"""Vectors of images for models of tags: those that are known by the images' bytes or pixels, and others made now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import Self

from spacer_like.embeddings import Encoder, check_same_encoder, extractor_encoder
from spacer_like.extractors.open_clip_extractor import OpenClipExtractor
from spacer_like.storage.unfinished_files import temporary_folder
from spacer_like.tags.encoding import Encoded, encoding_of
from spacer_like.tags.known_images import KnownImages
from spacer_like.tags.model_folder import check_models_encoder
from spacer_like.tags.original_json import Marker

if TYPE_CHECKING:
    from spacer_like.embeddings.embeddings_table import EmbeddingsTable
    from spacer_like.extractors.base import FeatureExtractor
    from spacer_like.tags.tag_model import TagModel


class VectorSource:
    """Makes vectors of images, or takes those that are known; use it in a ``with``.

    Args:
        extractor: makes vectors of images that are not known.
        table: images by the hash of their bytes, which are not decoded; of the extractor.
        original: images by the hash of their pixels. Where it was not made with the extractor, but is of the encoder of
            the models, only its images have a vector, and others fail.
        models: that will score the vectors.

    Attributes:
        encoder_id: of all vectors.
        known: the images whose vector is known.

    Raises:
        ExtractorMismatchError: the extractor, the table and the models do not belong together.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        table: EmbeddingsTable | None,
        original: EmbeddingsTable | None,
        models: Sequence[TagModel],
    ) -> None:
        encoder = _encoder_named_as(models, extractor)
        encoding = encoding_of(extractor, encoder)
        if original is not None and _is_of_models(original, models):
            hashes = (record.hash_id for record in original.records)
            encoding = replace(encoding, by_pixels=dict(zip(hashes, original.vectors, strict=True)))
            if original.encoder_id != encoder.encoder_id:
                encoder = replace(encoder, encoder_id=original.encoder_id, dimension=original.dimension)
                encoding = replace(encoding, why_no_other=_why_no_other(original))
        self._encoding = encoding
        self.encoder_id = encoder.encoder_id
        check_models_encoder(models, self.encoder_id)
        if table is not None:
            check_same_encoder(table.encoder_id, self.encoder_id, f"The table '{table.name}'")
        with ExitStack() as cleaning:
            folder = cleaning.enter_context(temporary_folder())
            self.known = cleaning.enter_context(KnownImages(folder / "known", encoder.dimension))
            if table is not None:
                self.known.add(table.records, table.vectors, table.name)
            self._resources = cleaning.pop_all()

    def encode(self, paths: Sequence[str], read: Callable[[int], bytes], is_far: bool) -> Encoded:
        """Make the vector of every image that is not known; arguments as of `ImageEncoding`."""
        return self._encoding(paths, read, self.known, lambda records, vectors: None, is_far)

    def close(self) -> None:
        """Forget the images."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _encoder_named_as(models: Sequence[TagModel], extractor: FeatureExtractor) -> Encoder:
    """The extractor's encoder, by the id that image-tagging-tools' records have for it where the models have it too."""
    encoder = extractor_encoder(extractor, whole_images=True)
    if isinstance(extractor, OpenClipExtractor) and extractor.pretrained:
        name = Marker("CLIP", extractor.model.removesuffix("-quickgelu"), extractor.pretrained).encoder_id
        if any(model.extractor_id == name for model in models):
            return replace(encoder, encoder_id=name)
    return encoder


def _is_of_models(original: EmbeddingsTable, models: Sequence[TagModel]) -> bool:
    return all(model.extractor_id in (None, original.encoder_id) for model in models)


def _why_no_other(original: EmbeddingsTable) -> str:
    return (
        f"'{original.name}' does not have the image, and the extractor is not the one that made its vectors, "
        f"{original.encoder_id}: name that one with its weights."
    )
