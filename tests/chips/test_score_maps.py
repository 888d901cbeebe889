"""Labels and probabilities of chips as maps."""

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from spacer_like.chips.messages import ChipsFolderMsg, CutRastersMsg, MapScoresMsg
from spacer_like.chips.rasters.manifest import read_raster_manifest
from spacer_like.exceptions import DataNotFoundError, SpacerInputError, TableError
from spacer_like.location import DataLocation
from spacer_like.tasks import chips_folder, cut_rasters, map_scores

from . import raster_making as made


def cut(path, folder, **fields):
    """Cut a raster; the rows of its manifest."""
    cut_rasters(CutRastersMsg(raster_locs=[DataLocation.local(path)], chips_loc=DataLocation.local(folder), **fields))
    (manifest,) = (folder / "manifests").glob("*.parquet")
    return read_raster_manifest(manifest.read_bytes(), "manifest").made().to_pylist()


def drawn(tmp_path, rows, folder, **fields):
    """Map a table of (chip, numbers) with the labels a and b; the answer."""
    lines = ["Feature,a,b", *(f"{chip},{a},{b}" for chip, a, b in rows)]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return map_scores(
        MapScoresMsg(
            table_loc=DataLocation.local(tmp_path / "table.csv"),
            chips_loc=DataLocation.local(folder),
            maps_loc=DataLocation.local(tmp_path / "maps"),
            **fields,
        )
    )


def test_windows_become_pixels_of_a_map_in_the_raster_s_projection(tmp_path):
    path = made.naip(tmp_path / "naip.tif")
    rows = cut(path, tmp_path / "chips", grid="pixels", size=100)
    answer = drawn(tmp_path, [(row["chip"], row["column"], row["row"]) for row in rows], tmp_path / "chips")
    assert (answer.maps, answer.labels, answer.n_chips, answer.n_unplaced) == (["naip.tif"], ["a", "b"], 20, 0)
    with rasterio.open(tmp_path / "maps" / "naip.tif") as found, rasterio.open(path) as raster:
        assert found.crs == raster.crs
        assert found.transform == raster.transform * Affine.scale(100)
        assert found.descriptions == ("a", "b")
        assert np.array_equal(found.read(1), np.tile(np.arange(0, 400, 100), (5, 1)))
        assert np.array_equal(found.read(2), np.tile(np.arange(0, 500, 100)[:, None], (1, 4)))


def test_where_windows_overlap_the_map_has_their_mean(tmp_path):
    path = made.scan(tmp_path / "scan.tif")
    rows = cut(path, tmp_path / "chips", grid="pixels", size=100, stride=50, wanted="all_data")
    drawn(tmp_path, [(row["chip"], row["column"], 0) for row in rows], tmp_path / "chips")
    with rasterio.open(tmp_path / "maps" / "scan.tif") as found:
        first = found.read(1)
    assert first.shape == (6, 10)
    assert first[0].tolist() == [0, 25, 75, 125, 175, 225, 275, 325, 375, 400]


@pytest.mark.parametrize("grid", ["ard", "xyz"])
def test_places_of_a_grid_become_the_pixels_of_a_map(tmp_path, grid):
    rows = cut(made.sentinel(tmp_path / "s2.tif"), tmp_path / "chips", grid=grid, size=64)
    answer = drawn(tmp_path, [(row["chip"], index, 1) for index, row in enumerate(rows)], tmp_path / "chips")
    (name,) = answer.maps
    assert name == ("EPSG-32633.tif" if grid == "ard" else "EPSG-3857.tif")
    with rasterio.open(tmp_path / "maps" / name) as found:
        values = found.read(1)
        for index, row in enumerate(rows):
            middle = (row["west"] + row["east"]) / 2, (row["south"] + row["north"]) / 2
            assert values[found.index(*middle)] == index
        assert np.count_nonzero(np.isfinite(values)) == len(rows)


def test_chips_of_tiles_are_mapped_as_well(tmp_path):
    from .tile_making import ACQUISITION, CELL, make_tile

    tile = tmp_path / "ard" / "33" / CELL / "2015-05-28" / f"{ACQUISITION}-visual.tif"
    make_tile(tile, column=0, row=0, width=1024, height=1024)
    chips_folder(
        ChipsFolderMsg(ard_loc=DataLocation.local(tmp_path / "ard"), chips_loc=DataLocation.local(tmp_path / "chips"))
    )
    names = sorted(path.name for path in (tmp_path / "chips" / "33").glob("*.jpg"))
    answer = drawn(tmp_path, [(name, index, 0) for index, name in enumerate(names)], tmp_path / "chips", labels=["a"])
    assert (answer.maps, answer.labels) == (["EPSG-32633.tif"], ["a"])
    with rasterio.open(tmp_path / "maps" / "EPSG-32633.tif") as found:
        assert (found.res, found.count) == ((156.25, 156.25), 1)
        # A quadkey's last digit counts the quarters row by row.
        assert found.read(1).tolist() == [[0, 1], [2, 3]]


def test_what_is_on_no_map_is_counted_and_mistakes_are_named(tmp_path):
    rows = cut(made.scan(tmp_path / "scan.tif"), tmp_path / "chips", grid="pixels", size=100)
    answer = drawn(tmp_path, [(rows[0]["chip"], 1, 2), ("other.jpg", 1, 2)], tmp_path / "chips")
    assert (answer.n_chips, answer.n_unplaced) == (1, 1)
    with pytest.raises(SpacerInputError, match="names one of the chips"):
        drawn(tmp_path, [("other.jpg", 1, 2)], tmp_path / "chips")
    with pytest.raises(SpacerInputError, match="has no label 'c'"):
        drawn(tmp_path, [(rows[0]["chip"], 1, 2)], tmp_path / "chips", labels=["c"])
    with pytest.raises(TableError, match="not finite"):
        drawn(tmp_path, [(rows[0]["chip"], "inf", 2)], tmp_path / "chips")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataNotFoundError, match="There are no manifests of chips in"):
        drawn(tmp_path, [(rows[0]["chip"], 1, 2)], tmp_path / "empty")
