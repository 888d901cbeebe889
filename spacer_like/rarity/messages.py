"""Messages of the rarity family.

``images_loc`` is everywhere one of these: a folder (on S3 and in memory a prefix), whose files are images named by
their token id, with or without an extension; a zip archive of such files (``.zip``); or a stack that
`convert_collection` has made (``.npz``), whose ids lie beside it in ``ids.npz``. Tables are CSV or Parquet, as the
location's ending says.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, field_validator

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import MessageError
from spacer_like.message_base import Location, Message, ReturnMessage, WritableLocation, described

Resample = Literal["bicubic", "nearest", "box", "lanczos"]
Method = Literal["raw", "ratio", "log", "surprisal", "top_surprisal"]
EmbeddingMethod = Literal["mean_activation", "kmeans_log", "kmeans_surprisal"]
CollectionId = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Share = Annotated[StrictFloat | StrictInt, Field(gt=0, le=1)]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]

QUANTILE_PROBABILITIES = (0.0, 0.35, 0.60, 0.75, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99, 1.0)

HEAD_LAYERS = (1024, 512, 256, 128)


class PreparationMsg(Message):
    """How images of any size and mode become squares of RGB pixels: the fields that all requests with images share.

    Fields:
        size: width and height of the squares in pixels.
        resample: the filter that resizes.
        background: ``drop``: transparency is ignored, the colour beneath it counts; or a colour ``#rrggbb`` that shows
            through it.
    """

    size: Annotated[StrictInt, Field(ge=1, le=512)] = 224
    resample: Resample = "bicubic"
    background: Annotated[StrictStr, Field(pattern=r"^(drop|#[0-9a-fA-F]{6})$"), AfterValidator(str.lower)] = "drop"


class Unreadable(ReturnMessage):
    """A file of a collection that is no image, by its name, with the reason."""

    name: str
    reason: str


Unreadables = list[Unreadable]


class CheckCollectionMsg(PreparationMsg):
    """Look whether a collection is empty, or one placeholder for all its tokens (pre-reveal).

    Fields:
        mode: ``exact``: every image is compared; ``sample``: `sample_size` images drawn with replacement by `seed`.
        threshold: the share that the most frequent image must reach for the collection to count as pre-reveal.
    """

    task: ClassVar[str] = "check_collection"

    collection_id: CollectionId
    images_loc: Location
    mode: Literal["exact", "sample"] = "exact"
    sample_size: Annotated[StrictInt, Field(ge=2, le=100_000)] = 10
    seed: Seed = 0
    threshold: Share = 1.0

    @classmethod
    def example(cls) -> Self:
        return cls(collection_id="punks", images_loc=DataLocation("memory", "punks/resized/"))


class CheckCollectionReturnMsg(ReturnMessage):
    """What a collection consists of.

    Fields:
        n_images: images that can be decoded; in mode ``sample`` those drawn.
        n_distinct: different images among them, by their pixels after preparation.
        largest_share: the share of the most frequent one; 0 for an empty collection.
        placeholder_token: a token that shows the most frequent image, if it shows twice or more.
        empty: whether there is no image; `reason` says why.
        pre_reveal: two images or more, and `largest_share` reaches the threshold.
        unreadable: files that are no images.
    """

    collection_id: str
    n_images: int
    n_distinct: int
    largest_share: float
    placeholder_token: str | None
    empty: StrictBool
    pre_reveal: StrictBool
    reason: str | None
    unreadable: Unreadables
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            n_images=3,
            n_distinct=2,
            largest_share=2 / 3,
            placeholder_token="7",
            empty=False,
            pre_reveal=False,
            reason=None,
            unreadable=[Unreadable(name="9", reason="cannot identify image file '9'")],
            runtime=0.1,
        )


class ConvertCollectionMsg(PreparationMsg):
    """Decode a collection once for all: pixels and ids as NumPy files, in the order of the token ids.

    Fields:
        stack_loc: ``.npz`` with arr_0 uint8 [n, size, size, 3].
        ids_loc: ``.npz`` with arr_0 text [n]; None: ``ids.npz`` beside the stack.
    """

    task: ClassVar[str] = "convert_collection"

    collection_id: CollectionId
    images_loc: Location
    stack_loc: WritableLocation
    ids_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            images_loc=DataLocation("memory", "punks/resized/"),
            stack_loc=DataLocation("memory", "punks/numpy/pixels.npz"),
        )


class ConvertCollectionReturnMsg(ReturnMessage):
    collection_id: str
    n_images: int
    unreadable: Unreadables
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(collection_id="punks", n_images=3, unreadable=[], runtime=0.1)


class ComputeHistogramMsg(PreparationMsg):
    """Count, for every position of the square, how many images have which colour there.

    Fields:
        histogram_loc: the mergeable sparse histogram, Parquet.
        dense_loc: the original's dense layout as well, ``.npz`` with arr_0 int32 [size * size, 10, 10, 10]; None: no.
    """

    task: ClassVar[str] = "compute_histogram"

    collection_id: CollectionId
    images_loc: Location
    histogram_loc: WritableLocation
    dense_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            images_loc=DataLocation("memory", "punks/resized/"),
            histogram_loc=DataLocation("memory", "punks/histogram.parquet"),
        )


class ComputeHistogramReturnMsg(ReturnMessage):
    """`n_cells` is the number of (position, colour) pairs that occur."""

    collection_id: str
    n_images: int
    n_cells: int
    unreadable: Unreadables
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(collection_id="punks", n_images=3, n_cells=60_000, unreadable=[], runtime=0.1)


class MergeHistogramsMsg(Message):
    """Add the histograms of any number of collections, and take some away again.

    Fields:
        histogram_locs: histograms to add, each of one collection or merged before.
        subtract_locs: histograms to take away; what they count must be in the sum.
        on_duplicate: what to do with a histogram that holds a collection counted already: ``refuse`` or ``skip`` it.
        merged_loc: the sum, Parquet; table_loc: the sum as a table to score with, ``.npy``, which processes share.
    """

    task: ClassVar[str] = "merge_histograms"

    histogram_locs: list[Location]
    merged_loc: WritableLocation | None
    subtract_locs: list[Location] = Field(default_factory=list)
    on_duplicate: Literal["refuse", "skip"] = "refuse"
    table_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            histogram_locs=[DataLocation("memory", f"{name}/histogram.parquet") for name in ("punks", "apes")],
            merged_loc=DataLocation("memory", "global.parquet"),
        )


class MergeHistogramsReturnMsg(ReturnMessage):
    """What was merged; `smallest_count` is the least count that is not zero, `skipped` the collections left out."""

    n_images: int
    n_collections: int
    n_cells: int
    smallest_count: int
    skipped: list[str]
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(n_images=6, n_collections=2, n_cells=110_000, smallest_count=1, skipped=[], runtime=0.1)


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
    images_loc: Location
    histogram_loc: Location
    top_share: Share = 0.05
    unseen_count: Share = 0.5


class ScoreCollectionMsg(ScoringMsg):
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
        n_images: images scored; n_tokens: rows of the table; n_not_scored: rows without a score.
        correlations: for each method, with the metadata's rarity; empty without metadata.
    """

    collection_id: str
    n_images: int
    n_tokens: int
    n_not_scored: int
    correlations: dict[str, Correlations]
    unreadable: Unreadables
    runtime: float

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


