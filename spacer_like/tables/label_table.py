"""Which chips have which labels, as tables: sparse ones with a column of 0 and 1 a label, dense ones with texts a|b|c.

A table's first column, ``Feature``, is the name of a chip; in tables of others it may be called ``image``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from spacer_like.data_classes.chip_names import CHIP_NAME
from spacer_like.exceptions import DataLimitError, TableError, damage_as, visible
from spacer_like.tables.cells import unguarded
from spacer_like.tables.corrections import Answer
from spacer_like.tables.files import csv_names, read_csv

SEPARATOR = "|"
"""Between the labels of a chip in one field of a dense table; no label has it."""
RESERVED = ("Feature", "image")
"""Names of a sparse table's first column; no label is called so."""
FEATURE = RESERVED[0]
LABELS = "Labels"
MOST_LABELS = 10_000
MOST_BYTES = 2**32
"""The largest file of a table that is read."""
_MOST_HEADER_BYTES = 2**22
_LONGEST_NAME = 300
_BLOCK = 2**24
# A file of Parquet may announce rows that take no room in it: a column of nothing but 0 takes a bit or less a row.
_MOST_VALUES = 2**33
_MOST_ROWS_PER_BYTE = 64


@dataclass(frozen=True)
class LabelTable:
    """Chips and their labels.

    Fields:
        names: of the chips, each once.
        labels: their columns.
        targets: bool [chips, labels], whether the chip has the label.
    """

    names: list[str] = field(repr=False)
    labels: tuple[str, ...]
    targets: NDArray[np.bool_] = field(repr=False)

    def sparse(self) -> pa.Table:
        """Feature, and a column of 0 and 1 for each label."""
        columns: dict[str, Any] = {FEATURE: pa.array(self.names, pa.string())}
        for index, label in enumerate(self.labels):
            columns[label] = pa.array(self.targets[:, index].astype(np.uint8))
        return pa.table(columns)

    def dense(self) -> pa.Table:
        """Feature, Labels: the labels in their order, with ``|`` between them."""
        columns = np.nonzero(self.targets)
        ends = np.searchsorted(columns[0], np.arange(len(self.names) + 1))
        labels = pa.array(self.labels, pa.string()).take(pa.array(columns[1]))
        lists = pa.LargeListArray.from_arrays(pa.array(ends.astype(np.int64)), labels)
        return pa.table({FEATURE: pa.array(self.names, pa.string()), LABELS: pc.binary_join(lists, SEPARATOR)})

    def corrected(self, answers: Iterable[Answer], name: str) -> LabelTable:
        """The same table after people's answers; of two about the same chip and label the later one counts.

        Args:
            answers: a chip is named by its path; folders before the name of one do not matter.
            name: what errors call the answers' file.

        Raises:
            TableError: the table has no such chip, or no such label.
        """
        rows = {chip: row for row, chip in enumerate(self.names)}
        columns = {label: column for column, label in enumerate(self.labels)}
        targets = self.targets.copy()
        for one in answers:
            chip = one.path if one.path in rows else _without_folders(one.path)
            if chip not in rows or one.tag not in columns:
                what = f"chip '{visible(one.path)[:100]}'" if chip not in rows else f"label '{visible(one.tag)[:100]}'"
                raise TableError(f"'{name}' has an answer about the {what}, which the table of labels has not.")
            targets[rows[chip], columns[one.tag]] = one.is_yes
        return LabelTable(self.names, self.labels, targets)

    def digest(self) -> bytes:
        """A hash of the labels of the chips, whatever the order of the rows."""
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        texts = "\0".join([*self.labels, "", *(self.names[row] for row in order)])
        return hashlib.sha256(texts.encode() + np.packbits(self.targets[order]).tobytes()).digest()

    def counts(self) -> dict[str, int]:
        """How many chips have each label."""
        return dict(zip(self.labels, self.targets.sum(axis=0).tolist(), strict=True))


def read_label_table(data: bytes, name: str, parquet: bool) -> LabelTable:
    """The sparse table in the bytes of a file, CSV or Parquet; its rows keep their order.

    Args:
        name: what errors call the file.

    Raises:
        TableError: malformed, without a label, with a chip twice, or with another value than 0 and 1.
        DataLimitError: it takes far more memory than a table of labels may.
    """
    table = _checked_table(data, name, parquet)
    labels = tuple(table.column_names[1:])
    targets = np.empty((table.num_rows, len(labels)), bool)
    for index, label in enumerate(labels):
        targets[:, index] = _zeros_and_ones(table[label], label, name)
    return LabelTable(_names(table.column(0), name), labels, targets)


