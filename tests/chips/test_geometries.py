"""Elements of OpenStreetMap as points, lines and polygons."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from spacer_like.chips.grid import Cell
from spacer_like.chips.labels.geometries import geometries_of, is_area

from .map_making import MapMaker, square

CELL = Cell(33, "031111212322")
WEST, SOUTH, _, _ = CELL.bounds
HELSINKI = Path(__file__).parents[1] / "data" / "chips" / "helsinki_overpass.json.gz"


@pytest.fixture
def maker():
    return MapMaker(CELL)


def parts(*elements, zone=33):
    """For each element its points and shapes, in metres from the cell's corner."""
    found = geometries_of(elements, zone)
    shapes = shapely.transform(found.shapes, lambda points: np.round(points - (WEST, SOUTH), 3))
    points = np.round(found.points - (WEST, SOUTH), 3)
    return [
        [*map(tuple, points[found.point_owners == owner].tolist()), *shapes[found.shape_owners == owner]]
        for owner in range(len(elements))
    ]


def polygon(places, *holes):
    return shapely.Polygon(places, holes)


def same(first, second):
    return shapely.area(shapely.symmetric_difference(first, second)) < 0.01 and first.geom_type == second.geom_type


# Which ways are areas


@pytest.mark.parametrize(
    ("tags", "area"),
    [
        ({"building": "yes"}, True),
        ({"building": "no"}, False),
        ({"highway": "primary", "junction": "roundabout"}, False),
        ({"highway": "services"}, True),
        ({"highway": "pedestrian", "area": "yes"}, True),
        ({"landuse": "grass", "area": "no"}, False),
        ({"natural": "water"}, True),
        ({"natural": "coastline"}, False),
        ({"barrier": "fence"}, False),
        ({"waterway": "riverbank"}, True),
        ({"waterway": "stream"}, False),
        ({"name": "anything"}, False),
    ],
)
def test_tags_say_whether_a_closed_way_is_an_area(tags, area):
    assert is_area(tags) is area


# Nodes and ways


def test_a_node_is_a_point(maker):
    assert parts(maker.node((12, 34), natural="tree")) == [[(12, 34)]]


def test_a_way_is_a_line_and_a_closed_one_an_area_where_its_tags_say_so(maker):
    road = maker.way([(0, 0), (10, 0), (10, 5)], highway="path")
    house, roundabout = maker.square(0, 0, 10, building="yes"), maker.square(0, 0, 10, highway="primary")
    open_house = maker.way(square(0, 0, 10)[:-1], building="yes")
    kinds = [[part.geom_type for part in one] for one in parts(road, house, roundabout, open_house)]
    assert kinds == [["LineString"], ["Polygon"], ["LineString"], ["LineString"]]
    assert same(parts(house)[0][0], polygon(square(0, 0, 10)))
    assert parts(road)[0][0].length == pytest.approx(15, abs=0.01)


def test_unknown_points_leave_the_pieces_between_them(maker):
    way = maker.way([(0, 0), (1, 0), None, (5, 0), None, None, (8, 0), (8, 3)], highway="path")
    point, *lines = parts(way)[0]
    assert point == (5, 0)
    assert sorted(line.length for line in lines) == pytest.approx([1, 3], abs=0.01)


def test_an_area_that_is_not_known_whole_is_its_outline(maker):
    whole = square(0, 0, 10)
    way = maker.way([*whole[:2], None, *whole[3:]], building="yes")
    assert [part.geom_type for part in parts(way)[0]] == ["LineString", "LineString"]


@pytest.mark.parametrize("geometry", [None, [], [None, None], "text", [1, 2], [{}], [{"lat": "a", "lon": 1}], {}])
def test_an_element_without_usable_places_has_no_geometry(geometry):
    way = {"type": "way", "id": 1, "nodes": [1, 2], "geometry": geometry, "tags": {"highway": "path"}}
    relation = {"type": "relation", "id": 1, "members": geometry, "tags": {"type": "multipolygon"}}
    node = {"type": "node", "id": 1, "tags": {"natural": "tree"}}
    found = geometries_of([way, relation, node], 33)
    assert found.owners().tolist() == []


