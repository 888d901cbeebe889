"""The chips that were found, as a table: CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

from spacer_like.exceptions import TableError

if TYPE_CHECKING:
    from spacer_like.chips.messages import SimilarChip
    from spacer_like.data_classes import DataLocation

COLUMNS = ("chip", "distance", "tile", "longitude", "latitude")


def is_parquet(loc: DataLocation) -> bool:
    """Whether the table at a location is Parquet; else it is CSV.

    Raises:
        TableError: the location's name ends neither with ``.parquet`` nor with ``.csv``.
    """
    name = loc.filename.lower()
    if not name.endswith((".csv", ".parquet")):
        raise TableError(f"The table '{loc.display_name}' must end with .csv or .parquet.")
    return name.endswith(".parquet")


def similar_table(similar: Sequence[SimilarChip], parquet: bool) -> bytes:
    """A table with a row a chip, the nearest first; what is not known is empty."""
    return _parquet(similar) if parquet else _csv(similar)


def _csv(similar: Sequence[SimilarChip]) -> bytes:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(chip, column) for column in COLUMNS] for chip in similar)
    return text.getvalue().encode()


def _parquet(similar: Sequence[SimilarChip]) -> bytes:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    kinds = (pa.string(), pa.float64(), pa.string(), pa.float64(), pa.float64())
    schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
    columns = [pa.array([getattr(chip, field.name) for chip in similar], field.type) for field in schema]
    sink = BytesIO()
    write_table(pa.table(columns, schema=schema), sink, compression="zstd", store_schema=False)
    return sink.getvalue()
