"""The table of images and their vectors: Parquet, a row for each image, in the order of the paths.

The columns: id, path, content_hash, hash_id, format, size_bytes, width, height, tags, vector, extractor_id. All rows
are of one encoder. The same images give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import TableError, damage_as

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

FORMAT = b"spacer_like.tag_embeddings"
VERSION = b"1"
OTHER_TRAINING, OTHER_VALIDATION = "other-training", "other-validation"
SPECIAL_TAGS = (OTHER_TRAINING, OTHER_VALIDATION)
"""Tags that get no model: what tags are told from, and what only shows what models say of images of no tag."""
MOST_DIMENSIONS = 2**16
_ID_BYTES = 16
_ROWS_OF_GROUP = 1024
_MOST_TAG = 4096
_SAME_PICTURE = 0.1
"""How far apart, as a share of its length, the vectors of one picture may be: some formats are decoded in steps."""


class ImageRecord(NamedTuple):
    """What is known of an image besides its vector.

    Fields:
        path: where it is, as it was given, with members of archives below their archive.
        content_hash: of the file's bytes.
        hash_id: of the decoded pixels.
        format: as Pillow calls it, such as ``JPEG``.
        size_bytes: of the file.
        width, height: in pixels.
        tags: in the order of their appearance.
    """

    path: str
    content_hash: str
    hash_id: str
    format: str
    size_bytes: int
    width: int
    height: int
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What identifies the image in this place: 32 hexadecimal digits of its path and its bytes."""
        text = f"{self.content_hash}\0{self.path}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=_ID_BYTES).hexdigest()


@dataclass(frozen=True, eq=False)
class EmbeddingsTable:
    """A table that was read.

    Attributes:
        name: what errors call it.
        encoder_id: of what made the vectors.
        records: [n].
        vectors: float32 [n, d], finite, as the encoder made them.
    """

    name: str
    encoder_id: str
    records: list[ImageRecord]
    vectors: NDArray[np.float32]

    @property
    def dimension(self) -> int:
        return int(self.vectors.shape[1])

    @cached_property
    def row_of_content(self) -> dict[str, int]:
        """The first row of each content hash."""
        return {record.content_hash: row for row, record in reversed(list(enumerate(self.records)))}

    @cached_property
    def first_of_picture(self) -> list[int]:
        """For each row the first one with the same picture.

        Two pictures may have one hash, as it knows nothing of sizes and palettes: files are of one picture if their
        sizes are the same too, and their vectors nearly so.
        """
        found: list[int] = []
        of_key: dict[tuple[str, int, int], list[int]] = {}
        for row, record in enumerate(self.records):
            alike = of_key.setdefault((record.hash_id, record.width, record.height), [])
            same = (first for first in alike if _is_same(self.vectors[first], self.vectors[row]))
            found.append(next(same, row))
            if found[row] == row:
                alike.append(row)
        return found

    @cached_property
    def row_of_path(self) -> dict[str, int]:
        """The row of each path."""
        return {record.path: row for row, record in enumerate(self.records)}