@pytest.mark.parametrize(("lon", "lat"), [(13, 91), (1e300, 44), (13, float("inf")), ("13", "x"), (10**400, 1)])
def test_coordinates_that_are_none_count_as_unknown(maker, lon, lat):
    way = maker.way([(0, 0), (5, 0)], highway="path")
    way["geometry"].append({"lon": lon, "lat": lat})
    (line,) = parts(way)[0][:1]
    assert line.length == pytest.approx(5, abs=0.01)


def test_points_that_are_there_twice_count_once(maker):
    again = maker.way([(0, 0), (0, 0), (5, 0), (5, 0), (5, 0)], highway="path")
    nowhere = maker.way([(1, 1), (1, 1), (1, 1)], highway="path")
    found = parts(again, nowhere)
    assert [shapely.get_num_points(line) for line in found[0]] == [2]
    assert found[1] == [(1, 1)]


def test_an_outline_that_crosses_itself_encloses_both_sides(maker):
    bow = maker.way([(0, 0), (10, 10), (10, 0), (0, 10), (0, 0)], building="yes")
    found = parts(bow)[0]
    assert [part.geom_type for part in found] == ["Polygon", "Polygon"]
    assert sum(part.area for part in found) == pytest.approx(50, abs=0.1)


def test_an_outline_that_crosses_itself_everywhere_is_a_line(maker):
    turns = np.arange(3000) * 2.4
    star = [*zip(500 * np.cos(turns), 500 * np.sin(turns), strict=True)]
    found = parts(maker.way([*star, star[0]], building="yes"))[0]
    assert [part.geom_type for part in found] == ["LineString"]


def test_an_area_without_any_is_a_line(maker):
    flat = maker.way([(0, 0), (10, 0), (0, 0), (10, 0), (0, 0)], building="yes")
    assert {part.geom_type for part in parts(flat)[0]} == {"LineString"}


# Relations


def area_of(maker, *members, **tags):
    found = parts(maker.relation(members, type="multipolygon", **tags))[0]
    return [part for part in found if part.geom_type == "Polygon"], [
        part for part in found if part.geom_type != "Polygon"
    ]


def test_ways_of_a_multipolygon_are_joined_at_their_ends_whatever_their_direction(maker):
    ring = square(0, 0, 10)
    polygons, rest = area_of(maker, ("outer", ring[:3]), ("outer", ring[2:][::-1]))
    assert not rest
    assert same(polygons[0], polygon(ring))


def test_inner_rings_are_holes_and_outer_ones_in_them_islands(maker):
    polygons, rest = area_of(
        maker,
        ("inner", square(2, 2, 6)),
        ("outer", square(4, 4, 2)),
        ("outer", square(0, 0, 10)),
        ("inner", square(4.5, 4.5, 1)),
    )
    whole = shapely.union_all(polygons)
    island = polygon(square(4, 4, 2), square(4.5, 4.5, 1))
    assert not rest
    assert same(whole, shapely.union(polygon(square(0, 0, 10), square(2, 2, 6)), island))


def test_holes_that_touch_each_other_are_both_holes(maker):
    polygons, _ = area_of(maker, ("outer", square(0, 0, 10)), ("inner", square(2, 2, 3)), ("inner", square(5, 2, 3)))
    assert sum(part.area for part in polygons) == pytest.approx(100 - 18, abs=0.05)


def test_an_outline_that_touches_itself_where_ways_are_missing_is_told_by_its_pieces(maker):
    polygons, lines = area_of(maker, ("outer", [(0, 0), (5, 0), (5, 5)]), ("inner", square(1, 1, 1)))
    assert not polygons
    assert {line.geom_type for line in lines} == {"LineString"}
    assert sorted(line.length for line in lines) == pytest.approx([4, 10], abs=0.05)


def test_several_outer_rings_and_a_role_that_is_not_told(maker):
    polygons, _ = area_of(maker, ("outer", square(0, 0, 10)), ("", square(20, 0, 5)), ("outer", square(30, 0, 2)))
    assert sorted(part.area for part in polygons) == pytest.approx([4, 25, 100], abs=0.05)


