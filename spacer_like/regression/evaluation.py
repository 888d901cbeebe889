"""Figures of a table of predicted inclinations: errors in degrees, ensembles and the linear correction of bias."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from spacer_like.exceptions import SpacerInputError

OUTLIER_DEGREES = 10.0
LOWEST, HIGHEST, BIN_WIDTH = 45.0, 90.0, 5.0


@dataclass(frozen=True)
class Errors:
    """Errors of n predictions, in degrees; bias is the mean of label minus prediction, outliers a share of the rows."""

    count: int
    rms: float
    mae: float
    bias: float
    outliers: float


@dataclass(frozen=True)
class BiasCorrection:
    """The line label - prediction = slope * label + offset (degrees), fitted on out-of-bag predictions."""

    slope: float
    offset: float

    def corrected(self, predictions: ArrayLike) -> np.ndarray:
        """The predictions (degrees) with the line taken out: (prediction + offset) / (1 - slope)."""
        return (np.asarray(predictions, dtype=float) + self.offset) / (1.0 - self.slope)


def measure(labels: ArrayLike, predictions: ArrayLike) -> Errors:
    """The errors of predictions against labels, both (n,) in degrees.

    Raises SpacerInputError when there is no row, the shapes differ or a value is not finite.
    """
    gaps = _gaps(labels, predictions)
    outliers = float(np.mean(np.abs(gaps) > OUTLIER_DEGREES))
    return Errors(
        len(gaps), float(np.sqrt(np.mean(gaps**2))), float(np.mean(np.abs(gaps))), float(np.mean(gaps)), outliers
    )


def measure_groups(labels: ArrayLike, predictions: ArrayLike, groups: Sequence[Hashable]) -> dict[Hashable, Errors]:
    """The errors of each group (a band, a bin of inclination, or both), in the order of first appearance."""
    wanted, found = np.asarray(labels, dtype=float), np.asarray(predictions, dtype=float)
    if len(groups) != len(wanted):
        raise SpacerInputError(f"There are {len(wanted)} labels and {len(groups)} groups: give one group per label.")
    rows: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    return {group: measure(wanted[members], found[members]) for group, members in rows.items()}


def inclination_bins(inclinations: ArrayLike) -> np.ndarray:
    """The 5-degree bin of each inclination, 0 to 8: [45, 50], (50, 55] ... (85, 90]; outside ones in the end bins."""
    bins = np.ceil((np.asarray(inclinations, dtype=float) - LOWEST) / BIN_WIDTH) - 1
    return np.asarray(np.clip(bins, 0, (HIGHEST - LOWEST) / BIN_WIDTH - 1), dtype=int)


def bootstrap_intervals(
    labels: ArrayLike,
    predictions: ArrayLike,
    seed: int,
    resamples: int = 1000,
    coverage: float = 0.95,
    ids: ArrayLike | None = None,
) -> dict[str, tuple[float, float]]:
    """(low, high) of rms, mae, bias and outliers over galaxies drawn again with replacement; same seed, same numbers.

    `ids` (n,) are the galaxies' numbers: the rows of one, in several bands, err alike and are drawn together. None:
    each row is a galaxy.
    """
    gaps = _gaps(labels, predictions)
    sizes = np.abs(gaps)
    of_rows = np.stack([np.ones(len(gaps)), gaps**2, sizes, gaps, sizes > OUTLIER_DEGREES])
    members = np.arange(len(gaps)) if ids is None else np.unique(np.asarray(ids), return_inverse=True)[1]
    sums = np.array([np.bincount(members, row) for row in of_rows])
    generator = np.random.default_rng(seed)
    figures = np.empty((resamples, 4))
    for figure in figures:  # One resample at a time: a table of all would take resamples * n numbers.
        count, *drawn = sums @ np.bincount(generator.integers(0, sums.shape[1], sums.shape[1]), minlength=sums.shape[1])
        figure[:] = np.array(drawn) / count
        figure[0] = np.sqrt(figure[0])
    low, high = np.quantile(figures, [(1 - coverage) / 2, (1 + coverage) / 2], axis=0)
    names = ("rms", "mae", "bias", "outliers")
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}


def ensemble(predictions: ArrayLike, how: Literal["mean", "median"] = "median") -> np.ndarray:
    """One prediction per galaxy, shape (n,), from (nets, n) or (nets, views, n) in degrees.

    The views of a net are joined by their median before the nets are. A missing prediction (NaN) is left out;
    a galaxy without any is NaN.
    """
    table = np.asarray(predictions, dtype=float)
    if table.ndim not in (2, 3):
        raise SpacerInputError(
            f"Predictions of shape {table.shape} are no ensemble: give (nets, n) or (nets, views, n)."
        )
    if table.ndim == 3:
        table = _without_missing(table, 1, "median")
    return _without_missing(table, 0, how)


def fit_bias(labels: ArrayLike, out_of_bag: ArrayLike) -> BiasCorrection:
    """The least-squares line of label - prediction on the label, over the rows nearer than 10 degrees.

    Give out-of-bag predictions only: on rows that a net was trained on, its bias is not seen. Raises SpacerInputError
    when fewer than two different labels are left, or the predictions do not rise with the labels (slope 1 or more).
    """
    gaps = _gaps(labels, out_of_bag)
    near = np.abs(gaps) < OUTLIER_DEGREES
    kept = np.asarray(labels, dtype=float)[near]
    if len(np.unique(kept)) < 2:
        raise SpacerInputError(
            "The bias cannot be fitted: fewer than two labels lie within 10 degrees of a prediction."
        )
    slope, offset = np.polyfit(kept, gaps[near], 1)
    if slope > 1.0 - 1e-6:
        raise SpacerInputError("The bias cannot be corrected: the predictions do not rise with the labels.")
    return BiasCorrection(float(slope), float(offset))


def _gaps(labels: ArrayLike, predictions: ArrayLike) -> np.ndarray:
    wanted, found = np.asarray(labels, dtype=float), np.asarray(predictions, dtype=float)
    if wanted.ndim != 1 or wanted.shape != found.shape:
        raise SpacerInputError(f"Labels of shape {wanted.shape} and predictions of shape {found.shape} do not match.")
    gaps: np.ndarray = np.subtract(wanted, found)
    if not len(gaps) or not np.isfinite(gaps).all():
        raise SpacerInputError("The predictions cannot be measured: there is no row, or one holds NaN or infinity.")
    return gaps


def _without_missing(table: np.ndarray, axis: int, how: str) -> np.ndarray:
    joined = np.full(np.delete(table.shape, axis), np.nan)
    known = ~np.isnan(table).all(axis=axis)
    rows = np.moveaxis(table, axis, 0)[:, known]
    joined[known] = np.nanmean(rows, axis=0) if how == "mean" else np.nanmedian(rows, axis=0)
    return joined
