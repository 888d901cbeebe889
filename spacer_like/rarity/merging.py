"""The score tables of many collections as one ranking."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from spacer_like.exceptions import TableError
from spacer_like.rarity.metadata import token_order
from spacer_like.rarity.score_table import BASE_COLUMNS, ScoreTable, numbers_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_A_TIME = 2**18


def merged(tables: Sequence[tuple[str, ScoreTable]], threads: int = 1) -> ScoreTable:
    """One table of all, the highest score first, without a score last; equals by collectionAddress, then by token.

    The column pixelRank counts the rows that have a score from 1; the others have none. Columns that an earlier merging
    or bucketizing added are left out. Memory: about twice that of the tables.

    Args:
        tables: each with its file's name, for errors; an empty sequence gives an empty table.

    Raises:
        TableError: a collection is in two tables.
    """
    _refuse_repeated_collections(tables)
    parts = [_in_token_order(table).columns.select(list(BASE_COLUMNS)) for _, table in tables]
    if not all(part["tokenId"].type == pa.int64() for part in parts):
        parts = [_with_text_ids(part) for part in parts]
    empty = pa.table({name: pa.nulls(0, kind) for name, kind in BASE_COLUMNS.items()})
    whole = pa.concat_tables(parts).unify_dictionaries().combine_chunks() if parts else empty
    names, collection = ScoreTable(whole).collections()
    # Their numbers, too, must not depend on the order of the tables.
    addresses = pa.DictionaryArray.from_arrays(pa.array(collection, pa.int32()), pa.array(names, pa.string()))
    table = ScoreTable(whole).with_column("collectionAddress", addresses)
    sorted_table = ScoreTable(_taken(table.columns, _rarest_first(table.scores, collection), threads))
    ranks = np.arange(1.0, len(table) + 1)
    ranks[np.isnan(sorted_table.scores)] = np.nan
    return sorted_table.with_column("pixelRank", numbers_column(ranks))


def _refuse_repeated_collections(tables: Sequence[tuple[str, ScoreTable]]) -> None:
    holders: dict[str, str] = {}
    for name, table in tables:
        for collection in table.collections()[0]:
            if collection in holders:
                raise TableError(
                    f"The collection {collection} is in two tables, '{holders[collection]}' and '{name}': "
                    "leave one of them out."
                )
            holders[collection] = name


def _in_token_order(table: ScoreTable) -> ScoreTable:
    """The rows by collection and token."""
    _, collection = table.collections()
    ids = table.columns["tokenId"].combine_chunks()
    if ids.type == pa.int64():
        numbers = ids.to_numpy()
        within = np.diff(numbers) >= 0
        keys = (numbers, collection)
    else:
        texts = ids.to_pylist()
        rank = np.empty(len(texts), np.int64)
        rank[sorted(range(len(texts)), key=lambda row: token_order(texts[row]))] = np.arange(len(texts))
        within = np.diff(rank) >= 0
        keys = (rank, collection)
    steps = np.diff(collection)
    if np.all((steps > 0) | ((steps == 0) & within)):
        return table
    return ScoreTable(table.columns.take(pa.array(np.lexsort(keys))))


def _with_text_ids(part: pa.Table) -> pa.Table:
    column = part.column_names.index("tokenId")
    return part.set_column(column, "tokenId", part["tokenId"].cast(pa.large_string()))


def _rarest_first(scores: NDArray[np.float64], collection: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order of rows that are in the order of the tokens within each collection."""
    # NaN sorts behind all numbers, with either sign.
    if np.all(np.diff(collection) >= 0):
        return np.argsort(-scores, kind="stable")
    by_collection = np.argsort(collection, kind="stable")
    return np.asarray(by_collection[np.argsort(-scores[by_collection], kind="stable")])


def _taken(whole: pa.Table, order: NDArray[np.int64], threads: int) -> pa.Table:
    """The rows in another order."""
    parts = [pa.array(order[start : start + _ROWS_AT_A_TIME]) for start in range(0, len(order), _ROWS_AT_A_TIME)]
    with ThreadPoolExecutor(threads, thread_name_prefix="spacer-merge") as workers:
        taken = list(workers.map(whole.take, parts))
    return pa.concat_tables([whole.slice(0, 0), *taken])
