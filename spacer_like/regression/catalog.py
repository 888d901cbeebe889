"""The rows of a catalog of galaxies: which were given an inclination, and which one.

A catalog is text with a row of names: fields divided by ``|`` and padded with blanks, as the catalogs of Cosmicflows-4
come, or CSV. A row that cannot be read is reported and left out; the others are read.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spacer_like.exceptions import DataLimitError, TableError, damage_as
from spacer_like.regression.labels import HIGHEST, MOST_ID, code_of, label_of
from spacer_like.tables.cells import csv_rows, decoded_table, stripped

NEEDED = ("pgc", "inc", "inc_flg", "fon", "inc_note")
"""The columns that are read."""
MOST_BYTES = 2**28
"""The largest catalog that is read."""
MOST_FAULTS = 1000
"""Rows that are reported one by one; further ones are only counted."""
_MOST_COLUMNS = 2000
_BAR = "|"
_LINE_END = re.compile(r"\r\n?")
# What Python reads as a number and no catalog means: 6_0, and digits of other scripts.
_NO_NUMBER = re.compile(r"[^0-9.eE+-]")


class CatalogRow(NamedTuple):
    """A galaxy.

    Attributes:
        id: its number in the PGC.
        inclination: degrees; 0 where it is flagged and none is given.
        flag: above 0: it was given no inclination.
        face_on: ``F`` or nothing.
        note: free text.
    """

    id: int
    inclination: float
    flag: int
    face_on: str
    note: str

    @property
    def label(self) -> str:
        """Its label."""
        return label_of(self.inclination, self.flag, self.face_on, self.note)

    @property
    def code(self) -> int:
        """The code of its label."""
        return code_of(self.label)


class RowFault(NamedTuple):
    """A row that was left out.

    Attributes:
        line: its number in the file, from 1.
        reason: a sentence.
    """

    line: int
    reason: str


@dataclass(frozen=True)
class Catalog:
    """The galaxies of a catalog in its order, each once.

    Fields:
        rows: the galaxies.
        faults: the first `MOST_FAULTS` rows that were left out.
        n_faults: the number of all that were.
    """

    rows: list[CatalogRow] = field(repr=False)
    faults: list[RowFault]
    n_faults: int


def read_catalog(data: bytes, name: str) -> Catalog:
    """The galaxies in the bytes of a catalog.

    Args:
        data: UTF-8, or UTF-16 with a byte order mark.
        name: what errors call the catalog.

    Raises:
        TableError: no text, no table, or one without a column that is needed.
        DataLimitError: more than `MOST_BYTES`.
    """
    if len(data) > MOST_BYTES:
        raise DataLimitError(f"The catalog '{name}' is larger than {MOST_BYTES // 2**20} MiB: it is not read.")
    with damage_as(TableError, name, f"The catalog '{name}' cannot be read"):
        return _rows(_lines(data), name)


def catalog_text(rows: Sequence[Mapping[str, object]]) -> str:
    """A catalog of made galaxies: cells by columns, divided by ``|`` and padded with blanks.

    >>> catalog_text([{"pgc": 7, "inc": 67}])
    'pgc|inc\\n  7| 67\\n'
    """
    columns = list(rows[0])
    lines = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "".join(
        _BAR.join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)) + "\n" for cells in lines
    )


def _lines(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold anything, with the numbers of their lines."""
    text, delimiter = decoded_table(data)
    text = _LINE_END.sub("\n", text)
    first = text.lstrip("\ufeff\r\n").partition("\n")[0]
    if _BAR in first:
        # Such a file quotes nothing: a quotation mark in a note is a letter like others.
        rows: Iterator[tuple[int, list[str]]] = (
            (number, [cell.strip() for cell in line.split(_BAR, _MOST_COLUMNS)])
            for number, line in enumerate(text.split("\n"), 1)
        )
    else:
        rows = csv_rows(text, delimiter, stripped)
    try:
        yield from ((number, cells) for number, cells in rows if any(cells))
    except csv.Error as error:
        reason, line = error.args
        raise TableError(f"The line {line} of the catalog is no CSV: {reason}.") from None


def _rows(lines: Iterator[tuple[int, list[str]]], name: str) -> Catalog:
    columns = next(lines, (0, []))[1]
    index_of = _needed_columns(columns, name)
    rows: list[CatalogRow] = []
    faults: list[RowFault] = []
    n_faults = 0
    seen: set[int] = set()
    for number, cells in lines:
        try:
            row = _row(cells, len(columns), index_of)
            if row.id in seen:
                raise ValueError(f"The galaxy {row.id} is there for the second time.")
        except ValueError as error:
            n_faults += 1
            if len(faults) < MOST_FAULTS:
                faults.append(RowFault(number, str(error)))
        else:
            seen.add(row.id)
            rows.append(row)
    return Catalog(rows, faults, n_faults)


def _needed_columns(columns: list[str], name: str) -> dict[str, int]:
    if len(columns) > _MOST_COLUMNS:
        raise DataLimitError(f"The catalog '{name}' has more than {_MOST_COLUMNS} columns.")
    if missing := [column for column in NEEDED if column not in columns]:
        there = ", ".join(column[:40] for column in columns[:200] if column) or "none"
        raise TableError(f"The catalog '{name}' lacks the columns {', '.join(missing)}. Its columns are: {there}.")
    if repeated := [column for column in NEEDED if columns.count(column) > 1]:
        raise TableError(f"The catalog '{name}' has two columns {repeated[0]}.")
    return {column: columns.index(column) for column in NEEDED}


def _row(cells: list[str], n_columns: int, index_of: dict[str, int]) -> CatalogRow:
    """The galaxy in the cells of a row; ValueError, a sentence, where they hold none."""
    # A line may end with the bar that follows its last cell.
    if len(cells) != n_columns and not (len(cells) == n_columns + 1 and not cells[-1]):
        raise ValueError(f"The row has {len(cells)} cells, and the table {n_columns} columns.")
    texts = {column: cells[index] for column, index in index_of.items()}
    flag = _whole(texts, "inc_flg", -(2**31))
    inclination = 0.0 if flag > 0 and not texts["inc"] else _degrees(texts["inc"])
    return CatalogRow(_whole(texts, "pgc", 0), inclination, flag, texts["fon"], texts["inc_note"])


def _whole(texts: dict[str, str], column: str, least: int) -> int:
    text = texts[column]
    try:
        # Longer numbers take Python long to read.
        number = int(text[:20])
    except ValueError:
        number = None
    if number is None or len(text) > 20 or _NO_NUMBER.search(text) or not least <= number <= MOST_ID:
        raise ValueError(f"The column {column} holds '{text[:40]}', which is no whole number that fits.")
    return number


def _degrees(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= HIGHEST or _NO_NUMBER.search(text):
        raise ValueError(f"The column inc holds '{text[:40]}', which is no inclination from 0 to {HIGHEST} degrees.")
    return number
