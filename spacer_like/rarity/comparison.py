"""Tables of scores brought together token by token, and how far their rankings agree."""

from __future__ import annotations

from collections.abc import Mapping
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

METADATA = "rarityScore"
"""What the metadata's ranking is called."""


def agreements(tables: Mapping[str, ScoreTable], top_share: float) -> list[tuple[str, str, Agreement]]:
    """(first, second, agreement) of each two tables, then of each table with the rarityScore in it, where it has one.

    Tokens are the same where collectionAddress and tokenId are.

    Raises:
        TableError: a table has a token twice, or is called as the metadata are.
    """
    if METADATA in tables:
        raise TableError(f"No table may be called {METADATA}: the metadata's ranking is.")
    places, n_tokens = _places(tables)
    found = []
    for first, second in combinations(tables, 2):
        one, other = (_spread(tables[name].scores, places[name], n_tokens) for name in (first, second))
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


def _places(tables: Mapping[str, ScoreTable]) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Of each table's rows their place among the tokens of all tables, and how many those are."""
    keys = {name: _keys(table) for name, table in tables.items()}
    every = pc.unique(pa.concat_arrays(list(keys.values())))
    places = {}
    for name, own in keys.items():
        place = pc.index_in(own, value_set=every).to_numpy().astype(np.int64)
        if len(place) and (repeated := np.flatnonzero(np.bincount(place) > 1)).size:
            collection, token = every[int(repeated[0])].as_py().split("\0", 1)
            raise TableError(f"The table '{name}' has the token {token} of the collection {collection} twice.")
        places[name] = place
    return places, len(every)


def _keys(table: ScoreTable) -> pa.Array:
    collection, token = (
        table.columns[name].combine_chunks().cast(pa.large_string()) for name in ("collectionAddress", "tokenId")
    )
    return pc.binary_join_element_wise(collection, token, pa.scalar("\0", pa.large_string()))


def _spread(scores: NDArray[np.float64], places: NDArray[np.int64], n_tokens: int) -> NDArray[np.float64]:
    spread = np.full(n_tokens, np.nan)
    spread[places] = scores
    return spread
