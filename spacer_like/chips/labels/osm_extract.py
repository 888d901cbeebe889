"""Elements out of an ``.osm.pbf`` extract, as an Overpass server that was loaded with it would answer.

The rules are those of ``nwr(box); out geom;`` where elements without tags are left out: a node counts that lies in the
box, its sides included; a way of which a point lies in it or a line between two crosses it; a relation that has such a
node or way as a member. A way of which the extract lacks a node is no way at all, and a member that the extract lacks
has the geometry ``[]`` (a way) or no coordinates (a node). Needs osmium and shapely, of the extra `geo`.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

from spacer_like.chips.geography import UNITS_PER_DEGREE, Box
from spacer_like.chips.labels.found_elements import Areas, ElementsFile, reading_modules
from spacer_like.chips.labels.map_elements import Element
from spacer_like.chips.labels.osm_blobs import BlobReader
from spacer_like.chips.labels.osm_current import NotCurrentError, current, with_true_ids
from spacer_like.exceptions import DataLimitError, MapDataError, damage_as
from spacer_like.progress import report

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)

MOST_LOCATION_BYTES = 2**32
"""The memory that the coordinates of an extract's nodes may take; each takes 16 bytes."""
MOST_POINTS = 2**23
"""Points that the geometries of one cell may have."""

_PASSES = 4
_MEMBER_TYPES = {"n": "node", "w": "way", "r": "relation"}


def elements_in(file: BinaryIO, areas: Sequence[Sequence[Box]], name: str) -> Iterator[list[Element]]:
    """For each area its tagged elements: nodes, ways, relations, each by its id.

    The file is read four times, however many areas there are; what is found waits in a temporary file.

    Args:
        file: the extract, seekable.
        areas: each of some boxes: west, south, east, north in degrees.
        name: what errors call the extract.

    Raises:
        MapDataError: no ``.osm.pbf``, a damaged one, or one that has nothing of an area.
        DataLimitError: the extract has more nodes than memory may be taken for, or an area more points.
        MissingExtraError: osmium or shapely is not installed.
    """
    with ExitStack() as stack:
        found = ElementsFile(stack.enter_context(tempfile.TemporaryFile(prefix="spacer-")))
        try:
            extract = _read(file, areas, name, found)
        except NotCurrentError:
            found = ElementsFile(stack.enter_context(tempfile.TemporaryFile(prefix="spacer-")))
            with damage_as(MapDataError, name, f"The extract '{name}' is damaged"):
                file = stack.enter_context(current(file, name))
            extract = _read(file, areas, name, found)
            for index in range(len(areas)):
                yield with_true_ids(extract.elements_of(index))
            return
        for index in range(len(areas)):
            yield extract.elements_of(index)


def _read(file: BinaryIO, areas: Sequence[Sequence[Box]], name: str, found: ElementsFile) -> _Extract:
    extract = _Extract(file, areas, name, found)
    for step in (
        extract.check_coverage,
        extract.read_nodes,
        extract.read_ways,
        extract.read_relations,
        extract.read_geometries,
    ):
        with damage_as(MapDataError, name, f"The extract '{name}' is damaged"):
            step()
    return extract


