"""Marks: which chips a person said yes or no to, as a CSV ``chip,answer``; of two about a chip the later counts."""

from __future__ import annotations

import csv
from collections.abc import Mapping

from spacer_like.exceptions import DataLimitError, TableError, damage_as, visible
from spacer_like.tables.cells import csv_bytes, csv_rows, decoded_table, stripped

COLUMNS = ("chip", "answer")
_ANSWERS = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}
_MOST_BYTES = 2**24


def marks_bytes(marks: Mapping[str, bool]) -> bytes:
    """The file of marks, in their order."""
    return csv_bytes(COLUMNS, ((chip, "yes" if is_yes else "no") for chip, is_yes in marks.items()))


def read_marks(data: bytes, name: str) -> dict[str, bool]:
    """The marks in a file, {chip: whether it is a yes}, in its order; further columns are ignored.

    Args:
        name: what errors call the file.

    Raises:
        TableError: it is no such file; the sentence names the line.
        DataLimitError: it is larger than 16 MiB.
    """
    if len(data) > _MOST_BYTES:
        raise DataLimitError(f"The marks '{name}' are larger than {_MOST_BYTES // 2**20} MiB: they are not read.")
    with damage_as(TableError, name, f"'{name}' is no table of marks"):
        text, delimiter = decoded_table(data)
        try:
            return _marks(text, delimiter, name)
        except csv.Error as error:
            reason, line = error.args
            raise TableError(f"Line {line} of '{name}' is no CSV: {reason}.") from None


def _marks(text: str, delimiter: str, name: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    at: list[int] | None = None
    for line, cells in csv_rows(text, delimiter, stripped):
        if not any(cells):
            continue
        if at is None:
            columns = [cell.lower() for cell in cells]
            if missing := [column for column in COLUMNS if column not in columns]:
                raise TableError(f"'{name}' lacks the column {missing[0]}: its first row must be chip,answer.")
            at = [columns.index(column) for column in COLUMNS]
            continue
        chip, answer = (cells[place] if place < len(cells) else "" for place in at)
        if not chip or answer.lower() not in _ANSWERS:
            raise TableError(
                f"Line {line} of '{name}' must name a chip and say yes or no, and says "
                f"'{visible(chip)[:50]}', '{visible(answer)[:50]}'."
            )
        found.pop(chip, None)
        found[chip] = _ANSWERS[answer.lower()]
    if at is None:
        raise TableError(f"'{name}' is empty: its first row must be chip,answer.")
    return found
