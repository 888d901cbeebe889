"""Which elements lie in which cells: laws, and against each geometry with each cell's box."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from spacer_like.chips.geography import cells_around, centre
from spacer_like.chips.grid import SOUTHERN_OFFSET, Cell, cell_at
from spacer_like.chips.labels.geometries import Geometries, geometries_of
from spacer_like.chips.labels.label_join import CellJoin
from spacer_like.chips.labels.rings import valid_parts
from spacer_like.exceptions import TileError

from .map_making import MapMaker, square

CELL = Cell(33, "031111212322")
CELLS = CELL.children(14)
WEST, SOUTH, _, _ = CELL.bounds
SIDE = CELLS[0].side
CAPE_TOWN = cells_around((18.42, -33.95, 18.43, -33.94), 34, 12)[0]
HELSINKI = Path(__file__).parents[1] / "data" / "chips" / "helsinki_overpass.json.gz"


def joined(geometries, cells):
    """The pairs (owner, place of the cell)."""
    pairs = [pair for parts in CellJoin(cells).pairs(geometries) for pair in zip(*map(list, parts), strict=True)]
    assert len(set(pairs)) == len(pairs)
    assert pairs == sorted(pairs)
    return set(pairs)


def of_shapes(shapes):
    array = np.empty(len(shapes), object)
    array[:] = shapes
    return Geometries(np.empty((0, 2)), np.empty(0, np.int64), array, np.arange(len(shapes)))


def of_points(points):
    return Geometries(np.array(points, float), np.arange(len(points)), np.empty(0, object), np.empty(0, np.int64))


def northern_box(cell):
    west, south, east, north = cell.bounds
    offset = SOUTHERN_OFFSET if cell.is_southern else 0
    return shapely.box(west, south - offset, east, north - offset)


def by_measure(geometries, cells, least=1e-6):
    """The slow and obvious way: what each geometry has in common with each box must have a length, or an area."""
    pairs = set()
    for owner, shape in zip(geometries.shape_owners.tolist(), geometries.shapes, strict=True):
        for place, cell in enumerate(cells):
            common = shapely.intersection(shape, northern_box(cell))
            if (common.area if shape.geom_type == "Polygon" else common.length) > least:
                pairs.add((owner, place))
    for owner, (x, y) in zip(geometries.point_owners.tolist(), geometries.points.tolist(), strict=True):
        pairs.update((owner, place) for place, cell in enumerate(cells) if in_cell(x, y, cell))
    return pairs


def nearly(geometries, cells):
    """The pairs whose cell is not farther from the geometry than rounding, touched ones included."""
    return {
        (owner, place)
        for owner, shape in enumerate(geometries.shapes)
        for place, cell in enumerate(cells)
        if shape.distance(northern_box(cell)) < 1e-6
    }


def in_cell(x, y, cell):
    west, south, east, north = northern_box(cell).bounds
    return west <= x < east and south < y <= north


# Places that are often on the sides and corners of cells, and sometimes outside all of them.
lattice = st.tuples(st.integers(-2, 18), st.integers(-2, 18)).map(
    lambda place: (WEST + place[0] * SIDE / 4, SOUTH + place[1] * SIDE / 4)
)


@given(st.lists(st.lists(lattice, min_size=2, max_size=6), min_size=1, max_size=4))
def test_lines_lie_in_the_cells_in_which_they_have_a_length(ways):
    lines = [line for line in map(shapely.LineString, ways) if line.length]
    assume(lines)
    assert joined(of_shapes(lines), CELLS) == by_measure(of_shapes(lines), CELLS)


@given(st.lists(st.lists(lattice, min_size=3, max_size=7), min_size=1, max_size=4))
def test_areas_lie_in_the_cells_in_which_they_have_an_area(rings):
    parts, _ = valid_parts(np.array([shapely.Polygon(ring) for ring in rings], object))
    areas = of_shapes([part for part in parts if part.geom_type == "Polygon"])
    assume(len(areas.shapes))
    found, surely = joined(areas, CELLS), by_measure(areas, CELLS)
    if all(shapely.Polygon(ring).is_valid for ring in rings):
        assert found == surely
    else:
        # Where an outline crosses itself is rounded, and may be a hair beside a side that it touches.
        assert surely <= found <= nearly(areas, CELLS)


@given(st.lists(lattice, min_size=3, max_size=6), st.lists(lattice, min_size=3, max_size=5), st.permutations(range(16)))
def test_areas_with_holes_do_not_lie_in_cells_that_are_in_a_hole(ring, hole, order):
    area, taken = (shapely.make_valid(shapely.Polygon(places)).buffer(0) for places in (ring, hole))
    left, _ = valid_parts(np.array([shapely.difference(area, taken)]))
    assume(len(left))
    cells = [CELLS[place] for place in order[:9]]
    areas = of_shapes(list(left))
    assert by_measure(areas, cells) <= joined(areas, cells) <= nearly(areas, cells)


offsets = st.one_of(st.integers(-2, 18).map(lambda number: number * SIDE / 4), st.floats(-1000, 6000))
nudges = st.sampled_from([0.0, 1e-9, -1e-9, 1e-3, -1e-3])


@given(st.lists(st.tuples(offsets, offsets, nudges, nudges), min_size=1, max_size=20), st.integers(12, 17))
def test_points_lie_in_the_one_cell_that_the_grid_gives_them(places, zoom):
    points = [(WEST + x + dx, SOUTH + y + dy) for x, y, dx, dy in places]
    cells = CELL.children(zoom)
    at = {cell: place for place, cell in enumerate(cells)}
    expected = {
        (owner, at[cell]) for owner, (x, y) in enumerate(points) if (cell := cell_at(CELL.zone, x, y, zoom)) in at
    }
    assert joined(of_points(points), cells) == expected


def test_a_line_along_a_side_lies_in_both_cells_and_one_that_ends_there_in_one():
    x = WEST + SIDE
    along = shapely.LineString([(x, SOUTH + 10), (x, SOUTH + 50)])
    ending = shapely.LineString([(x - 50, SOUTH + 10), (x, SOUTH + 10)])
    south_west, next_east = (cell_at(33, x + dx, SOUTH + 1, 14) for dx in (-1, 1))
    cells = [south_west, next_east]
    assert joined(of_shapes([along, ending]), cells) == {(0, 0), (0, 1), (1, 0)}


def test_an_area_that_only_touches_a_side_or_a_corner_does_not_lie_there():
    beside = shapely.box(WEST + SIDE, SOUTH, WEST + 2 * SIDE, SOUTH + SIDE)
    cells = CELL.children(14)
    assert [cells[place].bounds[:2] for _, place in joined(of_shapes([beside]), cells)] == [(WEST + SIDE, SOUTH)]


def test_a_cell_in_a_hole_or_in_an_island_of_it():
    maker = MapMaker(CELL)
    lake = maker.relation(
        [
            ("outer", square(-100, -100, 5200)),
            ("inner", square(1250, 1250, 2500)),
            ("outer", square(2600, 2600, 10)),
        ],
        type="multipolygon",
    )
    cells = CELL.children(14)
    found = {place for _, place in joined(geometries_of([lake], 33), cells)}
    island = cells.index(cell_at(33, WEST + 2605, SOUTH + 2605, 14))
    hole = {5, 6, 9, 10}
    assert island in hole
    # The places of a hole's sides are rounded to some micrometres, and a micrometre of land is land.
    assert {place for place in range(16) if place not in hole} | {island} <= found
    shrunk = maker.relation(
        [("outer", square(-100, -100, 5200)), ("inner", square(1249, 1249, 2502))], type="multipolygon"
    )
    assert {place for _, place in joined(geometries_of([shrunk], 33), cells)} == set(range(16)) - hole


@pytest.mark.parametrize("zoom", [17, 19, 20])
def test_real_elements_are_joined_as_each_with_each_box(zoom):
    elements = json.loads(gzip.decompress(HELSINKI.read_bytes()))["elements"]
    cells = Cell(35, "0131331030032011").children(zoom)
    geometries = geometries_of(elements[::7] + [one for one in elements if one["type"] == "relation"], 35)
    found = joined(geometries, cells)
    assert found == by_measure(geometries, cells, 0)
    assert len(found) > 100


def test_cells_may_be_any_of_a_zone_and_keep_their_places():
    elements = json.loads(gzip.decompress(HELSINKI.read_bytes()))["elements"]
    geometries = geometries_of(elements, 35)
    cells = Cell(35, "0131331030032011").children(19)
    by_cell = {(owner, cells[place]) for owner, place in joined(geometries, cells)}
    some = list(np.random.default_rng(3).permutation(cells)[:40])
    some = [Cell(*key) for key in ((cell.zone, cell.quadkey) for cell in some)]
    assert {(owner, some[place]) for owner, place in joined(geometries, some)} == {
        pair for pair in by_cell if pair[1] in set(some)
    }


def test_the_result_does_not_depend_on_how_many_elements_are_looked_at_at_a_time(monkeypatch):
    elements = json.loads(gzip.decompress(HELSINKI.read_bytes()))["elements"]
    geometries = geometries_of(elements, 35)
    cells = Cell(35, "0131331030032011").children(18)
    at_once = joined(geometries, cells)
    monkeypatch.setattr("spacer_like.chips.labels.label_join._MOST_PAIRS", 7)
    assert joined(geometries, cells) == at_once


# The other half of the globe


@pytest.mark.parametrize(
    "cell",
    [Cell(23, "211330301322"), Cell(23, "211111111111"), CAPE_TOWN],
)
def test_in_the_south_a_place_lies_in_its_cell(cell):
    chips = cell.children(15)
    nodes = [
        {"type": "node", "id": place, "lon": lon, "lat": lat, "tags": {}}
        for place, (lon, lat) in enumerate(map(centre, chips))
    ]
    assert all(node["lat"] < 0 for node in nodes)
    assert joined(geometries_of(nodes, cell.zone), chips) == {(place, place) for place in range(len(chips))}


def test_a_way_across_the_equator_lies_on_both_sides_of_it():
    south = Cell(23, "211111111111")
    north = Cell.at(23, 12, south.column, south.row - 1)
    assert (south.is_southern, north.is_southern) == (True, False)
    maker = MapMaker(south)
    cells = [*north.children(13), *south.children(13)]
    road = maker.way([(100, 4000), (100, 5000 + 1000)], highway="path")
    field = maker.way([(100, 4000), (4000, 4000), (4000, 4500), (100, 4500), (100, 4000)], landuse="meadow")
    found = joined(geometries_of([road, field], 23), cells)
    assert {cells[place].name for owner, place in found if owner == 0} == {
        cells[2].name, cells[4].name,
    }  # fmt: skip
    assert {place for owner, place in found if owner == 1} == {4, 5}


# What is refused


@pytest.mark.parametrize(
    "cells", [[], [CELL, CELL], [CELL, Cell(32, CELL.quadkey)], [CELL, CELL.children(13)[0]]], ids=str
)
def test_cells_of_several_zooms_or_zones_are_refused(cells):
    with pytest.raises(TileError, match="one zone and one zoom"):
        CellJoin(cells)
