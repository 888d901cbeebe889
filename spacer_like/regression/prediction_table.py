"""Tables of predicted inclinations: a row for each image, a column for each network; CSV and Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import DataLimitError, TableError, damage_as
from spacer_like.regression.evaluation import ensemble
from spacer_like.regression.labels import HIGHEST, LOWEST, MOST_ID
from spacer_like.tables.files import csv_names, read_csv

Floats = NDArray[np.float64]

PREDICTIONS, OUT_OF_BAG = "predictions.csv", "out_of_bag.csv"
"""The files of an evaluation: of galaxies that no network was trained on, and of those that some were not."""
MOST_BYTES = 2**30
_MOST_HEADER_BYTES = 2**20
_BLOCK = 2**22
# A file of Parquet may announce rows that take no room in it.
_MOST_ROWS_PER_BYTE = 64
_LONGEST_TEXT = 100
_MISSING = ["", "nan", "NaN", "NA", "null", "None"]


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns.

    Attributes:
        label: the inclination in degrees that people gave; None: there is none.
        predictions: degrees, one column for each network.
        band: g, r, i, c or another name; None: all rows are of one.
        id: the galaxy's number; None: each row is a galaxy of its own.
        others: more columns of degrees.
    """

    label: str | None
    predictions: Sequence[str]
    band: str | None = None
    id: str | None = None
    others: Sequence[str] = ()


@dataclass(frozen=True)
class PredictionTable:
    """Predictions of networks.

    Attributes:
        ids: int64 [n] of the galaxies.
        bands: [n] texts, empty where there is no band.
        labels: float64 [n], degrees from 45 to 90, NaN where there is none.
        names: of the networks.
        predictions: float64 [networks, n], degrees, NaN where there is none.
        others: float64 [n] of each further column, by its name.
    """

    ids: NDArray[np.int64]
    bands: NDArray[np.str_]
    labels: Floats = field(repr=False)
    names: tuple[str, ...]
    predictions: Floats = field(repr=False)
    others: dict[str, Floats] = field(default_factory=dict, repr=False)

    def joined(self, how: Any) -> Floats:
        """The ``median`` or ``mean`` of each row's predictions, [n]; NaN where there is none."""
        return ensemble(self.predictions, how)


def read_predictions(data: bytes, name: str, parquet: bool, columns: Columns) -> PredictionTable:
    """The table in the bytes of a file.

    Args:
        name: what errors call the file.

    Raises:
        TableError: malformed or empty, without one of the columns, a text or an infinite number for degrees, a label
            outside 45 to 90 degrees, or an id that is no whole number.
        DataLimitError: it is too large.
    """
    if len(data) > MOST_BYTES:
        raise DataLimitError(f"The table '{name}' is larger than {MOST_BYTES // 2**30} GiB: it is not read.")
    with damage_as(TableError, name, f"The table '{name}' cannot be read as {'Parquet' if parquet else 'CSV'}"):
        table = _from_parquet(data, name, columns) if parquet else _from_csv(data, name, columns)
        if not table.num_rows:
            raise TableError(f"The table '{name}' has no row.")
        found = {one: _numbers(table[one], one, name) for one in _degrees(columns)}
        labels = np.full(table.num_rows, np.nan) if columns.label is None else found[columns.label]
        _check_labels(labels, columns.label, name)
        ids = np.arange(table.num_rows) if columns.id is None else _ids(table[columns.id], columns.id, name)
        bands = [""] * table.num_rows if columns.band is None else _texts(table[columns.band], columns.band, name)
        return PredictionTable(
            np.asarray(ids, np.int64),
            np.array(bands, np.str_),
            labels,
            tuple(columns.predictions),
            np.array([found[one] for one in columns.predictions]),
            {one: found[one] for one in columns.others},
        )


def _degrees(columns: Columns) -> list[str]:
    labels = [] if columns.label is None else [columns.label]
    return [*labels, *columns.predictions, *columns.others]


