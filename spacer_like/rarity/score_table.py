"""Tables of scores: a row for each token, as columns of Arrow.

The columns are PixelScore's, and a few more (`COLUMNS`). Files are CSV with PixelScore's names, or Parquet. Rows are in
the order of the tokens: numbers by their value, then the others by their text; a merged table has the rarest first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spacer_like.exceptions import TableError
from spacer_like.rarity.metadata import token_order
from spacer_like.rarity.ranking import descending_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.rarity.metadata import Metadata

logger = getLogger(__name__)

ADDRESS = pa.dictionary(pa.int32(), pa.string())

BASE_COLUMNS: dict[str, pa.DataType] = {
    "collectionAddress": ADDRESS,
    "tokenId": pa.int64(),
    "pixelScore": pa.float64(),
    "pixelScoreRank": pa.float64(),
    "pixelScoreRankMin": pa.int64(),
    "rarityScore": pa.float64(),
    "rarityRank": pa.float64(),
    "imageUrl": pa.large_string(),
}
"""Columns that every table has. Text stands for tokenId where not all ids of a table are numbers below 2**63."""

ADDED_COLUMNS: dict[str, pa.DataType] = {
    "pixelRank": pa.int64(),
    "bin_pixelScore": pa.int64(),
    "readable_bin_pixelScore": pa.dictionary(pa.int32(), pa.string()),
}
"""Columns that merging and bucketizing add."""

COLUMNS = BASE_COLUMNS | ADDED_COLUMNS
REQUIRED_COLUMNS = ("collectionAddress", "tokenId", "pixelScore")


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """A table of scores.

    Attributes:
        columns: Arrow table with the names and types of `COLUMNS`, in that order; those of `ADDED_COLUMNS` may lack.
            Missing values are null, and no number is NaN or infinite.
    """

    columns: pa.Table

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, float64 [n], NaN where it is null."""
        column = self.columns[name].combine_chunks().cast(pa.float64())
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)

    @property
    def scores(self) -> NDArray[np.float64]:
        """The column pixelScore, float64 [n], NaN where there is no score."""
        return self.numbers("pixelScore")

    @property
    def token_ids(self) -> list[str]:
        """The column tokenId as text."""
        return list(self.columns["tokenId"].cast(pa.string()).to_pylist())

    @property
    def not_scored(self) -> list[str]:
        """The ids of the tokens without a score."""
        return list(self.columns["tokenId"].filter(self.columns["pixelScore"].is_null()).cast(pa.string()).to_pylist())

    def collections(self) -> tuple[list[str], NDArray[np.int64]]:
        """The collections in the table, in the order of their names, and for each row which one it belongs to."""
        column = self.columns["collectionAddress"].combine_chunks()
        codes, names = column.indices.to_numpy(), column.dictionary.to_pylist()
        used = np.flatnonzero(np.bincount(codes, minlength=len(names))).tolist()
        # A dictionary may hold a name twice.
        sorted_names = sorted({names[code] for code in used})
        position = np.zeros(len(names), np.int64)
        index = {name: at for at, name in enumerate(sorted_names)}
        position[used] = [index[names[code]] for code in used]
        return sorted_names, position[codes]

    def with_column(self, name: str, values: pa.Array) -> ScoreTable:
        """The table with a column of `COLUMNS` more, or instead of the one it had."""
        named = {present: self.columns[present] for present in self.columns.column_names}
        named[name] = values.cast(COLUMNS[name])
        return ScoreTable(pa.table({present: named[present] for present in COLUMNS if present in named}))


@dataclass(frozen=True)
class TokenRows:
    """The rows that a collection's tables have, the same for every score.

    Attributes:
        token_ids: in the order of the tokens, as `spacer_like.rarity.metadata.token_order` has it.
        image: int64 [n], the index of the token's image among those scored; -1: it has none.
        rarity_scores, rarity_ranks: float64 [n] with NaN.
        urls: empty where there is none.
        dropped: tokens with an image that the metadata do not know.
    """

    token_ids: list[str]
    image: NDArray[np.int64]
    rarity_scores: NDArray[np.float64]
    rarity_ranks: NDArray[np.float64]
    urls: list[str]
    dropped: list[str]

    def table(self, collection_id: str, scores: NDArray[np.float64]) -> ScoreTable:
        """The table of one score, float64 [number of images]; NaN and infinity are no score."""
        found = np.full(len(self.image), np.nan)
        found[self.image >= 0] = scores[self.image[self.image >= 0]]
        found[np.isinf(found)] = np.nan
        average, least = descending_ranks(found)
        rows = {
            "collectionAddress": pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(len(found), np.int32)), pa.array([collection_id])
            ),
            "tokenId": token_column(pa.array(self.token_ids, pa.large_string())),
            "pixelScore": numbers_column(found),
            "pixelScoreRank": numbers_column(average),
            "pixelScoreRankMin": numbers_column(least).cast(pa.int64()),
            "rarityScore": numbers_column(self.rarity_scores),
            "rarityRank": numbers_column(self.rarity_ranks),
            "imageUrl": pa.array([url or None for url in self.urls], pa.large_string()),
        }
        return ScoreTable(pa.table(rows))


