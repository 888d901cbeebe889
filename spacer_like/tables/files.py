"""The bytes of tables' files.

CSV has a row of names, no index, and is quoted only where a text needs it; missing values are empty; numbers are as
short as reading them back exactly allows; no text is a formula (`spacer_like.tables.cells`). Parquet has zstd and plain
types. The same table gives the same bytes.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from spacer_like.exceptions import TableError
from spacer_like.tables.cells import APOSTROPHE, GUARDED_PATTERN, NUMBER_PATTERN, csv_bytes, csv_rows, unguarded

if TYPE_CHECKING:
    from pyarrow.csv import ConvertOptions

    from spacer_like.location import DataLocation

_ROWS_AT_A_TIME = 2**16
_ROWS_OF_GROUP = 2**17


def is_parquet(loc: DataLocation) -> bool:
    """Whether the table at a location is Parquet; else it is CSV.

    Raises:
        TableError: the location's name ends neither with ``.parquet`` nor with ``.csv``.
    """
    name = loc.filename.lower()
    if not name.endswith((".csv", ".parquet")):
        raise TableError(f"The table '{loc.display_name}' must end with .csv or .parquet.")
    return name.endswith(".parquet")


def write_csv(columns: pa.Table, sink: IO[bytes], threads: int = 1) -> None:
    """Write a table as CSV, a part at a time, `threads` parts at once."""
    write_csv_names(columns.column_names, sink)
    write_csv_rows(columns, sink, threads)


def write_csv_names(names: Sequence[str], sink: IO[bytes]) -> None:
    """Write the row of names that a CSV begins with."""
    sink.write(csv_bytes(names, []))


def write_csv_rows(columns: pa.Table, sink: IO[bytes], threads: int = 1) -> None:
    """Write the rows of a table as CSV without the names."""
    parts = (columns.slice(start, _ROWS_AT_A_TIME) for start in range(0, columns.num_rows, _ROWS_AT_A_TIME))
    with ThreadPoolExecutor(threads, thread_name_prefix="spacer-csv") as workers:
        waiting: deque[Future[BytesIO]] = deque()
        for part in parts:
            waiting.append(workers.submit(_csv_rows, part))
            if len(waiting) > threads:
                sink.write(waiting.popleft().result().getbuffer())
        for future in waiting:
            sink.write(future.result().getbuffer())


def csv_names(data: bytes, name: str, most_bytes: int) -> list[str]:
    """The names in the first row of a CSV file, as they stand there: `unguarded` gives those that are meant.

    Args:
        name: what errors call the file.
        most_bytes: that the row may have.

    Raises:
        TableError: there is no such row.
    """
    text = data[:most_bytes].decode("utf-8-sig", errors="ignore")
    try:
        return next(csv_rows(text, read=str))[1]
    except (StopIteration, csv.Error):
        raise TableError(f"The table '{name}' has no row of names.") from None


def read_csv(data: bytes, options: ConvertOptions, block_size: int, *, use_threads: bool = True) -> pa.Table:
    """The table in the bytes of a CSV file, its texts and names as they were before they were written.

    Args:
        options: for names as they stand in the file.

    Raises:
        pyarrow.ArrowInvalid: malformed.
    """
    from pyarrow import csv as arrow_csv

    parsing = arrow_csv.ParseOptions(newlines_in_values=b'"' in data)
    reading = arrow_csv.ReadOptions(use_threads=use_threads, block_size=block_size)
    table = arrow_csv.read_csv(pa.BufferReader(data), reading, parsing, options)
    if APOSTROPHE.encode() not in data:
        return table
    table = _with_texts(table, _unguarded_texts)
    return table.rename_columns([unguarded(name) for name in table.column_names])


def write_parquet(columns: pa.Table, sink: IO[bytes]) -> None:
    """Write a table as Parquet."""
    with parquet_writer(columns.schema, sink) as writer:
        writer.write_table(columns, row_group_size=_ROWS_OF_GROUP)


def parquet_writer(schema: pa.Schema, sink: IO[bytes]) -> Any:
    """pyarrow's ParquetWriter of a table of such columns; of a schema's metadata it keeps GeoParquet's alone."""
    from pyarrow.parquet import ParquetWriter

    repeated = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    # Without Arrow's own schema every reader sees plain text where there are dictionaries here.
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": repeated, "store_schema": False}
    writer = ParquetWriter(sink, schema, **options)
    if (geo := (schema.metadata or {}).get(b"geo")) is not None:
        writer.add_key_value_metadata({"geo": geo})
    return writer


def table_bytes(columns: pa.Table, parquet: bool) -> bytes:
    """The bytes of a table's file."""
    sink = BytesIO()
    (write_parquet if parquet else write_csv)(columns, sink)
    return sink.getvalue()


def _csv_rows(part: pa.Table) -> BytesIO:
    from pyarrow.csv import WriteOptions, write_csv

    part = _with_texts(part, _guarded_texts)
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


def _with_texts(table: pa.Table, change: Callable[[Any], Any]) -> pa.Table:
    """The table with `change` applied to each array of texts, and to the texts of each dictionary."""

    def changed(chunk: Any) -> Any:
        if not pa.types.is_dictionary(chunk.type):
            return change(chunk)
        return pa.DictionaryArray.from_arrays(chunk.indices, change(chunk.dictionary))

    for column, field in enumerate(table.schema):
        values = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_string(values) or pa.types.is_large_string(values):
            chunks = [changed(chunk) for chunk in table.column(column).chunks]
            table = table.set_column(column, field, pa.chunked_array(chunks, field.type))
    return table


def _guarded_texts(texts: Any) -> Any:
    guarded = _are_guarded(texts)
    if not pc.any(guarded).as_py():
        return texts
    before, between = pa.scalar(APOSTROPHE, texts.type), pa.scalar("", texts.type)
    return pc.if_else(guarded, pc.binary_join_element_wise(before, texts, between), texts)


def _unguarded_texts(texts: Any) -> Any:
    begins = pc.starts_with(texts, APOSTROPHE)
    if not pc.any(begins).as_py():
        return texts
    return pc.if_else(pc.and_(begins, _are_guarded(texts)), pc.utf8_slice_codeunits(texts, 1), texts)


def _are_guarded(texts: Any) -> Any:
    found = pc.match_substring_regex(texts, GUARDED_PATTERN)
    if not pc.any(found).as_py():
        return found
    return pc.and_not(found, pc.match_substring_regex(texts, NUMBER_PATTERN))
