"""What an evaluation of predicted inclinations finds, as a JSON object and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import SpacerInputError
from spacer_like.regression.calibration import EDGES, Calibration, Holding
from spacer_like.regression.evaluation import (
    Errors,
    bootstrap_intervals,
    ensemble,
    fit_bias,
    inclination_bins,
    measure,
    measure_groups,
)
from spacer_like.regression.intervals import fit_intervals, suspicious_labels
from spacer_like.regression.prediction_table import PredictionTable

Floats = NDArray[np.float64]
Ways = tuple[Literal["mean", "median"], ...]

FORMAT, VERSION = "spacer_like.inclination_evaluation", 1
ALL = "all"
BASELINE = "baseline"
WAYS: Ways = ("mean", "median")
BEST = f"{ALL} median"
"""The name of the joined predictions that figures and suspicious labels are about."""


@dataclass(frozen=True)
class Suspicious:
    """A label that is far from what networks that have not learnt it say.

    Attributes:
        row: of the table.
        gap: label minus prediction, degrees.
        ratio: its size in half widths of the interval that holds nine in ten labels of such predictions.
    """

    row: int
    gap: float
    ratio: float


@dataclass(frozen=True)
class Evaluated:
    """Rows with a label, and what is predicted for them.

    Attributes:
        rows: numbers of the table's rows that have a label and a prediction, int [n].
        table: these rows alone.
        series: predictions [n] by name: of each network, of the groups' ensembles, of all, and the classical baseline.
        report: what was found.
    """

    rows: NDArray[np.intp]
    table: PredictionTable
    series: Mapping[str, Floats] = field(repr=False)
    report: dict[str, Any] = field(repr=False)
    suspicious: list[Suspicious] = field(repr=False)


def evaluate(
    table: PredictionTable,
    groups: Mapping[str, Sequence[str]],
    baseline: str | None,
    out_of_bag: PredictionTable | None,
    calibration: Calibration | None,
    seed: int,
    limit: float,
) -> Evaluated:
    """The errors of networks and of their ensembles, in degrees.

    Args:
        groups: names of networks, by groups.
        baseline: the column of the table's others that holds a classical measurement; None: there is none.
        out_of_bag: rows to fit each prediction's linear bias to; None: none is taken out.
        calibration: whose intervals are checked; None: none.
        seed: of the bootstrap.
        limit: half widths from which a label is suspicious.

    Raises:
        SpacerInputError: there is no row with a label and a prediction, or two predictions would have one name.
    """
    usable = np.isfinite(table.labels) & np.isfinite(table.predictions).any(axis=0)
    if not usable.any():
        raise SpacerInputError("There is no row with a label from 45 to 90 degrees and a prediction to evaluate.")
    kept = _where(table, usable)
    series = _series(kept, groups, baseline)
    bag = None
    if out_of_bag is not None:
        known = np.isfinite(out_of_bag.labels) & np.isfinite(out_of_bag.predictions).any(axis=0)
        bag_table = _where(out_of_bag, known)
        bag = (bag_table.labels, _series(bag_table, groups, None))
    found = {name: _errors(kept, values, bag, name, seed) for name, values in series.items()}
    suspicious = find_suspicious(kept, series[BEST], limit)
    report: dict[str, Any] = {
        "format": FORMAT,
        "format_version": VERSION,
        "n_rows": len(kept.labels),
        "n_left_out": len(table.labels) - len(kept.labels),
        "n_galaxies": len(np.unique(kept.ids)),
        "predictions": {name: entry for name, entry in found.items() if entry is not None},
        "intervals": None if calibration is None else _checked(calibration, kept),
        "n_suspicious": len(suspicious),
    }
    return Evaluated(np.flatnonzero(usable), kept, series, report, suspicious)


def find_suspicious(table: PredictionTable, predictions: Floats, limit: float) -> list[Suspicious]:
    """Labels farther from predictions [n] than `limit` half widths, farthest first."""
    gaps = table.labels - predictions
    bins = inclination_bins(predictions).tolist()
    groups = [(number, band) for number, band in zip(bins, table.bands.tolist(), strict=True)]
    intervals = fit_intervals(gaps, groups)
    found = suspicious_labels(table.labels, predictions, intervals.half_widths(groups), limit)
    return [Suspicious(row, float(gaps[row]), ratio) for row, ratio in found]


def good_bad_report(codes: NDArray[np.int_], rejections: Floats) -> dict[str, Any]:
    """Precision, recall and accuracy of networks of two classes, and of their mean and median, at a likelihood of .5.

    Args:
        codes: [n] of the labels: below 10 a galaxy is bad, rejected or seen face-on.
        rejections: float64 [networks, n], probabilities of being bad.
    """
    is_bad = codes < 10
    votes = {f"good_bad_{number}": own for number, own in enumerate(rejections)}
    votes |= {"mean": rejections.mean(axis=0), "median": np.median(rejections, axis=0)}

    def figures(likely: Floats) -> dict[str, float | None]:
        said = likely > 0.5
        right = int((said & is_bad).sum())
        return {
            "precision": right / int(said.sum()) if said.any() else None,
            "recall": right / int(is_bad.sum()) if is_bad.any() else None,
            "accuracy": float(np.mean(said == is_bad)),
        }

    counts = {"n_good": int((~is_bad).sum()), "n_bad": int(is_bad.sum())}
    return counts | {name: figures(likely) for name, likely in votes.items()}


def report_text(report: Mapping[str, Any]) -> str:
    """The report as lines of text, a table of the errors first."""
    lines = _lines_of_errors(report) if "predictions" in report else []
    if (good_bad := report.get("good_bad")) is not None:
        lines += ["", f"Good and bad galaxies: {good_bad['n_good']} and {good_bad['n_bad']}."]
        for name, figures in good_bad.items():
            if isinstance(figures, dict):
                shown = [f"{key} {'-' if value is None else f'{value:.3f}'}" for key, value in figures.items()]
                lines.append(f"  {name}: {', '.join(shown)}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _lines_of_errors(report: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{report['n_rows']} rows of {report['n_galaxies']} galaxies; {report['n_left_out']} without a label or a "
        "prediction. Degrees; bias is label minus prediction; outliers are off by more than 10.",
        "",
        f"{'':24}{'rows':>8}{'RMS':>8}{'MAE':>8}{'bias':>8}{'outliers':>10}   RMS, 95 %     corrected: RMS",
    ]
    for name, entry in report["predictions"].items():
        one, (low, high) = entry["errors"], entry["bootstrap"]["rms"]
        corrected = f"{entry['corrected']['errors']['rms']:18.2f}" if entry["corrected"] else ""
        lines.append(
            f"{name[:23]:24}{one['count']:8d}{one['rms']:8.2f}{one['mae']:8.2f}{one['bias']:8.2f}"
            f"{100 * one['outliers']:8.1f} %   {low:.2f} to {high:.2f}{corrected}"
        )
    if (intervals := report["intervals"]) is not None:
        held = intervals["holding"]
        lines += ["", f"Intervals that are to hold {intervals['coverage']:.0%}: {held['share']:.1%} of the labels."]
        for title, key in (("prediction", "by_prediction"), ("label", "by_label")):
            shares = "  ".join("-" if share is None else f"{100 * share:.1f}" for _, share in held[key])
            lines.append(f"  by {title:11}, 45 to 90 degrees in steps of 5, per cent: {shares}")
    return [*lines, "", f"{report['n_suspicious']} suspicious labels."]


def _where(table: PredictionTable, rows: NDArray[np.bool_]) -> PredictionTable:
    others = {name: values[rows] for name, values in table.others.items()}
    return PredictionTable(
        table.ids[rows], table.bands[rows], table.labels[rows], table.names, table.predictions[:, rows], others
    )


def _series(table: PredictionTable, groups: Mapping[str, Sequence[str]], baseline: str | None) -> dict[str, Floats]:
    of_name = dict(zip(table.names, table.predictions, strict=True))
    found = [(f"{ALL} {way}", ensemble(table.predictions, way)) for way in reversed(WAYS)]
    for group, names in groups.items():
        if len(groups) > 1 and len(names) > 1:
            members = np.array([of_name[name] for name in names])
            found += [(f"{group} {way}", ensemble(members, way)) for way in reversed(WAYS)]
    if baseline is not None:
        found.append((BASELINE, table.others[baseline]))
    found += of_name.items()
    named: dict[str, Floats] = {}
    for name, values in found:
        if name in named:
            raise SpacerInputError(
                f"'{name[:60]}' would be the name of two predictions in the report: call the group or column otherwise."
            )
        named[name] = values
    return named


def _errors(
    table: PredictionTable, values: Floats, bag: tuple[Floats, Mapping[str, Floats]] | None, name: str, seed: int
) -> dict[str, Any] | None:
    known = np.isfinite(values)
    if not known.any():
        return None
    labels, found = table.labels[known], values[known]
    bins = inclination_bins(labels)
    by_bin: dict[Any, Errors] = {**measure_groups(labels, found, bins.tolist())}
    by_band: dict[Any, Errors] = {**measure_groups(labels, found, table.bands[known].tolist())}
    return {
        "errors": asdict(measure(labels, found)),
        "bootstrap": bootstrap_intervals(labels, found, seed, ids=table.ids[known]),
        "by_bin": [
            {"low": EDGES[number], "high": EDGES[number + 1], **asdict(by_bin[number])} for number in sorted(by_bin)
        ],
        "by_band": {str(band): asdict(by_band[band]) for band in sorted(by_band)},
        "corrected": _corrected(labels, found, bag, name),
    }


def _corrected(
    labels: Floats, values: Floats, bag: tuple[Floats, Mapping[str, Floats]] | None, name: str
) -> dict[str, Any] | None:
    if bag is None or name not in bag[1]:
        return None
    known = np.isfinite(bag[1][name])
    try:
        bias = fit_bias(bag[0][known], bag[1][name][known])
    except SpacerInputError:
        return None
    corrected = np.clip(bias.corrected(values), EDGES[0], EDGES[-1])
    return {**asdict(bias), "n_out_of_bag": int(known.sum()), "errors": asdict(measure(labels, corrected))}


def _checked(calibration: Calibration, table: PredictionTable) -> dict[str, Any]:
    of_name = dict(zip(table.names, table.predictions, strict=True))
    if missing := [name for name in calibration.predictions if name not in of_name]:
        raise SpacerInputError(f"The calibration is for '{missing[0][:40]}' too, and there is no such prediction.")
    members = np.array([of_name[name] for name in calibration.predictions])
    joined = ensemble(members, calibration.joined)  # type: ignore[arg-type]
    known = np.isfinite(joined)
    corrected = calibration.applied(joined[known], table.bands[known].tolist())
    return {"coverage": calibration.coverage, "holding": asdict(Holding.of(table.labels[known], *corrected))}
