"""Messages of the tasks that score images against a histogram, and that say why an image scores as it does."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt, model_validator
from typing_extensions import Self

from spacer_like.exceptions import MessageError
from spacer_like.location import DataLocation
from spacer_like.message_base import Answered, Location, ReturnMessage, Runtime, Share, WritableLocation
from spacer_like.rarity.messages.preparation import (
    AnsweredId,
    CollectionId,
    ImagesLocation,
    LeftOut,
    MetadataOfRows,
    PreparationMsg,
    Unreadables,
    table_description,
)

Method = Literal["raw", "ratio", "log", "surprisal", "top_surprisal"]
ScoresLocations = Annotated[dict[Method, list[WritableLocation]], Field(min_length=1)]


class ScoringMsg(PreparationMsg):
    """What all scorings share.

    Fields:
        histogram_loc: the histogram to score against, of the collection itself (local) or of many (global): a histogram
            (``.parquet``) or a table of `merge_histograms` (``.npy``).
        top_share: share of an image's positions whose mean surprisal is ``top_surprisal``, above 0 to 1.
        unseen_count: count assumed for a colour that was never seen at its position, above 0 to 1; for ``ratio``,
            ``surprisal`` and ``top_surprisal``.
    """

    collection_id: CollectionId
    images_loc: ImagesLocation
    histogram_loc: Location
    top_share: Share = 0.05
    unseen_count: Share = 0.5

    def implied_inputs(self) -> dict[str, DataLocation]:
        return super().implied_inputs() | _description("histogram_loc", self.histogram_loc)


class ScoreCollectionMsg(ScoringMsg, Answered["ScoreCollectionReturnMsg"]):
    """Score every image of a collection, against one histogram or, in one pass over the images, against two.

    Fields:
        scores_locs: where the score tables go, by method; CSV or Parquet, by extension.
        not_scored_loc: where the tokens without a score go, CSV; None: nowhere.
        second_histogram_loc: another histogram or table to score against, such as that of all collections beside the
            collection's own; None: none.
        second_scores_locs: where the score tables against the second histogram go, by method, as scores_locs. None:
            there is no second histogram.
    """

    task: ClassVar[str] = "score_collection"
    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"second_histogram_loc", "second_scores_locs"})

    scores_locs: ScoresLocations
    metadata_loc: MetadataOfRows = None
    not_scored_loc: WritableLocation | None = None
    second_histogram_loc: Location | None = None
    second_scores_locs: ScoresLocations | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.second_histogram_loc is None) != (self.second_scores_locs is None):
            raise MessageError("second_histogram_loc and second_scores_locs: give both, or neither")
        return self

    def implied_inputs(self) -> dict[str, DataLocation]:
        if self.second_histogram_loc is None:
            return super().implied_inputs()
        return super().implied_inputs() | _description("second_histogram_loc", self.second_histogram_loc)

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            images_loc=DataLocation("memory", "punks/resized/"),
            histogram_loc=DataLocation("memory", "punks/histogram.parquet"),
            scores_locs={"ratio": [DataLocation("memory", "punks/ratio.csv")]},
            second_histogram_loc=DataLocation("memory", "global.npy"),
            second_scores_locs={"ratio": [DataLocation("memory", "punks/global_ratio.csv")]},
        )


class Correlations(ReturnMessage):
    """Correlations of a score with the metadata's rarity, -1 to 1; None where fewer than two pairs differ.

    Fields:
        n: number of tokens that have both.
        pearson_score: Pearson correlation of rarityScore and pixelScore.
        spearman_score: Spearman correlation of rarityScore and pixelScore.
        pearson_rank: Pearson correlation of rarityRank and pixelScoreRank.
        spearman_rank: Spearman correlation of rarityRank and pixelScoreRank.
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
    """Number of images that were scored.

    Fields:
        n_images: number of images that can be decoded.
        n_tokens: number of rows in the table.
        n_not_scored: number of rows without a score.
        correlations: correlations with the metadata's rarity, by method; empty without metadata.
        second_correlations: the same of the scores against the second histogram. None: there is none.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"second_correlations"})

    collection_id: AnsweredId
    n_images: int
    n_tokens: int
    n_not_scored: int
    correlations: dict[str, Correlations]
    unreadable: Unreadables
    runtime: Runtime
    left_out: LeftOut = Field(default_factory=list)
    second_correlations: dict[str, Correlations] | None = None

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
            second_correlations={"ratio": Correlations.example()},
        )


class ScoreUnseenMsg(ScoringMsg, Answered["ScoreUnseenReturnMsg"]):
    """Score images that the histogram does not count, and sort them into the buckets of `bucketize_scores`.

    Fields:
        images_loc: the images as for other tasks, or a single image file.
        edges_loc: edges of the buckets, ``.npz``, from `bucketize_scores`.
        scores_loc: where the score table goes, with the columns bin_pixelScore and readable_bin_pixelScore; None:
            nowhere.
        method: the score that the buckets are made of.
        metadata_loc: the collection's metadata, CSV without a header: id, rarityScore, rarityRank, url; only its tokens
            are scored. None: all images.
        max_returned: maximum number of scores in the return message.
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
    """A token's score and its bucket.

    Fields:
        token_id: the token's id.
        score: the token's score.
        bin: number of its bucket, 1 the most common to 10 the rarest.
        readable_bin: its bucket in words, such as ``top 1% rarest``.
    """

    token_id: str
    score: float
    bin: int
    readable_bin: str

    @classmethod
    def example(cls) -> Self:
        return cls(token_id="77", score=0.99, bin=10, readable_bin="top 1% rarest")


