"""Manifests: which chips a tile has, which of them show ground, how they were made, and where their bytes are.

A manifest is Parquet with a row for each chip of the tile's cell, row by row from the north-west. What concerns them
all is JSON in the metadata of the file, under the name ``spacer_like.chip_manifest``.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from spacer_like.chips.chip_name import ACQUISITION
from spacer_like.chips.cutting.passthrough import CHIP_START_BYTES
from spacer_like.chips.grid import TILE_ZOOM, Cell
from spacer_like.exceptions import TableError, damage_as
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "spacer_like.chip_manifest"
VERSION = 1
ALL_DATA, PARTIAL_DATA, NO_DATA = CLASSES = ("all_data", "partial_data", "no_data")
WAYS = ("passthrough", "blocks", "strips")

COLUMNS: dict[str, str] = {
    "chip": "string",
    "zone": "int32",
    "quadkey": "string",
    "west": "double",
    "south": "double",
    "east": "double",
    "north": "double",
    "epsg": "int32",
    "nodata_class": "string",
    "valid_fraction": "double",
    "way": "string",
    "n_bytes": "int64",
    "offset": "int64",
    "length": "int64",
    "column": "int32",
    "row": "int32",
}
"""The columns and their types, as Arrow calls them.

``way``, ``n_bytes`` are null where no chip was made; ``offset`` and ``length``, in the tile, where the chip is no block
of it; ``column`` and ``row`` of the chip's corner, in pixels of the tile, where the tile's pixels are not the grid's.
"""

_MAY_BE_NULL = frozenset({"way", "n_bytes", "offset", "length", "column", "row"})
_TEXTS = ("chip", "quadkey", "nodata_class", "way")
_MOST_ROWS = 4**10
_MOST_BYTES_PER_ROW = 2**12
_MOST_HEADER = 2**20


@dataclass(frozen=True)
class ManifestHeader:
    """What concerns all chips of a tile.

    Fields:
        tile_loc: the tile, without the secrets that a URL may hold.
        tile_version: changes when the tile's bytes do.
        chips_loc: the folder with the files of the chips; None: they were left in the tile.
        zone, quadkey, acquisition: of the tile; the quadkey has 12 digits.
        zoom, size, quality, requested_way, wanted: of the request.
        way, reason: how chips were made, and why not in a faster way.
        chip_start: what a chip begins with, in place of the first 2 bytes of its block, where blocks passed through.
        stretch: the values that became 0 and 255, where the tile has not 8 bits.
    """

    tile_loc: DataLocation
    tile_version: str
    chips_loc: DataLocation | None
    zone: int
    quadkey: str
    acquisition: str
    zoom: int
    size: int | None
    quality: int | None
    requested_way: str
    wanted: str
    way: str
    reason: str | None
    chip_start: bytes = b""
    stretch: tuple[float, float] | None = None

    def to_json(self) -> str:
        fields = asdict(self) | {
            "tile_loc": self.tile_loc.serialize(),
            "chips_loc": None if self.chips_loc is None else self.chips_loc.serialize(),
            "chip_start": b64encode(self.chip_start).decode(),
        }
        return json.dumps({"format": FORMAT, "version": VERSION, **fields}, sort_keys=True)


@dataclass(frozen=True)
class Manifest:
    """The chips of a tile.

    Fields:
        chips: a row for each chip of the cell, of `COLUMNS`.
    """

    header: ManifestHeader
    chips: pa.Table = field(repr=False)

    def to_parquet(self) -> bytes:
        """The bytes of the file; the same manifest has the same bytes."""
        from pyarrow.parquet import ParquetWriter

        sink = BytesIO()
        options: dict[str, Any] = {"use_dictionary": ["nodata_class", "way", "zone", "epsg"], "store_schema": False}
        with ParquetWriter(sink, self.chips.schema, compression="zstd", **options) as writer:
            writer.write_table(self.chips)
            writer.add_key_value_metadata({FORMAT: self.header.to_json()})
        return sink.getvalue()

    def made(self) -> pa.Table:
        """The rows of chips that were made, or that can be read out of the tile."""
        import pyarrow.compute as pc

        return self.chips.filter(pc.is_valid(self.chips["n_bytes"]))

    def counts(self) -> dict[str, int]:
        """How many chips of the cell are of which no-data class, made or not."""
        import pyarrow.compute as pc

        found = {row["values"]: row["counts"] for row in pc.value_counts(self.chips["nodata_class"]).to_pylist()}
        return {name: found.get(name, 0) for name in CLASSES}


def read_manifest(data: bytes, name: str) -> Manifest:
    """The manifest in the bytes of a file.

    Args:
        name: what errors call the file.

    Raises:
        TableError: not a manifest, of a later version, or malformed.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    with damage_as(TableError, name, f"The manifest '{name}' cannot be read as Parquet"):
        # Only these parts of the metadata are safe to read: pyarrow ends the process on a malformed column's.
        file = ParquetFile(pa.BufferReader(data))
        header = _header(file.metadata.metadata, name)
        n_rows = file.metadata.num_rows
        # Rows can be announced that take no room in the file, and memory here.
        if n_rows != 4 ** (header.zoom - TILE_ZOOM) or n_rows > _MOST_ROWS:
            raise _malformed(name, f"it announces {n_rows} chips of zoom {header.zoom}")
        for column, kind in COLUMNS.items():
            if file.schema_arrow.names.count(column) != 1 or file.schema_arrow.field(column).type != pa.type_for_alias(
                kind
            ):
                raise _malformed(name, f"it has no column {column} of its type")
        # As dictionaries, texts show their lengths before they are repeated row by row.
        file = ParquetFile(pa.BufferReader(data), metadata=file.metadata, read_dictionary=list(_TEXTS))
        table = file.read(columns=list(COLUMNS))
        table.validate(full=True)
        _check_texts(table, name)
        table = table.cast(pa.schema([(column, pa.type_for_alias(kind)) for column, kind in COLUMNS.items()]))
        _check_values(table, name)
        return Manifest(header, table.select(list(COLUMNS)))


