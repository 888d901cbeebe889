"""Manifests of rasters' chips: what is in them, and what is not believed."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spacer_like.chips.rasters.manifest import FORMAT, RasterHeader, RasterManifest, chip_rows, read_raster_manifest
from spacer_like.exceptions import TableError
from spacer_like.location import DataLocation

GOLDEN = Path(__file__).parent / "golden" / "raster-manifest-v1.parquet"
HEADER = RasterHeader(
    raster_loc=DataLocation("s3", "scenes/T33TUL_20260611.tif", "maps"),
    raster_version="1234-etag",
    chips_loc=DataLocation("s3", "chips", "maps"),
    source="T33TUL-20260611",
    date="2026-06-11",
    bands=(3, 2, 1),
    band_names=("B04", "B03", "B02"),
    value_range=(12.0, 3150.0),
    request={"grid": "xyz", "zoom": 14, "size": 256},
)


def rows() -> list[dict]:
    """A chip that was warped, a window of pixels, and a place without data."""
    warped = {
        "chip": "M14-8800-5373_T33TUL-20260611.jpg",
        "place": "M14-8800-5373",
        "column": None,
        "row": None,
        "width": 256,
        "height": 256,
        "crs": "EPSG:3857",
        "west": 1487158.8,
        "south": 6884700.0,
        "east": 1489604.8,
        "north": 6887146.0,
        "transform": [9.55, 0.0, 1487158.8, 0.0, -9.55, 6887146.0],
        "nodata_class": "all_data",
        "valid_fraction": 1.0,
        "way": "warp",
        "scale": 0.66,
        "n_bytes": 21_000,
    }
    window = warped | {
        "chip": "P512-0_a.tif",
        "place": "P512-0",
        "column": 512,
        "row": 0,
        "crs": None,
        "way": "windows",
        "valid_fraction": 0.25,
        "nodata_class": "partial_data",
    }
    empty = {"nodata_class": "no_data", "valid_fraction": 0.0, "way": None, "n_bytes": None}
    return [warped, window, warped | {"chip": "c.jpg", "place": "M14-8801-5373"} | empty]


def manifest(**header) -> bytes:
    return RasterManifest(replace(HEADER, **header), chip_rows(rows())).to_parquet()


def test_the_file_is_as_it_was_when_its_version_was_made():
    found = read_raster_manifest(GOLDEN.read_bytes(), "golden")
    assert found.header == HEADER
    assert found.chips.to_pylist() == rows()
    assert found.to_parquet() == GOLDEN.read_bytes()


def test_it_counts_places_and_chips():
    found = read_raster_manifest(manifest(), "manifest")
    assert found.counts() == {"all_data": 1, "partial_data": 1, "no_data": 1}
    counted = read_raster_manifest(manifest(n_empty=7), "manifest")
    assert (counted.header.n_empty, counted.counts()["no_data"]) == (7, 8)
    assert found.made()["place"].to_pylist() == ["M14-8800-5373", "P512-0"]


def with_header(**changes) -> bytes:
    table = pq.read_table(io.BytesIO(manifest()))
    header = {"format": FORMAT, "version": 1, **HEADER.description()} | changes
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema.remove_metadata(), store_schema=False) as writer:
        writer.write_table(table.replace_schema_metadata(None))
        writer.add_key_value_metadata({FORMAT: json.dumps(header)})
    return sink.getvalue()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 2}, "of version 2: a newer release of this program reads it"),
        ({"format": "other"}, "it says nothing of its version"),
        ({"bands": []}, "its description of the raster is not as it should be"),
        ({"n_empty": -1}, "its description of the raster is not as it should be"),
        ({"source": 5}, "its description of the raster is not as it should be"),
        ({"chips_loc": "x"}, "its description of the raster is not as it should be"),
    ],
)
def test_other_descriptions_are_refused(changes, sentence):
    with pytest.raises(TableError, match=sentence):
        read_raster_manifest(with_header(**changes), "manifest")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"transform": [1.0, 2.0]}, "a transform that has not six numbers"),
        ({"nodata_class": "some"}, "it has other no-data classes"),
        ({"place": None}, "its column place has gaps"),
        ({"chip": "c.jpg"}, "it has a chip twice"),
        ({"place": "x" * 20_000}, "texts of a length that no chip's has"),
    ],
)
def test_other_rows_are_refused(change, sentence):
    first, *others = rows()
    data = RasterManifest(HEADER, chip_rows([first | change, *others])).to_parquet()
    with pytest.raises(TableError, match=sentence):
        read_raster_manifest(data, "manifest")
