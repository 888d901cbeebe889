"""Tables of points: image, row, column and, where it is known, label."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from spacer_like.data_classes import LabelId
from spacer_like.exceptions import SpacerInputError, TableError, damage_as
from spacer_like.tables.cells import csv_rows, stripped

COLUMN_NAMES = {
    "image": ("image", "name", "image_name", "image name", "filename", "file_name", "file"),
    "row": ("row", "y"),
    "col": ("col", "column", "x"),
    "label": ("label", "label_code", "label code", "class", "species"),
}
"""Headings that are understood, in any case; the first is the one that is written."""

DELIMITERS = ",;\t"
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

Point = tuple[int, int, LabelId | None]


@dataclass(frozen=True)
class PointTable:
    """The points of each image, in the file's order; a label is None where the file has no such column."""

    name: str
    images: dict[str, list[Point]]

    @property
    def point_count(self) -> int:
        return sum(map(len, self.images.values()))

    @property
    def labels(self) -> set[LabelId]:
        return {label for points in self.images.values() for _, _, label in points if label is not None}


def read_points(data: bytes, name: str, *, labelled: bool = False) -> PointTable:
    """Read a table of points: CSV with a heading; commas, semicolons or tabs; with or without a byte order mark.

    Labels that are all whole numbers become integers, as backends that name their labels by number expect.

    Args:
        data: the file's bytes.
        name: what errors call the file.
        labelled: whether there must be labels.

    Raises:
        SpacerInputError: not such a table; the sentence names the line and the column.
    """
    with damage_as(TableError, name, f"{name} is not CSV"):
        return _point_table(data, name, labelled)


def _point_table(data: bytes, name: str, labelled: bool) -> PointTable:
    lines = csv_rows(_decoded(data, name), _delimiter(data, name), read=stripped)
    images: dict[str, list[Point]] = {}
    try:
        columns = _columns(next(lines, (1, []))[1], name, labelled)
        for line, cells in lines:
            if any(cells):
                image, point = _point(cells, columns, f"{name}, line {line}")
                images.setdefault(image, []).append(point)
    except csv.Error as error:
        reason, line = error.args
        raise SpacerInputError(f"{name}, line {line}: this is not CSV ({reason}).") from None
    if not images:
        raise SpacerInputError(f"{name} holds no points.")
    return PointTable(name, _with_integers(images) if "label" in columns else images)


def _decoded(data: bytes, name: str) -> str:
    encoding = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SpacerInputError(
            f"{name} is not UTF-8 text (byte {error.start}): save it as 'CSV UTF-8', or as CSV if it is a spreadsheet."
        ) from None
    if "\0" in text:
        raise SpacerInputError(f"{name} is no text file: save it as CSV if it is a spreadsheet.")
    return text


def _delimiter(data: bytes, name: str) -> str:
    heading = _decoded(data, name).partition("\n")[0]
    return max(DELIMITERS, key=heading.count)


def _columns(heading: list[str], name: str, labelled: bool) -> dict[str, int]:
    found = [cell.lower() for cell in heading]
    columns = {
        meaning: found.index(known)
        for meaning, names in COLUMN_NAMES.items()
        if (known := next((one for one in names if one in found), None)) is not None
    }
    needed = ("image", "row", "col", "label") if labelled else ("image", "row", "col")
    if missing := [meaning for meaning in needed if meaning not in columns]:
        there = ", ".join(f"'{cell[:40]}'" for cell in heading[:12]) or "nothing"
        raise SpacerInputError(
            f"{name} has no column '{missing[0]}': its first line must name {', '.join(needed)}, and names {there}."
        )
    return columns


def _point(cells: list[str], columns: dict[str, int], where: str) -> tuple[str, Point]:
    def cell(meaning: str) -> str:
        text = cells[columns[meaning]] if columns[meaning] < len(cells) else ""
        if not text:
            raise SpacerInputError(f"{where}: the {meaning} is empty.")
        return text

    label = cell("label") if "label" in columns else None
    return cell("image"), (_whole_number(cell("row"), "row", where), _whole_number(cell("col"), "col", where), label)


def _whole_number(text: str, meaning: str, where: str) -> int:
    """A number of pixels; spreadsheets and data frames write some as 12.0."""
    digits = text.removesuffix(".0")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise SpacerInputError(f"{where}: the {meaning} '{text[:40]}' is not a whole number of pixels.")
    return int(digits)


def _with_integers(images: dict[str, list[Point]]) -> dict[str, list[Point]]:
    if not all(_is_integer(str(label)) for points in images.values() for _, _, label in points):
        return images
    return {image: [(row, col, int(str(label))) for row, col, label in points] for image, points in images.items()}


def _is_integer(text: str) -> bool:
    """Whether a label is a number as a number is written: '007' is a name."""
    return text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text