class ScoreUnseenMsg(ScoringMsg):
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
    collection_id: str
    n_images: int
    scores: list[UnseenScore]
    unreadable: Unreadables
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(collection_id="new", n_images=1, scores=[UnseenScore.example()], unreadable=[], runtime=0.1)


class ExplainImageMsg(PreparationMsg):
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


class MergeScoresMsg(Message):
    """Bring the score tables of many collections into one ranking, the rarest first.

    Fields:
        scores_locs: the tables; one that is missing is reported and left out.
        merged_locs: where the merged table goes, with the column pixelRank (1 is the rarest); CSV or Parquet.
        top_loc: its first `top_rows` rows; None: nowhere.
    """

    task: ClassVar[str] = "merge_scores"

    scores_locs: Annotated[list[Location], Field(min_length=1)]
    merged_locs: Annotated[list[WritableLocation], Field(min_length=1)]
    top_loc: WritableLocation | None = None
    top_rows: Annotated[StrictInt, Field(ge=1)] = 20_000

    @classmethod
    def example(cls) -> Self:
        return cls(
            scores_locs=[DataLocation("memory", f"{name}/ratio.csv") for name in ("punks", "apes")],
            merged_locs=[DataLocation("memory", "ratio.csv"), DataLocation("memory", "ratio.parquet")],
        )


class MergeScoresReturnMsg(ReturnMessage):
    """Rows, collections, and the tables that were missing, by their locations' names."""

    n_rows: int
    n_collections: int
    missing: list[str]
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(n_rows=20_000, n_collections=2, missing=[], runtime=0.1)


