"""Tables of the images that could not be worked on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacer_like.location import DataLocation
    from spacer_like.message_base import Unreadable

MOST_ANSWERED = 1000
"""How many of them a return message names."""


def write_failures(loc: DataLocation, failed: Sequence[Unreadable]) -> None:
    """Write the paths and reasons of images as a table, CSV or Parquet."""
    import pyarrow as pa

    from spacer_like.tables.writing import write_tables

    columns = {"path": [entry.name for entry in failed], "reason": [entry.reason for entry in failed]}
    write_tables([(pa.table(columns, pa.schema([("path", pa.string()), ("reason", pa.string())])), loc)])
