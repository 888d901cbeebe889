"""Cells on the globe, held against the package that defines the grid."""

import math
import random
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.chips import geography
from spacer_like.chips.geography import belongs_to_zone, cells_around, central_meridian, centre, centres, envelope
from spacer_like.chips.grid import Cell, cell_at, zone_of_longitude
from spacer_like.exceptions import MissingExtraError, TileError

TILE = Cell(33, "031111212322")

inner_zones = st.integers(2, 59)
latitudes = st.floats(-79, 83)


def near(zone: int, offset: float, latitude: float, zoom: int) -> Cell:
    """The cell that a point lies in, so many degrees east of its zone's central meridian."""
    from pyproj import Transformer

    transformer = Transformer.from_crs(4326, 32600 + zone, always_xy=True)
    easting, northing = transformer.transform(central_meridian(zone) + offset, latitude)
    return cell_at(zone, easting, northing, zoom)


@pytest.fixture(scope="module")
def package():
    return pytest.importorskip("maxar_ard_grid.grid")


@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")
class TestAgainstTheDefiningPackage:
    @pytest.mark.parametrize("zoom", [12, 17])
    def test_the_same_cells_belong_to_a_zone(self, zoom, package):
        draw = random.Random(zoom)
        answers = []
        for _ in range(300):
            zone = draw.randint(2, 59)
            reach = 0.05 if zoom == 12 else 0.002
            offset = draw.choice([-3, 3]) + draw.uniform(-reach, reach)
            cell = near(zone, offset, draw.uniform(-79, 83), zoom)
            answers.append(belongs_to_zone(cell))
            assert answers[-1] == (package.Cell(cell.quadkey, zone=zone) in package.Grid(zone)), cell.name
        assert 0.2 < sum(answers) / len(answers) < 0.8

    def test_an_envelope_is_the_package_s_and_what_the_sides_bulge_beyond_it(self, package):
        for zone, offset, latitude in [(33, 0.0, 44.0), (33, -2.9, 44.0), (5, 2.9, -60.0), (40, 0.01, 0.01)]:
            cell = near(zone, offset, latitude, 12)
            ours = np.array(envelope(cell))
            theirs = np.array(package.Cell(cell.quadkey, zone=zone).geom_WGS84.bounds)
            outwards = (ours - theirs) * [-1, -1, 1, 1]
            assert (outwards >= -1e-12).all()
            assert (outwards < 1e-5).all()


class TestCentre:
    @settings(max_examples=50)
    @given(inner_zones, st.floats(-3, 3), latitudes)
    def test_the_centre_of_a_cell_of_zoom_26_is_where_the_point_is(self, zone, offset, latitude):
        longitude, found = centre(near(zone, offset, latitude, 26))
        assert found == pytest.approx(latitude, abs=1e-5)
        assert longitude == pytest.approx(central_meridian(zone) + offset, abs=1e-4)

    def test_centres_of_many_zones_and_hemispheres_are_those_of_each(self):
        cells = [TILE, Cell(7, "211111212322"), Cell(33, "03111121232201230"), Cell(60, "211111212322")]
        assert centres(cells).tolist() == [list(centre(cell)) for cell in cells]
        assert centres([]).shape == (0, 2)


class TestEnvelope:
    @settings(max_examples=50)
    @given(inner_zones, st.floats(-3, 3), latitudes, st.sampled_from([10, 12, 17]))
    def test_every_point_of_a_cell_is_in_it(self, zone, offset, latitude, zoom):
        from pyproj import Transformer

        cell = near(zone, offset, latitude, zoom)
        west, south, east, north = cell.bounds
        xs, ys = np.meshgrid(np.linspace(west, east, 23), np.linspace(south, north, 23))
        longitudes, found = Transformer.from_crs(cell.epsg, 4326, always_xy=True).transform(xs, ys)
        box = envelope(cell)
        # A little may bulge between two points that were looked at.
        margin = 1e-4 * (box[3] - box[1])

        assert box[0] - margin <= longitudes.min() <= longitudes.max() <= box[2] + margin
        assert box[1] - margin <= found.min() <= found.max() <= box[3] + margin

    def test_one_across_the_180th_meridian_has_its_west_larger_than_its_east(self):
        eastern, western = near(60, 3.0, 65.0, 12), near(1, -3.0, 65.0, 12)
        for cell in (eastern, western):
            west, _, east, _ = envelope(cell)
            assert 179 < west <= 180
            assert -180 <= east < -179
            assert belongs_to_zone(cell) == belongs_to_zone(Cell(30, cell.quadkey))


class TestCellsAround:
    @settings(max_examples=50)
    @given(st.integers(1, 60), st.floats(-3, 3), latitudes, st.floats(0, 0.2), st.floats(0, 0.2))
    def test_they_are_around_every_point_of_the_box(self, zone, offset, latitude, width, height):
        west = central_meridian(zone) + offset
        found = cells_around((west, latitude, west + width, latitude + height), zone, 12)
        for along in np.linspace(0, 1, 5):
            for up in np.linspace(0, 1, 5):
                assert near(zone, offset + along * width, latitude + up * height, 12) in found

    def test_they_are_not_many_more(self):
        west, south, east, north = envelope(TILE)
        assert len(cells_around((west, south, east, north), 33, 12)) <= 9
        middle = centre(TILE)
        assert cells_around((*middle, *middle), 33, 12) == [TILE]

    def test_they_come_row_by_row_from_the_north(self):
        found = cells_around((12.2, -0.1, 12.4, 0.1), 33, 12)
        assert found == sorted(found, key=lambda cell: (cell.row, cell.column))
        assert {cell.is_southern for cell in found} == {True, False}

    def test_a_box_across_the_180th_meridian_has_cells_of_both_zones(self):
        box = (179.9, 10.0, -179.9, 10.1)
        assert near(60, 2.95, 10.05, 12) in cells_around(box, 60, 12)
        assert near(1, -2.95, 10.05, 12) in cells_around(box, 1, 12)
        assert cells_around(box, 30, 12) == []

    def test_of_the_whole_world_only_the_zone_s_part_counts(self):
        world = (-180.0, -90.0, 180.0, 90.0)
        found = cells_around(world, 33, 6)
        assert near(33, 0, 0, 6) in found
        assert near(33, 3, 80, 6) in found
        assert found == cells_around((9.0, -84.0, 21.0, 84.0), 33, 6)

    def test_too_many_are_refused(self):
        with pytest.raises(TileError, match="ask for a smaller one"):
            cells_around((12, 44, 18, 48), 33, 17)

    @pytest.mark.parametrize("box", [(0, 2, 1, 1), (math.nan, 0, 1, 1), (0, 0, math.inf, 1)])
    def test_what_is_no_box_is_refused(self, box):
        with pytest.raises(TileError, match="is no box"):
            cells_around(box, 33, 12)

    def test_near_the_poles_there_are_none(self):
        assert cells_around((12, 85, 13, 86), 33, 12) == []


@given(st.floats(-180, 180, exclude_max=True))
def test_a_longitude_is_within_three_degrees_of_its_zone_s_central_meridian(longitude):
    offset = longitude - central_meridian(zone_of_longitude(longitude))
    assert abs((offset + 180) % 360 - 180) <= 3 + 1e-9


def test_without_pyproj_the_extra_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyproj", None)
    geography.to_degrees.cache_clear()
    with pytest.raises(MissingExtraError, match=r"spacer_like\[geo\]"):
        centre(TILE)
