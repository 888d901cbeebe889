"""Elements of OpenStreetMap as points, lines and polygons in the metres of a zone's grid; needs shapely and pyproj.

A node is a point. A way is a line, or, where it is closed and its tags say so, an area. A relation is an area where it
is a multipolygon or a boundary, otherwise the points and lines of its members. Where points of a way are unknown, the
pieces between them are lines, and a piece of one point is a point: an area that is not known whole is its outline.

The metres are those of the zone's northern projection, which goes on with negative northings south of the equator:
those of the grid, see `spacer_like.chips.grid`. Between two points of a way the line is straight in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from spacer_like.chips.geography import central_meridian, to_metres
from spacer_like.chips.labels.map_elements import Element
from spacer_like.chips.labels.rings import areas_and_lines, valid_parts

FAR = 20.0
"""Degrees from the zone's central meridian beyond which geometries are cut off: the projection ends somewhere."""
NORTHERNMOST = 84.0
"""Degrees of latitude beyond which geometries are cut off, and as far south."""

AREA_RELATIONS = ("multipolygon", "boundary")
_OUTER = ("outer", "", "exclave")
_INNER = ("inner", "enclave")

# Which closed ways are areas OpenStreetMap itself does not say. The list is that of its wiki, "Overpass turbo/Polygon
# Features" (public domain, CC0), which the programs that convert map data share: one of a way's tags is in the list.
_ALL = frozenset(
    [
        "amenity", "area", "area:highway", "boundary", "building", "building:part", "craft", "golf", "historic",
        "indoor", "landuse", "leisure", "military", "office", "place", "public_transport", "ruins", "shop", "tourism",
    ]
)  # fmt: skip
_ONLY = {
    "barrier": frozenset(["city_wall", "ditch", "hedge", "retaining_wall", "spikes", "wall"]),
    "highway": frozenset(["elevator", "escape", "rest_area", "services"]),
    "power": frozenset(["generator", "plant", "substation", "transformer"]),
    "railway": frozenset(["platform", "roundhouse", "station", "turntable"]),
    "waterway": frozenset(["boatyard", "dam", "dock", "riverbank"]),
}
_ALL_BUT = {
    "aeroway": frozenset(["taxiway"]),
    "man_made": frozenset(["cutline", "embankment", "pipeline"]),
    "natural": frozenset(["arete", "cliff", "coastline", "ridge", "tree_row"]),
}
_KEYS = _ALL | _ONLY.keys() | _ALL_BUT.keys()


class Geometries(NamedTuple):
    """The parts of elements; an element may have several, or none.

    Fields:
        points: float64 [p, 2], easting and northing; point_owners: int64 [p], ascending, the indices of their elements.
        shapes: object [s], LineStrings longer than 0, and valid Polygons; shape_owners: int64 [s], ascending.
    """

    points: NDArray[np.float64]
    point_owners: NDArray[np.int64]
    shapes: NDArray[np.object_]
    shape_owners: NDArray[np.int64]

    def owners(self) -> NDArray[np.int64]:
        """The indices of the elements that have any geometry, ascending."""
        return np.union1d(self.point_owners, self.shape_owners)


class _Chain(NamedTuple):
    """Points one after the other, of the element `owner`: a point, a line, an area, or a member of an area."""

    owner: int
    kind: str
    begin: int
    end: int


def geometries_of(elements: Sequence[Element], zone: int) -> Geometries:
    """The geometries of elements of an Overpass answer with ``out geom``.

    Elements without usable geometry have no part. Coordinates that are none count as unknown.
    """
    chains, degrees = _chains(elements)
    coordinates, is_far = _in_metres(degrees, chains, zone, len(elements))
    collected = _Collected(coordinates, {owner for owner, element in enumerate(elements) if _is_whole(element)})
    for chain, is_clean in zip(chains, _clean(coordinates, chains), strict=True):
        collected.take(chain, is_clean)
    collected.finish()
    return _united(collected, is_far, zone)