def read_score_table(data: bytes, name: str, parquet: bool) -> tuple[list[str], tuple[str, ...], NDArray[np.float32]]:
    """Names of chips, labels, and a number for each chip and label, float32 [chips, labels], NaN where there is none.

    Arguments and errors as `read_label_table`; the values may be any finite numbers.
    """
    table = _checked_table(data, name, parquet)
    labels = tuple(table.column_names[1:])
    scores = np.empty((table.num_rows, len(labels)), np.float32)
    for index, label in enumerate(labels):
        scores[:, index] = table[label].cast(pa.float64()).to_numpy()
    if np.isinf(scores).any():
        raise TableError(f"The table '{name}' has a value that is not finite.")
    return _names(table.column(0), name), labels, scores


def _checked_table(data: bytes, name: str, parquet: bool) -> pa.Table:
    if len(data) > MOST_BYTES:
        raise DataLimitError(f"The table '{name}' is larger than {MOST_BYTES // 2**30} GiB: it is not read.")
    with damage_as(TableError, name, f"The table '{name}' cannot be read as {'Parquet' if parquet else 'CSV'}"):
        table = _from_parquet(data, name) if parquet else _from_csv(data, name)
        # Arrow believes that texts are UTF-8, until someone looks.
        table.validate(full=True)
        return table


def _from_csv(data: bytes, name: str) -> pa.Table:
    from pyarrow.csv import ConvertOptions

    columns = csv_names(data, name, _MOST_HEADER_BYTES)
    _check_columns([unguarded(column) for column in columns], name)
    kinds = {column: pa.float64() for column in columns[1:]} | {columns[0]: pa.string()}
    return read_csv(data, ConvertOptions(column_types=kinds, strings_can_be_null=False), _BLOCK)


def _from_parquet(data: bytes, name: str) -> pa.Table:
    from pyarrow.parquet import ParquetFile

    # Only these parts of the metadata are safe to read: pyarrow ends the process on a malformed column's.
    file = ParquetFile(pa.BufferReader(data))
    columns, n_rows = file.schema_arrow.names, file.metadata.num_rows
    _check_columns(columns, name)
    if n_rows > _MOST_ROWS_PER_BYTE * len(data) or n_rows * len(columns) > _MOST_VALUES:
        raise DataLimitError(f"The table '{name}' announces {n_rows} rows in {len(data)} bytes: it is not read.")
    for column in columns:
        kind = file.schema_arrow.field(column).type
        fits = _is_number(kind) if column != columns[0] else pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not fits:
            raise TableError(f"The column {column[:100]} of the table '{name}' is of values of another kind: {kind}.")
    # As a dictionary, names show their lengths before they are repeated row by row.
    file = ParquetFile(pa.BufferReader(data), metadata=file.metadata, read_dictionary=columns[:1])
    return file.read()


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _check_columns(columns: list[str], name: str) -> None:
    if not columns or columns[0] not in RESERVED:
        raise TableError(f"The first column of the table '{name}' must be {FEATURE}, the names of chips.")
    if LABELS in columns[1:2] and len(columns) == 2:
        raise TableError(
            f"The table '{name}' is a dense one, of texts: give the sparse one, which has a column of 0 and 1 for "
            "each label."
        )
    if len(columns) == 1:
        raise TableError(f"The table '{name}' has no label.")
    if len(columns) > MOST_LABELS + 1:
        raise DataLimitError(f"The table '{name}' has {len(columns) - 1} labels: {MOST_LABELS} are the most.")
    if len(set(columns)) < len(columns):
        repeated = next(column for column in columns if columns.count(column) > 1)
        raise TableError(f"The table '{name}' has two columns {repeated[:100]}.")


def _zeros_and_ones(column: pa.ChunkedArray, label: str, name: str) -> NDArray[np.bool_]:
    values = np.asarray(column.to_numpy() if not column.null_count else np.array([np.nan]))
    if not np.isin(values, (0, 1)).all():
        raise TableError(f"The column {label[:100]} of the table '{name}' has a value that is neither 0 nor 1.")
    return values.astype(bool)


def _names(column: pa.ChunkedArray, name: str) -> list[str]:
    names: list[str] = []
    for chunk in column.chunks:
        texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        if (pc.max(pc.binary_length(texts)).as_py() or 0) > 4 * _LONGEST_NAME:
            raise DataLimitError(f"The table '{name}' has a name of more than {_LONGEST_NAME} characters.")
        names += chunk.to_pylist()
    names = [text and _without_folders(text) for text in names]
    if not all(names):
        raise TableError(f"The table '{name}' has a row without the name of a chip.")
    if len(set(names)) < len(names):
        repeated = Counter(names).most_common(1)[0][0]
        raise TableError(f"The table '{name}' has the chip {repeated} twice.")
    return names


def _without_folders(text: str) -> str:
    """The name of a chip that folders stand before, such as chips/35/; other names stay."""
    name = text.replace("\\", "/").rpartition("/")[2]
    return name if CHIP_NAME.fullmatch(name) else text