class AnalyzeScoresMsg(Message):
    """Describe the scores of a table: how many, how spread, and the mean of each collection."""

    task: ClassVar[str] = "analyze_scores"

    scores_loc: Location
    analysis_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(scores_loc=DataLocation("memory", "ratio.parquet"))


class CollectionMean(ReturnMessage):
    collection_id: str
    n: int
    mean: float


class AnalyzeScoresReturnMsg(ReturnMessage):
    """Figures of a column of scores; those that need one score are None where there is none.

    Fields:
        count: scores; nulls: rows without one.
        std: with n - 1 in the denominator.
        quantiles: score by probability, as text with two digits.
        collections: mean of each collection, the highest first.
    """

    count: int
    nulls: int
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    quantiles: dict[str, float]
    collections: list[CollectionMean]
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(
            count=2,
            nulls=0,
            min=0.5,
            max=1.5,
            mean=1.0,
            std=0.7,
            quantiles={"0.50": 1.0},
            collections=[CollectionMean(collection_id="punks", n=2, mean=1.0)],
            runtime=0.1,
        )


class BucketizeScoresMsg(Message):
    """Sort scores into buckets by quantiles, 10 the rarest.

    Fields:
        scores_loc: a table with pixelScore.
        bucketized_loc: the table with the columns bin_pixelScore and readable_bin_pixelScore.
        edges_loc: the edges, ``.npz`` with arr_0 float64 [number of edges].
        probabilities: of the edges, from 0 to 1.
    """

    task: ClassVar[str] = "bucketize_scores"

    scores_loc: Location
    bucketized_loc: WritableLocation | None
    edges_loc: WritableLocation
    probabilities: Annotated[list[Annotated[StrictFloat | StrictInt, Field(ge=0, le=1)]], Field(min_length=2)] = Field(
        default_factory=lambda: list(QUANTILE_PROBABILITIES)
    )

    @field_validator("probabilities")
    @classmethod
    def _check_probabilities(cls, probabilities: list[float]) -> list[float]:
        rises = all(low < high for low, high in pairwise(probabilities))
        if not rises or probabilities[0] != 0 or probabilities[-1] != 1:
            raise MessageError("they must rise from 0 to 1")
        return probabilities

    @classmethod
    def example(cls) -> Self:
        return cls(
            scores_loc=DataLocation("memory", "ratio.parquet"),
            bucketized_loc=DataLocation("memory", "ratio_bucketized.parquet"),
            edges_loc=DataLocation("memory", "edges.npz"),
        )


class BucketizeScoresReturnMsg(ReturnMessage):
    """The edges, how many scores lie in each bucket (by its number), and how many edges coincided with another."""

    edges: list[float]
    counts: dict[str, int]
    merged_edges: int
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(edges=[0.0, 0.5, 1.0], counts={"1": 5, "2": 5}, merged_edges=0, runtime=0.1)


class CompareRankingsMsg(Message):
    """Compare the rankings of the same tokens by several tables of scores, or with the metadata's rarity.

    Fields:
        scores_locs: a table for each name that the answer uses.
        top_share: the share of tokens whose overlap at the top is counted.
        comparison_loc: the comparison as CSV or Parquet; None: nowhere.
    """

    task: ClassVar[str] = "compare_rankings"

    scores_locs: Annotated[dict[str, Location], Field(min_length=1)]
    top_share: Share = 0.01
    comparison_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(scores_locs={name: DataLocation("memory", f"{name}.csv") for name in ("ratio", "log")})


class RankingComparison(ReturnMessage):
    """Two rankings over the tokens that both score.

    Fields:
        first, second: their names; ``rarityScore`` is the metadata's.
        n: tokens with both.
        pearson: of the scores; spearman, kendall: of the ranks (Kendall's tau-b).
        top_overlap: the share of the top of one that is in the top of the other.
    """

    first: str
    second: str
    n: int
    pearson: float | None
    spearman: float | None
    kendall: float | None
    top_overlap: float | None

    @classmethod
    def example(cls) -> Self:
        return cls(first="ratio", second="log", n=100, pearson=0.5, spearman=0.6, kendall=0.4, top_overlap=0.3)


class CompareRankingsReturnMsg(ReturnMessage):
    comparisons: list[RankingComparison]
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(comparisons=[RankingComparison.example()], runtime=0.1)