def _chains(elements: Sequence[Element]) -> tuple[list[_Chain], NDArray[np.float64]]:
    """The chains of all elements, by owner, and the longitudes and latitudes that they have, NaN where unknown."""
    chains = []
    points: list[tuple[Any, Any]] = []
    for owner, element in enumerate(elements):
        for kind, listed in _listed(element):
            begin = len(points)
            points += _pairs(listed)
            if len(points) > begin:
                chains.append(_Chain(owner, kind, begin, len(points)))
    degrees = _as_array(points)
    degrees[~((np.abs(degrees[:, 0]) <= 360) & (np.abs(degrees[:, 1]) <= 90))] = np.nan
    return chains, degrees


def _listed(element: Element) -> Iterator[tuple[str, Any]]:
    kind = element["type"]
    if kind == "node":
        yield "point", [element]
    elif kind == "way":
        geometry = element.get("geometry")
        yield "area" if _is_closed(element, geometry) and is_area(element["tags"]) else "line", geometry
    else:
        yield from _members(element)


def _is_closed(way: Element, geometry: Any) -> bool:
    nodes = way.get("nodes")
    if isinstance(nodes, list) and nodes:
        return bool(nodes[0] == nodes[-1])
    return isinstance(geometry, list) and bool(geometry) and geometry[0] is not None and geometry[0] == geometry[-1]


def _is_whole(element: Element) -> bool:
    """Whether an element is the relation of an area of which every way is known with all its points."""
    members = element.get("members")
    if element["type"] != "relation" or element["tags"].get("type") not in AREA_RELATIONS:
        return False
    listed = members if isinstance(members, list) else []
    ways = [one for one in listed if isinstance(one, dict) and one.get("type") == "way"]
    return all(isinstance(way.get("geometry"), list) and way["geometry"] and all(way["geometry"]) for way in ways)


def _members(relation: Element) -> Iterator[tuple[str, Any]]:
    members = relation.get("members")
    is_whole = relation["tags"].get("type") in AREA_RELATIONS
    for member in members if isinstance(members, list) else ():
        if not isinstance(member, dict):
            continue
        if member.get("type") == "way":
            kind = _kind_of_way(member.get("role"), relation["tags"].get("type")) if is_whole else "line"
            if kind:
                yield kind, member.get("geometry")
        # The nodes of a boundary are its capital and where to write its name.
        elif member.get("type") == "node" and not is_whole:
            yield "point", [member]


def _kind_of_way(role: Any, relation_type: Any) -> str | None:
    """Outer or inner; None: no part of the outline."""
    name = role.strip().lower() if isinstance(role, str) else ""
    if name in _INNER:
        return "inner"
    # Boundaries have ways of other meanings; a multipolygon's are all of its outline, whatever they are called.
    return "outer" if name in _OUTER or relation_type == "multipolygon" else None


def _pairs(listed: Any) -> list[tuple[Any, Any]]:
    if not isinstance(listed, list):
        return []
    try:
        return [(point["lon"], point["lat"]) for point in listed]
    except (TypeError, KeyError):
        return [
            (point.get("lon"), point.get("lat")) if isinstance(point, dict) else (None, None) for point in listed
        ]  # fmt: skip


def _as_array(points: list[tuple[Any, Any]]) -> NDArray[np.float64]:
    try:
        return np.array(points, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        return np.array([[_number(value) for value in point] for point in points], np.float64).reshape(-1, 2)


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) and abs(value) <= 360 else np.nan


