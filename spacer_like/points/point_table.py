"""Tables of points: image, row, column and, where it is known, label."""

from __future__ import annotations

import csv
import json
import re
from array import array
from dataclasses import dataclass, field, replace
from functools import cached_property

from spacer_like.data_classes import LabelId
from spacer_like.exceptions import SpacerInputError, TableError, damage_as
from spacer_like.images.names import ImageNames, folded
from spacer_like.points import cpc
from spacer_like.points.squidle import SQUIDLE, ImageSize, is_of_squidle, placed_point
from spacer_like.tables.cells import csv_rows, decoded_table, stripped

COLUMN_NAMES = {
    "image": ("image", "name", "imagename", "filename", "file"),
    "row": ("row", "y"),
    "col": ("col", "column", "x"),
    "label": ("label", "labelcode", "class", "species", "labelname", "labelid"),
}
"""Headings that are understood, in any case, with or without spaces, hyphens and underscores.

Of several labels the first here counts: names that people read before CoralNet's numbers.
"""
SHAPE, POSITIONS = "shapename", "points"
"""Headings of BIIGLE's reports, whose points are written as [x, y]."""
_WHOLE = re.compile(r"([0-9]{1,9})(?:([.,])(0*))?")
_THOUSANDS, MOST_PIXELS = "000", 1_000_000_000
_OUTSIDE = re.compile(r"\b(Row|Column) value (\d+) falls outside")
_LACKING = re.compile(r"\(example: \((\d+), (\d+)\)\)")

Point = tuple[int, int, LabelId | None]


@dataclass(frozen=True)
class PointTable:
    """The points of each image, in the file's order; a label is None where the file has none."""

    name: str
    images: dict[str, list[Point]]
    repeated: int = 0
    """How many rows were left out that repeat a point."""
    lines: dict[str, array[int]] = field(default_factory=dict)
    """The line of each point, image by image, in the order of `images`."""
    shapes: int = 0
    """How many annotations were left out that are no points."""
    notes: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """Notes of points, by image, row and column, as files of CPCe have them."""
    elsewhere: int = 0
    """How many points were left out that are of photographs whose size was not given."""
    values: dict[str, str] = field(default_factory=dict)
    """What the column that was asked for says of each image, where it says anything."""
    answers: PointTable | None = None
    """The table whose points stand behind those of this file's lines, if there is one."""

    @property
    def point_count(self) -> int:
        return sum(map(len, self.images.values()))

    @property
    def labels(self) -> set[LabelId]:
        return {label for points in self.images.values() for _, _, label in points if label is not None}

    @cached_property
    def names(self) -> ImageNames:
        """The names of the images, for a search in other spellings."""
        return ImageNames(self.images)

    def row_of(self, image: str, sentence: str) -> str:
        """The file and line that an error about an image concerns: those of the point it names, or the image's first.

        Empty where the table does not name the image.
        """
        if image not in self.lines:
            return "" if self.answers is None else self.answers.row_of(image, sentence)
        at, points = 0, enumerate(self.images[image])
        if outside := _OUTSIDE.search(sentence):
            column = ("Row", "Column").index(outside[1])
            at = next((number for number, point in points if str(point[column]) == outside[2]), 0)
        elif lacking := _LACKING.search(sentence):
            rowcol = (int(lacking[1]), int(lacking[2]))
            at = next((number for number, point in points if point[:2] == rowcol), 0)
        if at >= len(self.lines[image]) and self.answers is not None:
            return self.answers.row_of(self.answers.names.find(image) or image, sentence)
        return f"{self.name}, line {self.lines[image][at]}"

    def corrected(self, answers: PointTable) -> PointTable:
        """These points and another table's, whose labels count where both have one; all are texts if some are."""
        labels = {image: {(row, col): label for row, col, label in points} for image, points in self.images.items()}
        for image, points in answers.images.items():
            known = labels.setdefault(self.names.find(image) or image, {})
            known.update({(row, col): label for row, col, label in points if label is not None})
        found = {image: [(*at, label) for at, label in known.items()] for image, known in labels.items() if known}
        given = [label for points in found.values() for *_, label in points if label is not None]
        if len({isinstance(label, str) for label in given}) > 1:
            found = {
                image: [(row, col, None if label is None else str(label)) for row, col, label in points]
                for image, points in found.items()
            }
        return replace(self, images=found, answers=answers)

    def notices(self) -> list[str]:
        """Notices about this table for the person who gives it."""
        found = []
        if self.repeated:
            found.append(f"{self.name} repeats points; {self.repeated} of its rows were left out.")
        if self.shapes:
            found.append(f"{self.name} has other shapes than points; {self.shapes} of its rows were left out.")
        if self.elsewhere:
            found.append(f"{self.name} has points of photographs that were not named; {self.elsewhere} were left out.")
        alike: dict[str, list[str]] = {}
        for label in sorted(map(str, self.labels)):
            alike.setdefault(folded(" ".join(label.split())), []).append(label)
        if several := [labels for labels in alike.values() if len(labels) > 1]:
            more = f", and {len(several) - 1} more such" if len(several) > 1 else ""
            found.append(
                f"{self.name} has labels that are spelt almost alike ({' and '.join(map(repr, several[0]))}{more}): "
                "they count as different classes."
            )
        return found


