"""The grid of tiles and chips, against the package that defines it and against records of tiles: equal, not nearly."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spacer_like.chips.grid import (
    NORTH_EDGE,
    PIXEL,
    ROOT_SIDE,
    SOUTHERN_OFFSET,
    TILE_PIXELS,
    WEST_EDGE,
    Cell,
    cell_at,
    chip_pixels,
    epsg_of_zone,
    side_of_zoom,
    zone_of_longitude,
)
from spacer_like.exceptions import TileError

from .made_records import made_records

zones = st.integers(1, 60)
quadkeys = st.text("0123", min_size=1, max_size=26)
cells = st.builds(Cell, zones, quadkeys)


def random_cells(count: int) -> list[Cell]:
    """As many of each zoom from 1 to 26, about half of them southern."""
    draw = random.Random(0)
    return [Cell(draw.randint(1, 60), "".join(draw.choices("0123", k=1 + place % 26))) for place in range(count)]


@pytest.fixture(scope="module")
def pairs():
    package = pytest.importorskip("maxar_ard_grid")
    return [(cell, package.Cell(cell.quadkey, zone=cell.zone)) for cell in random_cells(6000)]


class TestAgainstTheDefiningPackage:
    def test_the_same_column_row_and_zoom(self, pairs):
        assert all((cell.column, cell.row, cell.zoom) == (theirs.x, theirs.y, theirs.z) for cell, theirs in pairs)

    def test_the_same_bounds_to_the_last_bit(self, pairs):
        assert all(cell.bounds == tuple(theirs.bounds) for cell, theirs in pairs)

    def test_both_hemispheres_were_looked_at(self, pairs):
        assert 0.4 < sum(cell.is_southern for cell, _ in pairs) / len(pairs) < 0.6

    def test_the_same_projection_and_name(self, pairs):
        assert all((f"EPSG:{cell.epsg}", cell.name) == (theirs.proj, theirs.id) for cell, theirs in pairs)

    def test_the_same_quadkey_of_a_column_and_row(self, pairs):
        assert all(
            Cell.at(cell.zone, cell.zoom, theirs.x, theirs.y).quadkey == theirs.quadkey for cell, theirs in pairs
        )

    def test_the_same_parent_and_children(self, pairs):
        for cell, theirs in pairs[:2000]:
            if 1 < cell.zoom < 26:
                assert cell.parent(cell.zoom - 1).quadkey == theirs.parent.quadkey
                assert [child.quadkey for child in cell.children(cell.zoom + 1)] == [
                    child.quadkey for child in theirs.children
                ]

    def test_the_same_root(self):
        package = pytest.importorskip("maxar_ard_grid")
        assert Cell(33, "").bounds == tuple(package.Cell(0, 0, 0, zone=33).grid_bounds)

    @pytest.mark.parametrize("longitude", [-540, -180, -174, -0.001, 0, 5.999, 6, 179.999, 180, 185])
    def test_the_same_zone_of_a_longitude(self, longitude):
        assert zone_of_longitude(longitude) == pytest.importorskip("maxar_ard_grid.grid").lon2zone(longitude)


class TestAgainstRecordsOfTiles:
    def test_a_tile_lies_in_its_cell_with_an_apron_of_a_chip_of_zoom_17(self):
        for record in made_records():
            cell = Cell(record["utm_zone"], record["quadkey"])
            west, south, east, north = cell.bounds
            bbox = [float(edge) for edge in record["proj:bbox"].split(",")]
            apron = side_of_zoom(17)

            assert record["proj:epsg"] == cell.epsg
            assert west - apron <= bbox[0] < bbox[2] <= east + apron
            assert south - apron <= bbox[1] < bbox[3] <= north + apron

    def test_tiles_full_of_data_end_just_at_the_apron(self):
        full = 0
        for record in made_records():
            west, south, east, north = Cell(record["utm_zone"], record["quadkey"]).bounds
            bbox = tuple(float(edge) for edge in record["proj:bbox"].split(","))
            full += bbox == (west - 156.25, south - 156.25, east + 156.25, north + 156.25)
        assert full > 5


class TestNumbers:
    @pytest.mark.parametrize(
        ("zoom", "side"), [(12, 5000), (13, 2500), (14, 1250), (15, 625), (16, 312.5), (17, 156.25), (18, 78.125)]
    )
    def test_sides_of_cells(self, zoom, side):
        assert side_of_zoom(zoom) == side
        assert Cell(33, "0" * zoom).side == side

    def test_a_cell_of_zoom_26_is_a_pixel(self):
        assert side_of_zoom(26) == PIXEL == 0.30517578125

    @pytest.mark.parametrize(("zoom", "pixels"), [(12, TILE_PIXELS), (16, 1024), (17, 512), (18, 256), (26, 1)])
    def test_pixels_of_chips(self, zoom, pixels):
        assert chip_pixels(zoom) == pixels

    @given(cells)
    def test_bounds_are_those_of_exact_arithmetic(self, cell):
        side = Fraction(ROOT_SIDE) / 2**cell.zoom
        west = Fraction(WEST_EDGE) + cell.column * side
        north = Fraction(NORTH_EDGE) - cell.row * side + (Fraction(SOUTHERN_OFFSET) if cell.is_southern else 0)
        assert cell.bounds == (west, north - side, west + side, north)

    @given(zones)
    def test_the_root_is_northern(self, zone):
        assert not Cell(zone, "").is_southern
        assert Cell(zone, "").epsg == 32600 + zone

    def test_bounds_meet_at_the_equator(self):
        northern, southern = Cell(33, "0" + "2" * 11), Cell(33, "2" + "0" * 11)
        assert northern.bounds[1] == 0
        assert southern.bounds[3] == SOUTHERN_OFFSET
        assert (northern.epsg, southern.epsg) == (32633, 32733)


class TestFamily:
    @given(cells, st.integers(0, 3))
    def test_children_fill_their_parent_row_by_row(self, cell, levels):
        assume(cell.zoom + levels <= 26)
        children = cell.children(cell.zoom + levels)
        west, south, east, north = cell.bounds
        per_row = 2**levels
        side = cell.side / per_row

        assert [child.bounds for child in children] == [
            (west + column * side, north - (row + 1) * side, west + (column + 1) * side, north - row * side)
            for row in range(per_row)
            for column in range(per_row)
        ]
        assert all(child.parent(cell.zoom) == cell for child in children)
        assert (east, south) == (children[-1].bounds[2], children[-1].bounds[1])

    def test_a_tile_has_32_times_32_chips(self):
        chips = Cell(33, "031111212322").children(17)
        assert len({chip.quadkey for chip in chips}) == 1024
        assert all(chip.quadkey.startswith("031111212322") for chip in chips)

    @given(cells)
    def test_a_cell_is_found_by_its_column_and_row_and_by_its_name(self, cell):
        assert Cell.at(cell.zone, cell.zoom, cell.column, cell.row) == cell
        assert Cell.parse(cell.name) == cell

    @pytest.mark.parametrize("zoom", [11, 23, 27])
    def test_too_many_children_or_none_are_refused(self, zoom):
        with pytest.raises(TileError, match="cannot be listed: ask for 12 to 22"):
            Cell(33, "031111212322").children(zoom)

    @pytest.mark.parametrize("zoom", [13, -1])
    def test_a_parent_is_not_smaller(self, zoom):
        with pytest.raises(TileError, match="lies in no cell of zoom"):
            Cell(33, "031111212322").parent(zoom)


class TestPoints:
    @given(cells, st.fractions(0, 1), st.fractions(0, 1))
    def test_a_point_lies_in_the_cell_whose_bounds_are_around_it(self, cell, along, up):
        assume(cell.zoom)
        west, south, east, north = cell.bounds
        easting = min(float(west + along * Fraction(east - west)), math.nextafter(east, -math.inf))
        northing = max(float(south + up * Fraction(north - south)), math.nextafter(south, math.inf))
        assert cell_at(cell.zone, easting, northing, cell.zoom, cell.is_southern) == cell

    @given(cells)
    def test_a_corner_is_of_the_cell_to_the_south_east_of_it(self, cell):
        west, _, _, north = cell.bounds
        assert cell_at(cell.zone, west, north, cell.zoom, cell.is_southern) == cell

    @given(cells)
    def test_the_next_number_to_the_west_or_north_is_the_neighbour_s(self, cell):
        west, south, _, north = cell.bounds
        inside = (south + north) / 2
        if cell.column:
            found = cell_at(cell.zone, math.nextafter(west, -math.inf), inside, cell.zoom, cell.is_southern)
            assert (found.column, found.row) == (cell.column - 1, cell.row)
        if cell.row:
            found = cell_at(cell.zone, west, math.nextafter(north, math.inf), cell.zoom, cell.is_southern)
            assert (found.column, found.row) == (cell.column, cell.row - 1)

    @pytest.mark.parametrize(
        ("easting", "northing"),
        [(-9_740_000.1, 0), (10_740_000, 0), (0, 10_240_000.1), (0, -10_240_000), (math.nan, 0), (0, math.inf)],
    )
    def test_a_point_outside_the_grid_is_refused(self, easting, northing):
        with pytest.raises(TileError, match="grid of zone 33"):
            cell_at(33, easting, northing, 12)


class TestWhatIsNoCell:
    @pytest.mark.parametrize("quadkey", ["4", "0311112123a2", "0" * 27, "0 ", "٣", "0\n"])
    def test_other_digits_or_too_many_are_refused(self, quadkey):
        with pytest.raises(TileError, match="is no quadkey"):
            Cell(33, quadkey)

    @pytest.mark.parametrize("zone", [0, 61, -1])
    def test_other_zones_are_refused(self, zone):
        for wrong in (lambda: Cell(zone, "0"), lambda: epsg_of_zone(zone), lambda: cell_at(zone, 0, 0, 12)):
            with pytest.raises(TileError, match="There is no UTM zone"):
                wrong()

    @pytest.mark.parametrize("zoom", [-1, 27])
    def test_other_zooms_are_refused(self, zoom):
        for wrong in (lambda: chip_pixels(zoom), lambda: cell_at(33, 0, 0, zoom), lambda: Cell.at(33, zoom, 0, 0)):
            with pytest.raises(TileError, match="There is no zoom"):
                wrong()

    @pytest.mark.parametrize("name", ["", "Z33", "Z3-0", "33-0", "Z33-", "Z33-4", "Z33-0_x", "MXRA-Z33-0"])
    def test_other_names_are_refused(self, name):
        with pytest.raises(TileError, match="names no cell"):
            Cell.parse(name)

    @pytest.mark.parametrize(("column", "row"), [(-1, 0), (0, -1), (4, 0), (0, 4)])
    def test_columns_and_rows_beyond_the_root_are_refused(self, column, row):
        with pytest.raises(TileError, match="There is no cell in column"):
            Cell.at(33, 2, column, row)