@contextmanager
def embeddings_writer(
    file: BinaryIO, encoder_id: str, dimension: int
) -> Iterator[Callable[[Sequence[ImageRecord], NDArray[np.float32]], None]]:
    """Write a table part by part; the bytes do not depend on the parts.

    Args:
        file: open for writing, and empty.

    Yields:
        a function that takes the next records [b] and their vectors float32 [b, dimension].
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = _schema(dimension, encoder_id)
    waiting: list[pa.Table] = []

    with ParquetWriter(
        file,
        schema,
        compression="zstd",
        use_dictionary=["format", "tags.list.element", "extractor_id"],
        use_byte_stream_split=["vector.list.element"],
        store_schema=True,
    ) as writer:

        def write_groups(least: int) -> None:
            rows = pa.concat_tables(waiting)
            waiting.clear()
            while rows.num_rows >= least and rows.num_rows:
                writer.write_table(rows.slice(0, _ROWS_OF_GROUP), row_group_size=_ROWS_OF_GROUP)
                rows = rows.slice(_ROWS_OF_GROUP)
            if rows.num_rows:
                waiting.append(rows)

        def append(records: Sequence[ImageRecord], vectors: NDArray[np.float32]) -> None:
            if len(records):
                waiting.append(_rows(records, vectors, encoder_id, schema))
                write_groups(_ROWS_OF_GROUP)

        yield append
        if waiting:
            write_groups(1)


class EmbeddingsFile:
    """A table in an open file, of which a part at a time is read.

    Attributes:
        name: what errors call it.
        encoder_id: of what made the vectors.
        dimension: how many numbers a vector has.

    Raises:
        TableError: a damaged file, or one that is no such table.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        from pyarrow.parquet import ParquetFile

        self.name = name
        with self._damage():
            self._parquet = ParquetFile(file)
            metadata = self._parquet.schema_arrow.metadata or {}
            if metadata.get(b"format") != FORMAT or metadata.get(b"format_version") != VERSION:
                raise ValueError("it does not say that it is one, or is of a later version")
            self.dimension = int(metadata[b"dimension"])
            self.encoder_id = metadata[b"encoder_id"].decode()
            if not 1 <= self.dimension <= MOST_DIMENSIONS or not 0 < len(self.encoder_id) <= 200:
                raise ValueError("its vectors are described by something else than a length and an encoder")
            self._schema = _schema(self.dimension, self.encoder_id)
            if self._parquet.schema_arrow.names != self._schema.names:
                raise ValueError("it has other columns")

    def parts(self) -> Iterator[tuple[list[ImageRecord], NDArray[np.float32]]]:
        """Records [b] and vectors float32 [b, dimension], in the order of the rows; whether a path is there twice is
        not looked at.

        Raises:
            TableError: a damaged file.
        """
        for group in range(self._parquet.num_row_groups):
            with self._damage():
                part = self._part(self._parquet.read_row_group(group).combine_chunks())
            yield part

    def _part(self, table: Any) -> tuple[list[ImageRecord], NDArray[np.float32]]:
        table = table.cast(self._schema)
        if any(column.null_count for column in table.columns) or {*table["extractor_id"].to_pylist()} - {
            self.encoder_id
        }:
            raise ValueError("a cell of it is empty, or its rows are of different encoders")
        vectors = _vectors(table, self.dimension)
        columns = [table[field].to_pylist() for field in ImageRecord._fields]
        if not np.isfinite(vectors).all():
            raise ValueError("it has numbers that are not finite")
        if not all(tag is not None and 0 < len(tag) <= _MOST_TAG for tags in columns[-1] for tag in tags):
            raise ValueError(f"it has tags that are no text of 1 to {_MOST_TAG:,} letters")
        columns[-1] = [tuple(tags) for tags in columns[-1]]
        return [ImageRecord(*values) for values in zip(*columns, strict=True)], vectors

    def _damage(self) -> AbstractContextManager[None]:
        return damage_as(TableError, self.name, f"'{self.name}' is no table of embeddings of process_images")


def read_embeddings_table(file: BinaryIO, name: str) -> EmbeddingsTable:
    """The table in a file, which may be closed afterwards.

    Args:
        name: what errors call it.

    Raises:
        TableError: a damaged file, or one that is no such table.
    """
    found = EmbeddingsFile(file, name)
    records: list[ImageRecord] = []
    blocks = [np.empty((0, found.dimension), np.float32)]
    for some, vectors in found.parts():
        records += some
        blocks.append(vectors)
    if len({record.path for record in records}) < len(records):
        raise TableError(f"'{name}' is damaged: it has two rows of one path.")
    return EmbeddingsTable(name, found.encoder_id, records, np.concatenate(blocks))


def _is_same(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return bool(np.linalg.norm(one - other) <= _SAME_PICTURE * np.linalg.norm(one))


def _schema(dimension: int, encoder_id: str) -> Any:
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("id", "path", "content_hash", "hash_id", "format")]
    numbers = [("size_bytes", pa.int64()), ("width", pa.int32()), ("height", pa.int32())]
    more = [
        ("tags", pa.list_(pa.string())),
        ("vector", pa.list_(pa.float32(), dimension)),
        ("extractor_id", pa.string()),
    ]
    metadata = {"format": FORMAT, "format_version": VERSION, "encoder_id": encoder_id, "dimension": str(dimension)}
    return pa.schema([*texts, *numbers, *more], metadata)


def _rows(records: Sequence[ImageRecord], vectors: NDArray[np.float32], encoder_id: str, schema: Any) -> Any:
    import pyarrow as pa

    columns: dict[str, Any] = {"id": [record.id for record in records]}
    for name in ImageRecord._fields:
        columns[name] = [getattr(record, name) for record in records]
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    columns["extractor_id"] = [encoder_id] * len(records)
    return pa.table(columns, schema)


def _vectors(table: Any, dimension: int) -> NDArray[np.float32]:
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table["vector"].chunks]
    flat = np.concatenate(chunks) if chunks else np.empty(0, np.float32)
    vectors: NDArray[np.float32] = flat.astype(np.float32, copy=False).reshape(-1, dimension)
    return vectors