class ScoreUnseenReturnMsg(ReturnMessage):
    """Scores of images that the histogram does not count.

    Fields:
        n_images: number of images that can be decoded.
        scores: the scores, `max_returned` at most.
    """

    collection_id: AnsweredId
    n_images: int
    scores: list[UnseenScore]
    unreadable: Unreadables
    runtime: Runtime
    left_out: LeftOut = Field(default_factory=list)

    @classmethod
    def example(cls) -> Self:
        return cls(collection_id="new", n_images=1, scores=[UnseenScore.example()], unreadable=[], runtime=0.1)


class ExplainImageMsg(PreparationMsg, Answered["ExplainImageReturnMsg"]):
    """Explain why an image scores as it does: where its rare pixels are, and which colours they have.

    Fields:
        image_loc: the image.
        histogram_loc: the histogram to score against: a histogram (``.parquet``) or a table of `merge_histograms`
            (``.npy``).
        overlay_loc: where a picture of the image goes with its rare positions highlighted, PNG; None: not drawn.
        n_cells: number of positions to return, those that contribute most.
        unseen_count: count assumed for a colour that was never seen at its position, above 0 to 1.
    """

    task: ClassVar[str] = "explain_image"

    image_loc: Location
    histogram_loc: Location
    overlay_loc: WritableLocation | None = None
    n_cells: Annotated[StrictInt, Field(ge=0, le=10_000)] = 20
    unseen_count: Share = 0.5

    def implied_inputs(self) -> dict[str, DataLocation]:
        return super().implied_inputs() | _description("histogram_loc", self.histogram_loc)

    @classmethod
    def example(cls) -> Self:
        return cls(
            image_loc=DataLocation("memory", "punks/resized/7"),
            histogram_loc=DataLocation("memory", "punks/histogram.parquet"),
            overlay_loc=DataLocation("memory", "7.png"),
        )


class RareCell(ReturnMessage):
    """A position of the square, and the image's colour there.

    Fields:
        row: row of the position, from 0 at the top.
        col: column of the position, from 0 at the left.
        colour: the middle of the bin that the colour lies in, ``#rrggbb``.
        count: number of images in the histogram that have this colour there.
        surprisal: -log2 of the share that these are of all images, in bits.
        share: part of the sum of surprisals over the image that this position has, 0 to 1.
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
    """A colour of an image over all its positions.

    Fields:
        colour: the middle of the colour's bin, ``#rrggbb``.
        n_positions: number of positions that have the colour.
        mean_surprisal: mean surprisal over these positions, in bits.
        share: part of the sum of surprisals over the image that these positions have, 0 to 1.
    """

    colour: str
    n_positions: int
    mean_surprisal: float
    share: float

    @classmethod
    def example(cls) -> Self:
        return cls(colour="#0c2659", n_positions=120, mean_surprisal=11.2, share=0.3)


class ExplainImageReturnMsg(ReturnMessage):
    """An image's scores, and what contributes most to its surprisal.

    Fields:
        scores: the image's scores by method: ``ratio`` of 10, surprisals in bits.
        cells: the positions that contribute most, the rarest first.
        colours: the colours that contribute most, the rarest first.
    """

    scores: dict[str, float]
    cells: list[RareCell]
    colours: list[RareColour]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(scores={"surprisal": 4.2}, cells=[RareCell.example()], colours=[RareColour.example()], runtime=0.1)


def _description(field: str, histogram: DataLocation) -> dict[str, DataLocation]:
    is_table = histogram.filename.endswith(".npy")
    return {f"the description of {field}": table_description(histogram)} if is_table else {}
