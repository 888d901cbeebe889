"""Writing of tables into storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from spacer_like.cores import thread_count
from spacer_like.storage import temporary_file, write_file, writing_for
from spacer_like.tables.files import (
    is_parquet,
    parquet_writer,
    write_csv,
    write_csv_names,
    write_csv_rows,
    write_parquet,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from spacer_like.location import DataLocation

_ROWS_AT_A_TIME = 2**17


def check_endings(locs: Sequence[DataLocation]) -> None:
    """Refuse, before the work, a table's location that ends neither with .csv nor with .parquet, as a `TableError`."""
    for loc in locs:
        is_parquet(loc)


def write_tables(outputs: Sequence[tuple[pa.Table, DataLocation]]) -> None:
    """Write tables, CSV or Parquet by their locations' endings; all are complete before the first one is stored."""
    with ExitStack() as files:
        paths = [files.enter_context(temporary_file(loc)) for _, loc in outputs]
        with ThreadPoolExecutor(max(len(outputs), 1), thread_name_prefix="spacer-table") as workers:
            made = [workers.submit(_make, *output, path) for output, path in zip(outputs, paths, strict=True)]
            for future in made:
                future.result()
        for (_, loc), path in zip(outputs, paths, strict=True):
            write_file(loc, path, consume=True)


@contextmanager
def growing_table(schema: pa.Schema, locs: Sequence[DataLocation]) -> Iterator[Callable[[pa.Table], None]]:
    """A table that is written part by part, and stored at its locations when the block ends without an error.

    Yields:
        a function that takes the next rows; where there are no locations, it does nothing.
    """
    with ExitStack() as files:
        paths = [files.enter_context(temporary_file(loc)) for loc in locs]
        with ExitStack() as writers:
            writes = [writers.enter_context(_growing(schema, loc, path)) for loc, path in zip(locs, paths, strict=True)]
            waiting: list[pa.Table] = []
            count = 0

            def write() -> None:
                import pyarrow as pa

                nonlocal count
                rows = pa.concat_tables(waiting)
                waiting.clear()
                count = 0
                for one in writes:
                    one(rows)

            def append(rows: pa.Table) -> None:
                nonlocal count
                if writes and rows.num_rows:
                    waiting.append(rows)
                    count += rows.num_rows
                    if count >= _ROWS_AT_A_TIME:
                        write()

            yield append
            if waiting:
                write()
        for loc, path in zip(locs, paths, strict=True):
            write_file(loc, path, consume=True)


@contextmanager
def _growing(schema: pa.Schema, loc: DataLocation, path: Path) -> Iterator[Callable[[Any], None]]:
    def naming_the_file(write: Callable[[Any], None]) -> Callable[[Any], None]:
        def named(rows: Any) -> None:
            with writing_for(loc, path):
                write(rows)

        return named

    with writing_for(loc, path), path.open("wb") as file:
        if is_parquet(loc):
            with parquet_writer(schema, file) as writer:
                yield naming_the_file(writer.write_table)
        else:
            write_csv_names(schema.names, file)
            yield naming_the_file(lambda rows: write_csv_rows(rows, file, thread_count()))


def _make(columns: pa.Table, loc: DataLocation, path: Path) -> None:
    with writing_for(loc, path), path.open("wb") as file:
        if is_parquet(loc):
            write_parquet(columns, file)
        else:
            write_csv(columns, file, thread_count())
