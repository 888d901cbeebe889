"""Manifests: which chips a tile has, which of them show ground, how they were made, and where their bytes are.

A manifest is Parquet with a row for each chip of the tile's cell, row by row from the north-west. What concerns them
all is JSON in the metadata of the file, under the name ``spacer_like.chip_manifest``.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from spacer_like.chips.cutting.passthrough import CHIP_START_BYTES
from spacer_like.chips.grid import TILE_ZOOM, Cell
from spacer_like.data_classes.chip_names import ACQUISITION
from spacer_like.location import DataLocation
from spacer_like.tables.described import DescribedTables

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
_TABLES = DescribedTables(FORMAT, VERSION, COLUMNS, _MAY_BE_NULL, 2**12, "manifest of chips", "tile")
_MOST_ROWS = 4**10


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

    def description(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {
            "tile_loc": self.tile_loc.serialize(),
            "chips_loc": None if self.chips_loc is None else self.chips_loc.serialize(),
            "chip_start": b64encode(self.chip_start).decode(),
        }


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
        dictionaries = ["nodata_class", "way", "zone", "epsg"]
        return _TABLES.to_parquet(self.chips, self.header.description(), use_dictionary=dictionaries)

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

    file, description = _TABLES.opened(pa.BufferReader(data), name)
    header = _header(description, name)
    n_rows = file.metadata.num_rows
    # Rows can be announced that take no room in the file, and memory here.
    if n_rows != 4 ** (header.zoom - TILE_ZOOM) or n_rows > _MOST_ROWS:
        raise _TABLES.malformed(name, f"it announces {n_rows} chips of zoom {header.zoom}")
    table = _TABLES.read(file, data, name)
    _check_values(table, name)
    return Manifest(header, table)


def read_header(file: BinaryIO, name: str) -> ManifestHeader:
    """What a manifest says of all its chips, of which only the end is read; errors as `read_manifest`."""
    return _header(_TABLES.opened(file, name)[1], name)


def chip_table(columns: dict[str, Any]) -> pa.Table:
    """A manifest's rows from a sequence for each of `COLUMNS`."""
    import pyarrow as pa

    return pa.table({name: pa.array(columns[name], kind) for name, kind in COLUMNS.items()})


def _header(found: dict[str, Any], name: str) -> ManifestHeader:
    with _TABLES.describing(name):
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
        raise ValueError("a field is of another type")


def _check_values(table: pa.Table, name: str) -> None:
    import pyarrow.compute as pc

    for column in ("n_bytes", "offset", "length"):
        if (pc.min(table[column]).as_py() or 0) < 0:
            raise _TABLES.malformed(name, f"its column {column} has negative numbers")
    classes = pc.unique(table["nodata_class"]).to_pylist()
    if not set(classes) <= set(CLASSES):
        raise _TABLES.malformed(name, "it has other no-data classes than all_data, partial_data and no_data")
    is_half = pc.any(pc.xor(pc.is_null(table["offset"]), pc.is_null(table["length"]))).as_py()
    names = table["chip"]
    if is_half or pc.count_distinct(names).as_py() != len(names):
        raise _TABLES.malformed(name, "it has a chip twice, or an offset without a length")