def _in_metres(
    degrees: NDArray[np.float64], chains: list[_Chain], zone: int, n_elements: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Coordinates in the zone's metres, and which elements reach too far for that: theirs stay degrees, with the
    longitude counted from the central meridian."""
    meridian = central_meridian(zone)
    offsets = _unbroken((degrees[:, 0] - meridian + 180) % 360 - 180, chains)
    beyond = (np.abs(offsets) > FAR) | (np.abs(degrees[:, 1]) > NORTHERNMOST)
    owners = np.repeat([chain.owner for chain in chains], [chain.end - chain.begin for chain in chains]).astype(np.intp)
    is_far = np.zeros(n_elements, bool)
    is_far[owners[beyond]] = True
    coordinates = np.stack([offsets, degrees[:, 1]], axis=1)
    near = ~is_far[owners] & ~np.isnan(degrees).any(axis=1)
    coordinates[near] = np.stack(to_metres(zone)(offsets[near] + meridian, degrees[near, 1]), axis=1)
    coordinates[np.isnan(degrees).any(axis=1)] = np.nan
    return coordinates, is_far


def _unbroken(offsets: NDArray[np.float64], chains: list[_Chain]) -> NDArray[np.float64]:
    """Offsets in which no chain jumps around the globe: where it leaves at 180 degrees, it goes on beyond."""
    jumps = np.flatnonzero(np.abs(np.diff(offsets)) > 180)
    begins = np.array([chain.begin for chain in chains])
    for chain in np.unique(np.searchsorted(begins, jumps, side="right") - 1):
        own = slice(chains[chain].begin, chains[chain].end)
        known = own.start + np.flatnonzero(~np.isnan(offsets[own]))
        whole = np.unwrap(offsets[known], period=360)
        offsets[known] = whole - 360 * np.round(whole[np.argmin(np.abs(whole))] / 360)
    return offsets


def _clean(coordinates: NDArray[np.float64], chains: list[_Chain]) -> list[bool]:
    """Whether each chain has neither unknown points nor one that is its forerunner again."""
    if not chains:
        return []
    begins = np.array([chain.begin for chain in chains])
    odd = np.isnan(coordinates[:, 0])
    repeated = (coordinates[1:] == coordinates[:-1]).all(axis=1)
    repeated[begins[1:] - 1] = False
    odd[1:] |= repeated
    return np.logical_not(np.logical_or.reduceat(odd, begins)).tolist()  # type: ignore[no-any-return]


class _Collected:
    """Parts of elements as they are found; those of one relation's area are put together once all are there."""

    def __init__(self, coordinates: NDArray[np.float64], whole: set[int]) -> None:
        self.coordinates = coordinates
        self._whole = whole
        self.points: list[tuple[int, NDArray[np.float64]]] = []
        self.lines: list[tuple[int, NDArray[np.float64]]] = []
        self.rings: list[tuple[int, NDArray[np.float64]]] = []
        self.shapes: list[tuple[int, Any]] = []
        self._area: dict[str, list[NDArray[np.float64]]] = {"outer": [], "inner": []}
        self._area_owner = -1

    def take(self, chain: _Chain, is_clean: bool) -> None:
        if chain.owner != self._area_owner:
            self.finish()
        points = self.coordinates[chain.begin : chain.end]
        if is_clean:
            self._take_piece(chain, points, True)
            return
        unknown = np.isnan(points[:, 0])
        for piece in _known_pieces(points, unknown):
            distinct = np.append(True, (piece[1:] != piece[:-1]).any(axis=1))
            self._take_piece(chain, piece[distinct], not unknown.any())

    def _take_piece(self, chain: _Chain, piece: NDArray[np.float64], is_whole: bool) -> None:
        if len(piece) == 1:
            if chain.kind not in ("outer", "inner"):
                self.points.append((chain.owner, piece[0]))
        elif chain.kind in ("outer", "inner"):
            self._area_owner = chain.owner
            self._area[chain.kind].append(piece)
        elif chain.kind == "area" and is_whole and len(piece) > 3 and np.array_equal(piece[0], piece[-1]):
            self.rings.append((chain.owner, piece))
        else:
            self.lines.append((chain.owner, piece))

    def finish(self) -> None:
        """Put the area together that has been begun."""
        if self._area_owner >= 0:
            shapes = areas_and_lines(self._area["outer"], self._area["inner"], self._area_owner in self._whole)
            self.shapes += [(self._area_owner, shape) for shape in shapes]
        self._area = {"outer": [], "inner": []}
        self._area_owner = -1


def _known_pieces(points: NDArray[np.float64], unknown: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[True], unknown, [True]])))
    return [points[begin:end] for begin, end in edges.reshape(-1, 2)]


