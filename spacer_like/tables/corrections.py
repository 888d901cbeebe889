"""People's corrections: which images have a tag and which do not, as a CSV ``id,path,tag,answer``.

The page of `suggest_review` saves such a file; one may also be written by hand or in a spreadsheet. An image is named
by its id, or by its path where the id is empty or not known; as much of the path's end is enough as no other has. Of
two answers about the same image and tag the later one counts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import NamedTuple

from spacer_like.exceptions import TableError, damage_as, visible
from spacer_like.tables.cells import csv_bytes, csv_rows, decoded_table, stripped

COLUMNS = ("id", "path", "tag", "answer")
_HEADING = "id,path,tag,answer"
_NEEDED = ("tag", "answer")
_YES = frozenset({"yes", "y", "true", "1"})
_NO = frozenset({"no", "n", "false", "0"})
_MOST_LETTERS = 1000


class Answer(NamedTuple):
    """An answer to the question whether an image has a tag.

    Fields:
        id: of the image, as a table of `process_images` has it; or empty.
        path: of the image; or empty.
        tag: the tag.
        is_yes: whether the image has it.
    """

    id: str
    path: str
    tag: str
    is_yes: bool


def read_corrections(data: bytes, name: str) -> list[Answer]:
    """The answers in a file, in its order.

    Args:
        data: CSV with a row of names, in any order and with further columns; separated by commas, semicolons or tabs,
            as spreadsheets write it.
        name: what errors call the file.

    Raises:
        TableError: it is no such file; the sentence names the line.
    """
    with damage_as(TableError, name, f"'{name}' is no table of corrections"):
        text, delimiter = decoded_table(data)
        try:
            return _answers(text, delimiter, name)
        except csv.Error as error:
            reason, line = error.args
            raise TableError(f"Line {line} of '{name}' is no CSV: {reason}.") from None


def corrections_bytes(answers: Iterable[Answer]) -> bytes:
    """The file of some answers."""
    rows = ((one.id, one.path, one.tag, "yes" if one.is_yes else "no") for one in answers)
    return csv_bytes(COLUMNS, rows)


def _answers(text: str, delimiter: str, name: str) -> list[Answer]:
    found: list[Answer] = []
    place: dict[str, int] | None = None
    for line, cells in csv_rows(text, delimiter, stripped):
        if not any(cells):
            continue
        if place is None:
            place = {cell.lower(): number for number, cell in reversed(list(enumerate(cells)))}
            missing = [column for column in _NEEDED if column not in place]
            if missing or not {"id", "path"} & place.keys():
                raise TableError(
                    f"'{name}' lacks the column {missing[0] if missing else 'id or path'}: its first row must be "
                    f"{_HEADING}."
                )
            continue
        found.append(_answer(cells, place, line, name))
    if place is None:
        raise TableError(f"'{name}' is empty: its first row must be {_HEADING}.")
    return found


def _answer(cells: list[str], place: dict[str, int], line: int, name: str) -> Answer:
    image, path, tag, said = (
        cells[place[column]] if column in place and place[column] < len(cells) else "" for column in COLUMNS
    )
    if said.lower() not in _YES | _NO:
        raise TableError(f"Line {line} of '{name}' must answer yes or no, and says '{visible(said)[:50]}'.")
    if not tag or len(tag) > _MOST_LETTERS:
        raise TableError(f"Line {line} of '{name}' must name a tag, of at most {_MOST_LETTERS:,} letters.")
    if not image and not path:
        raise TableError(f"Line {line} of '{name}' names no image: give its id or its path.")
    return Answer(image, path, tag, said.lower() in _YES)
