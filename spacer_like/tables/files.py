"""The bytes of tables' files.

CSV has a row of names, no index, and is quoted only where a text needs it; missing values are empty; numbers are as
short as reading them back exactly allows. Parquet has zstd and plain types. The same table gives the same bytes.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO, StringIO
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from spacer_like.exceptions import TableError

if TYPE_CHECKING:
    from spacer_like.data_classes import DataLocation

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
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(names)
    sink.write(text.getvalue().encode())


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


def write_parquet(columns: pa.Table, sink: IO[bytes]) -> None:
    """Write a table as Parquet."""
    with parquet_writer(columns.schema, sink) as writer:
        writer.write_table(columns, row_group_size=_ROWS_OF_GROUP)


def parquet_writer(schema: pa.Schema, sink: IO[bytes]) -> Any:
    """pyarrow's ParquetWriter of a table of such columns."""
    from pyarrow.parquet import ParquetWriter

    repeated = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    # Without Arrow's own schema every reader sees plain text where there are dictionaries here.
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": repeated, "store_schema": False}
    return ParquetWriter(sink, schema, **options)


def table_bytes(columns: pa.Table, parquet: bool) -> bytes:
    """The bytes of a table's file."""
    sink = BytesIO()
    (write_parquet if parquet else write_csv)(columns, sink)
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