def test_of_an_area_whose_ways_are_missing_the_outline_is_left(maker):
    ring = square(0, 0, 10)
    polygons, lines = area_of(maker, ("outer", ring[:3]), ("outer", []), ("inner", square(20, 20, 2)))
    assert not polygons
    assert sorted(line.length for line in lines) == pytest.approx([8, 20], abs=0.05)


def test_unknown_points_in_a_ring_break_it(maker):
    ring = square(0, 0, 10)
    polygons, lines = area_of(maker, ("outer", [*ring[:2], None, *ring[3:]]), ("outer", square(20, 0, 5)))
    assert [part.area for part in polygons] == pytest.approx([25], abs=0.05)
    assert sum(line.length for line in lines) == pytest.approx(20, abs=0.05)


def test_where_a_boundary_s_name_is_written_is_no_part_of_it(maker):
    boundary = maker.relation([("outer", square(0, 0, 10))], type="boundary", boundary="administrative")
    boundary["members"].append({"type": "node", "ref": 9, "role": "label", **maker.point((5000, 5000))})
    assert [part.geom_type for part in parts(boundary)[0]] == ["Polygon"]


def test_other_relations_are_their_members(maker):
    route = maker.relation([("", [(0, 0), (10, 0)]), ("forward", square(20, 0, 5)), ("", [])], type="route")
    route["members"].append({"type": "node", "ref": 9, "role": "stop", **maker.point((3, 4))})
    route["members"].append({"type": "relation", "ref": 10, "role": ""})
    point, *lines = parts(route)[0]
    assert point == (3, 4)
    assert sorted(line.length for line in lines) == pytest.approx([10, 20], abs=0.05)


# Far away


def test_what_reaches_around_the_globe_is_cut_off_where_the_projection_ends(maker):
    half = [(-60.0, -80.0), (100.0, -80.0), (100.0, 89.0), (-60.0, 89.0), (-60.0, -80.0)]
    points = [{"lon": lon, "lat": lat} for lon, lat in half]
    land = {"type": "way", "id": 1, "nodes": [1, 2, 3, 4, 1], "geometry": points, "tags": {"landuse": "all"}}
    route = maker.way([(0, 0), (10, 0)], highway="path")
    route["geometry"] += [{"lon": 60.0, "lat": 44.0}, {"lon": 120.0, "lat": 44.0}]
    stop = {"type": "node", "id": 3, "lon": -150.0, "lat": 0.0, "tags": {"natural": "tree"}}
    found = geometries_of([land, route, stop], 33)
    assert all(np.isfinite(shapely.get_coordinates(shape)).all() for shape in found.shapes)
    middle = shapely.Point(WEST + 2500, SOUTH + 2500)
    assert found.shape_owners.tolist() == [0, 1]
    assert found.shapes[0].contains(middle)
    assert found.shapes[1].distance(shapely.Point(WEST + 5, SOUTH)) < 0.01
    assert found.point_owners.tolist() == []


def test_of_points_that_reach_too_far_those_near_enough_are_left(maker):
    route = maker.relation([("", [(0, 0), (10, 0)])], type="route")
    places = [(15.0, 83.0), (15.0, 85.0), (15.0, -85.0), (34.0, 44.0), (36.0, 44.0)]
    route["members"] += [
        {"type": "node", "ref": ref, "role": "stop", "lon": lon, "lat": lat} for ref, (lon, lat) in enumerate(places)
    ]
    back = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    left = [back.transform(*point) for point in geometries_of([route], 33).points.tolist()]
    assert np.allclose(sorted(left), [(15.0, 83.0), (34.0, 44.0)], atol=1e-6)


def test_a_way_on_the_other_side_of_the_globe_does_not_come_through_here():
    points = [{"lon": lon, "lat": 44.0} for lon in (-160.0, -164.0, -166.0, -170.0)]
    way = {"type": "way", "id": 1, "nodes": [1, 2, 3, 4], "geometry": points, "tags": {"highway": "path"}}
    assert geometries_of([way], 33).owners().tolist() == []


def test_a_way_across_the_180th_meridian_is_a_short_one():
    points = [{"lon": lon, "lat": 10.0} for lon in (179.99, -179.99)]
    way = {"type": "way", "id": 1, "nodes": [1, 2], "geometry": points, "tags": {"highway": "path"}}
    for zone in (1, 60):
        assert geometries_of([way], zone).shapes[0].length == pytest.approx(2190, abs=10)