def read_header(file: BinaryIO, name: str) -> ManifestHeader:
    """What a manifest says of all its chips, of which only the end is read; errors as `read_manifest`."""
    from pyarrow.parquet import ParquetFile

    with damage_as(TableError, name, f"The manifest '{name}' cannot be read as Parquet"):
        return _header(ParquetFile(file).metadata.metadata, name)


def chip_table(columns: dict[str, Any]) -> pa.Table:
    """A manifest's rows from a sequence for each of `COLUMNS`."""
    import pyarrow as pa

    return pa.table({name: pa.array(columns[name], kind) for name, kind in COLUMNS.items()})


def _header(metadata: dict[bytes, bytes] | None, name: str) -> ManifestHeader:
    text = (metadata or {}).get(FORMAT.encode())
    if text is None or len(text) > _MOST_HEADER:
        raise TableError(f"The table '{name}' is no manifest of chips.")
    with damage_as(
        TableError, name, f"The manifest '{name}' is malformed: its description of the tile is not as it should be"
    ):
        found = json.loads(text)
        version = found.pop("version")
        if found.pop("format") != FORMAT or not isinstance(version, int):
            raise _malformed(name, "it says nothing of its version")
        if version > VERSION:
            raise TableError(
                f"The manifest '{name}' is of version {version}: a newer release of this program reads it."
            )
        chips_loc, stretch = found["chips_loc"], found["stretch"]
        header = ManifestHeader(
            **found
            | {
                "tile_loc": DataLocation.deserialize(found["tile_loc"]),
                "chips_loc": None if chips_loc is None else DataLocation.deserialize(chips_loc),
                "chip_start": b64decode(found["chip_start"], validate=True),
                "stretch": None if stretch is None else (float(stretch[0]), float(stretch[1])),
            }
        )
        _check_header(header, name)
    return header


def _check_header(header: ManifestHeader, name: str) -> None:
    numbers = (header.zone, header.zoom)
    texts = (header.tile_version, header.quadkey, header.acquisition, header.requested_way, header.wanted, header.way)
    is_right = (
        all(type(value) is int for value in numbers)
        and all(type(value) is str for value in texts)
        and all(value is None or type(value) is int for value in (header.size, header.quality))
        and (header.reason is None or type(header.reason) is str)
        and TILE_ZOOM <= header.zoom <= TILE_ZOOM + 10
        and header.way in WAYS
        and header.wanted in CLASSES
        and Cell(header.zone, header.quadkey).zoom == TILE_ZOOM
        and ACQUISITION.fullmatch(header.acquisition)
        and len(header.chip_start) <= CHIP_START_BYTES
    )
    if not is_right:
        raise _malformed(name, "its description of the tile is not as it should be")


def _check_texts(table: pa.Table, name: str) -> None:
    import pyarrow.compute as pc

    for column in _TEXTS:
        for chunk in table[column].chunks:
            if (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0) > _MOST_BYTES_PER_ROW:
                raise _malformed(name, f"its column {column} has texts of a length that no chip's has")


def _check_values(table: pa.Table, name: str) -> None:
    import pyarrow.compute as pc

    for column in COLUMNS:
        if column not in _MAY_BE_NULL and table[column].null_count:
            raise _malformed(name, f"its column {column} has gaps")
    for column in ("n_bytes", "offset", "length"):
        if (pc.min(table[column]).as_py() or 0) < 0:
            raise _malformed(name, f"its column {column} has negative numbers")
    classes = pc.unique(table["nodata_class"]).to_pylist()
    if not set(classes) <= set(CLASSES):
        raise _malformed(name, "it has other no-data classes than all_data, partial_data and no_data")
    is_half = pc.any(pc.xor(pc.is_null(table["offset"]), pc.is_null(table["length"]))).as_py()
    names = table["chip"]
    if is_half or pc.count_distinct(names).as_py() != len(names):
        raise _malformed(name, "it has a chip twice, or an offset without a length")


def _malformed(name: str, reason: str) -> TableError:
    return TableError(f"The manifest '{name}' is malformed: {reason}.")
