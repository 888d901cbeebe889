"""Groups of labels out of a table: the labels in its first column, and their groups in each further one."""

from __future__ import annotations

import csv
from collections.abc import Sequence

import numpy as np

from spacer_like.exceptions import TableError, damage_as
from spacer_like.points.cover.intervals import Floats
from spacer_like.tables.cells import csv_rows, decoded_table, stripped

LABEL = "label"
"""The level of the labels themselves."""
Taxonomy = dict[str, dict[str, str]]
"""By the name of a level, the group of each label."""


def read_taxonomy(data: bytes, name: str) -> Taxonomy:
    """The groups of labels on each level, in the order of the columns; an empty cell gives no group.

    Raises:
        TableError: not such a table; the sentence names the line.
    """
    with damage_as(TableError, name, f"{name} is no table of the groups of labels"):
        try:
            text, delimiter = decoded_table(data)
            rows = [(line, cells) for line, cells in csv_rows(text, delimiter, read=stripped) if any(cells)]
        except UnicodeDecodeError:
            raise TableError(f"{name} is not UTF-8 text: save it as 'CSV UTF-8'.") from None
        except csv.Error as error:
            reason, line = error.args
            raise TableError(f"{name}, line {line}: this is not CSV ({reason}).") from None
        if not rows or len(rows[0][1]) < 2:
            raise TableError(f"{name} has no column of groups: the first one holds labels, each further one groups.")
        return _levels(rows[0][1][1:], rows[1:], name)


def _levels(levels: list[str], rows: Sequence[tuple[int, list[str]]], name: str) -> Taxonomy:
    if "" in levels or LABEL in levels or len(set(levels)) < len(levels):
        raise TableError(f"{name}: each column of groups needs a name of its own, other than '{LABEL}'.")
    found: Taxonomy = {level: {} for level in levels}
    for line, cells in rows:
        for level, group in zip(levels, cells[1:], strict=False):
            if group and found[level].setdefault(cells[0], group) != group:
                raise TableError(
                    f"{name}, line {line}: the label '{cells[0]}' is in the {level} '{group}' here, and in "
                    f"'{found[level][cells[0]]}' in a line before: keep one of the two."
                )
    return found


def grouped(labels: Sequence[str], groups: dict[str, str]) -> tuple[list[str], Floats]:
    """The groups of labels in alphabetical order, and which label is in which, of shape (labels, groups).

    A label without a group is one by itself.
    """
    of_label = [groups.get(label, label) for label in labels]
    names = sorted(set(of_label))
    member = np.zeros((len(labels), len(names)))
    member[range(len(labels)), [names.index(group) for group in of_label]] = 1
    return names, member