def _wanted(columns: Columns, present: list[str], name: str) -> list[str]:
    """The columns to read."""
    texts = [one for one in (columns.band, columns.id) if one is not None]
    wanted = list(dict.fromkeys([*texts, *_degrees(columns)]))
    for column in wanted:
        if column not in present:
            shown = ", ".join(one[:40] for one in present[:12]) + (" ..." if len(present) > 12 else "")
            raise TableError(f"The table '{name}' has no column '{column}'; it has {shown}.")
        if present.count(column) > 1:
            raise TableError(f"The table '{name}' has two columns '{column}'.")
    return wanted


def _from_csv(data: bytes, name: str, columns: Columns) -> Any:
    import pyarrow as pa
    from pyarrow.csv import ConvertOptions

    from spacer_like.tables.cells import unguarded

    written = csv_names(data, name, _MOST_HEADER_BYTES)
    meant = [unguarded(one) for one in written]
    included = [written[meant.index(one)] for one in _wanted(columns, meant, name)]
    # As text, so that a cell that is no number can be named.
    options = ConvertOptions(
        include_columns=included, column_types={one: pa.string() for one in included}, strings_can_be_null=False
    )
    table = read_csv(data, options, _BLOCK)
    table.validate(full=True)
    return table


def _from_parquet(data: bytes, name: str, columns: Columns) -> Any:
    from pyarrow.parquet import ParquetFile

    # Only these parts of the metadata are safe to read: pyarrow ends the process on a malformed column's.
    file = ParquetFile(BytesIO(data))
    if file.metadata.num_rows > _MOST_ROWS_PER_BYTE * len(data):
        raise DataLimitError(
            f"The table '{name}' announces {file.metadata.num_rows} rows in {len(data)} bytes: it is not read."
        )
    table = file.read(columns=_wanted(columns, file.schema_arrow.names, name))
    table.validate(full=True)
    return table


def _numbers(column: Any, label: str, name: str) -> Floats:
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        values = np.array([_number(text, row, label, name) for row, text in enumerate(column.to_pylist())], np.float64)
    elif pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type):
        values = column.cast(pa.float64()).to_numpy().astype(np.float64)
    else:
        raise TableError(f"The column '{label}' of the table '{name}' is of the type {column.type}, and no numbers.")
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise TableError(f"The column '{label}' of the table '{name}' has an infinite number in row {row + 1}.")
    return values


def _number(text: str | None, row: int, label: str, name: str) -> float:
    if text is None or text.strip() in _MISSING:
        return np.nan
    try:
        return float(text)
    except ValueError:
        raise TableError(
            f"The column '{label}' of the table '{name}' has '{text[:40]}' in row {row + 1}, which is no number."
        ) from None


def _check_labels(labels: Floats, column: str | None, name: str) -> None:
    outside = np.flatnonzero((labels < LOWEST) | (labels > HIGHEST))
    if len(outside):
        row = int(outside[0])
        raise TableError(
            f"The column '{column}' of the table '{name}' has {labels[row]:g} in row {row + 1}: labels are degrees "
            f"from {LOWEST} to {HIGHEST}. Leave the others empty."
        )


def _ids(column: Any, label: str, name: str) -> NDArray[np.int64]:
    values = _numbers(column, label, name)
    bad = np.flatnonzero(~((values >= 0) & (values <= MOST_ID) & (values == np.floor(values))))
    if len(bad):
        raise TableError(
            f"The column '{label}' of the table '{name}' has {values[bad[0]]:g} in row {int(bad[0]) + 1}, which is no "
            "galaxy's number."
        )
    return values.astype(np.int64)


def _texts(column: Any, label: str, name: str) -> list[str]:
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise TableError(f"The column '{label}' of the table '{name}' is of the type {column.type}, and no texts.")
    texts = [(text or "").strip() for text in column.to_pylist()]
    if longest := next((text for text in texts if len(text) > _LONGEST_TEXT), None):
        raise TableError(f"The column '{label}' of the table '{name}' has a text that is too long: '{longest[:40]}'.")
    return texts
