"""Messages of the tasks that score images against a histogram, and that say why an image scores as it does."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt
from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import Answered, Location, ReturnMessage, WritableLocation
from spacer_like.rarity.messages.fields import CollectionId, ImagesLocation, Share, table_description
from spacer_like.rarity.messages.preparation import PreparationMsg, Unreadables

Method = Literal["raw", "ratio", "log", "surprisal", "top_surprisal"]


class ScoringMsg(PreparationMsg):
    """What all scorings share.

    Fields:
        collection_id: the collection's id, which the score table bears as collectionAddress.
        images_loc: the images to score.
        histogram_loc: what to score against, of the collection itself (local) or of many (global): a histogram
            (``.parquet``) or a table (``.npy``).
        top_share: the share of an image's positions whose mean ``top_surprisal`` is.
        unseen_count: the count that a colour never seen at its position has, for ``ratio``, ``surprisal`` and
            ``top_surprisal``.
    """

    collection_id: CollectionId
    images_loc: ImagesLocation
    histogram_loc: Location
    top_share: Share = 0.05
    unseen_count: Share = 0.5

    def implied_inputs(self) -> dict[str, DataLocation]:
        return super().implied_inputs() | _description(self.histogram_loc)


class ScoreCollectionMsg(ScoringMsg, Answered["ScoreCollectionReturnMsg"]):
    """Score every image of a collection.

    Fields:
        scores_locs: for each method, where its score tables go (CSV and Parquet, by ending).
        metadata_loc: the collection's metadata, CSV without a header: id, rarityScore, rarityRank, url. Every row of it
            is in the table, and images without a row are not. None: every image is a row.
        not_scored_loc: CSV of the tokens without a score; None: none is written.
    """

    task: ClassVar[str] = "score_collection"

    scores_locs: Annotated[dict[Method, list[WritableLocation]], Field(min_length=1)]
    metadata_loc: Location | None = None
    not_scored_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            images_loc=DataLocation("memory", "punks/resized/"),
            histogram_loc=DataLocation("memory", "punks/histogram.parquet"),
            scores_locs={"ratio": [DataLocation("memory", "punks/ratio.csv")]},
        )


class Correlations(ReturnMessage):
    """How a score agrees with the metadata's rarity; None where fewer than two pairs differ.

    Fields:
        n: tokens with both.
        pearson_score, spearman_score: of rarityScore and pixelScore.
        pearson_rank, spearman_rank: of rarityRank and pixelScoreRank.
    """

    n: int
    pearson_score: float | None
    spearman_score: float | None
    pearson_rank: float | None
    spearman_rank: float | None

    @classmethod
    def example(cls) -> Self:
        return cls(n=3, pearson_score=0.2, spearman_score=0.3, pearson_rank=0.2, spearman_rank=0.3)


class ScoreCollectionReturnMsg(ReturnMessage):
    """How many were scored.

    Fields:
        n_images: images that can be decoded; n_tokens: rows of the table; n_not_scored: rows without a score.
        left_out: tokens with an image that have no row in the metadata, and therefore none in the table.
        correlations: for each method, with the metadata's rarity; empty without metadata.
    """

    collection_id: str
    n_images: int
    n_tokens: int
    n_not_scored: int
    correlations: dict[str, Correlations]
    unreadable: Unreadables
    runtime: float
    left_out: list[str] = Field(default_factory=list)

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            n_images=3,
            n_tokens=4,
            n_not_scored=1,
            correlations={"ratio": Correlations.example()},
            unreadable=[],
            runtime=0.1,
        )


class ScoreUnseenMsg(ScoringMsg, Answered["ScoreUnseenReturnMsg"]):
    """Score images that the histogram has not counted, and sort them into the buckets of `bucketize_scores`.

    Fields:
        images_loc: as everywhere, or a single image file.
        method: the score that the buckets are of.
        edges_loc: the buckets' edges, ``.npz``.
        scores_loc: the table, with the columns bin_pixelScore and readable_bin_pixelScore.
        max_returned: how many of the scores the answer carries.
    """

    task: ClassVar[str] = "score_unseen"

    edges_loc: Location
    scores_loc: WritableLocation | None = None
    method: Literal["ratio", "log", "surprisal", "top_surprisal"] = "log"
    metadata_loc: Location | None = None
    max_returned: Annotated[StrictInt, Field(ge=0, le=100_000)] = 100

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="new",
            images_loc=DataLocation("memory", "new/77.png"),
            histogram_loc=DataLocation("memory", "global.parquet"),
            edges_loc=DataLocation("memory", "edges.npz"),
        )


class UnseenScore(ReturnMessage):
    """A token's score, its bucket, 1 to 10 from common to rarest, and the bucket in words."""

    token_id: str
    score: float
    bin: int
    readable_bin: str

    @classmethod
    def example(cls) -> Self:
        return cls(token_id="77", score=0.99, bin=10, readable_bin="top 1% rarest")


