"""The cover of all photographs, of each group and of each photograph, on each level of a taxonomy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.points.cover.intervals import (
    FEW_PHOTOGRAPHS,
    FEW_WITH_CLASS,
    LEAST_PHOTOGRAPHS,
    Cover,
    Floats,
    cover_of_photographs,
    cover_with_machine,
    points_quantile,
    predicted_photographs,
    wilson,
)
from spacer_like.points.cover.photographs import Photographs
from spacer_like.points.cover.taxonomy import LABEL, Taxonomy, grouped

if TYPE_CHECKING:
    import pyarrow as pa

Basis = Literal["people", "people and machine", "machine"]
ALL, GROUP, IMAGE = "all", "group", "image"


class Row(NamedTuple):
    """The share of a label in all photographs, in a group of them, or in one; no ends where there is no interval."""

    scope: str
    name: str
    level: str
    label: str
    share: float
    low: float | None
    high: float | None
    basis: Basis
    n_photographs: int
    n_checked: int
    n_points: int
    n_with_label: int
    too_few: bool


@dataclass(frozen=True)
class Level:
    """Photographs by the labels of a level.

    Attributes:
        name: of the level.
        labels: its labels, or groups of labels.
        member: which of the photographs' labels is in which of these.
    """

    name: str
    labels: list[str]
    member: Floats


@dataclass(frozen=True)
class Estimate:
    """The shares of a level's labels in some photographs, whose labels they rest on, and the intervals if there are."""

    basis: Basis
    share: Floats
    n_with_label: NDArray[np.int64]
    too_few: NDArray[np.bool_]
    cover: Cover | None = None


def cover_rows(photographs: Photographs, taxonomy: Taxonomy, coverage: float) -> list[Row]:
    """A row for each label of each level: of all photographs, of each group, of each photograph.

    The labels of a level are in the order of their share of all.
    """
    levels = [Level(LABEL, photographs.labels, np.eye(len(photographs.labels)))]
    levels += [Level(name, *grouped(photographs.labels, groups)) for name, groups in taxonomy.items()]
    everything = np.ones(len(photographs.names), bool)
    rows: list[Row] = []
    of_all = [estimated(photographs, everything, level, coverage) for level in levels]
    orders = [np.argsort(-one.share, kind="stable").tolist() for one in of_all]
    for level, one, order in zip(levels, of_all, orders, strict=True):
        rows += _rows((ALL, ""), level, one, photographs, everything, order)
    groups = np.array(photographs.groups)
    for group in sorted(set(photographs.groups)):
        chosen = groups == group
        for level, order in zip(levels, orders, strict=True):
            one = estimated(photographs, chosen, level, coverage)
            rows += _rows((GROUP, group), level, one, photographs, chosen, order)
    for level, one, order in zip(levels, of_all, orders, strict=True):
        rows += _photographs(photographs, level, one, order, coverage)
    return rows


def estimated(photographs: Photographs, chosen: NDArray[np.bool_], level: Level, coverage: float) -> Estimate:
    """The cover of some photographs: by people where they labelled all, else by both, else by the machine alone."""
    checked, by_machine = chosen & photographs.checked, chosen & photographs.by_machine
    both = checked & by_machine
    people, machine = photographs.people @ level.member, photographs.machine @ level.member
    if not (by_machine & ~checked).any():
        return _alone("people", people[checked], coverage, photographs.n_people[checked].astype(float))
    if both.sum() < LEAST_PHOTOGRAPHS:
        return _unchecked(machine[by_machine])
    seen = photographs.machine_checked[both] @ level.member
    found = cover_with_machine(
        people[both], seen, machine[by_machine], coverage, photographs.n_machine[by_machine].astype(float)
    )
    return Estimate("people and machine", found.share, found.n_with_class, found.too_few, found)


def _alone(basis: Basis, shares: Floats, coverage: float, n_points: Floats) -> Estimate:
    if len(shares) < LEAST_PHOTOGRAPHS:
        n_with_label = np.count_nonzero(shares, axis=0)
        return Estimate(basis, shares.mean(axis=0), n_with_label, np.ones(len(n_with_label), bool))
    found = cover_of_photographs(shares, coverage, n_points)
    return Estimate(basis, found.share, found.n_with_class, found.too_few, found)


def _unchecked(shares: Floats) -> Estimate:
    n_with_label = np.count_nonzero(shares, axis=0)
    too_few = (n_with_label < FEW_WITH_CLASS) | (len(shares) < FEW_PHOTOGRAPHS)
    return Estimate("machine", shares.mean(axis=0), n_with_label, too_few)


def _rows(
    of: tuple[str, str],
    level: Level,
    one: Estimate,
    photographs: Photographs,
    chosen: NDArray[np.bool_],
    order: list[int],
) -> Iterator[Row]:
    n_points = np.maximum(photographs.n_people, photographs.n_machine)[chosen].sum()
    counts = int(chosen.sum()), int((chosen & photographs.checked).sum()), int(n_points)
    for k in order:
        low, high = (float(one.cover.low[k]), float(one.cover.high[k])) if one.cover else (None, None)
        seen, few = int(one.n_with_label[k]), bool(one.too_few[k])
        share = float(one.share[k])
        yield Row(*of, level.name, level.labels[k], share, low, high, one.basis, *counts, seen, few)


def _photographs(
    photographs: Photographs, level: Level, of_all: Estimate, order: list[int], coverage: float
) -> Iterator[Row]:
    """Rows of each photograph: of its points where people labelled them, which are independent; else as predicted."""
    people, machine = photographs.people @ level.member, photographs.machine @ level.member
    of_points = wilson(people, np.maximum(photographs.n_people, 1)[:, None], points_quantile(coverage))
    both = photographs.checked & photographs.by_machine
    predicted = None
    if of_all.basis == "people and machine" and of_all.cover is not None:
        seen, n_points = photographs.machine_checked[both] @ level.member, np.maximum(photographs.n_machine, 1)
        predicted = predicted_photographs(of_all.cover, people[both], seen, machine, n_points, coverage)
    for number, name in enumerate(photographs.names):
        is_checked = bool(photographs.checked[number])
        n_points = (photographs.n_people if is_checked else photographs.n_machine)[number]
        for k in order:
            share, low, high = _photograph(number, k, is_checked, (people, *of_points), predicted, machine)
            basis: Basis = "people" if is_checked else "people and machine" if predicted else "machine"
            counts = 1, int(is_checked), int(n_points), int((people if is_checked else machine)[number, k] > 0)
            yield Row(IMAGE, name, level.name, level.labels[k], share, low, high, basis, *counts, False)


def _photograph(
    number: int,
    k: int,
    is_checked: bool,
    by_people: tuple[Floats, Floats, Floats],
    predicted: tuple[Floats, Floats, Floats] | None,
    machine: Floats,
) -> tuple[float, float | None, float | None]:
    found = by_people if is_checked else predicted
    if found is None:
        return float(machine[number, k]), None, None
    share, low, high = (float(part[number, k]) for part in found)
    return share, low, high


def cover_table(rows: list[Row]) -> pa.Table:
    """The rows as a table, under the names of their fields."""
    import pyarrow as pa

    text, number, count = pa.string(), pa.float64(), pa.int64()
    kinds = [text, text, text, text, number, number, number, text, count, count, count, count, pa.bool_()]
    schema = pa.schema(list(zip(Row._fields, kinds, strict=True)))
    columns = zip(*rows, strict=True) if rows else ([] for _ in kinds)
    return pa.table([pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)], schema=schema)