def read_points(
    data: bytes,
    name: str,
    *,
    labelled: bool = False,
    column: str | None = None,
    size_of: ImageSize | None = None,
) -> PointTable:
    """Read a table of points: CSV with a heading, as `decoded_table` reads it, of CoralNet, BIIGLE, Squidle+ or one's
    own; or a file of CPCe, by the name's ending.

    A point that is repeated with the same label, or without one, counts once. Labels that are all whole numbers become
    integers, as backends that name their labels by number expect.

    Args:
        data: the file's bytes.
        name: what errors call the file.
        labelled: whether there must be labels; single points may still have none.
        column: another one, whose values are kept where the table has it; the points of an image agree in it.
        size_of: the photographs of a table of Squidle+, which is refused without it.

    Raises:
        SpacerInputError: not such a table; the sentence names the line and the column.
    """
    if name.lower().endswith(cpc.ENDING):
        table = _of_cpc(cpc.read_cpc(data, name), name)
    else:
        with damage_as(TableError, name, f"{name} is not CSV"):
            table = _point_table(data, name, labelled, column, size_of)
    if labelled and not table.labels:
        raise SpacerInputError(f"{name} labels none of its {table.point_count} points: fill in the column of labels.")
    return table


def _of_cpc(file: cpc.CpcFile, name: str) -> PointTable:
    found = _Points()
    for line, point in enumerate(file.points, 7):
        found.add(file.image, (point.row, point.col, point.label or None), line, name)
    if not found.images():
        raise SpacerInputError(f"{name} holds no points.")
    notes = {(file.image, point.row, point.col): point.note for point in file.points if point.note}
    return PointTable(name, _with_integers(found.images()), found.repeated, found.lines(), notes=notes)


def _point_table(data: bytes, name: str, labelled: bool, column: str | None, size_of: ImageSize | None) -> PointTable:
    text, delimiter = _decoded(data, name)
    lines = ((line, cells) for line, cells in csv_rows(text, delimiter, read=stripped) if any(cells))
    found = _Points()
    try:
        heading = next(lines, (1, []))[1]
        columns = _columns(heading, name, labelled)
        kept = heading.index(column) if column in heading else None
        shape = _place(heading, SHAPE)
        in_shares = is_of_squidle(heading)
        if in_shares and size_of is None:
            raise SpacerInputError(
                f"{name} is an export of Squidle+, whose positions are shares of a photograph: make a table of pixels "
                f"by spacer-like points IMAGES --points {name} --out points.csv."
            )
        for line, cells in lines:
            if shape is not None and columns["row"] == columns["col"] and cells[shape : shape + 1] != ["Point"]:
                found.shapes += 1
                continue
            if in_shares and size_of is not None:
                placed = placed_point(cells, columns, f"{name}, line {line}", size_of)
                if isinstance(placed, str):
                    found.shapes, found.elsewhere = found.shapes + (not placed), found.elsewhere + bool(placed)
                    continue
                image, point = placed
            else:
                image, point = _point(cells, columns, f"{name}, line {line}", delimiter)
            found.add(image, point, line, name)
            if kept is not None and kept < len(cells) and cells[kept]:
                found.keep(image, cells[kept], f"{name}, line {line}")
    except csv.Error as error:
        reason, line = error.args
        raise SpacerInputError(f"{name}, line {line}: this is not CSV ({reason}).") from None
    images = found.images()
    if not images:
        raise SpacerInputError(f"{name} holds no points{' of the photographs named' if found.elsewhere else ''}.")
    return PointTable(
        name,
        _with_integers(images),
        found.repeated,
        found.lines(),
        found.shapes,
        elsewhere=found.elsewhere,
        values=found.values,
    )


