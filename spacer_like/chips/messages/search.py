"""Messages about vectors of chips and the search among them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.chips.messages.tiles import ChipsLocation, TreeLocation, UnreadableChips, example_extractor
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Location,
    Message,
    OptionalExtractorField,
    ReturnMessage,
    Runtime,
    Seed,
    WritableLocation,
)


class EncodeChipsMsg(Message, Answered["EncodeChipsReturnMsg"]):
    """Encode every chip as a vector of length one; vectors of chips that look alike are near each other.

    Fields:
        embeddings_loc: where the vectors (float16) and the chips' names go, safetensors.
        extractor: the extractor whose features the vectors are; with `model_loc`, the one that the model was trained
            with; None: the model has a network of its own.
        model_loc: a model of `train_multilabel`, whose last hidden layer gives the vectors; None: the extractor's
            features are the vectors.
    """

    task: ClassVar[str] = "encode_chips"

    chips_loc: ChipsLocation
    embeddings_loc: WritableLocation
    extractor: OptionalExtractorField = None  # type: ignore[assignment]
    model_loc: Location | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            chips_loc=DataLocation("memory", "chips/33"),
            embeddings_loc=DataLocation("memory", "embeddings.safetensors"),
            extractor=example_extractor(),
        )


class EncodeChipsReturnMsg(ReturnMessage):
    """Size of the file of vectors.

    Fields:
        n_chips: number of chips that were encoded.
        dimension: numbers in a vector.
        encoder_id: identifies what made the vectors; only vectors of the same encoder can be compared.
        dataset: version of the chips, a hash, which the file records; None: not known.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"dataset"})

    n_chips: int
    dimension: int
    encoder_id: str
    unreadable: UnreadableChips
    runtime: Runtime
    dataset: str | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, dimension=512, encoder_id="0" * 40, unreadable=[], runtime=20.0)


class BuildIndexMsg(Message, Answered["BuildIndexReturnMsg"]):
    """Build one index of the vectors of any number of files.

    Fields:
        embeddings_locs: files of `encode_chips`, all of the same encoder.
        index_loc: where the index goes, safetensors.
        kind: ``exact``: every vector is compared with the query; ``ivf``: only those in the lists nearest to it, of
            `n_lists` into which k-means sorts all; for millions of vectors, and needs the extra ``search``; ``codes``:
            the index has a code of 32 bytes in place of each vector, and only vectors whose codes are nearest are
            compared, which are read from the files of `embeddings_locs` at each search; for tens of millions, and
            needs the extra ``search``, too.
        n_lists: number of lists of an ``ivf`` index; None: about four times the square root of the number of vectors.
        seed: seed of k-means, for an ``ivf`` index or one of ``codes``, and of the queries that its recall is measured
            with.
    """

    task: ClassVar[str] = "build_index"

    embeddings_locs: Annotated[list[Location], Field(min_length=1)]
    index_loc: WritableLocation
    kind: Literal["exact", "ivf", "codes"] = "exact"
    n_lists: Annotated[StrictInt, Field(ge=1, le=2**20)] | None = None
    seed: Seed = 0

    @classmethod
    def example(cls) -> Self:
        return cls(
            embeddings_locs=[DataLocation("memory", "embeddings.safetensors")],
            index_loc=DataLocation("memory", "index.safetensors"),
        )


class BuildIndexReturnMsg(ReturnMessage):
    """Size of the index.

    Fields:
        n_chips: number of vectors in the index.
        dimension: numbers in a vector.
        kind: ``exact``, ``ivf`` or ``codes``, as in the request.
        n_lists: number of lists of an ``ivf`` index; None: the index is of another kind.
        recall: of an index of codes, the share of the ten nearest that are found, by chips that the codes were not
            made from; None: the index is of another kind.
        code_recall: the same without comparing vectors; None: the index is of another kind.
        candidates: how many vectors are compared for ten that are wanted; None: the index is of another kind.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"recall", "code_recall", "candidates"})

    n_chips: int
    dimension: int
    kind: Literal["exact", "ivf", "codes"]
    n_lists: int | None
    runtime: Runtime
    recall: float | None = None
    code_recall: float | None = None
    candidates: int | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, dimension=512, kind="exact", n_lists=None, runtime=0.1)


class FindSimilarMsg(Message, Answered["FindSimilarReturnMsg"]):
    """Find the chips that look most like a chip of the index, or like an image.

    Fields:
        index_loc: an index of `build_index`.
        chip: name of a chip of the index to look for; None: `image_loc` is given.
        image_loc: an image to look for, encoded by the extractor or model that the index was made with; None: `chip` is
            given.
        extractor: the extractor that the index was made with, for `image_loc`; None: none was used, or a chip is looked
            for.
        model_loc: the model that the index was made with, for `image_loc`; None: none was used, or a chip is looked
            for.
        embeddings_locs: the files that the index was built of, in the same order, where it is of the kind ``codes``.
        k: how many chips are wanted.
        n_probe: number of lists that are searched in an ``ivf`` index.
        other_places: whether chips that show the same location as the query, at another time, are left out.
        ard_loc: the root of the tree in which the tile of each chip is looked up; None: `tile` is a path within such a
            tree.
        chips_loc: where the pictures of the chips are, for `contact_sheet_loc`: a folder of chips or a manifest; None:
            no contact sheet.
        contact_sheet_loc: where a picture of the chips goes, the query first; None: not drawn.
        results_locs: where the result goes as a table, CSV or Parquet.
    """

    task: ClassVar[str] = "find_similar"

    index_loc: Location
    chip: StrictStr | None = None
    image_loc: Location | None = None
    extractor: OptionalExtractorField = None  # type: ignore[assignment]
    model_loc: Location | None = None
    embeddings_locs: list[Location] = Field(default_factory=list)
    k: Annotated[StrictInt, Field(ge=1, le=10_000)] = 10
    n_probe: Annotated[StrictInt, Field(ge=1, le=2**20)] = 16
    other_places: StrictBool = True
    ard_loc: TreeLocation | None = None
    chips_loc: ChipsLocation | None = None
    contact_sheet_loc: WritableLocation | None = None
    results_locs: list[WritableLocation] = Field(default_factory=list)

    @classmethod
    def example(cls) -> Self:
        return cls(
            index_loc=DataLocation("memory", "index.safetensors"), chip="Z33-03111121232201230_1050410012C31100.jpg"
        )


class SimilarChip(ReturnMessage):
    """A chip that was found.

    Fields:
        chip: the chip's name.
        distance: Euclidean distance of the vectors, whose length is one: 0 equal, 2 opposite.
        tile: URI of the chip's tile; without `ard_loc` its path ``<zone>/<quadkey>/*/<acquisition>-visual.tif``; None:
            no tile is known.
        longitude: longitude of the chip's centre in degrees of WGS84; None: the chip's name gives no coordinates.
        latitude: latitude of the chip's centre in degrees of WGS84; None: the chip's name gives no coordinates.
    """

    chip: str
    distance: float
    tile: str | None
    longitude: float | None
    latitude: float | None


class FindSimilarReturnMsg(ReturnMessage):
    """The chips that were found.

    Fields:
        similar: the chips, the nearest first.
    """

    similar: list[SimilarChip]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        found = SimilarChip(
            chip="Z33-03111121232201231_1050410012C31100.jpg",
            distance=0.3,
            tile="33/031111212322/*/1050410012C31100-visual.tif",
            longitude=12.28,
            latitude=44.08,
        )
        return cls(similar=[found], runtime=0.1)
