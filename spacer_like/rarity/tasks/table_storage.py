"""Tables between storage and memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from spacer_like.cores import thread_count
from spacer_like.rarity.table_files import is_parquet, read_table, write_csv, write_parquet
from spacer_like.storage import read_bytes, temporary_file, write_file

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from spacer_like.data_classes import DataLocation
    from spacer_like.rarity.score_table import ScoreTable


def read_scores(loc: DataLocation, columns: Collection[str] | None = None) -> ScoreTable:
    """The table of scores at a location; `columns` and errors as `read_table`, and those of the storage."""
    parquet = is_parquet(loc)
    return read_table(read_bytes(loc), loc.display_name, parquet, columns)


def check_endings(locs: Sequence[DataLocation]) -> None:
    """Refuse, before the work, a table's location that ends neither with .csv nor with .parquet, as a `TableError`."""
    for loc in locs:
        is_parquet(loc)


def write_tables(outputs: Sequence[tuple[pa.Table, DataLocation]]) -> None:
    """Write tables, CSV or Parquet by their locations' endings: all are made before the first one is put in place."""
    with ExitStack() as files:
        paths = [files.enter_context(temporary_file(loc)) for _, loc in outputs]
        with ThreadPoolExecutor(max(len(outputs), 1), thread_name_prefix="spacer-table") as workers:
            made = [workers.submit(_make, *output, path) for output, path in zip(outputs, paths, strict=True)]
            for future in made:
                future.result()
        for (_, loc), path in zip(outputs, paths, strict=True):
            write_file(loc, path, consume=True)


def _make(columns: pa.Table, loc: DataLocation, path: Path) -> None:
    with path.open("wb") as file:
        if is_parquet(loc):
            write_parquet(columns, file)
        else:
            write_csv(columns, file, thread_count())
