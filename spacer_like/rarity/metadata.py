"""The metadata of a collection: what its maker says about the tokens."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.exceptions import TableError, TrainingLabelsError, damage_as
from spacer_like.tables.cells import csv_rows, decoded_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = 10
"""Of the metadata's rarity."""
COLUMNS = ("id", "rarityScore", "rarityRank", "url")
MOST_ROWS = 5_000_000
# How the columns may be called in a row of names, without regard to case.
_SPELLINGS = {
    "id": "id",
    "tokenid": "id",
    "token_id": "id",
    "rarityscore": "rarityScore",
    "rarity_score": "rarityScore",
    "rarityrank": "rarityRank",
    "rarity_rank": "rarityRank",
    "url": "url",
    "imageurl": "url",
    "image_url": "url",
}


@dataclass(frozen=True)
class Metadata:
    """One row for each token, in the order of the file.

    Fields:
        token_ids: as `token_id` spells them, each once.
        rarity_scores, rarity_ranks: float64 [n]; NaN where there is none.
        urls: of the images; empty where there is none.
    """

    token_ids: list[str]
    rarity_scores: NDArray[np.float64]
    rarity_ranks: NDArray[np.float64]
    urls: list[str]

    def __len__(self) -> int:
        return len(self.token_ids)


def read_metadata(data: bytes, name: str) -> Metadata:
    """The metadata in a CSV file: id, rarityScore, rarityRank, url, or the first of these, without a row of names.

    A row of names is understood too, and may put the columns in another order. What is no finite number, such as
    'undefined', is no score. Of a token that has several rows the last one counts, at the first one's row.

    Args:
        data: the bytes of the file: fields between commas, semicolons or tabs, as `decoded_table` reads them.
        name: what errors call it.

    Raises:
        TableError: no text, no CSV, too many rows, or a row without an id.
    """
    with damage_as(TableError, name, f"The metadata '{name}' cannot be read as CSV"):
        return _metadata(data, name)


def _metadata(data: bytes, name: str) -> Metadata:
    try:
        text, delimiter = decoded_table(data)
    except UnicodeDecodeError as error:
        raise TableError(f"The metadata '{name}' are no text in UTF-8: see byte {error.start}.") from None
    # Where the comma is no delimiter it may be the decimal point.
    number = _number if delimiter == "," else _number_with_comma
    rows: dict[str, tuple[float, float, str]] = {}
    columns: dict[str, int] | None = None
    for line, row in _rows(text, delimiter, name):
        if columns is None:
            columns = _named_columns(row)
            if columns is not None:
                continue
            columns = {column: index for index, column in enumerate(COLUMNS)}
        token = token_id(_field(row, columns, "id"))
        if not token:
            raise TableError(f"The metadata '{name}' have a row without an id in line {line}.")
        rows[token] = (
            number(_field(row, columns, "rarityScore")),
            number(_field(row, columns, "rarityRank")),
            _field(row, columns, "url").strip(),
        )
        if len(rows) > MOST_ROWS:
            raise TableError(f"The metadata '{name}' have more than {MOST_ROWS} rows.")
    return Metadata(
        token_ids=list(rows),
        rarity_scores=np.array([score for score, _, _ in rows.values()], np.float64),
        rarity_ranks=np.array([rank for _, rank, _ in rows.values()], np.float64),
        urls=[url for _, _, url in rows.values()],
    )


def _rows(text: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with the numbers of their lines, one at a time: they may have hundreds of fields."""
    try:
        for line, row in csv_rows(text, delimiter):
            if any(field.strip() for field in row):
                yield line, row
    except csv.Error as error:
        reason, line = error.args
        raise TableError(f"The metadata '{name}' are no CSV in line {line}: {reason}.") from None


def _named_columns(row: list[str]) -> dict[str, int] | None:
    """Where the columns are, by a row of names; None: it is a row of data."""
    names = [field.strip().lower() for field in row]
    found: dict[str, int] = {}
    for index, spelling in enumerate(names):
        if spelling in _SPELLINGS:
            found.setdefault(_SPELLINGS[spelling], index)
    # No column is called by a number, but an image may well be called "id".
    return found if "id" in found and all(math.isnan(_number(name)) for name in names) else None


def _field(row: list[str], columns: dict[str, int], column: str) -> str:
    index = columns.get(column)
    return row[index] if index is not None and index < len(row) else ""


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _number_with_comma(text: str) -> float:
    return _number(text.replace(",", "."))


def token_id(text: str) -> str:
    """The id that a text spells: of a whole number without leading zeros, so that ``007`` and ``7`` are one token.

    Ids stay text: those of the ERC-721 standard have up to 78 digits, which no integer type of tables holds.

    >>> token_id(" 007"), token_id("0xff")
    ('7', '0xff')
    """
    text = text.strip()
    return (text.lstrip("0") or "0") if is_number(text) else text


def is_number(token: str) -> bool:
    """Whether a token is a whole number that is not negative, in ASCII digits."""
    return token.isascii() and token.isdigit()


def token_order(token: str) -> tuple[bool, int, str]:
    """The key to sort tokens by: numbers by their value, then the others by their text."""
    number = is_number(token)
    return not number, len(token) if number else 0, token


def token_of_file(name: str) -> str | None:
    """The token that a file's name stands for: the name without its extension; None: the file is not looked at.

    >>> token_of_file("7.png"), token_of_file("7"), token_of_file("7.url"), token_of_file(".DS_Store")
    ('7', '7', None, None)
    """
    if name.startswith(".") or name[-4:].lower() == ".url":
        return None
    stem, dot, extension = name.rpartition(".")
    # An extension is a short word: neither "1.5" nor "Mr. Seaweed" has one.
    has_extension = bool(dot) and extension.isalnum() and len(extension) <= 5 and extension[0].isalpha()
    return token_id(stem if has_extension else name) or None


@dataclass(frozen=True, eq=False)
class Deciles:
    """Scores, such as the metadata's rarity, cut into classes at their quantiles.

    Attributes:
        edges: float64 [classes + 1], rising. Class k holds the scores above edge k up to and including edge k + 1; the
            first one holds its lower edge too.
    """

    edges: NDArray[np.float64]

    @property
    def n_classes(self) -> int:
        return len(self.edges) - 1

    def labels(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """The class of each score, int64 [n] from 0; beyond the ends the first and the last; -1 for NaN."""
        labels = np.searchsorted(self.edges[1:-1], scores, side="left").astype(np.int64)
        labels[np.isnan(scores)] = -1
        return labels


def deciles_of(scores: NDArray[np.float64], classes: int = CLASSES) -> Deciles:
    """Cut scores into classes of equal number, by linearly interpolated quantiles, as ``pandas.qcut``.

    Where quantiles coincide, because many scores are equal, there are fewer classes.

    Args:
        scores: [n]; NaN does not count.

    Raises:
        TrainingLabelsError: the scores give no two classes.
    """
    known = scores[~np.isnan(scores)]
    edges = np.unique(np.quantile(known, np.arange(classes + 1) / classes)) if len(known) else known
    if len(edges) < 3:
        raise TrainingLabelsError(
            f"The metadata's rarityScore gives fewer than two classes: {len(known)} tokens have one, "
            f"{len(np.unique(known))} of them different."
        )
    return Deciles(np.asarray(edges, np.float64))
