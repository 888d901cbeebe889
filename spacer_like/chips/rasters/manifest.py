"""Manifests of the chips of a raster: a row for each place that it covers, as Parquet.

Places without data and without a chip are counted, for a grid may have many more of them than of others.

What concerns all chips is JSON in the metadata of the file, under the name ``spacer_like.raster_chips``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from spacer_like.location import DataLocation
from spacer_like.tables.described import DescribedTables

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "spacer_like.raster_chips"
VERSION = 1
CLASSES = ("all_data", "partial_data", "no_data")
COLUMNS: dict[str, str] = {
    "chip": "string",
    "place": "string",
    "column": "int32",
    "row": "int32",
    "width": "int32",
    "height": "int32",
    "crs": "string",
    "west": "double",
    "south": "double",
    "east": "double",
    "north": "double",
    "transform": "list<double>",
    "nodata_class": "string",
    "valid_fraction": "double",
    "way": "string",
    "scale": "double",
    "n_bytes": "int64",
}
"""The columns and their types.

``column`` and ``row``: of the chip's corner in pixels of the raster, null where it was warped. ``west`` to ``north``:
the chip's bounds in ``crs`` (an authority's code or WKT; null: in pixels of the raster). ``transform``: the six numbers
a to f that make x = a column + b row + c and y = d column + e row + f of a chip's pixels. ``way`` and ``n_bytes`` are
null where no chip was made. ``scale``: width of a chip's pixel in pixels of the raster.
"""
_MAY_BE_NULL = frozenset({"column", "row", "crs", "way", "n_bytes"})
_TABLES = DescribedTables(FORMAT, VERSION, COLUMNS, _MAY_BE_NULL, 2**14, "manifest of a raster's chips", "raster")
_MOST_ROWS = 2**22


@dataclass(frozen=True)
class RasterHeader:
    """What concerns all chips of a raster.

    Fields:
        raster_loc: the raster, without the secrets that a URL may hold.
        raster_version: changes when the raster's bytes do.
        chips_loc: the folder with the chips.
        source: the raster's name in theirs.
        date: of the raster, like 2026-06-11; "": not known.
        bands: numbers of the bands that were cut; `band_names`: their names, "" where they have none.
        value_range: the values that became 0 and 255; None: they were kept.
        request: the request's other fields, by name.
        nodata: the value of pixels without data, in chips whose values were kept; None: there is none.
        n_empty: number of places without data that have neither a chip nor a row.
    """

    raster_loc: DataLocation
    raster_version: str
    chips_loc: DataLocation
    source: str
    date: str
    bands: tuple[int, ...]
    band_names: tuple[str, ...]
    value_range: tuple[float, float] | None
    request: dict[str, Any]
    nodata: float | None = None
    n_empty: int = 0

    def description(self) -> dict[str, Any]:
        """As JSON values."""
        fields = asdict(self) | {
            "raster_loc": self.raster_loc.serialize(),
            "chips_loc": self.chips_loc.serialize(),
        }
        if self.nodata is None:
            del fields["nodata"]
        if not self.n_empty:
            del fields["n_empty"]
        return fields


@dataclass(frozen=True)
class RasterManifest:
    """The chips of a raster.

    Fields:
        chips: a row for each place with data or a chip, of `COLUMNS`.
    """

    header: RasterHeader
    chips: pa.Table = field(repr=False)

    def to_parquet(self) -> bytes:
        """The bytes of the file; the same manifest has the same bytes."""
        return _TABLES.to_parquet(self.chips, self.header.description())

    def made(self) -> pa.Table:
        """The rows of chips that were made."""
        import pyarrow.compute as pc

        return self.chips.filter(pc.is_valid(self.chips["n_bytes"]))

    def counts(self) -> dict[str, int]:
        """How many places are of which no-data class, made or not."""
        classes = self.chips["nodata_class"].to_pylist()
        found = {name: classes.count(name) for name in CLASSES}
        return found | {"no_data": found["no_data"] + self.header.n_empty}


def chip_rows(rows: list[dict[str, Any]]) -> pa.Table:
    """A manifest's table from its rows."""
    import pyarrow as pa

    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in _TABLES.types().items()})


def read_raster_manifest(data: bytes, name: str) -> RasterManifest:
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
    # A place takes some bytes at least, of its name and its bounds.
    if n_rows > min(_MOST_ROWS, len(data)):
        raise _TABLES.malformed(name, f"it announces {n_rows} places")
    table = _TABLES.read(file, data, name)
    _check_values(table, name)
    return RasterManifest(header, table)


def _header(found: dict[str, Any], name: str) -> RasterHeader:
    with _TABLES.describing(name):
        span = found["value_range"]
        header = RasterHeader(
            **found
            | {
                "raster_loc": DataLocation.deserialize(found["raster_loc"]),
                "chips_loc": DataLocation.deserialize(found["chips_loc"]),
                "bands": tuple(int(band) for band in found["bands"]),
                "band_names": tuple(str(text) for text in found["band_names"]),
                "value_range": None if span is None else (float(span[0]), float(span[1])),
            }
        )
        texts = (header.raster_version, header.source, header.date)
        if header.nodata is not None and (type(header.nodata) is not float or not math.isfinite(header.nodata)):
            raise ValueError("the value of pixels without data is no number")
        if type(header.n_empty) is not int or header.n_empty < 0:
            raise ValueError("the number of places without data is none")
        if not (all(type(text) is str for text in texts) and type(header.request) is dict and header.bands):
            raise ValueError("a field is of another type")
    return header


def _check_values(table: pa.Table, name: str) -> None:
    import pyarrow.compute as pc

    if not set(pc.unique(table["nodata_class"]).to_pylist()) <= set(CLASSES):
        raise _TABLES.malformed(name, "it has other no-data classes than all_data, partial_data and no_data")
    lengths = pc.unique(pc.list_value_length(table["transform"])).to_pylist()
    names = table["chip"]
    if set(lengths) - {6} or pc.count_distinct(names).as_py() != len(names):
        raise _TABLES.malformed(name, "it has a chip twice, or a transform that has not six numbers")
