"""Sparse histograms as Parquet: two columns, ``key`` and ``count``, and what they count in the file's own metadata.

Rising keys are stored as their differences, and all is packed by Zstandard: a tenth of the dense layout or less.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from spacer_like.exceptions import HistogramError
from spacer_like.rarity.bins import BINS, CELLS
from spacer_like.rarity.histogram import Header, Histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

Value = TypeVar("Value", str, int)

KIND, VERSION = "rarity histogram", 1
_METADATA = b"spacer_like"
_LARGEST_SIZE = 512


def to_parquet(histogram: Histogram) -> bytes:
    """The histogram as a file; the same histogram gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet

    described = {
        "kind": KIND,
        "version": VERSION,
        "header": asdict(histogram.header),
        "collections": dict(sorted(histogram.collections.items())),
    }
    schema = pa.schema(
        [pa.field("key", pa.uint32(), nullable=False), pa.field("count", pa.uint32(), nullable=False)],
        metadata={_METADATA: json.dumps(described).encode()},
    )
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(
        pa.table([histogram.keys, histogram.counts], schema=schema),
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        column_encoding={"key": "DELTA_BINARY_PACKED", "count": "DELTA_BINARY_PACKED"},
        write_statistics=False,
        row_group_size=2**22,
    )
    return bytes(sink.getvalue())


def from_parquet(data: bytes, name: str) -> Histogram:
    """The histogram in a file.

    Args:
        name: what errors call it.

    Raises:
        HistogramError: no histogram, a later version of it, or malformed.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(pa.BufferReader(data))
        metadata = file.schema_arrow.metadata or {}
        header, collections = _described(metadata.get(_METADATA), name)
        columns = [(field.name, field.type) for field in file.schema_arrow]
        if columns != [("key", pa.uint32()), ("count", pa.uint32())]:
            raise HistogramError(f"{name} is no histogram: its columns are not key and count.")
        # Before anything is unpacked: no more than there can be.
        if file.metadata.num_rows > header.positions * min(CELLS, max(sum(collections.values()), 1)):
            raise HistogramError(f"{name} is malformed: it has more rows than cells.")
        table = file.read(use_threads=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        # Damage deeper than the footer is an OSError to pyarrow.
        raise HistogramError(f"{name} is no histogram, or is damaged: compute it again.") from None
    histogram = Histogram(header, collections, _numbers(table["key"], name), _numbers(table["count"], name))
    histogram.check(name)
    return histogram


def _numbers(column: Any, name: str) -> NDArray[np.uint32]:
    if column.null_count:
        raise HistogramError(f"{name} is malformed: a number is missing.")
    values: NDArray[np.uint32] = column.to_numpy()
    return values


def _described(text: bytes | None, name: str) -> tuple[Header, dict[str, int]]:
    if text is None:
        raise HistogramError(f"{name} is no histogram: it does not say what it counts.")
    try:
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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, HistogramError):
            raise
        raise HistogramError(f"{name} is malformed: what it says that it counts cannot be understood.") from None
    if not valid or sum(collections.values()) >= 2**32:
        raise HistogramError(f"{name} is malformed: what it says that it counts is impossible.")
    return header, collections


def _of(kind: type[Value], value: Any) -> Value:
    if type(value) is not kind:
        raise TypeError
    return value
