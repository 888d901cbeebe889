"""The task that measures how well networks tell inclinations."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.drawing.figures import check_drawing
from spacer_like.exceptions import MessageError
from spacer_like.overwriting import check_also_written, task
from spacer_like.regression.answers import GOOD_BAD, Models, predictions_of
from spacer_like.regression.axis_ratio import measured_axis_ratio
from spacer_like.regression.calibration_file import read_calibration
from spacer_like.regression.dataset import open_pool
from spacer_like.regression.evaluation_figures import (
    MOST_ON_SHEET,
    draw_bins,
    draw_errors,
    draw_intervals,
    draw_suspicious,
)
from spacer_like.regression.evaluation_report import BEST, Evaluated, evaluate, good_bad_report, report_text
from spacer_like.regression.labels import LOWEST
from spacer_like.regression.messages import EvaluateRegressorMsg, EvaluateRegressorReturnMsg
from spacer_like.regression.prediction_table import OUT_OF_BAG, PREDICTIONS, Columns, PredictionTable, read_predictions
from spacer_like.regression.tasks.out_of_bag import check_names, out_of_bag_table
from spacer_like.regression.tasks.predict import parts_of_samples, read_models
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tables.cells import csv_bytes
from spacer_like.tables.files import is_parquet

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

REPORT = "report.json"
AXIS_RATIO = "axis_ratio"
"""The column of inclinations by Hubble's formula from axis ratios that are measured on the samples."""
_FILES = (
    PREDICTIONS,
    OUT_OF_BAG,
    "errors.png",
    "bins.png",
    "intervals.png",
    "suspicious.csv",
    "suspicious.png",
    "good_bad.csv",
    "report.txt",
    REPORT,
)
"""All that may be written."""


@task
def evaluate_regressor(msg: EvaluateRegressorMsg) -> EvaluateRegressorReturnMsg:
    """Measure networks, or a table of their predictions, against labels.

    Raises:
        MessageError: neither networks with samples nor a table with columns are given, or both, or a file of the
            result would overwrite one that is read.
        TableError: a table is malformed, or lacks a column.
        ModelFileError: a file is no such network, or no calibration.
        SpacerInputError: there is no row with a label and a prediction.
        MissingExtraError: matplotlib is not installed.
        SpacerError: errors of the storage.
    """
    start = time.perf_counter()
    _check(msg)
    check_also_written(msg, [msg.out_loc.below(name) for name in _FILES])
    check_drawing()
    loc = msg.calibration_loc
    calibration = None if loc is None else read_calibration(read_bytes(loc), loc.display_name)
    bag = None
    if msg.table_loc is not None:
        table, codes, rejections = _from_table(msg, msg.table_loc)
    else:
        # The calibration is checked against the predictions, as one of a table is.
        models: Models = read_models(msg.model_locs, msg.good_bad_locs, None, msg.views)
        if calibration is not None:
            calibration.check_digests(models.digests)
        table, codes, rejections = _from_networks(models, msg.sample_locs)
        if msg.out_of_bag_sample_locs:
            bag = out_of_bag_table(models, msg.out_of_bag_sample_locs)
    found = None
    if table.names:
        groups = msg.prediction_columns or _names_of(msg)
        if msg.out_of_bag_loc is not None:
            bag = _read(msg, msg.out_of_bag_loc, [*table.names], None)
        baseline = AXIS_RATIO if msg.table_loc is None else msg.baseline_column
        found = evaluate(table, groups, baseline, bag, calibration, msg.seed, float(msg.suspicious_ratio))
    report: dict[str, Any] = {} if found is None else dict(found.report)
    if len(rejections):
        report["good_bad"] = good_bad_report(codes, rejections)
    made = bag if msg.out_of_bag_sample_locs else None
    files = _write(msg, table, made, found, codes, rejections, report)
    return _answer(report, table, files, time.perf_counter() - start)


def _check(msg: EvaluateRegressorMsg) -> None:
    networks = bool(msg.model_locs or msg.good_bad_locs)
    if networks == (msg.table_loc is not None):
        raise MessageError("Give either networks, as model_locs or good_bad_locs, or a table of predictions.")
    if networks and not msg.sample_locs:
        raise MessageError("Networks are asked about samples: give sample_locs.")
    if bool(msg.prediction_columns) != (msg.table_loc is not None):
        raise MessageError("A table needs prediction_columns, and only a table does.")
    if msg.out_of_bag_sample_locs:
        if msg.out_of_bag_loc is not None or not msg.model_locs:
            raise MessageError("out_of_bag_sample_locs are for networks, as model_locs, and without out_of_bag_loc.")
        check_names([name for names in _names_of(msg).values() for name in names], msg.out_of_bag_sample_locs)
    if msg.baseline_column is not None and msg.table_loc is None:
        raise MessageError("A baseline_column is one of a table, and there is no table.")


def _names_of(msg: EvaluateRegressorMsg) -> dict[str, list[str]]:
    return {group: [f"{group}_{number}" for number in range(len(locs))] for group, locs in msg.model_locs.items()}


def _read(msg: EvaluateRegressorMsg, loc: DataLocation, names: Sequence[str], baseline: str | None) -> PredictionTable:
    columns = Columns(msg.label_column, names, msg.band_column, msg.id_column, [baseline] if baseline else [])
    return read_predictions(read_bytes(loc), loc.display_name, is_parquet(loc), columns)


def _from_table(
    msg: EvaluateRegressorMsg, loc: DataLocation
) -> tuple[PredictionTable, NDArray[np.int_], NDArray[np.float64]]:
    names = [name for group in msg.prediction_columns.values() for name in group]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise MessageError(f"The column '{repeated[:40]}' is named twice among prediction_columns.")
    table = _read(msg, loc, names, msg.baseline_column)
    return table, np.empty(0, np.int_), np.empty((0, 0))


