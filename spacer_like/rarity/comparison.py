"""Statistics of a table of scores, and how far the rankings of several agree, token by token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spacer_like.exceptions import TableError
from spacer_like.rarity.messages import Correlations
from spacer_like.rarity.ranking import Agreement, agreement, pearson, spearman

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.rarity.score_table import ScoreTable

PROBABILITIES = (0, 0.01, 0.05, 0.10, 0.25, 0.35, 0.50, 0.60, 0.75, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99, 1)
METADATA = "rarityScore"
"""What the metadata's ranking is called."""


@dataclass(frozen=True)
class Description:
    """Statistics of a column of scores.

    Attributes:
        count: scores; nulls: rows without one.
        std: with n - 1 in the denominator; None below two scores. `min`, `max` and `mean` need one.
        quantiles: score by probability, linearly interpolated, as text with two digits; empty without a score.
        collections: (collection, number of scores, their mean), the highest mean first, equals by name; those without
            a score are left out.
    """

    count: int
    nulls: int
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    quantiles: dict[str, float]
    collections: list[tuple[str, int, float]]


def description(table: ScoreTable) -> Description:
    """The statistics of a table's pixelScore."""
    all_scores = table.scores
    scored = ~np.isnan(all_scores)
    scores = all_scores[scored]
    if not len(scores):
        return Description(0, len(all_scores), None, None, None, None, {}, [])
    quantiles = np.quantile(scores, PROBABILITIES).tolist()
    names, collection = table.collections()
    counts = np.bincount(collection[scored], minlength=len(names))
    sums = np.bincount(collection[scored], weights=scores, minlength=len(names))
    means = [
        (name, int(count), float(total / count))
        for name, count, total in zip(names, counts, sums, strict=True)
        if count
    ]
    return Description(
        count=len(scores),
        nulls=len(all_scores) - len(scores),
        min=float(scores.min()),
        max=float(scores.max()),
        mean=float(scores.mean()),
        std=float(scores.std(ddof=1)) if len(scores) > 1 else None,
        quantiles={f"{probability:.2f}": value for probability, value in zip(PROBABILITIES, quantiles, strict=True)},
        collections=sorted(means, key=lambda entry: (-entry[2], entry[0])),
    )


def agreements(tables: Mapping[str, ScoreTable], top_share: float) -> list[tuple[str, str, Agreement]]:
    """(first, second, agreement) of each two tables, then of each table with the rarityScore in it, where it has one.

    Tokens are the same where collectionAddress and tokenId are.

    Raises:
        TableError: a table has a token twice, or is called as the metadata are.
    """
    if METADATA in tables:
        raise TableError(f"No table may be called {METADATA}: the metadata's ranking is.")
    indices, n_tokens = _token_indices(tables)
    found = []
    for first, second in combinations(tables, 2):
        one, other = (_spread(tables[name].scores, indices[name], n_tokens) for name in (first, second))
        found.append((first, second, agreement(one, other, top_share)))
    for name, table in tables.items():
        rarity = table.numbers(METADATA)
        if not np.isnan(rarity).all():
            found.append((name, METADATA, agreement(table.scores, rarity, top_share)))
    return found


def rarity_correlations(table: ScoreTable) -> Correlations:
    """How the table's scores and ranks agree with the metadata's in it."""
    scores, ranks = table.scores, table.numbers("pixelScoreRank")
    rarity_scores, rarity_ranks = table.numbers(METADATA), table.numbers("rarityRank")
    return Correlations(
        n=int((~np.isnan(scores) & ~np.isnan(rarity_scores)).sum()),
        pearson_score=pearson(rarity_scores, scores),
        spearman_score=spearman(rarity_scores, scores),
        pearson_rank=pearson(rarity_ranks, ranks),
        spearman_rank=spearman(rarity_ranks, ranks),
    )


def _token_indices(tables: Mapping[str, ScoreTable]) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Of each table's rows their index among the tokens of all tables, and how many those are."""
    keys = {name: _keys(table) for name, table in tables.items()}
    every = pc.unique(pa.concat_arrays(list(keys.values())))
    indices = {}
    for name, own in keys.items():
        index = pc.index_in(own, value_set=every).to_numpy().astype(np.int64)
        if len(index) and (repeated := np.flatnonzero(np.bincount(index) > 1)).size:
            collection, token = every[int(repeated[0])].as_py().split("\0", 1)
            raise TableError(f"The table '{name}' has the token {token} of the collection {collection} twice.")
        indices[name] = index
    return indices, len(every)


def _keys(table: ScoreTable) -> pa.Array:
    collection, token = (
        table.columns[name].combine_chunks().cast(pa.large_string()) for name in ("collectionAddress", "tokenId")
    )
    return pc.binary_join_element_wise(collection, token, pa.scalar("\0", pa.large_string()))


def _spread(scores: NDArray[np.float64], indices: NDArray[np.int64], n_tokens: int) -> NDArray[np.float64]:
    spread = np.full(n_tokens, np.nan)
    spread[indices] = scores
    return spread
