"""Messages of the tasks that work on tables of scores, and need no image."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field, StrictFloat, StrictInt, field_validator
from typing_extensions import Self

from spacer_like.exceptions import MessageError
from spacer_like.location import DataLocation
from spacer_like.message_base import Answered, Location, Message, ReturnMessage, WritableLocation
from spacer_like.rarity.messages.fields import Share
from spacer_like.rarity.messages.scoring import Method

QUANTILE_PROBABILITIES = (0.0, 0.35, 0.60, 0.75, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99, 1.0)


class MergeScoresMsg(Message, Answered["MergeScoresReturnMsg"]):
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
    top_rows: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = 20_000

    reads_earlier_outputs: ClassVar[frozenset[str]] = frozenset({"scores_locs"})

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


class AnalyzeScoresMsg(Message, Answered["AnalyzeScoresReturnMsg"]):
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


class BucketizeScoresMsg(Message, Answered["BucketizeScoresReturnMsg"]):
    """Sort scores into buckets by quantiles, 10 the rarest.

    Fields:
        scores_loc: a table with pixelScore.
        bucketized_loc: the table with the columns bin_pixelScore and readable_bin_pixelScore.
        edges_loc: the edges, ``.npz`` with arr_0 float64 [number of edges].
        probabilities: of the edges, from 0 to 1.
        method: which score the table is of; the edges keep it, and `score_unseen` refuses another.
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
    """The edges, how many scores lie in each bucket (by its number), and how many edges coincided with another."""

    edges: list[float]
    counts: dict[str, int]
    merged_edges: int
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(edges=[0.0, 0.5, 1.0], counts={"1": 5, "2": 5}, merged_edges=0, runtime=0.1)


class CompareRankingsMsg(Message, Answered["CompareRankingsReturnMsg"]):
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