def _from_networks(
    models: Models, samples: Sequence[DataLocation]
) -> tuple[PredictionTable, NDArray[np.int_], NDArray[np.float64]]:
    """The predictions and axis ratios of all images of the samples, their codes, and how likely each is rejected."""
    parts = []
    axes: list[float] = []
    for part in parts_of_samples(samples, models.sizes):
        if models.regressors:
            images = next(iter(part.pixels.values()))
            axes += [measured_axis_ratio(image).inclination for image in images]
        parts.append((part._replace(pixels={}), predictions_of(models, part.pixels, part.bands)))
    codes = np.array([code for part, _ in parts for code in part.codes], np.int_)
    table = PredictionTable(
        np.array([number for part, _ in parts for number in part.ids], np.int64),
        np.array([band or "" for part, _ in parts for band in part.bands], np.str_),
        np.where(codes >= LOWEST, codes, np.nan).astype(np.float64),
        tuple(models.regressors),
        np.concatenate([said.inclinations for _, said in parts], axis=1) if parts else np.empty((0, 0)),
        {AXIS_RATIO: np.array(axes)} if models.regressors else {},
    )
    rejections = np.concatenate([said.rejections for _, said in parts], axis=1) if parts else np.empty((0, 0))
    return table, codes, rejections


def _write(
    msg: EvaluateRegressorMsg,
    table: PredictionTable,
    bag: PredictionTable | None,
    found: Evaluated | None,
    codes: NDArray[np.int_],
    rejections: NDArray[np.float64],
    report: dict[str, Any],
) -> list[str]:
    """Write the files, the report last, and return their names."""
    files: list[str] = []

    def at(name: str) -> DataLocation:
        files.append(name)
        return msg.out_loc.below(name)

    if found is not None:
        write_bytes(at(PREDICTIONS), _predictions_csv(table))
        if bag is not None:
            write_bytes(at(OUT_OF_BAG), _predictions_csv(bag))
        draw_errors(found, at("errors.png"))
        draw_bins(found.report, at("bins.png"))
        if found.report["intervals"] is not None:
            draw_intervals(found.report["intervals"], at("intervals.png"))
        write_bytes(at("suspicious.csv"), _suspicious_csv(found))
        if found.suspicious and msg.sample_locs:
            draw_suspicious(found, _pictures(found, msg.sample_locs), at("suspicious.png"))
    if len(rejections):
        columns = [table.ids.tolist(), table.bands.tolist(), codes.tolist(), *rejections.tolist()]
        names = ["pgc", "filter", "code", *(f"{GOOD_BAD}_{number}" for number in range(len(rejections)))]
        write_bytes(at("good_bad.csv"), csv_bytes(names, zip(*columns, strict=True)))
    write_bytes(at("report.txt"), report_text(report).encode())
    write_bytes(at(REPORT), (json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode())
    return files


def _predictions_csv(table: PredictionTable) -> bytes:
    columns = [table.labels, *table.predictions, *table.others.values()]
    rows = zip(table.ids.tolist(), table.bands.tolist(), *(_cells(values) for values in columns), strict=True)
    return csv_bytes(["pgc", "filter", "inc_m", *table.names, *table.others], rows)


def _cells(values: NDArray[np.float64]) -> Iterable[float | None]:
    return (None if np.isnan(value) else value for value in values.tolist())


def _suspicious_csv(found: Evaluated) -> bytes:
    table, predictions = found.table, found.series[BEST]
    rows = (
        (
            int(table.ids[one.row]),
            str(table.bands[one.row]),
            float(table.labels[one.row]),
            round(float(predictions[one.row]), 3),
            round(one.gap, 3),
            round(one.ratio, 3),
        )
        for one in found.suspicious
    )
    return csv_bytes(["pgc", "filter", "inc_m", "prediction", "delta", "ratio"], rows)


def _pictures(found: Evaluated, samples: Sequence[DataLocation]) -> list[NDArray[np.uint8] | None]:
    """The pictures of the first suspicious labels, by the galaxy's number and band; None where no sample has one."""
    wanted = found.suspicious[:MOST_ON_SHEET]
    keys = [(int(found.table.ids[one.row]), str(found.table.bands[one.row])) for one in wanted]
    pictures: dict[tuple[int, str], NDArray[np.uint8]] = {}
    for loc in samples:
        pool = open_pool(loc)
        for row, key in enumerate(zip(pool.ids.tolist(), pool.filters.tolist(), strict=True)):
            if key in keys and key not in pictures:
                pictures[key] = np.array(pool.images[row])
    return [pictures.get(key) for key in keys]


def _answer(
    report: dict[str, Any], table: PredictionTable, files: list[str], runtime: float
) -> EvaluateRegressorReturnMsg:
    best = report["predictions"][BEST]["errors"] if "predictions" in report else None
    intervals = report.get("intervals")
    return EvaluateRegressorReturnMsg(
        n_rows=report.get("n_rows", len(table.labels)),
        n_left_out=report.get("n_left_out", 0),
        n_galaxies=len(np.unique(table.ids)),
        rms=best["rms"] if best else None,
        mae=best["mae"] if best else None,
        coverage=intervals["holding"]["share"] if intervals else None,
        accuracy=report["good_bad"]["median"]["accuracy"] if "good_bad" in report else None,
        n_suspicious=report.get("n_suspicious", 0),
        files=files,
        runtime=runtime,
    )