def _united(collected: _Collected, is_far: NDArray[np.bool_], zone: int) -> Geometries:
    ring_owners, rings = _built(collected.rings, shapely.linearrings)
    polygons, sources = valid_parts(shapely.polygons(rings))
    line_owners, lines = _built(collected.lines, shapely.linestrings)
    others = np.empty(len(collected.shapes), object)
    others[:] = [shape for _, shape in collected.shapes]
    shapes = np.concatenate([polygons, lines, others])
    owners = np.concatenate([ring_owners[sources], line_owners, [owner for owner, _ in collected.shapes]]).astype(
        np.int64
    )
    point_owners = np.array([owner for owner, _ in collected.points], np.int64)
    points = np.array([point for _, point in collected.points], np.float64).reshape(-1, 2)
    if is_far.any():
        points, point_owners = _near_points(points, point_owners, is_far, zone)
        shapes, owners = _near_shapes(shapes, owners, is_far, zone)
    order = np.argsort(owners, kind="stable")
    point_order = np.argsort(point_owners, kind="stable")
    return Geometries(points[point_order], point_owners[point_order], shapes[order], owners[order])


def _built(chains: list[tuple[int, NDArray[np.float64]]], make: Any) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    owners = np.array([owner for owner, _ in chains], np.int64)
    if not chains:
        return owners, np.empty(0, object)
    lengths = [len(points) for _, points in chains]
    indices = np.repeat(np.arange(len(chains)), lengths)
    return owners, make(np.concatenate([points for _, points in chains]), indices=indices)


def _near_points(
    points: NDArray[np.float64], owners: NDArray[np.int64], is_far: NDArray[np.bool_], zone: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The points without those too far away, the others of their elements projected, too."""
    far = is_far.take(owners)
    kept = ~far | ((np.abs(points[:, 0]) <= FAR) & (np.abs(points[:, 1]) <= NORTHERNMOST))
    points[kept & far] = _projected(points[kept & far], zone)
    return points[kept], owners[kept]


def _near_shapes(
    shapes: NDArray[np.object_], owners: NDArray[np.int64], is_far: NDArray[np.bool_], zone: int
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """The shapes with those that reach too far cut off there and projected."""
    far = is_far.take(owners)
    window = shapely.box(-FAR, -NORTHERNMOST, FAR, NORTHERNMOST)
    cut = shapely.transform(shapely.intersection(shapes[far], window), lambda points: _projected(points, zone))
    parts, sources = valid_parts(cut)
    return np.concatenate([shapes[~far], parts]), np.concatenate([owners[~far], owners[far][sources]])


def _projected(offsets: NDArray[np.float64], zone: int) -> NDArray[np.float64]:
    return np.stack(to_metres(zone)(offsets[:, 0] + central_meridian(zone), offsets[:, 1]), axis=1)


def is_area(tags: Mapping[str, str]) -> bool:
    """Whether a closed way of these tags is an area, and not a line that comes back to its beginning.

    ``area=yes`` and ``area=no`` decide by themselves, and a value ``no`` counts for nothing.

    >>> is_area({"building": "yes"}), is_area({"junction": "roundabout", "highway": "primary"})
    (True, False)
    """
    whole = tags.get("area")
    if whole is not None and whole != "no":
        return True
    if whole == "no":
        return False
    return any(_says_so(key, tags[key]) for key in _KEYS & tags.keys())


def _says_so(key: str, value: str) -> bool:
    if value == "no":
        return False
    if key in _ONLY:
        return value in _ONLY[key]
    return value not in _ALL_BUT.get(key, ())