class _Points:
    """The points of images as their rows come."""

    def __init__(self) -> None:
        self._images: dict[str, dict[tuple[int, int], tuple[str | None, int]]] = {}
        self.repeated = 0
        self.shapes = 0
        self.elsewhere = 0
        self.values: dict[str, str] = {}

    def keep(self, image: str, value: str, where: str) -> None:
        if (before := self.values.setdefault(image, value)) != value:
            raise SpacerInputError(
                f"{where}: {image} is of '{value}' here, and of '{before}' in a line before: keep one of the two."
            )

    def add(self, image: str, point: tuple[int, int, str | None], line: int, name: str) -> None:
        row, col, label = point
        points = self._images.setdefault(image, {})
        if (row, col) not in points:
            points[row, col] = label, line
            return
        self.repeated += 1
        before, line_before = points[row, col]
        if before is None:
            points[row, col] = label, line
        elif label not in (None, before):
            raise SpacerInputError(
                f"{name}, line {line}: the point (row {row}, column {col}) of {image} has the label '{label}', and "
                f"'{before}' in line {line_before}: keep one of the two."
            )

    def images(self) -> dict[str, list[Point]]:
        return {
            image: [(row, col, label) for (row, col), (label, _) in points.items()]
            for image, points in self._images.items()
        }

    def lines(self) -> dict[str, array[int]]:
        return {image: array("L", (line for _, line in points.values())) for image, points in self._images.items()}


def _decoded(data: bytes, name: str) -> tuple[str, str]:
    try:
        text, delimiter = decoded_table(data)
    except UnicodeDecodeError as error:
        raise SpacerInputError(
            f"{name} is not UTF-8 text (byte {error.start}): save it as 'CSV UTF-8', or as CSV if it is a spreadsheet."
        ) from None
    if "\0" in text:
        raise SpacerInputError(f"{name} is no text file: save it as CSV if it is a spreadsheet.")
    return text, delimiter


def _columns(heading: list[str], name: str, labelled: bool) -> dict[str, int]:
    in_shares = is_of_squidle(heading)
    found = [re.sub(r"[\s_.-]" if in_shares else r"[\s_-]", "", cell.lower()) for cell in heading]
    columns = {
        meaning: found.index(known)
        for meaning, names in (SQUIDLE if in_shares else COLUMN_NAMES).items()
        if (known := next((one for one in names if one in found), None)) is not None
    }
    if "row" not in columns and "col" not in columns and SHAPE in found and POSITIONS in found:
        columns["row"] = columns["col"] = found.index(POSITIONS)
    if twice := [heading[at] for at in columns.values() if found.count(found[at]) > 1]:
        raise SpacerInputError(f"{name}: its first line names the column '{twice[0][:40]}' twice: keep one of the two.")
    needed = ("image", "row", "col", "label") if labelled else ("image", "row", "col")
    if missing := [meaning for meaning in needed if meaning not in columns]:
        there = ", ".join(f"'{cell[:40]}'" for cell in heading[:12]) or "nothing"
        raise SpacerInputError(
            f"{name} has no column '{missing[0]}': its first line must name {', '.join(needed)}, and names {there}."
        )
    return columns


def _point(
    cells: list[str], columns: dict[str, int], where: str, delimiter: str
) -> tuple[str, tuple[int, int, str | None]]:
    def cell(meaning: str) -> str:
        at = columns.get(meaning, len(cells))
        return cells[at] if at < len(cells) else ""

    for meaning in ("image", "row", "col"):
        if not cell(meaning):
            raise SpacerInputError(f"{where}: the {meaning} is empty.")
    if columns["row"] == columns["col"]:
        row, col = _position(cell("row"), where)
    else:
        row, col = (_whole_number(cell(meaning), meaning, where, delimiter) for meaning in ("row", "col"))
    return cell("image"), (row, col, cell("label") or None)


def _place(heading: list[str], known: str) -> int | None:
    found = [re.sub(r"[\s_-]", "", cell.lower()) for cell in heading]
    return found.index(known) if known in found else None


def _position(text: str, where: str) -> tuple[int, int]:
    """The row and column of the pixel that holds a point of BIIGLE."""
    try:
        x, y = json.loads(text)
        row, col = int(y), int(x)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise SpacerInputError(f"{where}: the points '{text[:40]}' are no position [x, y].") from None
    if not (0 <= row < MOST_PIXELS and 0 <= col < MOST_PIXELS):
        raise SpacerInputError(f"{where}: the position {text[:40]} is in no image.")
    return row, col


def _whole_number(text: str, meaning: str, where: str, delimiter: str) -> int:
    """A whole number of pixels, also as spreadsheets and data frames write it (12.00)."""
    found = _WHOLE.fullmatch(text)
    # 12,000 may be twelve thousand, and so may 12.000 where a decimal comma makes semicolons part the cells.
    if found is None or (found[3] == _THOUSANDS and (found[2] == "," or delimiter == ";")):
        raise SpacerInputError(f"{where}: the {meaning} '{text[:40]}' is not a whole number of pixels.")
    return int(found[1])


def _with_integers(images: dict[str, list[Point]]) -> dict[str, list[Point]]:
    if not all(_is_integer(str(label)) for points in images.values() for _, _, label in points if label is not None):
        return images
    return {
        image: [(row, col, None if label is None else int(str(label))) for row, col, label in points]
        for image, points in images.items()
    }


def _is_integer(text: str) -> bool:
    """Whether a label is an integer in its usual form: '007' is a name."""
    return text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text