def token_rows(tokens: Sequence[str], metadata: Metadata | None = None) -> TokenRows:
    """The rows for the images of these tokens.

    With metadata every row of theirs is one of the table, and images that they lack are left out and logged.
    Without, every image is a row.
    """
    position = {token: index for index, token in enumerate(tokens)}
    known = range(len(tokens)) if metadata is None else range(len(metadata.token_ids))
    ids = list(tokens) if metadata is None else metadata.token_ids
    order = sorted(known, key=lambda index: token_order(ids[index]))
    nothing = np.full(len(order), np.nan)
    dropped = [] if metadata is None else sorted(position.keys() - set(metadata.token_ids), key=token_order)
    if dropped:
        logger.warning(
            "%d images are left out, for the metadata lack their tokens: %s.", len(dropped), _listed(dropped)
        )
    return TokenRows(
        token_ids=[ids[index] for index in order],
        image=np.array([position.get(ids[index], -1) for index in order], np.int64),
        rarity_scores=nothing if metadata is None else metadata.rarity_scores[order],
        rarity_ranks=nothing if metadata is None else metadata.rarity_ranks[order],
        urls=[""] * len(order) if metadata is None else [metadata.urls[index] for index in order],
        dropped=dropped,
    )


def checked_table(columns: dict[str, Any], name: str, wanted: Collection[str] | None = None) -> ScoreTable:
    """The table of columns that a file had, with the types of `COLUMNS`.

    Args:
        columns: arrays of Arrow by name; others than those of `COLUMNS` are ignored.
        name: what errors call the file.
        wanted: the columns that are needed; None: all. The others are null where they cost nothing.

    Raises:
        TableError: a required column is missing, has values of another kind, or a token has no id or collection.
    """
    for required in REQUIRED_COLUMNS:
        if required not in columns:
            raise TableError(f"The table '{name}' has no column {required}: it must be one of score_collection.")
    n_rows = len(columns["tokenId"])
    ready: dict[str, Any] = {}
    for column, kind in COLUMNS.items():
        if column in columns:
            ready[column] = _checked_column(columns[column], column, kind, name)
        elif column in BASE_COLUMNS:
            ready[column] = pa.nulls(n_rows, kind)
    table = ScoreTable(pa.table(ready))
    ranks = {"pixelScoreRank", "pixelScoreRankMin"} & set(BASE_COLUMNS if wanted is None else wanted)
    return _ranked(table) if ranks - columns.keys() else table


def numbers_column(values: NDArray[np.float64]) -> pa.Array:
    """An array of float64 with null instead of NaN."""
    return pa.array(values, pa.float64(), from_pandas=True)


def token_column(texts: Any) -> Any:
    """Ids as numbers where all are numbers below 2**63, else as text, both without leading zeros.

    Args:
        texts: array of Arrow of text, without null.
    """
    try:
        numbers = texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), r"^0+([0-9]+)$", r"\1")
    least = pc.min(numbers).as_py()
    # A sign makes a text of a number, as in the names of files.
    return numbers if least is None or least >= 0 else texts


def _checked_column(values: Any, column: str, kind: pa.DataType, name: str) -> Any:
    if column in ("collectionAddress", "tokenId") and values.null_count:
        raise TableError(f"The table '{name}' has a row without {column}.")
    try:
        if column == "tokenId":
            return token_column(values.cast(pa.large_string()))
        if pa.types.is_floating(kind) or pa.types.is_integer(kind):
            numbers = values.cast(pa.float64())
            finite = pc.is_finite(numbers)
            if not pc.all(finite, min_count=0).as_py():
                numbers = pc.if_else(finite, numbers, pa.scalar(None, pa.float64()))
            return numbers.cast(kind)
        return values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableError(
            f"The column {column} of the table '{name}' has values of another kind than {kind}: {_first_line(error)}."
        ) from None


def _ranked(table: ScoreTable) -> ScoreTable:
    """The table with the ranks within each collection, which another program did not write."""
    scores = table.scores
    average, least = np.full(len(table), np.nan), np.full(len(table), np.nan)
    names, collection = table.collections()
    by_collection = np.split(
        np.argsort(collection, kind="stable"), np.cumsum(np.bincount(collection, minlength=len(names)))[:-1]
    )
    for rows in by_collection:
        average[rows], least[rows] = descending_ranks(scores[rows])
    columns = table.columns
    if columns["pixelScoreRank"].null_count == len(table):
        table = table.with_column("pixelScoreRank", numbers_column(average))
    return table.with_column("pixelScoreRankMin", numbers_column(least))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
