"""Photographs with the shares of their labels, by people and by a machine, out of tables of points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import SpacerInputError
from spacer_like.images.names import with_slashes
from spacer_like.points.cover.intervals import Floats
from spacer_like.points.point_table import Point, PointTable

WITHOUT_GROUP = "(none)"


@dataclass(frozen=True)
class Photographs:
    """N photographs and the shares of K labels in each, of shape (N, K).

    Attributes:
        names: of the photographs.
        labels: that occur, in alphabetical order.
        people: shares by people; zeros where they labelled none.
        machine: shares by the machine; zeros where it labelled none.
        machine_checked: the machine's at the points that people labelled, or at all where it has none of these.
        n_people, n_machine: labelled points of each, of shape (N,).
        groups: the group of each; empty without groups.
        n_unlabelled: points without a label.
    """

    names: list[str]
    labels: list[str]
    people: Floats
    machine: Floats
    machine_checked: Floats
    n_people: NDArray[np.int64]
    n_machine: NDArray[np.int64]
    groups: list[str]
    n_unlabelled: int

    @property
    def checked(self) -> NDArray[np.bool_]:
        return self.n_people > 0

    @property
    def by_machine(self) -> NDArray[np.bool_]:
        return self.n_machine > 0


def photographs_of(
    people: PointTable | None, machine: PointTable | None, column: str | None = None, folder_level: int | None = None
) -> Photographs:
    """The photographs of both tables that have a label; those of one name, in any spelling, are one.

    Args:
        people: points that people labelled.
        machine: points that a machine labelled.
        column: that groups them, as it was read with the tables.
        folder_level: of the paths, whose name groups them, from 1.

    Raises:
        SpacerInputError: there is no label, none that people checked is among the machine's, no such column or level.
    """
    theirs = {_in(machine, name): points for name, points in (people.images if people else {}).items()}
    its: Mapping[str, list[Point]] = machine.images if machine else {}
    names = [name for name in dict.fromkeys([*its, *theirs]) if any(map(_labels, (theirs.get(name), its.get(name))))]
    if not names:
        where = " nor ".join(table.name for table in (people, machine) if table is not None)
        raise SpacerInputError(f"No point has a label in {where}: there is no cover to estimate.")
    labels = sorted({label for name in names for one in (theirs, its) for label in _labels(one.get(name))})
    position = {label: number for number, label in enumerate(labels)}
    counts = np.zeros((3, len(names), len(labels)), np.int64)
    for number, name in enumerate(names):
        checked = {(row, col) for row, col, label in theirs.get(name, ()) if label is not None}
        same = [point for point in its.get(name, ()) if point[:2] in checked]
        for kind, points in enumerate((theirs.get(name), its.get(name), same or its.get(name))):
            for label, count in Counter(_labels(points)).items():
                counts[kind, number, position[label]] = count
    n_people, n_machine = counts[0].sum(axis=1), counts[1].sum(axis=1)
    if people and machine:
        _check_checked(names, people, machine, n_people > 0, n_machine > 0)
    tables = [table for table in (people, machine) if table is not None]
    n_unlabelled = sum(label is None for table in tables for points in table.images.values() for *_, label in points)
    groups = _groups(names, people, machine, column, folder_level)
    shares = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    by_people, by_machine, at_checked = shares
    return Photographs(
        names, labels, by_people, by_machine, at_checked, n_people, n_machine, groups, n_unlabelled=n_unlabelled
    )


def _check_checked(
    names: list[str],
    people: PointTable,
    machine: PointTable,
    checked: NDArray[np.bool_],
    by_machine: NDArray[np.bool_],
) -> None:
    """Refuse photographs of which only people's labels are known while others have the machine's alone.

    Nothing relates the two, and an estimate of all would be of a part.
    """
    lacking = np.flatnonzero(checked & ~by_machine)
    if not len(lacking) or not (by_machine & ~checked).any():
        return
    if len(lacking) == checked.sum():
        raise SpacerInputError(
            f"{machine.name} has none of the photographs of {people.name}: it must have the machine's labels of the "
            "checked photographs as well."
        )
    raise SpacerInputError(
        f"{machine.name} has no labels of {len(lacking)} of the {checked.sum()} photographs that people labelled, such "
        f"as {names[lacking[0]]}: add the machine's labels of these, or leave them out of {people.name}."
    )


def _in(machine: PointTable | None, name: str) -> str:
    """The name that the machine's table gives a photograph."""
    return (machine.names.find(name) if machine else None) or name


def _labels(points: Sequence[Point] | None) -> list[str]:
    return [str(label) for *_, label in points or () if label is not None]


def _groups(
    names: list[str],
    people: PointTable | None,
    machine: PointTable | None,
    column: str | None,
    folder_level: int | None,
) -> list[str]:
    if folder_level is not None:
        folders = [with_slashes(name).split("/")[:-1] for name in names]
        deepest = max(map(len, folders))
        if folder_level > deepest:
            raise SpacerInputError(
                f"No path of a photograph has a folder of level {folder_level} to group by: the deepest is of level "
                f"{deepest}, and the first path is {names[0]}."
            )
        return [parts[folder_level - 1] if folder_level <= len(parts) else WITHOUT_GROUP for parts in folders]
    if column is None:
        return []
    values = dict(machine.values) if machine else {}
    values |= {_in(machine, name): value for name, value in (people.values if people else {}).items()}
    if not values:
        tables = " nor ".join(table.name for table in (people, machine) if table is not None)
        raise SpacerInputError(f"There is no column '{column}' with values in {tables}.")
    return [values.get(name, WITHOUT_GROUP) for name in names]
