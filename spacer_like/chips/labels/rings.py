"""Areas out of rings, and rings out of the ways that they are cut into; needs shapely.

What multipolygons of OpenStreetMap are made of: https://wiki.openstreetmap.org/wiki/Relation:multipolygon.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

_POLYGON, _LINE = 3, 1
_UNTANGLED = 256
_MOST_MEETINGS = 64
"""Points that an outline may have in any disorder; pieces that each of more may meet on average, by their boxes."""
_MOST_ODD = 256
"""Rings whose overlaps are counted: each takes as long as all before it together."""


def areas_and_lines(
    outer: Sequence[NDArray[np.float64]], inner: Sequence[NDArray[np.float64]], is_whole: bool = False
) -> list[Any]:
    """The polygons that outer and inner ways enclose; ways that belong to no ring are lines.

    An inner ring is a hole of the smallest outer ring around it; an outer one in a hole is an island. Inner rings
    without an outer one around them are lines: of the area only their outline is known. Where the ways are all there
    and what they are called makes no sense, the area is what an odd number of rings is around.

    Args:
        is_whole: whether no way of the area is missing.
        outer, inner: float64 [n, 2] each, points of a way in their order, n at least 2, no two neighbours equal.

    Returns:
        Valid polygons, which may touch or lie over each other, and lines longer than 0.
    """
    shells, lines = _rings(outer)
    holes, more_lines = _rings(inner)
    lines += more_lines
    if is_whole and (lines or not _make_sense(shells, holes)):
        rings, others = _rings([*outer, *inner])
        if not others and 0 < len(rings) <= _MOST_ODD:
            return list(valid_parts(np.array([_odd(rings)], object))[0])
    if not len(shells):
        return _line_strings([*lines, *shapely.boundary(holes)])
    around = _smallest_around(shells, holes)
    lines += list(shapely.boundary(holes[around < 0]))
    order = np.argsort(around, kind="stable")
    ends = np.searchsorted(around[order], np.arange(len(shells) + 1))
    polygons = []
    for index, shell in enumerate(shells):
        own = holes[order[ends[index] : ends[index + 1]]]
        polygons.append(_with_holes(shell, own) if len(own) else shell)
    parts, _ = valid_parts(np.array(polygons, object))
    return [*parts, *_line_strings(lines)]


def valid_parts(shapes: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """The valid polygons, and lines longer than 0, that shapes consist of, and for each the index of its shape.

    An outline that crosses itself encloses what is around an odd number of times. One that crosses itself so often
    that it encloses nothing anybody could have meant is a line.
    """
    shapes = np.array(shapes, object)
    for index in np.flatnonzero(~shapely.is_valid(shapes)):
        shape = shapes[index]
        shapes[index] = shapely.boundary(shape) if _is_tangled(shape) else shapely.make_valid(shape)
    indices = np.arange(len(shapes))
    # A collection may hold collections of polygons.
    for _ in range(2):
        shapes, inside = shapely.get_parts(shapes, return_index=True)
        indices = indices[inside]
    kinds = shapely.get_type_id(shapes)
    kept = ((kinds == _POLYGON) & (shapely.area(shapes) > 0)) | ((kinds == _LINE) & (shapely.length(shapes) > 0))
    return shapes[kept], indices[kept]


def _rings(ways: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.object_], list[Any]]:
    """The polygons of the rings that ways make, whole or joined at their ends, and the ways that make none."""
    closed = [way for way in ways if len(way) > 3 and (way[0] == way[-1]).all()]
    rings, _ = valid_parts(np.array([shapely.Polygon(way) for way in closed], object))
    is_polygon = shapely.get_type_id(rings) == _POLYGON
    found, lines = list(rings[is_polygon]), list(rings[~is_polygon])
    open_ways = [way for way in ways if not (len(way) > 3 and (way[0] == way[-1]).all())]
    if open_ways:
        # A way that is listed twice is no second one.
        pieces = list({way.tobytes(): shapely.LineString(way) for way in open_ways}.values())
        faces, *others = shapely.polygonize_full(pieces)
        # A ring around another one has it as a hole there.
        found += [shapely.Polygon(face.exterior) for face in shapely.get_parts(faces)]
        # Ways that bridge two rings, have a loose end, or whose ring crosses itself.
        lines += [line for some in others for line in shapely.get_parts(some)]
    areas = np.empty(len(found), object)
    areas[:] = found
    return areas, lines


def _make_sense(shells: NDArray[np.object_], holes: NDArray[np.object_]) -> bool:
    """Whether an even number of other rings is around each outer one, and an odd number around each inner one."""
    rings = np.concatenate([shells, holes])
    sizes = shapely.area(rings)
    index, around = shapely.STRtree(rings).query(shapely.point_on_surface(rings), predicate="within")
    # A smaller ring around a point of it lies in it.
    counted = (index != around) & (sizes[around] >= sizes[index])
    depth = np.bincount(index[counted], minlength=len(rings))
    return bool((depth % 2 == np.repeat([0, 1], [len(shells), len(holes)])).all())


def _odd(rings: NDArray[np.object_]) -> Any:
    """What an odd number of rings is around; a ring that is there twice counts once."""
    distinct = list({shapely.normalize(ring).wkb: ring for ring in rings}.values())
    return reduce(shapely.symmetric_difference, distinct)


def _is_tangled(shape: Any) -> bool:
    """Whether the pieces of an outline meet each other at far more points than their number.

    What crosses itself everywhere has as many corners as the square of its points: more than fit into memory.
    """
    points = shapely.get_coordinates(shape)
    if len(points) <= _UNTANGLED:
        return False
    pieces = shapely.linestrings(np.stack([points[:-1], points[1:]], axis=1))
    tree = shapely.STRtree(pieces)
    most = _MOST_MEETINGS * len(pieces)
    met = 0
    for first in range(0, len(pieces), _UNTANGLED):
        met += tree.query(pieces[first : first + _UNTANGLED]).shape[1]
        if met > most:
            return True
    return False


def _line_strings(lines: list[Any]) -> list[Any]:
    """Lines, rings and collections of lines as LineStrings longer than 0."""
    parts = shapely.get_parts(np.array(lines, object))
    found = [shapely.LineString(shapely.get_coordinates(part)) for part in parts]
    return [line for line in found if line.length]


def _smallest_around(shells: NDArray[np.object_], holes: NDArray[np.object_]) -> NDArray[np.intp]:
    """For each hole the index of the smallest shell around it, or -1."""
    inside = shapely.point_on_surface(holes)
    hole, shell = shapely.STRtree(shells).query(inside, predicate="within")
    sizes = shapely.area(shells)
    # An outer ring that lies in the hole is an island.
    around = sizes[shell] >= shapely.area(holes)[hole]
    hole, shell = hole[around], shell[around]
    found = np.full(len(holes), -1, np.intp)
    order = np.argsort(-sizes[shell], kind="stable")
    found[hole[order]] = shell[order]
    return found


def _with_holes(shell: Any, holes: NDArray[np.object_]) -> Any:
    if not (len(shell.interiors) or any(len(hole.interiors) for hole in holes)):
        whole = shapely.Polygon(shell.exterior, [hole.exterior for hole in holes])
        if shapely.is_valid(whole):
            return whole
    taken = shapely.multipolygons(holes)
    # Holes that touch each other are one.
    return shapely.difference(shell, taken if shapely.is_valid(taken) else shapely.union_all(holes))
