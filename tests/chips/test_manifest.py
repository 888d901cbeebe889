"""Manifests: what is in them, and what is not believed."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spacer_like.chips.cutting.manifest import (
    CLASSES,
    COLUMNS,
    FORMAT,
    Manifest,
    ManifestHeader,
    chip_table,
    read_header,
    read_manifest,
)
from spacer_like.chips.grid import Cell
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import TableError

GOLDEN = Path(__file__).parent / "golden" / "manifest-v1.parquet"
HEADER = ManifestHeader(
    tile_loc=DataLocation("s3", "ard/33/031111212322/2015-05-28/1050410012C31100-visual.tif", "maps"),
    tile_version="1234-etag",
    chips_loc=DataLocation("s3", "chips/33/", "maps"),
    zone=33,
    quadkey="031111212322",
    acquisition="1050410012C31100",
    zoom=13,
    size=None,
    quality=None,
    requested_way="auto",
    wanted="partial_data",
    way="passthrough",
    reason=None,
    chip_start=b"\xff\xd8\xff\xe0",
)
DESCRIPTION = {"format": FORMAT, "version": 1, **HEADER.description()}


def manifest() -> Manifest:
    cells = Cell(33, "031111212322").children(13)
    bounds = [cell.bounds for cell in cells]
    made = [True, True, False, False]
    columns = {
        "chip": [f"{cell.name}_1050410012C31100.jpg" for cell in cells],
        "zone": [33] * 4,
        "quadkey": [cell.quadkey for cell in cells],
        **{side: [bound[i] for bound in bounds] for i, side in enumerate(("west", "south", "east", "north"))},
        "epsg": [32633] * 4,
        "nodata_class": ["all_data", "partial_data", "no_data", "no_data"],
        "valid_fraction": [1.0, 1 / 3, 0.0, 0.0],
        "way": ["passthrough" if is_made else None for is_made in made],
        "n_bytes": [50_000, 20_000, None, None],
        "offset": [10_000, 70_000, None, None],
        "length": [49_998, 19_998, None, None],
        "column": [0, 8192, 0, 8192],
        "row": [0, 0, 8192, 8192],
    }
    return Manifest(HEADER, chip_table(columns))


def changed(name, values, kind=None) -> bytes:
    original = manifest()
    place = list(COLUMNS).index(name)
    chips = original.chips.set_column(place, name, pa.array(values, kind or COLUMNS[name]))
    return Manifest(HEADER, chips).to_parquet()


def with_header(text) -> bytes:
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, manifest().chips.schema, store_schema=False) as writer:
        writer.write_table(manifest().chips)
        writer.add_key_value_metadata({FORMAT: text})
    return sink.getvalue()


def test_a_manifest_is_read_as_it_was_written():
    read = read_manifest(manifest().to_parquet(), "m")
    assert read.header == HEADER
    assert read.chips.to_pylist() == manifest().chips.to_pylist()
    assert read.counts() == {"all_data": 1, "partial_data": 1, "no_data": 2}
    assert read.made()["offset"].to_pylist() == [10_000, 70_000]


def test_what_a_manifest_says_of_all_chips_is_read_alone():
    assert read_header(io.BytesIO(manifest().to_parquet()), "m") == HEADER


def test_the_same_manifest_has_the_same_bytes():
    assert manifest().to_parquet() == manifest().to_parquet()


def test_manifests_of_the_first_version_are_read():
    read = read_manifest(GOLDEN.read_bytes(), GOLDEN.name)
    assert (read.header, read.chips.to_pylist()) == (HEADER, manifest().chips.to_pylist())


def test_any_program_reads_a_manifest():
    table = pq.read_table(io.BytesIO(manifest().to_parquet()))
    assert table.column_names == list(COLUMNS)
    assert set(table["nodata_class"].to_pylist()) == set(CLASSES)


def test_a_later_version_is_refused():
    fields = DESCRIPTION | {"version": 2}
    with pytest.raises(TableError, match="of version 2: a newer release"):
        read_manifest(with_header(json.dumps(fields)), "m")


@pytest.mark.parametrize(
    "field",
    [
        {"zone": 61},
        {"zone": "33"},
        {"zoom": 40},
        {"zoom": 14},
        {"quadkey": "03"},
        {"acquisition": "../../etc"},
        {"way": "magic"},
        {"wanted": "most"},
        {"chip_start": "no base64!"},
        {"tile_loc": {"storage_type": "ftp", "key": "x"}},
        {"tile_loc": None},
        {"unknown": 1},
        {"stretch": 3},
        {"format": "another"},
    ],
    ids=str,
)
def test_a_description_that_cannot_be_is_refused(field):
    fields = DESCRIPTION | field
    with pytest.raises(TableError, match="manifest 'm' is malformed"):
        read_manifest(with_header(json.dumps(fields)), "m")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_a_description_that_is_no_json_is_refused(text):
    with pytest.raises(TableError, match="manifest 'm' is malformed"):
        read_manifest(with_header(text), "m")


def test_another_table_is_no_manifest():
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), sink)
    with pytest.raises(TableError, match="'m' is no manifest of chips"):
        read_manifest(sink.getvalue(), "m")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("chip", ["a", "a", "b", "c"]),
        ("chip", ["a", None, "b", "c"]),
        ("chip", ["a", "b", "c", "d" * 5000]),
        ("nodata_class", ["most_data"] * 4),
        ("n_bytes", [-1, None, None, None]),
        ("offset", [-1, 5, None, None]),
        ("offset", [None, 5, None, None]),
    ],
    ids=str,
)
def test_rows_that_cannot_be_are_refused(name, values):
    with pytest.raises(TableError, match="manifest 'm' is malformed"):
        read_manifest(changed(name, values), "m")


def test_a_column_of_another_type_is_refused():
    with pytest.raises(TableError, match="no column offset of its type"):
        read_manifest(changed("offset", ["1", "2", None, None], pa.string()), "m")


def test_more_rows_than_the_zoom_has_chips_are_refused():
    twice = Manifest(HEADER, pa.concat_tables([manifest().chips] * 2))
    with pytest.raises(TableError, match="announces 8 chips of zoom 13"):
        read_manifest(twice.to_parquet(), "m")


@pytest.mark.parametrize("kept", [0, 3, 100, -4, -1])
def test_a_damaged_file_is_refused(kept):
    with pytest.raises(TableError, match="manifest 'm' cannot be read as Parquet"):
        read_manifest(manifest().to_parquet()[:kept], "m")


def test_a_manifest_of_another_tile_differs():
    assert replace(HEADER, tile_version="other").description() != HEADER.description()


if __name__ == "__main__":
    GOLDEN.write_bytes(manifest().to_parquet())