class ScoreUnseenReturnMsg(ReturnMessage):
    """The scores; `left_out` are the tokens with an image that have no row in the metadata, and therefore no score."""

    collection_id: str
    n_images: int
    scores: list[UnseenScore]
    unreadable: Unreadables
    runtime: float
    left_out: list[str] = Field(default_factory=list)

    @classmethod
    def example(cls) -> Self:
        return cls(collection_id="new", n_images=1, scores=[UnseenScore.example()], unreadable=[], runtime=0.1)


class ExplainImageMsg(PreparationMsg, Answered["ExplainImageReturnMsg"]):
    """Why an image ranks where it does: where its rare pixels are, and which colours they have.

    Fields:
        image_loc: the image.
        histogram_loc: what it is scored against, as in `ScoringMsg`.
        overlay_loc: the image with its rare places lit up, PNG.
        n_cells: how many of the positions that contribute most the answer names.
    """

    task: ClassVar[str] = "explain_image"

    image_loc: Location
    histogram_loc: Location
    overlay_loc: WritableLocation | None = None
    n_cells: Annotated[StrictInt, Field(ge=0, le=10_000)] = 20
    unseen_count: Share = 0.5

    def implied_inputs(self) -> dict[str, DataLocation]:
        return super().implied_inputs() | _description(self.histogram_loc)

    @classmethod
    def example(cls) -> Self:
        return cls(
            image_loc=DataLocation("memory", "punks/resized/7"),
            histogram_loc=DataLocation("memory", "punks/histogram.parquet"),
            overlay_loc=DataLocation("memory", "7.png"),
        )


class RareCell(ReturnMessage):
    """A position of the square and its colour there.

    Fields:
        row, col: the position in the square.
        colour: the middle of the colour's cell, ``#rrggbb``.
        count: how many images have it there.
        surprisal: -log2 of the share they are, in bits.
        share: this position's part of the sum over the image.
    """

    row: int
    col: int
    colour: str
    count: int
    surprisal: float
    share: float

    @classmethod
    def example(cls) -> Self:
        return cls(row=3, col=4, colour="#0c2659", count=1, surprisal=13.3, share=0.001)


class RareColour(ReturnMessage):
    """A colour of an image over all its positions: how many it covers, its mean surprisal, its part of the sum."""

    colour: str
    n_positions: int
    mean_surprisal: float
    share: float

    @classmethod
    def example(cls) -> Self:
        return cls(colour="#0c2659", n_positions=120, mean_surprisal=11.2, share=0.3)


class ExplainImageReturnMsg(ReturnMessage):
    """The image's scores by method, of 10 or bits as there, and what contributes most to its mean surprisal."""

    scores: dict[str, float]
    cells: list[RareCell]
    colours: list[RareColour]
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(scores={"surprisal": 4.2}, cells=[RareCell.example()], colours=[RareColour.example()], runtime=0.1)


def _description(histogram: DataLocation) -> dict[str, DataLocation]:
    is_table = histogram.filename.endswith(".npy")
    return {"the description of histogram_loc": table_description(histogram)} if is_table else {}
