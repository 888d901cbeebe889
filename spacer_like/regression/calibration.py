"""Intervals of inclinations that hold as often as they say, in every five degrees of the prediction and of the label.

The interval of a prediction p holds the inclinations y from 45 to 90 for which |y - p| is at most a half width, which
the five degrees that p is in set, plus a widening, which the five degrees that y is in set. Both are fitted together to
held-out galaxies by a quantile regression of |label - p| on the two groups that a galaxy is in: it is the minimum of
the pinball loss that the wanted share of every group lies inside, however the groups overlap.

Source: I. Gibbs, J. J. Cherian, E. J. Candes, "Conformal prediction with conditional guarantees" (2023), with groups of
labels beside those of predictions, as label-conditional conformal predictors have them (V. Vovk, 2012).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacer_like.exceptions import ModelFileError, SpacerInputError, TooFewRowsError
from spacer_like.regression.evaluation import BIN_WIDTH, BiasCorrection, fit_bias, inclination_bins
from spacer_like.regression.labels import HIGHEST, LOWEST

Floats = NDArray[np.float64]

EDGES = tuple(float(edge) for edge in np.arange(LOWEST, HIGHEST + 1, BIN_WIDTH))
"""Of the bins, in degrees: 45, 50 ... 90."""
ANY = "any"
"""The band that stands for all rows together."""
_FOLDS = 5
# A cell with more residuals is thinned to so many, each of which counts for several.
_MOST_OF_CELL = 250


@dataclass(frozen=True)
class Group:
    """Neighbouring bins whose rows share one number.

    Attributes:
        low, high: degrees; rows above `low`, and of the first group also those at or below it, up to `high`.
        count: rows that the number was fitted to.
        width: degrees: a half width, or a widening, which may be negative.
    """

    low: float
    high: float
    count: int
    width: float


@dataclass(frozen=True)
class Holding:
    """How often intervals hold the label, measured on galaxies that they were not fitted to.

    Attributes:
        count, share: rows, and the share of them that is held; None: there is no row.
        by_prediction, by_label: (rows, share) of each of the nine bins.
        width: mean length of the intervals, degrees.
    """

    count: int
    share: float | None
    by_prediction: tuple[tuple[int, float | None], ...]
    by_label: tuple[tuple[int, float | None], ...]
    width: float | None

    @classmethod
    def of(cls, labels: Floats, predictions: Floats, lows: Floats, highs: Floats) -> Holding:
        """That of intervals [n] around predictions [n], all in degrees."""
        held = (labels >= lows) & (labels <= highs)

        def share(rows: NDArray[np.bool_]) -> tuple[int, float | None]:
            count = int(rows.sum())
            return count, float(held[rows].mean()) if count else None

        def shares(bins: NDArray[np.int_]) -> tuple[tuple[int, float | None], ...]:
            return tuple(share(bins == number) for number in range(len(EDGES) - 1))

        count, whole = share(np.ones(len(held), bool))
        width = float(np.mean(highs - lows)) if count else None
        by_prediction, by_label = shares(inclination_bins(predictions)), shares(inclination_bins(labels))
        return cls(count, whole, by_prediction, by_label, width)


@dataclass(frozen=True)
class BandCalibration:
    """The intervals of one band.

    Attributes:
        count, n_galaxies: rows and galaxies that they were fitted to.
        bias: what is taken out of predictions before all else; None: nothing.
        n_bias: rows that the bias was fitted to.
        half_widths: by the bin of the prediction.
        widenings: by the bin of the label.
        holding: measured by cross-validation over galaxies, in five parts; None: there are too few.
    """

    count: int
    n_galaxies: int
    bias: BiasCorrection | None
    n_bias: int
    half_widths: tuple[Group, ...]
    widenings: tuple[Group, ...]
    holding: Holding | None

    def corrected(self, predictions: ArrayLike) -> Floats:
        """Predictions in degrees without their bias, from 45 to 90."""
        values = np.asarray(predictions, np.float64)
        return np.clip(values if self.bias is None else self.bias.corrected(values), LOWEST, HIGHEST)

    def intervals(self, corrected: ArrayLike) -> tuple[Floats, Floats]:
        """The lower and upper ends [n], from 45 to 90, for what `corrected` returned [n]."""
        values = np.asarray(corrected, np.float64)
        own = np.array([group.width for group in self.half_widths])[_members(self.half_widths, values)]
        lows, highs = values.copy(), values.copy()
        for group in self.widenings:
            reach = own + group.width
            low, high = np.maximum(values - reach, group.low), np.minimum(values + reach, group.high)
            is_met = low <= high
            lows = np.where(is_met, np.minimum(lows, low), lows)
            highs = np.where(is_met, np.maximum(highs, high), highs)
        return lows, highs


@dataclass(frozen=True)
class Calibration:
    """Intervals by bands.

    Attributes:
        coverage: the share of galaxies whose label the intervals are to hold.
        predictions: names of the predictions that were joined to one.
        joined: how: ``median`` or ``mean``.
        bands: by the bands' names; `ANY` is always there, and holds for bands that are not.
        digests: of the networks, as `Regressor.digest` is, by the names of their predictions; empty: not known.
    """

    coverage: float
    predictions: tuple[str, ...]
    joined: str
    bands: dict[str, BandCalibration]
    digests: dict[str, str] = field(default_factory=dict)

    def check_digests(self, digests: Mapping[str, str]) -> None:
        """Refuse, as a `ModelFileError`, networks by their names whose weights are not those that it was fitted to."""
        if changed := [name for name, digest in digests.items() if self.digests.get(name, digest) != digest]:
            raise ModelFileError(
                f"The calibration was made when {changed[0][:100]} had other weights: calibrate the networks again."
            )

    def of_band(self, band: str | None) -> BandCalibration:
        """The calibration of a band, or of all together."""
        return self.bands.get(band or ANY, self.bands[ANY])

    def applied(self, predictions: ArrayLike, bands: Sequence[str | None]) -> tuple[Floats, Floats, Floats]:
        """Corrected predictions and the ends of their intervals, [n] each, in degrees; NaN stays NaN."""
        values = np.asarray(predictions, np.float64)
        found = np.full((3, len(values)), np.nan)
        for band in sorted({band or ANY for band in bands}):
            rows = np.array([(one or ANY) == band for one in bands]) & np.isfinite(values)
            calibration = self.of_band(band)
            found[0, rows] = calibration.corrected(values[rows])
            found[1, rows], found[2, rows] = calibration.intervals(found[0, rows])
        return found[0], found[1], found[2]


@dataclass(frozen=True)
class Rows:
    """Joined predictions with labels.

    Attributes:
        ids: [n] of the galaxies, which may have several rows.
        bands: [n], empty where there is none.
        labels, predictions: float64 [n], degrees, all finite.
    """

    ids: NDArray[np.int64]
    bands: NDArray[np.str_]
    labels: Floats
    predictions: Floats

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        """Those of the rows that are chosen, bool [n]."""
        return Rows(self.ids[chosen], self.bands[chosen], self.labels[chosen], self.predictions[chosen])


def least_rows_for(coverage: float) -> int:
    """The number of rows from which a finite width can hold a new one with a probability."""
    return math.ceil(coverage / (1 - coverage) - 1e-9)


def fit_bands(rows: Rows, out_of_bag: Rows | None, coverage: float, least: int) -> dict[str, BandCalibration]:
    """Calibrations of all rows together, as `ANY`, and of each band that has enough rows.

    Args:
        rows: of galaxies that no network was trained on.
        out_of_bag: rows to fit the bias to; None, or where it cannot be fitted: no bias is taken out.
        least: rows that a group must have; bins with fewer are merged with their neighbours.

    Raises:
        TooFewRowsError: there are too few rows for the coverage.
    """
    least = max(least, least_rows_for(coverage))
    if len(rows.labels) < least:
        raise TooFewRowsError(
            f"There are {len(rows.labels)} rows with a label and a prediction, and intervals that hold "
            f"{coverage:.0%} need {least}: give more galaxies, or ask for less."
        )
    found = {ANY: _fit_band(rows, out_of_bag, coverage, least)}
    for band in sorted({*rows.bands.tolist()} - {""}):
        own = rows.where(rows.bands == band)
        if len(own.labels) >= least:
            bag = None if out_of_bag is None else out_of_bag.where(out_of_bag.bands == band)
            enough = bag is not None and len(bag.labels) >= least
            found[band] = _fit_band(own, bag if enough else out_of_bag, coverage, least)
    return found


def _fit_band(rows: Rows, out_of_bag: Rows | None, coverage: float, least: int) -> BandCalibration:
    bias = None
    if out_of_bag is not None:
        with suppress(SpacerInputError):
            bias = fit_bias(out_of_bag.labels, out_of_bag.predictions)
    n_bias = 0 if bias is None or out_of_bag is None else len(out_of_bag.labels)
    n_galaxies = len(np.unique(rows.ids))

    def made(some: Rows, holding: Holding | None) -> BandCalibration:
        plain = BandCalibration(len(some.labels), n_galaxies, bias, n_bias, (), (), holding)
        half_widths, widenings = _fit(plain.corrected(some.predictions), some.labels, coverage, least)
        return BandCalibration(len(some.labels), n_galaxies, bias, n_bias, half_widths, widenings, holding)

    return made(rows, _cross_validated(rows, lambda some: made(some, None), least))


def _cross_validated(rows: Rows, fit: Callable[[Rows], BandCalibration], least: int) -> Holding | None:
    """How often intervals hold that were fitted to the galaxies of the other parts."""
    ids, members = np.unique(rows.ids, return_inverse=True)
    folds = (np.random.default_rng(0).permutation(len(ids)) % _FOLDS)[members]
    if len(ids) < _FOLDS or min((folds != fold).sum() for fold in range(_FOLDS)) < least:
        return None
    found = np.empty((3, len(folds)))
    for fold in range(_FOLDS):
        fitted = fit(rows.where(folds != fold))
        own = folds == fold
        found[0, own] = fitted.corrected(rows.predictions[own])
        found[1, own], found[2, own] = fitted.intervals(found[0, own])
    return Holding.of(rows.labels, *found)


def _fit(
    predictions: Floats, labels: Floats, coverage: float, least: int
) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """Half widths by predictions and widenings by labels."""
    by_prediction, by_label = _merged(predictions, least), _merged(labels, least)
    rows, columns = _members(by_prediction, predictions), _members(by_label, labels)
    cells = rows * len(by_label) + columns
    sizes, cells, weights = _thinned(np.abs(labels - predictions), cells)
    half, wide = _quantiles(sizes, *np.divmod(cells, len(by_label)), weights, coverage)
    # Only sums matter; widenings around 0 leave half widths that can be read.
    shift = float(np.average(wide, weights=[group.count for group in by_label]))
    return _with_widths(by_prediction, half + shift), _with_widths(by_label, wide - shift)


def _merged(values: Floats, least: int) -> list[Group]:
    """The bins from the lowest on, each with the next ones until it has enough rows."""
    counts = np.bincount(inclination_bins(values), minlength=len(EDGES) - 1)
    groups: list[Group] = []
    low, count = EDGES[0], 0
    for high, more in zip(EDGES[1:], counts, strict=True):
        count += int(more)
        if count >= least:
            groups.append(Group(low, high, count, 0.0))
            low, count = high, 0
    if low < EDGES[-1]:
        last = groups.pop() if groups else Group(low, EDGES[-1], 0, 0.0)
        groups.append(Group(last.low, EDGES[-1], last.count + count, 0.0))
    return groups


def sparse_bins(predictions: Floats, labels: Floats, least: int) -> list[str]:
    """The bins of five degrees of the prediction or of the label with too few rows for intervals of their own, such as
    ``45 to 50 degrees (12)``, with the fewer rows of the two."""
    counts = np.minimum(
        *(np.bincount(inclination_bins(values), minlength=len(EDGES) - 1) for values in (predictions, labels))
    )
    return [
        f"{low:.0f} to {high:.0f} degrees ({count})"
        for low, high, count in zip(EDGES, EDGES[1:], counts, strict=False)
        if count < least
    ]


def _members(groups: Sequence[Group], values: Floats) -> NDArray[np.intp]:
    """The number of the group that each value is in."""
    return np.searchsorted([group.high for group in groups[:-1]], values, side="left")


def _with_widths(groups: Sequence[Group], widths: Floats) -> tuple[Group, ...]:
    # Rounded up, for the minimum leads through residuals, which are to lie inside, and its last digits differ between
    # processors.
    return tuple(
        Group(group.low, group.high, group.count, math.ceil(float(width) * 1e5 + 0.1) / 1e5)
        for group, width in zip(groups, widths, strict=True)
    )


def _thinned(sizes: Floats, cells: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp], Floats]:
    """Residuals, their cells, and how many each stands for: of a large cell evenly many of the sorted ones."""
    kept: list[tuple[Floats, NDArray[np.intp], Floats]] = []
    for cell in np.unique(cells):
        own = np.sort(sizes[cells == cell])
        number = min(len(own), _MOST_OF_CELL)
        chosen = own[((np.arange(number) + 0.5) * len(own) / number).astype(int)]
        kept.append((chosen, np.full(number, cell), np.full(number, len(own) / number)))
    return tuple(np.concatenate(parts) for parts in zip(*kept, strict=True))  # type: ignore[return-value]


def _quantiles(
    sizes: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp], weights: Floats, coverage: float
) -> tuple[Floats, Floats]:
    """Summands of the rows' and the columns' groups that minimise the pinball loss, by its dual linear program.

    The level is raised by (n + 1) / n, as the rank of a split conformal width is.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    numbers = np.arange(len(sizes))
    n_rows, n_columns = int(rows.max()) + 1, int(columns.max()) + 1
    groups = np.concatenate([rows, n_rows + columns])
    shape = (n_rows + n_columns, len(sizes))
    design = coo_array((np.ones(2 * len(sizes)), (groups, np.concatenate([numbers, numbers]))), shape).tocsr()
    level = min(coverage * (1 + 1 / weights.sum()), 1.0)
    bounds = np.stack([weights * (level - 1), weights * level], axis=1)
    solved = linprog(-sizes, A_eq=design, b_eq=np.zeros(shape[0]), bounds=bounds, method="highs")
    if solved.status:
        raise SpacerInputError(f"The intervals cannot be fitted: {solved.message}")
    summands = -np.asarray(solved.eqlin.marginals, np.float64)
    return summands[:n_rows], summands[n_rows:]
