"""The task that makes intervals around predicted inclinations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import MessageError, TooFewRowsError
from spacer_like.overwriting import task
from spacer_like.regression.calibration import (
    ANY,
    BandCalibration,
    Calibration,
    Rows,
    fit_bands,
    least_rows_for,
    sparse_bins,
)
from spacer_like.regression.calibration_file import calibration_bytes
from spacer_like.regression.messages import BandCoverage, CalibrateRegressorMsg, CalibrateRegressorReturnMsg
from spacer_like.regression.model_sets import regressor_at
from spacer_like.regression.prediction_table import Columns, PredictionTable, read_predictions
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tables.files import is_parquet

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

NO_BIAS = (
    "No bias is taken out: of the predictions out of bag fewer than two labels lie within 10 degrees, or they do not "
    "rise with the labels."
)


@task
def calibrate_regressor(msg: CalibrateRegressorMsg) -> CalibrateRegressorReturnMsg:
    """Fit intervals, and the linear bias, to tables of predictions and labels.

    Raises:
        MessageError: the networks are not called as the columns are.
        ModelFileError: a file is no such network.
        TableError: a table is malformed, or lacks a column.
        TooFewRowsError: it has too few rows with a label and a prediction.
        SpacerError: errors of the storage.
    """
    start = time.perf_counter()
    digests = _digests(msg)
    table = _read(msg.table_loc, msg)
    rows = usable_rows(table, msg.joined)
    bag = None if msg.out_of_bag_loc is None else usable_rows(_read(msg.out_of_bag_loc, msg), msg.joined)
    if not len(rows.labels):
        raise TooFewRowsError(f"The table '{msg.table_loc.display_name}' has no row with a label and a prediction.")
    bands = fit_bands(rows, bag, float(msg.coverage), msg.least_rows)
    calibration = Calibration(float(msg.coverage), table.names, msg.joined, bands, digests)
    write_bytes(msg.out_loc, calibration_bytes(calibration))
    return CalibrateRegressorReturnMsg(
        n_rows=len(rows.labels),
        n_left_out=len(table.labels) - len(rows.labels),
        n_galaxies=len(np.unique(rows.ids)),
        n_bias=bands[ANY].n_bias,
        small_bands=sorted({*rows.bands.tolist()} - {"", *bands}),
        bands=[_coverage(name, band) for name, band in bands.items()],
        warnings=[
            *([] if bag is None or bands[ANY].bias is not None else [NO_BIAS]),
            *_too_few(bands[ANY].corrected(rows.predictions), rows.labels, msg),
        ],
        runtime=time.perf_counter() - start,
    )


def _digests(msg: CalibrateRegressorMsg) -> dict[str, str]:
    """The networks' digests by their names, which must be those of the columns."""
    named = {f"{group}_{j}": loc for group, locs in msg.model_locs.items() for j, loc in enumerate(locs)}
    if named and (other := sorted(set(named) ^ set(msg.prediction_columns))):
        raise MessageError(
            f"The networks of model_locs are called {', '.join(named)[:200]}, and prediction_columns are others, or "
            f"lack some, such as {other[0][:40]}: name both alike."
        )
    return {name: regressor_at(loc).digest for name, loc in named.items()}


def usable_rows(table: PredictionTable, joined: str) -> Rows:
    """The rows that have a label and a prediction."""
    predictions = table.joined(joined)
    rows = Rows(table.ids, table.bands, table.labels, predictions)
    return rows.where(np.isfinite(table.labels) & np.isfinite(predictions))


def _too_few(predictions: NDArray[np.float64], labels: NDArray[np.float64], msg: CalibrateRegressorMsg) -> list[str]:
    least = max(msg.least_rows, least_rows_for(float(msg.coverage)))
    if not (sparse := sparse_bins(predictions, labels, least)):
        return []
    return [
        f"There are fewer than {least} rows at {', '.join(sparse)}: such bins share the intervals of their "
        f"neighbours, which may hold fewer labels there than {msg.coverage:.0%}."
    ]


def _read(loc: DataLocation, msg: CalibrateRegressorMsg) -> PredictionTable:
    columns = Columns(msg.label_column, msg.prediction_columns, msg.band_column, msg.id_column)
    parquet = is_parquet(loc)
    return read_predictions(read_bytes(loc), loc.display_name, parquet, columns)


def _coverage(name: str, band: BandCalibration) -> BandCoverage:
    held = band.holding
    nothing: list[float | None] = [None] * 9
    return BandCoverage(
        band=name,
        n_rows=band.count,
        coverage=held.share if held else None,
        by_prediction=[share for _, share in held.by_prediction] if held else nothing,
        by_label=[share for _, share in held.by_label] if held else nothing,
        mean_width=held.width if held else None,
    )
