"""Intervals that hold as often as they say: split conformal, by group (a bin of inclination and a band).

Source of the rule: the k-th smallest of n absolute residuals with k = ceil((n + 1) * coverage) covers a new one with at
least that probability, whatever the distribution of the residuals, where old and new come from the same one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spacer_like.exceptions import SpacerInputError


@dataclass(frozen=True)
class ConformalIntervals:
    """Half widths in degrees: one per group of predictions, and one over all where a group is small or unknown."""

    coverage: float
    overall: float
    by_group: Mapping[Hashable, float]

    def half_widths(self, groups: Sequence[Hashable]) -> np.ndarray:
        """One half width in degrees for each group name, shape (n,)."""
        return np.array([self.by_group.get(group, self.overall) for group in groups], dtype=float)


def conformal_half_width(residuals: ArrayLike, coverage: float) -> float:
    """The half width that holds a new residual with probability ``coverage``; infinite where the residuals are too few.

    Raises SpacerInputError when the coverage is not between 0 and 1, or a residual is not finite.
    """
    if not 0 < coverage < 1:
        raise SpacerInputError(f"A coverage of {coverage} cannot be had: give a number between 0 and 1.")
    sizes = np.sort(np.abs(np.asarray(residuals, dtype=float).ravel()))
    if not np.isfinite(sizes).all():
        raise SpacerInputError("The residuals hold NaN or infinity: leave out the rows without a prediction.")
    # A hair is taken off, since (n + 1) * 0.9 can come out just above a whole number.
    rank = math.ceil((len(sizes) + 1) * coverage - 1e-9)
    return float(sizes[rank - 1]) if rank <= len(sizes) else math.inf


def fit_intervals(residuals: ArrayLike, groups: Sequence[Hashable], coverage: float = 0.9) -> ConformalIntervals:
    """Half widths by group from held-out residuals (label minus prediction, degrees, shape (n,)).

    A group whose rows are too few for its own finite width takes the width of all rows. Groups must be known before
    the label is: use the bin of the prediction, not that of the label. Raises SpacerInputError when the lengths differ.
    """
    sizes = np.asarray(residuals, dtype=float).ravel()
    if len(sizes) != len(groups):
        raise SpacerInputError(
            f"There are {len(sizes)} residuals and {len(groups)} groups: give one group per residual."
        )
    rows: dict[Hashable, list[float]] = {}
    for group, size in zip(groups, sizes, strict=True):
        rows.setdefault(group, []).append(float(size))
    widths = {group: conformal_half_width(members, coverage) for group, members in rows.items()}
    finite = {group: width for group, width in widths.items() if math.isfinite(width)}
    return ConformalIntervals(coverage, conformal_half_width(sizes, coverage), finite)


def suspicious_labels(
    labels: ArrayLike, predictions: ArrayLike, half_widths: ArrayLike, limit: float = 2.0
) -> list[tuple[int, float]]:
    """(row, ratio) of the labels farther than ``limit`` half widths from their out-of-bag predictions, farthest first.

    All three arrays have shape (n,), in degrees. A row without a finite prediction or width is never listed.
    """
    gaps = np.abs(np.asarray(labels, dtype=float) - np.asarray(predictions, dtype=float))
    widths = np.asarray(half_widths, dtype=float)
    usable = np.isfinite(gaps) & np.isfinite(widths) & (widths > 0)
    ratios = np.where(usable, gaps / np.where(usable, widths, 1.0), -np.inf)
    order = np.argsort(-ratios, kind="stable")
    return [(int(row), float(ratios[row])) for row in order if ratios[row] > limit]
