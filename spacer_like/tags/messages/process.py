"""Messages about embeddings of whole images."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from typing_extensions import Doc, Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ExtractorField,
    Folder,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    Unreadable,
    WritableLocation,
)

DEFAULT_EXTRACTOR: Any = "spacer_like.extractors.EfficientNetLite0Extractor"
ImagesLocation = Annotated[
    Location,
    # Files that are no images are told as failures.
    Folder(r"(?s)[^.].*"),
    Doc("the images: a folder or prefix, an archive (.zip, .tar, .tar.gz), or one image file."),
]
EmbeddingsLocation = Annotated[Location, Doc("a table of embeddings of `process_images`, Parquet.")]
Exclude = Annotated[
    list[Annotated[StrictStr, Field(min_length=1, max_length=1000)]],
    Field(max_length=1000),
    Doc(
        "patterns of paths below `images_loc` that are left out; ``*`` stands for any text without a slash, ``**`` "
        "for any text."
    ),
]
TagExtractor = Annotated[
    ExtractorField,
    Doc("the extractor whose features of the whole image are its vector."),
]


def _check_part(part: list[int]) -> list[int]:
    index, count = part
    if not 0 <= index < count:
        raise ValueError(f"it must be the index of one of {count} parts, and their number")
    return part


_PartNumber = Annotated[StrictInt, Field(ge=0, le=100_000)]
Part = Annotated[list[_PartNumber], Field(min_length=2, max_length=2), AfterValidator(_check_part)]
Failures = Annotated[list[Unreadable], Doc("the images that could not be worked on, with reasons.")]


class ProcessImagesMsg(Message, Answered["ProcessImagesReturnMsg"]):
    """Make a table of embeddings of images: a row for every image, with its vector, its hashes and its tags.

    An image whose bytes an earlier table has, or the same request when it was interrupted, is not decoded again. The
    rows are in the order of the paths.

    Fields:
        embeddings_loc: where the table goes, Parquet.
        tagged: whether an image's tag is the name of the folder that it is in, exactly one level deep; false: folders
            of any depth, and no tags.
        previous_loc: an earlier table, of the same extractor, whose vectors are used again; None: all are made.
        part: which part of the images alone the table is to have, as its index from 0 and the number of parts, of
            consecutive paths and nearly equal size; None: all. A part may be empty, and has no files but its table.
        failures_loc: where a table of the images that failed goes, CSV or Parquet; None: they are only answered.
        metadata_json_loc: where a record of each image by its hash goes, in the JSON of image-tagging-tools; None:
            nowhere.
        tag_to_hash_json_loc: where the hashes of each tag go, in the JSON of image-tagging-tools; None: nowhere.
        hash_to_tag_json_loc: where the tags of each hash go, in the JSON of image-tagging-tools; None: nowhere.
        database_loc: where a SQLite database of the images goes, with the table ``stage1`` of image-tagging-tools;
            None: nowhere.
    """

    task: ClassVar[str] = "process_images"
    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"part"})

    images_loc: ImagesLocation
    embeddings_loc: WritableLocation
    extractor: TagExtractor = Field(default=DEFAULT_EXTRACTOR, validate_default=True)
    tagged: StrictBool = True
    exclude: Exclude = Field(default_factory=list)
    previous_loc: Location | None = None
    part: Part | None = None
    failures_loc: WritableLocation | None = None
    metadata_json_loc: WritableLocation | None = None
    tag_to_hash_json_loc: WritableLocation | None = None
    hash_to_tag_json_loc: WritableLocation | None = None
    database_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            images_loc=DataLocation("memory", "photographs"),
            embeddings_loc=DataLocation("memory", "embeddings.parquet"),
        )


class ProcessImagesReturnMsg(ReturnMessage):
    """The size of the table, and what is not in it.

    Fields:
        n_images: rows of the table.
        n_encoded: images that were decoded for it.
        n_reused: images whose vector was known.
        n_failed: images without a row.
        tags: number of images of each tag, by the tag.
        dimension: numbers in a vector.
        encoder_id: identifies what made the vectors; only vectors of the same encoder can be compared.
        failed: the images that could not be worked on, with reasons: the first 1,000 of them.
        unused_patterns: patterns of `exclude` that no path matches.
    """

    n_images: int
    n_encoded: int
    n_reused: int
    n_failed: int
    tags: dict[str, int]
    dimension: int
    encoder_id: str
    failed: Failures
    unused_patterns: list[str]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            n_images=270,
            n_encoded=270,
            n_reused=0,
            n_failed=1,
            tags={"cat": 15, "dog": 255},
            dimension=1280,
            encoder_id="0" * 40,
            failed=[Unreadable(name="photographs/cat/1.jpg", reason="The image is damaged.")],
            unused_patterns=[],
            runtime=3.0,
        )


class FindDuplicatesMsg(Message, Answered["FindDuplicatesReturnMsg"]):
    """Find images that are the same: by their bytes, by their pixels, or nearly, by their vectors.

    Fields:
        distance: vectors of length one whose Euclidean distance is at most this are of one group, and so are those that
            a chain of such vectors connects; 0 to 2.
        groups_loc: where the groups go as a table, CSV or Parquet: a row for every image that is not
            alone; None: they are only answered.
    """

    task: ClassVar[str] = "find_duplicates"

    embeddings_loc: EmbeddingsLocation
    distance: Annotated[StrictFloat | StrictInt, Field(ge=0, le=2)] = 0.25
    groups_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(embeddings_loc=DataLocation("memory", "embeddings.parquet"))


class DuplicateGroup(ReturnMessage):
    """Images that are the same.

    Fields:
        kind: ``bytes``: all files are equal; ``pixels``: all decoded pixels are; ``near``: they look alike.
        paths: of the images, in their order.
        largest_distance: of a vector of the group from the first one's.
    """

    kind: Literal["bytes", "pixels", "near"]
    paths: list[str]
    largest_distance: float


class FindDuplicatesReturnMsg(ReturnMessage):
    """The groups of images that are the same.

    Fields:
        n_images: images that were compared.
        n_groups: groups of two images or more.
        n_duplicates: images that could go if one of each group stayed.
        groups: the largest first: the first 1,000 of them.
    """

    n_images: int
    n_groups: int
    n_duplicates: int
    groups: list[DuplicateGroup]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        group = DuplicateGroup(kind="bytes", paths=["cat/1.jpg", "cat/2.jpg"], largest_distance=0.0)
        return cls(n_images=270, n_groups=1, n_duplicates=1, groups=[group], runtime=0.1)


class FindSimilarImagesMsg(Message, Answered["FindSimilarImagesReturnMsg"]):
    """Find the images that look most like one of a table, or like another image.

    Fields:
        path: of an image of the table to look for; None: `image_loc` is given.
        image_loc: an image to look for; None: `path` is given.
        extractor: the one that made the table; it is used for an image that is not in it.
        k: how many images are wanted.
        results_loc: where they go as a table, CSV or Parquet; None: they are only answered.
    """

    task: ClassVar[str] = "find_similar_images"

    embeddings_loc: EmbeddingsLocation
    path: StrictStr | None = None
    image_loc: Location | None = None
    extractor: TagExtractor = Field(default=DEFAULT_EXTRACTOR, validate_default=True)
    k: Annotated[StrictInt, Field(ge=1, le=10_000)] = 10
    results_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(embeddings_loc=DataLocation("memory", "embeddings.parquet"), path="photographs/cat/1.jpg")


class SimilarImage(ReturnMessage):
    """An image that looks like the query.

    Fields:
        path: its path in the table.
        distance: Euclidean, of its vector of length one from the query's, 0 to 2.
        tags: its tags.
    """

    path: str
    distance: float
    tags: list[str]


class FindSimilarImagesReturnMsg(ReturnMessage):
    """The images that look most like the query.

    Fields:
        similar: the nearest first; the query itself is not among them.
    """

    similar: list[SimilarImage]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(similar=[SimilarImage(path="photographs/cat/2.jpg", distance=0.5, tags=["cat"])], runtime=0.1)