class TrainRarityClassifierMsg(PreparationMsg):
    """Train a small dense network on a frozen extractor's features to tell the deciles of the metadata's rarityScore.

    Fields:
        extractor: turns images into features.
        model_loc: the network, safetensors.
        layers: units of its hidden layers.
        nbr_epochs: passes over the training set at most.
        held_out_share: the share of tokens that only evaluate.
        labels_loc: the deciles, ``.npz`` with arr_0 int [n]; embeddings_loc: ``.npz`` with arr_0 float32 [n, m], what
            the last hidden layer makes of every image; None: nowhere.
    """

    task: ClassVar[str] = "train_rarity_classifier"

    collection_id: CollectionId
    images_loc: Location
    metadata_loc: Location
    extractor: described("extractor")  # type: ignore[valid-type]
    model_loc: WritableLocation
    layers: Annotated[list[Annotated[StrictInt, Field(ge=1, le=4096)]], Field(min_length=1, max_length=8)] = Field(
        default_factory=lambda: list(HEAD_LAYERS)
    )
    nbr_epochs: Annotated[StrictInt, Field(ge=1, le=10_000)] = 27
    held_out_share: Annotated[StrictFloat, Field(gt=0, lt=1)] = 0.2
    seed: Seed = 0
    labels_loc: WritableLocation | None = None
    embeddings_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            images_loc=DataLocation("memory", "punks/resized/"),
            metadata_loc=DataLocation("memory", "punks/metadata/metadata.csv"),
            extractor=_example_extractor(),
            model_loc=DataLocation("memory", "punks/rarity.safetensors"),
        )


class TrainRarityClassifierReturnMsg(ReturnMessage):
    """How well the deciles are told, on tokens that were not learnt from.

    Fields:
        n_train, n_held_out: tokens; n_classes: deciles that differ.
        accuracy: on the held-out tokens; train_accuracy: on the others.
        majority_accuracy: of always saying the most frequent decile, on the held-out tokens.
        mean_absolute_error: deciles that the answer is off, on the held-out tokens.
        spearman: of the expected decile and rarityScore there; None where either is constant.
    """

    collection_id: str
    n_train: int
    n_held_out: int
    n_classes: int
    accuracy: float
    train_accuracy: float
    majority_accuracy: float
    mean_absolute_error: float
    spearman: float | None
    epochs: int
    unreadable: Unreadables
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            n_train=80,
            n_held_out=20,
            n_classes=10,
            accuracy=0.3,
            train_accuracy=0.5,
            majority_accuracy=0.1,
            mean_absolute_error=1.9,
            spearman=0.4,
            epochs=27,
            unreadable=[],
            runtime=1.1,
        )


class EmbeddingScoreMsg(PreparationMsg):
    """Score images by an embedding: of a trained rarity network, of an extractor, or given as an array.

    Fields:
        images_loc: the images; None where `embeddings_loc` is given.
        extractor, model_loc: the embedding is the extractor's, or with a model that of its last hidden layer.
        embeddings_loc: ``.npz`` with arr_0 float [n, m]; its ids beside it in ``ids.npz``.
        method: ``mean_activation``: the mean over the numbers, scaled to 0 to 10 as the original; ``kmeans_log`` and
            ``kmeans_surprisal``: by the share of images in the same of `n_cells` k-means cells.
        scores_locs, metadata_loc: as in `ScoreCollectionMsg`.
    """

    task: ClassVar[str] = "embedding_score"

    collection_id: CollectionId
    scores_locs: Annotated[list[WritableLocation], Field(min_length=1)]
    images_loc: Location | None = None
    extractor: described("extractor") | None = None  # type: ignore[valid-type]
    model_loc: Location | None = None
    embeddings_loc: Location | None = None
    metadata_loc: Location | None = None
    method: EmbeddingMethod = "mean_activation"
    n_cells: Annotated[StrictInt, Field(ge=1, le=100_000)] = 1000
    seed: Seed = 0

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            scores_locs=[DataLocation("memory", "punks/pixelscore.csv")],
            embeddings_loc=DataLocation("memory", "punks/numpy/dnn_layers.npz"),
        )


class EmbeddingScoreReturnMsg(ReturnMessage):
    """As `ScoreCollectionReturnMsg`, of one method."""

    collection_id: str
    n_images: int
    n_tokens: int
    n_not_scored: int
    correlations: Correlations | None
    unreadable: Unreadables
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            n_images=3,
            n_tokens=3,
            n_not_scored=0,
            correlations=Correlations.example(),
            unreadable=[],
            runtime=0.1,
        )


def _example_extractor() -> dict[str, Any]:
    return {"class_path": "spacer_like.extractors.efficientnet_lite.EfficientNetLite0Extractor"}