class _Extract:
    """The passes over an extract, in their order."""

    def __init__(self, file: BinaryIO, areas: Sequence[Sequence[Box]], name: str, found: ElementsFile) -> None:
        self._osmium = reading_modules()[0]
        self._blobs = BlobReader(file, name)
        self._boxes = areas
        self._areas = Areas(areas)
        self._name = name
        self._found = found
        self._pass = 0
        self._last = ("", 0)
        self._pool = self._osmium.io.ThreadPool()
        self._locations = self._osmium.index.create_map("sparse_mem_array")
        self._adds_locations = self._osmium.NodeLocationsForWays(self._locations)
        self._adds_locations.ignore_errors()
        self._shapes = self._osmium.geom.WKBFactory()
        self._has_tags = self._osmium.filter.EmptyTagFilter()
        self._ids: list[dict[str, list[int]]] = [{"node": [], "way": [], "relation": []} for _ in areas]
        self._areas_of_way: dict[int, list[int]] = {}
        self._member_ways: set[int] = set()

    def check_coverage(self) -> None:
        """Refuse areas that lie outside the bounding box in the extract's header."""
        reader = self._reader(self._blobs.header, self._osmium.osm.NOTHING)
        box = reader.header().box()
        has_history = reader.header().has_multiple_object_versions
        reader.close()
        if has_history:
            raise self._not_current()
        if not box.valid():
            return
        low, high = box.bottom_left, box.top_right
        for area in self._boxes:
            if not any(
                west <= high.lon and low.lon <= east and south <= high.lat and low.lat <= north
                for west, south, east, north in area
            ):
                raise MapDataError(
                    f"The extract '{self._name}' has nothing of the cell at longitude {area[0][0]:.4f} and latitude "
                    f"{area[0][1]:.4f}: it has longitudes {low.lon:g} to {high.lon:g} and latitudes {low.lat:g} to "
                    f"{high.lat:g}."
                )

    def read_nodes(self) -> None:
        """Remember where all nodes are, and keep the tagged ones of the areas."""
        for nodes in self._batches(self._osmium.osm.NODE, self._adds_locations, self._has_tags):
            kept = []
            for node in nodes:
                self._check_current(node)
                point = _degrees(node.location)
                if not node.deleted and point is not None and self._areas.may_hold(*point):
                    kept.append((node.id, point, dict(node.tags)))
            if self._locations.used_memory() > MOST_LOCATION_BYTES:
                raise DataLimitError(
                    f"The extract '{self._name}' has more than {MOST_LOCATION_BYTES // 16} nodes: cut out what lies "
                    "around the cells, for example by 'osmium extract'."
                )
            for index, area in self._areas.of_points([point for _, point, _ in kept]):
                number, (longitude, latitude), tags = kept[index]
                self._add("node", number, area)
                if ("node", number) not in self._found:
                    self._found.add({"type": "node", "id": number, "lat": latitude, "lon": longitude, "tags": tags})

    def read_ways(self) -> None:
        """Find the ways of the areas."""
        n_incomplete = 0
        for ways in self._batches(self._osmium.osm.WAY, self._adds_locations):
            numbers, shapes = [], []
            for way in ways:
                self._check_current(way)
                if way.deleted or not len(way.nodes):
                    continue
                shape = self._shape(way)
                if shape is None:
                    if any(node.ref < 0 for node in way.nodes):
                        raise self._not_current()
                    n_incomplete += 1
                else:
                    numbers.append(way.id)
                    shapes.append(shape)
            for index, area in self._areas.of_shapes(shapes):
                areas = self._areas_of_way.setdefault(numbers[index], [])
                if area not in areas:
                    areas.append(area)
        if n_incomplete:
            logger.warning(
                "The extract '%s' lacks nodes of %d of its ways, which are left out: they reach beyond it.",
                self._name,
                n_incomplete,
            )

    def read_relations(self) -> None:
        """Keep the tagged relations that have members in the areas, as yet without the geometry of ways."""
        for relations in self._batches(self._osmium.osm.RELATION, self._has_tags):
            for relation in relations:
                self._check_current(relation)
                if relation.deleted:
                    continue
                members = [self._member(member) for member in relation.members]
                areas = {
                    area
                    for member in members
                    if member["type"] == "way"
                    for area in self._areas_of_way.get(member["ref"], ())
                }
                points = [(member["lon"], member["lat"]) for member in members if "lat" in member]
                points = [point for point in points if self._areas.may_hold(*point)]
                if points:
                    areas.update(area for _, area in self._areas.of_points(points))
                if not areas:
                    continue
                self._found.add(
                    {
                        "type": "relation",
                        "id": relation.id,
                        "bounds": None,
                        "members": members,
                        "tags": dict(relation.tags),
                    }
                )
                self._member_ways.update(member["ref"] for member in members if member["type"] == "way")
                for area in areas:
                    self._add("relation", relation.id, area)

    def read_geometries(self) -> None:
        """Keep the ways of the areas, and those that relations consist of."""
        # A filter of osmium's would take memory by how large the ids are.
        wanted = self._member_ways | self._areas_of_way.keys()
        for ways in self._batches(self._osmium.osm.WAY, self._adds_locations):
            for way in ways:
                if way.id not in wanted:
                    continue
                nodes = [_degrees(node.location) for node in way.nodes]
                points = [point for point in nodes if point is not None]
                if way.deleted or not points or len(points) < len(nodes):
                    continue
                element = {
                    "type": "way",
                    "id": way.id,
                    "bounds": _bounds(points),
                    "nodes": [node.ref for node in way.nodes],
                    "geometry": [{"lat": latitude, "lon": longitude} for longitude, latitude in points],
                }
                if len(way.tags):
                    element["tags"] = dict(way.tags)
                    for area in self._areas_of_way.get(way.id, ()):
                        self._add("way", way.id, area)
                self._found.add(element)

    def elements_of(self, area: int) -> list[Element]:
        """The tagged elements of an area."""
        n_points = 0
        ids = {element_type: sorted(set(numbers)) for element_type, numbers in self._ids[area].items()}
        elements = [self._get("node", number) for number in ids["node"]]
        for number in ids["way"]:
            way = self._get("way", number)
            n_points += len(way["geometry"])
            self._check_points(n_points)
            elements.append(way)
        known: dict[int, Element | None] = {}
        for number in ids["relation"]:
            relation = self._get("relation", number)
            n_points += self._add_geometry(relation, known)
            self._check_points(n_points)
            elements.append(relation)
        return elements

    def _check_points(self, n_points: int) -> None:
        if n_points > MOST_POINTS:
            raise DataLimitError(
                f"The geometries of a cell in the extract '{self._name}' have more than {MOST_POINTS} points."
            )

    def _add_geometry(self, relation: Element, known: dict[int, Element | None]) -> int:
        """Give a relation's members their geometry, as far as the extract has it; the points that they have in all."""
        n_points = 0
        corners = []
        for member in relation["members"]:
            if member["type"] == "way":
                reference = member["ref"]
                if reference not in known:
                    known[reference] = self._found.get("way", reference)
                way = known[reference]
                member["geometry"] = way["geometry"] if way else []
                n_points += len(member["geometry"])
                if way:
                    edges = way["bounds"]
                    corners += [(edges["minlon"], edges["minlat"]), (edges["maxlon"], edges["maxlat"])]
            elif "lat" in member:
                corners.append((member["lon"], member["lat"]))
        relation["bounds"] = _bounds(corners)
        return n_points

    def _check_current(self, element: Any) -> None:
        """Refuse an element that is there twice; in files of history versions follow each other."""
        key = (element.type_str(), element.id)
        if key == self._last:
            raise self._not_current()
        self._last = key

    def _not_current(self) -> NotCurrentError:
        return NotCurrentError(f"The extract '{self._name}' has an element twice: sort it, by 'osmium sort'.")

    def _get(self, element_type: str, number: int) -> Element:
        element = self._found.get(element_type, number)
        if element is None:
            raise MapDataError(f"The extract '{self._name}' has changed while it was read.")
        return element

    def _add(self, element_type: str, number: int, area: int) -> None:
        self._ids[area][element_type].append(number)

    def _member(self, member: Any) -> Element:
        if member.type not in _MEMBER_TYPES:
            raise MapDataError(f"The extract '{self._name}' is damaged: a member of a relation is of no known type.")
        found = {"type": _MEMBER_TYPES[member.type], "ref": member.ref, "role": member.role}
        if member.type == "n":
            try:
                point = _degrees(self._locations.get(member.ref))
            except KeyError:
                point = None
            except TypeError:
                raise self._not_current() from None
            if point is not None:
                found |= {"lat": point[1], "lon": point[0]}
        return found

    def _batches(self, kind: Any, *handlers: Any) -> Iterator[Iterator[Any]]:
        """The objects of one kind, in batches; `handlers` must outlive the objects."""
        begin = self._pass * self._blobs.size
        total = _PASSES * self._blobs.size
        for data, end in self._blobs.batches():
            reader = self._reader(data, kind)
            try:
                yield self._osmium.OsmFileIterator(reader, *handlers)
            finally:
                reader.close()
            report("reading the extract", begin + end, total)
        self._pass += 1

    def _reader(self, data: bytes, kind: Any) -> Any:
        return self._osmium.io.Reader(self._osmium.io.FileBuffer(data, "pbf"), kind, thread_pool=self._pool)

    def _shape(self, way: Any) -> str | None:
        """A way's line in WKB, as hexadecimal text; None where the coordinates of a node are not known."""
        osmium = self._osmium
        try:
            return str(self._shapes.create_linestring(way, osmium.geom.ALL))
        except osmium.InvalidLocationError:
            return None
        except RuntimeError:
            # Of one point.
            location = way.nodes[0].location
            return str(self._shapes.create_point(location)) if location.valid() else None


def _degrees(location: Any) -> tuple[float, float] | None:
    """Longitude and latitude rounded as Overpass does; None where they are unknown or invalid."""
    if not location.valid():
        return None
    return location.x / UNITS_PER_DEGREE, location.y / UNITS_PER_DEGREE


def _bounds(points: Iterable[tuple[float, float]]) -> dict[str, float]:
    longitudes, latitudes = zip(*points, strict=True)
    return {
        "minlat": min(latitudes),
        "minlon": min(longitudes),
        "maxlat": max(latitudes),
        "maxlon": max(longitudes),
    }
