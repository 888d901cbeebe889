"""Sparse histograms as Parquet: two columns, ``key`` and ``count``, and what they count in the file's own metadata.

Rising keys are stored as their differences, and all is packed by Zstandard: a tenth of the dense layout or less.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np

from spacer_like.exceptions import HistogramError, damage_as
from spacer_like.rarity.bins import BINS, COLOURS
from spacer_like.rarity.counting import Piece
from spacer_like.rarity.histogram import Counted, Header, Histogram, checked

if TYPE_CHECKING:
    from numpy.typing import NDArray

Value = TypeVar("Value", str, int)

KIND, VERSION = "rarity histogram", 1
_METADATA = b"spacer_like"
_ROWS_AT_ONCE = 2**20
_LARGEST_SIZE = 512


def write_parquet(counted: Counted, sink: BinaryIO) -> int:
    """Write counts as a file, a piece at a time; the same counts give the same bytes.

    Returns:
        The number of colours at positions that have a count.
    """
    import pyarrow as pa
    import pyarrow.parquet

    described = {
        "kind": KIND,
        "version": VERSION,
        "header": asdict(counted.header),
        "collections": dict(sorted(counted.collections.items())),
    }
    schema = pa.schema(
        [pa.field("key", pa.uint32(), nullable=False), pa.field("count", pa.uint32(), nullable=False)],
        metadata={_METADATA: json.dumps(described).encode()},
    )
    n_counts = 0
    with pyarrow.parquet.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        column_encoding={"key": "DELTA_BINARY_PACKED", "count": "DELTA_BINARY_PACKED"},
        write_statistics=False,
    ) as writer:
        for keys, counts in counted.pieces():
            writer.write_table(pa.table([keys, counts], schema=schema), row_group_size=max(1, len(keys)))
            n_counts += len(keys)
    return n_counts


def to_parquet(counted: Counted) -> bytes:
    """The file that `write_parquet` writes."""
    sink = BytesIO()
    write_parquet(counted, sink)
    return sink.getvalue()


class HistogramFile:
    """A histogram in a file, which is read a piece at a time, and checked.

    Args:
        name: what errors call it.

    Raises:
        HistogramError: no histogram, a later version of it, or malformed.
    """

    def __init__(self, data: bytes, name: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        self._name = name
        with self._reading_errors():
            self._file = pyarrow.parquet.ParquetFile(pa.BufferReader(data))
            schema = self._file.schema_arrow
        self.header, self.collections = _described((schema.metadata or {}).get(_METADATA), name)
        if [(field.name, field.type) for field in schema] != [("key", pa.uint32()), ("count", pa.uint32())]:
            raise HistogramError(f"{name} is no histogram: its columns are not key and count.")
        # Before anything is unpacked: no more than there can be.
        most = self.header.positions * min(COLOURS, max(sum(self.collections.values()), 1))
        if self._file.metadata.num_rows > most:
            raise HistogramError(f"{name} is malformed: it has more rows than there are keys.")

    def pieces(self) -> Iterator[Piece]:
        """See `Counted`.

        Raises:
            HistogramError: malformed; what only all pieces show is raised after the last one.
        """
        return checked(self, self._pieces(), self._name)

    def _pieces(self) -> Iterator[Piece]:
        with self._reading_errors():
            for batch in self._file.iter_batches(_ROWS_AT_ONCE):
                yield _numbers(batch.column(0), self._name), _numbers(batch.column(1), self._name)

    def _reading_errors(self) -> AbstractContextManager[None]:
        return damage_as(HistogramError, self._name, f"{self._name} is no histogram, or is damaged: compute it again")


def from_parquet(data: bytes, name: str) -> Histogram:
    """The histogram in a file; arguments and errors as of `HistogramFile`."""
    file = HistogramFile(data, name)
    pieces = list(file.pieces()) or [(np.empty(0, np.uint32), np.empty(0, np.uint32))]
    keys, counts = (np.concatenate(part) for part in zip(*pieces, strict=True))
    return Histogram(file.header, file.collections, keys, counts)


def _numbers(column: Any, name: str) -> NDArray[np.uint32]:
    if column.null_count:
        raise HistogramError(f"{name} is malformed: a number is missing.")
    values: NDArray[np.uint32] = column.to_numpy()
    return values


def _described(text: bytes | None, name: str) -> tuple[Header, dict[str, int]]:
    if text is None:
        raise HistogramError(f"{name} is no histogram: it does not say what it counts.")
    with damage_as(HistogramError, name, f"{name} is malformed: what it says that it counts cannot be understood"):
        found = json.loads(text)
        if found["kind"] != KIND or not isinstance(found["version"], int):
            raise HistogramError(f"{name} is no histogram: it is a {found['kind']}.")
        if found["version"] > VERSION:
            raise HistogramError(f"{name} is of version {found['version']}, which is not known here yet: update.")
        header = Header(**found["header"])
        collections = {_of(str, key): _of(int, count) for key, count in found["collections"].items()}
        valid = (
            1 <= _of(int, header.size) <= _LARGEST_SIZE
            and header.bins == BINS
            and all(0 <= count < 2**32 for count in collections.values())
        )
        for text_value in (header.resample, header.background, header.colour_space):
            _of(str, text_value)
    if not valid or sum(collections.values()) >= 2**32:
        raise HistogramError(f"{name} is malformed: what it says that it counts is impossible.")
    return header, collections


def _of(kind: type[Value], value: Any) -> Value:
    if type(value) is not kind:
        raise TypeError
    return value
