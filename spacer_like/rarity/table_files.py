"""Tables of scores out of files, CSV and Parquet; what they are written by is in `spacer_like.tables`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spacer_like.exceptions import DataLimitError, TableError, damage_as
from spacer_like.rarity.score_table import COLUMNS, REQUIRED_COLUMNS, ScoreTable, checked_table
from spacer_like.tables.files import csv_names, read_csv, table_bytes

# A small file is parsed by one thread, for there are many of them at a time; a large one by all.
_BLOCK = 2**22
_MOST_HEADER_BYTES = 2**16
# What the programs of others write where there is no number.
_NO_NUMBER = ["", "undefined", "nan", "NaN", "NA", "null", "None"]
# A file of Parquet may announce rows that take no room in it, and the memory they would take here.
_MOST_ROWS_PER_BYTE = 64
_MOST_TEXT = 2**16


def read_table(data: bytes, name: str, parquet: bool, columns: Collection[str] | None = None) -> ScoreTable:
    """The table in the bytes of a file, CSV or Parquet; PixelScore's own CSV files are read too.

    Args:
        name: what errors call the file.
        columns: read no others than these and the required ones, where that saves time; None: all.

    Raises:
        TableError: malformed, or a column is missing or of another kind.
        DataLimitError: Parquet that would take far more memory than its bytes can hold.
    """
    with damage_as(TableError, name, f"The table '{name}' cannot be read as {'Parquet' if parquet else 'CSV'}"):
        found = _parquet_columns(data, name, columns) if parquet else _csv_columns(data, name, columns)
        return checked_table(found, name, columns)


def encoded(table: ScoreTable, parquet: bool) -> bytes:
    """The bytes of a table's file."""
    return table_bytes(table.columns, parquet)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _csv_columns(data: bytes, name: str, wanted: Collection[str] | None) -> dict[str, Any]:
    from pyarrow.csv import ConvertOptions

    names = csv_names(data, name, _MOST_HEADER_BYTES)
    if repeated := next((column for column in COLUMNS if names.count(column) > 1), None):
        raise TableError(f"The table '{name}' has two columns {repeated}.")
    kinds = {column: _csv_kind(column, kind) for column, kind in COLUMNS.items()}
    included = [column for column in _columns_to_read(wanted) if column in names]
    if not included:
        return {}
    options = ConvertOptions(
        column_types=kinds, include_columns=included, null_values=_NO_NUMBER, strings_can_be_null=False
    )
    table = read_csv(data, options, _BLOCK, use_threads=len(data) > 2 * _BLOCK)
    return {column: _with_null_for_nothing(table[column]) for column in included}


def _csv_kind(column: str, kind: pa.DataType) -> pa.DataType:
    if column == "tokenId":
        return pa.large_string()
    # Other programs write whole numbers with a fraction where a column has holes.
    return pa.float64() if pa.types.is_integer(kind) else kind


def _with_null_for_nothing(column: Any) -> Any:
    """A column of text with null where the file has nothing."""
    if pa.types.is_floating(column.type):
        return column
    if pa.types.is_dictionary(column.type):
        nothing = any(pc.any(pc.equal(chunk.dictionary, "")).as_py() for chunk in column.chunks)
        if not nothing:
            return column
        column = column.cast(column.type.value_type)
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)


def _parquet_columns(data: bytes, name: str, wanted: Collection[str] | None) -> dict[str, Any]:
    from pyarrow.parquet import ParquetFile

    # Only these parts of the metadata are safe to read: pyarrow ends the process on a malformed column's.
    file = ParquetFile(pa.BufferReader(data))
    texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
    # As dictionaries, texts show their lengths before they are repeated row by row.
    file = ParquetFile(pa.BufferReader(data), metadata=file.metadata, read_dictionary=texts)
    if file.metadata.num_rows > _MOST_ROWS_PER_BYTE * len(data):
        raise DataLimitError(
            f"The table '{name}' announces {file.metadata.num_rows} rows in {len(data)} bytes: it is not read."
        )
    names = file.schema_arrow.names
    if repeated := next((column for column in COLUMNS if names.count(column) > 1), None):
        raise TableError(f"The table '{name}' has two columns {repeated}.")
    included = [column for column in _columns_to_read(wanted) if column in names]
    if nested := next(
        (column for column in included if pa.types.is_nested(file.schema_arrow.field(column).type)), None
    ):
        raise TableError(f"The column {nested} of the table '{name}' has values that are no numbers and no text.")
    table = file.read(columns=included)
    # Arrow believes that texts are UTF-8, until someone looks.
    table.validate(full=True)
    for column in included:
        _check_texts(table[column], column, name)
    return {column: table[column] for column in included}


def _check_texts(column: Any, name: str, table: str) -> None:
    """Refuse long texts, which as values of a dictionary cost a file nothing, and memory a row."""
    for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
        longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
        if longest > _MOST_TEXT:
            raise DataLimitError(f"The column {name} of the table '{table}' has a text of {longest} bytes.")


def _columns_to_read(wanted: Collection[str] | None) -> list[str]:
    return [column for column in COLUMNS if wanted is None or column in wanted or column in REQUIRED_COLUMNS]
