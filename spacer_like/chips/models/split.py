"""Chips divided into those that are learnt from and those that only validate, by whole cells of zoom 12.

Chips of one tile resemble each other, and chips of one ground at two times still more: a chip beside one that was
learnt from would be told by its neighbour, and figures would promise too much of other places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.exceptions import TrainingLabelsError

DRAWS = 256
"""Divisions that are drawn, of which the most even one is taken."""
_NOT_LEARNT, _NOT_VALIDATED = 10.0, 1.0
"""What a label counts that all chips of one side lack: without it nothing could be learnt, or said of the label."""


@dataclass(frozen=True)
class Split:
    """Places of chips, int64, ascending."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def check_cells(cells: Sequence[str]) -> None:
    """Refuse chips that are all of one cell, or none, as a `TrainingLabelsError`."""
    distinct = sorted(set(cells))
    if len(distinct) < 2:
        where = f"all lie in {distinct[0]}" if distinct else "there are none"
        raise TrainingLabelsError(
            "Chips of at least two cells of zoom 12 are needed, one to learn from and one to validate with, and "
            f"{where}: add chips of another tile."
        )


def split_by_cell(cells: Sequence[str], borne: NDArray[np.bool_], validation_share: float, seed: int) -> Split:
    """Divide chips by their cells, so that the share of chips, and of each label's chips, is about the one wanted.

    Of `DRAWS` random divisions it is the one in which these shares differ least from it in the mean; a label that only
    one side has counts more. It depends on which chips there are, and not on their order.

    Args:
        cells: the cell of zoom 12 of each of n chips.
        borne: [n, labels], whether a chip bears a label.
        validation_share: between 0 and 1; neither side is ever empty.

    Raises:
        TrainingLabelsError: all chips are of one cell.
    """
    check_cells(cells)
    names, place = np.unique(np.asarray(cells), return_inverse=True)
    # Of each cell: its chips, and how many of them bear each label.
    counts = np.zeros((len(names), 1 + borne.shape[1]), np.int64)
    np.add.at(counts, place, np.concatenate([np.ones((len(borne), 1), bool), borne], axis=1))
    random = RandomState(seed)
    best, least = np.zeros(0, np.int64), np.inf
    for _ in range(DRAWS):
        order = random.permutation(len(names))
        wanted = validation_share * len(cells)
        held = int(np.abs(np.cumsum(counts[order[:-1], 0]) - wanted).argmin()) + 1
        unevenness = _unevenness(counts, order[:held], validation_share)
        if unevenness < least:
            best, least = order[:held], unevenness
    validates = np.isin(place, best)
    return Split(np.flatnonzero(~validates), np.flatnonzero(validates))


def _unevenness(counts: NDArray[np.int64], held: NDArray[np.int64], wanted: float) -> float:
    total, validating = counts.sum(axis=0), counts[held].sum(axis=0)
    there = total > 0
    total, validating = total[there], validating[there]
    missing = _NOT_LEARNT * (validating == total) + _NOT_VALIDATED * (validating == 0)
    return float((np.abs(validating / total - wanted) + missing).mean())
