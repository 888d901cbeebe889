"""Where a chip comes from: its tile, and the window in it."""

from pathlib import Path

import numpy as np
import pytest

from spacer_like.chips.grid import Cell
from spacer_like.chips.messages import LocateChipMsg
from spacer_like.chips.tasks.chips import locate_chip
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, TileError

from .tile_making import ACQUISITION, CELL, HYPHENATED, SOUTHERN_CELL, make_tile

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


def path_in(root: Path, date="2015-05-28", acquisition=ACQUISITION, cell=CELL, kind="visual") -> Path:
    return root / "33" / cell / date / f"{acquisition}-{kind}.tif"


def flat_tile(
    path: Path, quadkey: str = CELL, *, width: int = 512, height: int = 512, bands: int = 3, **options
) -> Path:
    pixels = np.full((height, width, bands), 90, np.uint8)
    return make_tile(path, quadkey, width=width, height=height, bands=bands, pixels=pixels, **options)


def located(root: Path, chip: str):
    return locate_chip(LocateChipMsg(chip=chip, ard_loc=DataLocation("filesystem", str(root))))


class TestLocateChip:
    @pytest.mark.parametrize("column", [-512, 0, 100, 700])
    def test_its_window_has_the_ground_of_its_bounds(self, tmp_path, column):
        import rasterio
        from rasterio.windows import from_bounds

        path = flat_tile(path_in(tmp_path), column=column, row=column, width=1024, height=1024)
        found = located(tmp_path, f"Z33-{CELL}00003_{ACQUISITION}.jpg")
        with rasterio.open(path) as raster:
            window = from_bounds(*found.bounds, raster.transform)
        assert found.tile == str(path)
        assert (found.column, found.row, found.width, found.height) == (
            window.col_off,
            window.row_off,
            window.width,
            window.height,
        )
        assert found.bounds == Cell(33, f"{CELL}00003").bounds
        assert (found.zone, found.epsg, found.zoom, found.acquisition) == (33, 32633, 17, ACQUISITION)

    def test_it_says_where_on_the_globe_it_is(self, tmp_path):
        flat_tile(path_in(tmp_path))
        found = located(tmp_path, f"Z33-{CELL}_{ACQUISITION}")
        assert (found.longitude, found.latitude) == pytest.approx((12.284, 44.063), abs=0.001)

    def test_a_southern_one_is_in_southern_metres(self, tmp_path):
        flat_tile(path_in(tmp_path, cell=SOUTHERN_CELL), SOUTHERN_CELL, width=1024, height=1024)
        found = located(tmp_path, f"33/Z33-{SOUTHERN_CELL}00000_{ACQUISITION}.jpg")
        assert (found.epsg, found.column, found.row) == (32733, 512, 512)
        assert found.latitude < 0

    @pytest.mark.parametrize(("zoom", "width"), [(12, 16384), (16, 1024), (18, 256)])
    def test_chips_of_every_zoom_have_their_width(self, tmp_path, zoom, width):
        flat_tile(path_in(tmp_path))
        assert located(tmp_path, f"Z33-{CELL:0<{zoom}}_{ACQUISITION}.jpg").width == width

    def test_pixels_of_another_width_are_counted_as_they_are(self, tmp_path):
        flat_tile(path_in(tmp_path, kind="pan"), column=0, row=0, pixel=0.5, bands=1)
        found = located(tmp_path, f"Z33-{CELL}00003_{ACQUISITION}.jpg")
        assert (found.column, found.row, found.width) == (312, 312, 312)

    def test_an_acquisition_with_hyphens(self, tmp_path):
        flat_tile(path_in(tmp_path, acquisition=HYPHENATED))
        assert located(tmp_path, f"Z33-{CELL}00003_{HYPHENATED}.jpg").acquisition == HYPHENATED

    def test_of_several_dates_the_newest_counts_and_the_others_are_told(self, tmp_path):
        paths = [path_in(tmp_path, date) for date in ("2015-05-28", "2017-01-01", "2016-12-31")]
        for path in paths:
            flat_tile(path)
        found = located(tmp_path, f"Z33-{CELL}00003_{ACQUISITION}.jpg")
        assert found.tile == str(paths[1])
        assert found.other_tiles == [str(paths[2]), str(paths[0])]

    def test_a_pan_tile_counts_where_there_is_no_other(self, tmp_path):
        flat_tile(path_in(tmp_path, kind="pan"), bands=1, compress="DEFLATE")
        assert located(tmp_path, f"Z33-{CELL}00003_{ACQUISITION}.jpg").tile.endswith("-pan.tif")


class TestWhatCannotBeLocated:
    def test_a_name_that_is_none(self, tmp_path):
        with pytest.raises(TileError, match="is no name of a chip"):
            located(tmp_path, "../../etc/passwd")

    def test_a_chip_whose_tile_is_not_there(self, tmp_path):
        flat_tile(path_in(tmp_path))
        with pytest.raises(DataNotFoundError, match=f"no tile of the acquisition other in the cell Z33-{CELL}"):
            located(tmp_path, f"Z33-{CELL}00003_other.jpg")

    def test_a_tile_that_is_cut_short(self, tmp_path):
        path = flat_tile(path_in(tmp_path))
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(TileError, match=r"visual\.tif"):
            located(tmp_path, f"Z33-{CELL}00003_{ACQUISITION}.jpg")

    def test_a_tile_of_another_zone(self, tmp_path):
        flat_tile(path_in(tmp_path), crs="EPSG:32634")
        with pytest.raises(TileError, match=r"does not say where it lies in the grid of zone 33 \(EPSG:32633\)"):
            located(tmp_path, f"Z33-{CELL}00003_{ACQUISITION}.jpg")

    def test_a_picture_without_a_place(self, tmp_path):
        import tifffile

        path = path_in(tmp_path)
        path.parent.mkdir(parents=True)
        tifffile.imwrite(path, np.zeros((512, 512, 3), np.uint8), tile=(256, 256), photometric="rgb")
        with pytest.raises(TileError, match="does not say where it lies"):
            located(tmp_path, f"Z33-{CELL}00003_{ACQUISITION}.jpg")
