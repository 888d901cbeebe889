"""Tables of scores as files: CSV and Parquet.

CSV has a row of names, no index, and is quoted only where a text needs it; missing values are empty; numbers are as
short as reading them back exactly allows. Parquet has zstd and plain types.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from spacer_like.exceptions import DataLimitError, TableError
from spacer_like.rarity.score_table import COLUMNS, REQUIRED_COLUMNS, ScoreTable, checked_table

if TYPE_CHECKING:
    from spacer_like.data_classes import DataLocation

_ROWS_AT_A_TIME = 2**16
_ROWS_OF_GROUP = 2**17
# A small file is parsed by one thread, for there are many of them at a time; a large one by all.
_BLOCK = 2**22
_MOST_HEADER_BYTES = 2**16
# What the programs of others write where there is no number.
_NO_NUMBER = ["", "undefined", "nan", "NaN", "NA", "null", "None"]
# A file of Parquet may announce rows that take no room in it, and the memory they would take here.
_MOST_ROWS_PER_BYTE = 64
_MOST_TEXT = 2**16


def is_parquet(loc: DataLocation) -> bool:
    """Whether the table at a location is Parquet; else it is CSV.

    Raises:
        TableError: the location's name ends neither with ``.parquet`` nor with ``.csv``.
    """
    name = loc.filename.lower()
    if not name.endswith((".csv", ".parquet")):
        raise TableError(f"The table '{loc.display_name}' must end with .csv or .parquet.")
    return name.endswith(".parquet")


def read_table(data: bytes, name: str, parquet: bool, columns: Collection[str] | None = None) -> ScoreTable:
    """The table in the bytes of a file, CSV or Parquet; PixelScore's own CSV files are read too.

    Args:
        name: what errors call the file.
        columns: read no others than these and the required ones, where that saves time; None: all.

    Raises:
        TableError: malformed, or a column is missing or of another kind.
        DataLimitError: Parquet that would take far more memory than its bytes can hold.
    """
    try:
        found = _parquet_columns(data, name, columns) if parquet else _csv_columns(data, name, columns)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        kind = "Parquet" if parquet else "CSV"
        raise TableError(f"The table '{name}' cannot be read as {kind}: {str(error).splitlines()[0]}") from None
    return checked_table(found, name, columns)


def write_csv(columns: pa.Table, sink: IO[bytes], threads: int = 1) -> None:
    """Write a table as CSV, a part at a time, `threads` parts at once."""
    sink.write((",".join(columns.column_names) + "\n").encode())
    parts = (columns.slice(start, _ROWS_AT_A_TIME) for start in range(0, columns.num_rows, _ROWS_AT_A_TIME))
    with ThreadPoolExecutor(threads, thread_name_prefix="spacer-csv") as workers:
        waiting: deque[Future[BytesIO]] = deque()
        for part in parts:
            waiting.append(workers.submit(_csv_rows, part))
            if len(waiting) > threads:
                sink.write(waiting.popleft().result().getbuffer())
        for future in waiting:
            sink.write(future.result().getbuffer())


def write_parquet(columns: pa.Table, sink: IO[bytes]) -> None:
    """Write a table as Parquet."""
    from pyarrow.parquet import ParquetWriter

    repeated = [field.name for field in columns.schema if pa.types.is_dictionary(field.type)]
    # Without Arrow's own schema every reader sees plain text where there are dictionaries here.
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": repeated, "store_schema": False}
    with ParquetWriter(sink, columns.schema, **options) as writer:
        writer.write_table(columns, row_group_size=_ROWS_OF_GROUP)


def encoded(table: ScoreTable, parquet: bool) -> bytes:
    """The bytes of a table's file."""
    sink = BytesIO()
    (write_parquet if parquet else write_csv)(table.columns, sink)
    return sink.getvalue()


def _csv_rows(part: pa.Table) -> BytesIO:
    from pyarrow.csv import WriteOptions, write_csv

    # Arrow quotes all texts or none; hardly ever does one need it, and then only the texts of its part are quoted.
    for style in ("none", "needed"):
        rows = BytesIO()
        options = WriteOptions(include_header=False, batch_size=4096, quoting_style=style)
        try:
            write_csv(part, rows, options)
            break
        except pa.ArrowInvalid:
            if style == "needed":
                raise
    return rows


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _csv_columns(data: bytes, name: str, wanted: Collection[str] | None) -> dict[str, Any]:
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

    names = _header(data, name)
    if repeated := next((column for column in COLUMNS if names.count(column) > 1), None):
        raise TableError(f"The table '{name}' has two columns {repeated}.")
    kinds = {column: _csv_kind(column, kind) for column, kind in COLUMNS.items()}
    included = [column for column in _columns_to_read(wanted) if column in names]
    if not included:
        return {}
    options = ConvertOptions(
        column_types=kinds, include_columns=included, null_values=_NO_NUMBER, strings_can_be_null=False
    )
    parsing = ParseOptions(newlines_in_values=b'"' in data)
    reading = ReadOptions(use_threads=len(data) > 2 * _BLOCK, block_size=_BLOCK)
    table = read_csv(pa.BufferReader(data), reading, parsing, options)
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


def _header(data: bytes, name: str) -> list[str]:
    try:
        line = data[:_MOST_HEADER_BYTES].decode("utf-8-sig", errors="ignore").splitlines()[0]
        return next(csv.reader([line], strict=True))
    except (IndexError, StopIteration, csv.Error):
        raise TableError(f"The table '{name}' has no row of names.") from None


def _parquet_columns(data: bytes, name: str, wanted: Collection[str] | None) -> dict[str, Any]:
    from pyarrow.parquet import ParquetFile

    # Of the metadata only what is read here is safe: a malformed column's would end the process, not raise.
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