# Real ones


def test_real_buildings_are_where_their_nodes_are():
    elements = json.loads(gzip.decompress(HELSINKI.read_bytes()))["elements"]
    houses = [one for one in elements if one["type"] == "way" and "building" in one["tags"]]
    houses = [house for house in houses if house["nodes"][0] == house["nodes"][-1]]
    to_metres = Transformer.from_crs(4326, 32635, always_xy=True)
    found = geometries_of(houses, 35)
    assert len(houses) > 20
    assert found.shape_owners.tolist() == list(range(len(houses)))
    for house, shape in zip(houses, found.shapes, strict=True):
        expected = [to_metres.transform(point["lon"], point["lat"]) for point in house["geometry"]]
        assert shapely.equals_exact(shape, shapely.Polygon(expected), 1e-6)


def test_every_real_element_with_places_has_a_valid_geometry():
    elements = json.loads(gzip.decompress(HELSINKI.read_bytes()))["elements"]
    found = geometries_of(elements, 35)
    without = [elements[place] for place in sorted(set(range(len(elements))) - set(found.owners().tolist()))]
    assert all(one["type"] == "relation" for one in without)
    assert not any(member.get("geometry") for one in without for member in one["members"])
    assert shapely.is_valid(found.shapes).all()
    assert (np.diff(found.shape_owners) >= 0).all()


def test_nothing_has_no_geometries():
    found = geometries_of([], 33)
    assert found.points.shape == (0, 2)
    assert len(found.shapes) == 0


# Roles that make no sense: the area is what an odd number of rings is around

OUTLINE, HOLE, ISLAND = square(0, 0, 10), square(2, 2, 6), square(4, 4, 2)
EXPECTED = 100 - 36 + 4
WRONG_ROLES = {
    "all outer": (("outer", OUTLINE), ("outer", HOLE), ("outer", ISLAND)),
    "all inner": (("inner", OUTLINE), ("inner", HOLE), ("inner", ISLAND)),
    "none": (("", OUTLINE), ("", HOLE), ("", ISLAND)),
    "exchanged": (("inner", OUTLINE), ("outer", HOLE), ("inner", ISLAND)),
    "an island called inner": (("outer", OUTLINE), ("inner", HOLE), ("inner", ISLAND)),
    "in capitals": (("Outer", OUTLINE), ("INNER", HOLE), ("outer ", ISLAND)),
    "misspelt": (("outter", OUTLINE), ("inside", HOLE), ("outer", ISLAND)),
    "a piece of the outline called inner": (
        ("outer", OUTLINE[:3]),
        ("inner", OUTLINE[2:]),
        ("inner", HOLE),
        ("outer", ISLAND),
    ),
    "a ring there twice": (("outer", OUTLINE), ("inner", OUTLINE), ("inner", HOLE), ("outer", ISLAND)),
    "right": (("outer", OUTLINE), ("inner", HOLE), ("outer", ISLAND)),
}


@pytest.mark.parametrize("roles", WRONG_ROLES)
def test_where_roles_are_wrong_rings_count_by_even_and_odd(maker, roles):
    polygons, lines = area_of(maker, *WRONG_ROLES[roles])
    assert not lines
    whole = shapely.union_all(polygons)
    assert whole.area == pytest.approx(EXPECTED, abs=0.05)
    assert [shapely.intersects(whole, shapely.Point(x, x)) for x in (1, 3, 5)] == [True, False, True]


def test_two_outer_rings_beside_each_other_with_a_lake_called_outer(maker):
    polygons, _ = area_of(maker, ("outer", square(0, 0, 10)), ("outer", square(20, 0, 10)), ("outer", square(22, 2, 2)))
    assert sum(part.area for part in polygons) == pytest.approx(196, abs=0.05)


def test_roles_are_believed_where_a_way_is_missing(maker):
    polygons, lines = area_of(maker, ("outer", []), ("inner", square(2, 2, 6)))
    assert not polygons
    assert [line.length for line in lines] == pytest.approx([24], abs=0.05)
