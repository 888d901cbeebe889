"""Tables that say of themselves what they are: Parquet of fixed columns, and a description, JSON, in its metadata.

Files may come from anybody: what is announced is checked before memory is taken for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from spacer_like.exceptions import TableError, damage_as

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_MOST_DESCRIPTION = 2**20


@dataclass(frozen=True)
class DescribedTables:
    """The tables of a format.

    Fields:
        format: the name of the description in the metadata, and in itself.
        version: the newest that is read, and the one that is written.
        columns: the columns and their types, as Arrow calls them.
        may_be_null: those that may have gaps.
        texts_most: bytes of the longest text.
        called: what errors call such a table.
        about: what errors call that which the description is of.
    """

    format: str
    version: int
    columns: Mapping[str, str]
    may_be_null: frozenset[str]
    texts_most: int
    called: str
    about: str

    def to_parquet(self, table: pa.Table, description: Mapping[str, Any], **options: Any) -> bytes:
        """The bytes of the file; the same table and description have the same bytes.

        Args:
            options: of pyarrow's ParquetWriter.
        """
        from pyarrow.parquet import ParquetWriter

        text = json.dumps({"format": self.format, "version": self.version, **description}, sort_keys=True)
        sink = BytesIO()
        with ParquetWriter(sink, table.schema, compression="zstd", store_schema=False, **options) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({self.format: text})
        return sink.getvalue()

    def opened(self, source: Any, name: str) -> tuple[ParquetFile, dict[str, Any]]:
        """A file of a stream or a buffer, of which only the end is read, and its description.

        Args:
            name: what errors call the file.

        Raises:
            TableError: it is no such table, or one of a later version.
        """
        from pyarrow.parquet import ParquetFile

        with damage_as(TableError, name, f"The manifest '{name}' cannot be read as Parquet"):
            # Only these parts of the metadata are safe to read: pyarrow ends the process on a malformed column's.
            file = ParquetFile(source)
            text = (file.metadata.metadata or {}).get(self.format.encode())
        if text is None or len(text) > _MOST_DESCRIPTION:
            raise TableError(f"The table '{name}' is no {self.called}.")
        with self.describing(name):
            found: dict[str, Any] = json.loads(text)
            version = found.pop("version")
            if found.pop("format") != self.format or not isinstance(version, int):
                raise self.malformed(name, "it says nothing of its version")
        if version > self.version:
            raise TableError(
                f"The manifest '{name}' is of version {version}: a newer release of this program reads it."
            )
        return file, found

    def read(self, file: ParquetFile, data: bytes, name: str) -> pa.Table:
        """The columns of a file that was `opened`, of their types and without gaps where there may be none.

        Raises:
            TableError: it has other columns, or texts that are longer than any of such a table.
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow.parquet import ParquetFile

        with damage_as(TableError, name, f"The manifest '{name}' cannot be read as Parquet"):
            types = self.types()
            found = file.schema_arrow
            for column, kind in types.items():
                if found.names.count(column) != 1 or not _is_of(found.field(column).type, kind):
                    raise self.malformed(name, f"it has no column {column} of its type")
            texts = [column for column, kind in self.columns.items() if kind == "string"]
            # As dictionaries, texts show their lengths before they are repeated row by row.
            file = ParquetFile(pa.BufferReader(data), metadata=file.metadata, read_dictionary=texts)
            table = file.read(columns=list(types))
            table.validate(full=True)
            for column in texts:
                for chunk in table[column].chunks:
                    if (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0) > self.texts_most:
                        raise self.malformed(name, f"its column {column} has texts of a length that no chip's has")
            table = table.select(list(types)).cast(pa.schema(list(types.items())))
            for column in types:
                if column not in self.may_be_null and table[column].null_count:
                    raise self.malformed(name, f"its column {column} has gaps")
            return table

    def types(self) -> dict[str, Any]:
        """Arrow's types of the columns."""
        return {column: _type(kind) for column, kind in self.columns.items()}

    def describing(self, name: str) -> Any:
        """A context in which a description is looked at, whatever is wrong with it."""
        text = f"The manifest '{name}' is malformed: its description of the {self.about} is not as it should be"
        return damage_as(TableError, name, text)

    def malformed(self, name: str, reason: str) -> TableError:
        return TableError(f"The manifest '{name}' is malformed: {reason}.")


def _type(kind: str) -> Any:
    import pyarrow as pa

    return pa.list_(pa.float64()) if kind == "list<double>" else pa.type_for_alias(kind)


def _is_of(found: Any, kind: Any) -> bool:
    import pyarrow as pa

    # The name of a list's inner column says nothing.
    if pa.types.is_list(kind):
        return bool(pa.types.is_list(found) and found.value_type == kind.value_type)
    return bool(found == kind)
