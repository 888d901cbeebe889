"""Messages of the tasks that work on tables of scores, and need no image."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field, StrictFloat, StrictInt, field_validator
from typing_extensions import Self

from spacer_like.exceptions import MessageError
from spacer_like.location import DataLocation
from spacer_like.message_base import Answered, Location, Message, ReturnMessage, Runtime, Share, WritableLocation
from spacer_like.rarity.messages.scoring import Method

QUANTILE_PROBABILITIES = (0.0, 0.35, 0.60, 0.75, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99, 1.0)


class MergeScoresMsg(Message, Answered["MergeScoresReturnMsg"]):
    """Merge the score tables of many collections into one ranking, the rarest first.

    Fields:
        scores_locs: the score tables; a missing one is left out and reported.
        merged_locs: where the merged table goes, with the column pixelRank (1 is the rarest); CSV or Parquet, by
            extension.
        top_loc: where its first `top_rows` rows go; None: nowhere.
        top_rows: number of rows in `top_loc`.
    """

    task: ClassVar[str] = "merge_scores"

    scores_locs: Annotated[list[Location], Field(min_length=1)]
    merged_locs: Annotated[list[WritableLocation], Field(min_length=1)]
    top_loc: WritableLocation | None = None
    top_rows: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = 20_000

    reads_earlier_outputs: ClassVar[frozenset[str]] = frozenset({"scores_locs"})

    @classmethod
    def example(cls) -> Self:
        return cls(
            scores_locs=[DataLocation("memory", f"{name}/ratio.csv") for name in ("punks", "apes")],
            merged_locs=[DataLocation("memory", "ratio.csv"), DataLocation("memory", "ratio.parquet")],
        )


class MergeScoresReturnMsg(ReturnMessage):
    """Size of the merged table.

    Fields:
        n_rows: number of rows.
        n_collections: number of collections.
        missing: names of the tables that were missing.
    """

    n_rows: int
    n_collections: int
    missing: list[str]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_rows=20_000, n_collections=2, missing=[], runtime=0.1)


class AnalyzeScoresMsg(Message, Answered["AnalyzeScoresReturnMsg"]):
    """Describe the scores of a table: how many, how they spread, and the mean of each collection.

    Fields:
        scores_loc: a table with the column pixelScore, CSV or Parquet.
        analysis_loc: where the analysis goes, JSON; None: only into the return message.
    """

    task: ClassVar[str] = "analyze_scores"

    scores_loc: Location
    analysis_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(scores_loc=DataLocation("memory", "ratio.parquet"))


class CollectionMean(ReturnMessage):
    """Mean score of a collection.

    Fields:
        collection_id: id of the collection.
        n: number of scores.
        mean: mean score.
    """

    collection_id: str
    n: int
    mean: float


class AnalyzeScoresReturnMsg(ReturnMessage):
    """Statistics of a column of scores.

    Fields:
        count: number of scores.
        nulls: number of rows without a score.
        min: smallest score; None: there is no score.
        max: largest score; None: there is no score.
        mean: mean score; None: there is no score.
        std: standard deviation, with n - 1 in the denominator; None: there are fewer than two scores.
        quantiles: score by probability, which is a text with two digits such as ``0.50``.
        collections: mean score of each collection, the highest first.
    """

    count: int
    nulls: int
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    quantiles: dict[str, float]
    collections: list[CollectionMean]
    runtime: Runtime

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


class BucketizeScoresMsg(Message, Answered["BucketizeScoresReturnMsg"]):
    """Sort scores into buckets by quantiles, the last bucket the rarest.

    Fields:
        scores_loc: a table with the column pixelScore, CSV or Parquet.
        bucketized_loc: where the table goes with the columns bin_pixelScore and readable_bin_pixelScore; None: nowhere.
        edges_loc: where the edges of the buckets go, ``.npz`` with arr_0 float64 [number of edges].
        probabilities: probabilities of the quantiles that are the edges, rising from 0 to 1.
        method: which score the table holds; it is stored with the edges, and `score_unseen` refuses another. None: not
            stored.
    """

    task: ClassVar[str] = "bucketize_scores"

    scores_loc: Location
    bucketized_loc: WritableLocation | None
    edges_loc: WritableLocation
    probabilities: Annotated[list[Annotated[StrictFloat | StrictInt, Field(ge=0, le=1)]], Field(min_length=2)] = Field(
        default_factory=lambda: list(QUANTILE_PROBABILITIES)
    )
    method: Method | None = None

    reads_earlier_outputs: ClassVar[frozenset[str]] = frozenset({"scores_loc"})

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
    """Buckets and their sizes.

    Fields:
        edges: edges of the buckets, rising.
        counts: number of scores in each bucket, by the bucket's number as text.
        merged_edges: number of edges that coincided with another and were merged.
    """

    edges: list[float]
    counts: dict[str, int]
    merged_edges: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(edges=[0.0, 0.5, 1.0], counts={"1": 5, "2": 5}, merged_edges=0, runtime=0.1)


class CompareRankingsMsg(Message, Answered["CompareRankingsReturnMsg"]):
    """Compare rankings of the same tokens by several score tables, and with the metadata's rarity.

    Fields:
        scores_locs: the score tables, by the names that the comparison uses.
        top_share: share of the tokens, above 0 to 1, whose overlap at the top is computed.
        comparison_loc: where the comparison goes, CSV or Parquet; None: only into the return message.
    """

    task: ClassVar[str] = "compare_rankings"

    scores_locs: Annotated[dict[str, Location], Field(min_length=1)]
    top_share: Share = 0.01
    comparison_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(scores_locs={name: DataLocation("memory", f"{name}.csv") for name in ("ratio", "log")})


class RankingComparison(ReturnMessage):
    """Agreement of two rankings, over the tokens that both score.

    Fields:
        first: name of the first ranking.
        second: name of the second ranking; ``rarityScore`` is the metadata's.
        n: number of tokens with both scores.
        pearson: Pearson correlation of the scores, -1 to 1; None: either is constant.
        spearman: Spearman correlation, of the ranks, -1 to 1; None: either is constant.
        kendall: Kendall's tau-b of the ranks, -1 to 1; None: either is constant.
        top_overlap: share of the top of one ranking that is in the top of the other, 0 to 1; None: there is no token.
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
    """Comparisons of rankings.

    Fields:
        comparisons: a comparison for each pair of rankings.
    """

    comparisons: list[RankingComparison]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(comparisons=[RankingComparison.example()], runtime=0.1)
