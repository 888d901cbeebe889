"""Tasks with tables of scores: merge, describe, sort into buckets, compare."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from logging import getLogger
from typing import TYPE_CHECKING

from spacer_like.config import settings
from spacer_like.cores import thread_count
from spacer_like.exceptions import DataNotFoundError, SpacerError
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.rarity.messages import (
    AnalyzeScoresMsg,
    AnalyzeScoresReturnMsg,
    BucketizeScoresMsg,
    BucketizeScoresReturnMsg,
    CollectionMean,
    CompareRankingsMsg,
    CompareRankingsReturnMsg,
    MergeScoresMsg,
    MergeScoresReturnMsg,
    RankingComparison,
)
from spacer_like.rarity.table_files import read_table
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.storage.base import outcomes
from spacer_like.tables.files import is_parquet
from spacer_like.tables.writing import check_endings, write_tables

if TYPE_CHECKING:
    from collections.abc import Collection

    from spacer_like.location import DataLocation
    from spacer_like.rarity.score_table import ScoreTable

logger = getLogger(__name__)


@task
def merge_scores(msg: MergeScoresMsg) -> MergeScoresReturnMsg:
    """Bring the score tables of many collections into one ranking, the rarest first.

    Raises:
        DataNotFoundError: none of the tables is there.
        TableError: a table is malformed, or a collection is in two tables.
    """
    from spacer_like.rarity.merging import merged

    start = time.perf_counter()
    check_endings([*msg.scores_locs, *msg.merged_locs, *([msg.top_loc] if msg.top_loc else [])])
    tables, missing = _tables(msg.scores_locs)
    n_collections = sum(len(table.collections()[0]) for _, table in tables)
    columns = merged(tables, thread_count()).columns
    # The sorted copy is all that is needed.
    tables.clear()
    outputs = [(columns, loc) for loc in msg.merged_locs]
    if msg.top_loc:
        outputs.append((columns.slice(0, msg.top_rows), msg.top_loc))
    write_tables(outputs)
    return MergeScoresReturnMsg(
        n_rows=columns.num_rows,
        n_collections=n_collections,
        missing=missing,
        runtime=time.perf_counter() - start,
    )


@task
def analyze_scores(msg: AnalyzeScoresMsg) -> AnalyzeScoresReturnMsg:
    """Describe the scores of a table: how many, how spread, and the mean of each collection.

    Raises:
        TableError: the table is malformed.
    """
    from spacer_like.rarity.comparison import description

    start = time.perf_counter()
    figures = asdict(description(read_scores(msg.scores_loc, ["collectionAddress", "pixelScore"])))
    figures["collections"] = [
        CollectionMean(collection_id=name, n=n, mean=mean) for name, n, mean in figures["collections"]
    ]
    answer = AnalyzeScoresReturnMsg(**figures, runtime=time.perf_counter() - start)
    if msg.analysis_loc:
        written = {name: value for name, value in answer.serialize().items() if name != "runtime"}
        write_bytes(msg.analysis_loc, json.dumps(written, indent=2, ensure_ascii=False).encode())
    return answer


@task
def bucketize_scores(msg: BucketizeScoresMsg) -> BucketizeScoresReturnMsg:
    """Sort scores into buckets by quantiles, the highest number the rarest.

    Raises:
        TableError: the table is malformed, or has no score.
    """
    from spacer_like.rarity.buckets import quantile_buckets

    start = time.perf_counter()
    if msg.bucketized_loc:
        check_endings([msg.bucketized_loc])
    table = read_scores(msg.scores_loc, None if msg.bucketized_loc else ["pixelScore"])
    scores = table.scores
    buckets = quantile_buckets(scores, msg.scores_loc.display_name, msg.probabilities)
    if buckets.n_merged:
        logger.warning(
            "%d of the %d edges of the buckets of '%s' coincide with another: some buckets are empty.",
            buckets.n_merged,
            len(buckets.edges),
            msg.scores_loc.display_name,
        )
    if msg.bucketized_loc:
        write_tables([(buckets.bucketized(table).columns, msg.bucketized_loc)])
    write_bytes(msg.edges_loc, replace(buckets, method=msg.method).to_npz())
    return BucketizeScoresReturnMsg(
        edges=buckets.edges.tolist(),
        counts=buckets.counts(buckets.numbers(scores)),
        merged_edges=buckets.n_merged,
        runtime=time.perf_counter() - start,
    )


@task
def compare_rankings(msg: CompareRankingsMsg) -> CompareRankingsReturnMsg:
    """Compare the rankings of the same tokens by several tables of scores, and each with the metadata's rarity.

    Raises:
        TableError: a table is malformed, or has a token twice.
    """
    from spacer_like.rarity.comparison import agreements

    start = time.perf_counter()
    if msg.comparison_loc:
        check_endings([msg.comparison_loc])
    tables = {name: read_scores(loc, ["pixelScore", "rarityScore"]) for name, loc in msg.scores_locs.items()}
    comparisons = [
        RankingComparison(first=first, second=second, **asdict(found))
        for first, second, found in agreements(tables, msg.top_share)
    ]
    if msg.comparison_loc:
        _write_comparisons(comparisons, msg.comparison_loc)
    return CompareRankingsReturnMsg(comparisons=comparisons, runtime=time.perf_counter() - start)


def read_scores(loc: DataLocation, columns: Collection[str] | None = None) -> ScoreTable:
    """The table of scores at a location; `columns` and errors as `read_table`, and those of the storage."""
    parquet = is_parquet(loc)
    return read_table(read_bytes(loc), loc.display_name, parquet, columns)


def _tables(locs: list[DataLocation]) -> tuple[list[tuple[str, ScoreTable]], list[str]]:
    """The tables that are there, and the names of those that are not, both in the order of the locations."""
    concurrency = thread_count()
    if any(loc.is_remote for loc in locs):
        concurrency = max(concurrency, settings().storage_concurrency)
    found: dict[int, ScoreTable] = {}
    missing = set()
    for ended, (index, outcome) in enumerate(
        outcomes(lambda index: read_scores(locs[index]), range(len(locs)), concurrency), 1
    ):
        if isinstance(outcome, DataNotFoundError):
            missing.add(index)
        elif isinstance(outcome, SpacerError):
            raise outcome
        else:
            found[index] = outcome
        report("score tables", ended, len(locs))
    missing_names = [locs[index].display_name for index in sorted(missing)]
    if not found:
        raise DataNotFoundError(f"None of the score tables is there, such as '{missing_names[0]}'.")
    if missing:
        logger.warning("%d of %d score tables are missing, such as '%s'.", len(missing), len(locs), missing_names[0])
    return [(locs[index].display_name, found[index]) for index in sorted(found)], missing_names


def _write_comparisons(comparisons: list[RankingComparison], loc: DataLocation) -> None:
    import pyarrow as pa

    numbers = ("pearson", "spearman", "kendall", "top_overlap")
    kinds = {"first": pa.string(), "second": pa.string(), "n": pa.int64()} | dict.fromkeys(numbers, pa.float64())
    rows = [comparison.serialize() for comparison in comparisons]
    write_tables([(pa.Table.from_pylist(rows, schema=pa.schema(kinds)), loc)])
