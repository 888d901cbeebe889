"""Tables of scores out of storage."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from spacer_like.rarity.table_files import read_table
from spacer_like.storage import read_bytes
from spacer_like.tables.files import is_parquet

if TYPE_CHECKING:
    from spacer_like.location import DataLocation
    from spacer_like.rarity.score_table import ScoreTable


def read_scores(loc: DataLocation, columns: Collection[str] | None = None) -> ScoreTable:
    """The table of scores at a location; `columns` and errors as `read_table`, and those of the storage."""
    parquet = is_parquet(loc)
    return read_table(read_bytes(loc), loc.display_name, parquet, columns)
