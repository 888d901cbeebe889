"""Messages about the classification of images by models of tags."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    Unreadable,
    WritableFolder,
    WritableLocation,
)
from spacer_like.tags.messages.process import (
    DEFAULT_EXTRACTOR,
    Exclude,
    Failures,
    ImagesLocation,
    TagExtractor,
)
from spacer_like.tags.messages.train import ModelsLocation, Tags


class ClassifyImagesMsg(Message, Answered["ClassifyImagesReturnMsg"]):
    """Score images by the models of tags, and sort them by their scores.

    Fields:
        tags: only the models of these tags; None: all models.
        model_types: only the models of these types; None: of all types.
        extractor: the one that the models were trained with; it is used for images whose vector is not known.
        embeddings_loc: a table of `process_images`, or of an earlier classification, whose vectors are used again;
            None: every image is decoded.
        metadata_json_loc: records of images in the JSON of image-tagging-tools, whose vectors are used again; None:
            there are none.
        output_loc: the folder where the images and ``output.json`` go; files of earlier classifications into it that
            are not made again are deleted, and others are never replaced.
        sink: what is made of an image for each model, in ``<type>/<tag>/<bin>/``: a ``copy`` of its file, a ``link`` to
            it, or nothing but a row of ``manifest.parquet``; or, once for an image that has tags, a ``sidecar`` of its
            tags in a tree like the images'.
        sidecar: the form of sidecars: ``txt``: the tags, a comma between; ``xmp``: keywords, as photo managers read.
        bins: number of bins of the scores 0 to 1; an image goes to the one whose upper end is nearest to its score.
        new_embeddings_loc: where a table of the images' vectors goes, for the next time; None: nowhere.
        database_loc: where a SQLite database of the scores goes, with the table ``stage3`` of image-tagging-tools, or
            of archives ``stage4``; None: nowhere.
        failures_loc: where a table of the images that failed goes, CSV or Parquet; None: they are only answered.
    """

    task: ClassVar[str] = "classify_images"

    images_loc: ImagesLocation
    models_loc: ModelsLocation
    output_loc: WritableFolder
    tags: Tags | None = None
    model_types: Annotated[list[StrictStr], Field(min_length=1)] | None = None
    extractor: TagExtractor = Field(default=DEFAULT_EXTRACTOR, validate_default=True)
    embeddings_loc: Location | None = None
    metadata_json_loc: Location | None = None
    exclude: Exclude = Field(default_factory=list)
    sink: Literal["copy", "link", "manifest", "sidecar"] = "copy"
    sidecar: Literal["txt", "xmp"] = "txt"
    bins: Annotated[StrictInt, Field(ge=1, le=1000)] = 10
    new_embeddings_loc: WritableLocation | None = None
    database_loc: WritableLocation | None = None
    failures_loc: WritableLocation | None = None

    def implied_outputs(self) -> dict[str, DataLocation]:
        return {f"{name} of output_loc": self.output_loc.below(name) for name in ("manifest.parquet", "output.json")}

    @classmethod
    def example(cls) -> Self:
        return cls(
            images_loc=DataLocation("memory", "new"),
            models_loc=DataLocation("memory", "models"),
            output_loc=DataLocation("memory", "tagged"),
        )


class ClassifyImagesReturnMsg(ReturnMessage):
    """What was classified.

    Fields:
        n_images: images that were scored.
        n_models: models that scored them.
        n_encoded: images that were decoded.
        tags: number of images that were given each tag by a model of any type, by the tag.
        n_untagged: images that no tag was given.
        n_review: images about which a person is to be asked: a score reaches the review threshold, and not the other.
        n_failed: images that could not be scored.
        failed: the first 1,000 of them.
        unused_patterns: patterns of `exclude` that no path matches.
    """

    n_images: int
    n_models: int
    n_encoded: int
    tags: dict[str, int]
    n_untagged: int
    n_review: int
    n_failed: int
    failed: Failures
    unused_patterns: list[str]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            n_images=4,
            n_models=4,
            n_encoded=4,
            tags={"cat": 2},
            n_untagged=2,
            n_review=0,
            n_failed=1,
            failed=[Unreadable(name="new/notes.txt", reason="It is no image.")],
            unused_patterns=[],
            runtime=0.5,
        )
