"""The tagged elements of OpenStreetMap in a cell: the file ``osm_data.json``, and what is made of it.

Elements are those of an Overpass answer with ``out geom``, unchanged: a node has lat and lon; a way has bounds, nodes
and geometry; a relation has bounds and members, each with its own geometry or coordinates. A point may be null, and a
geometry empty, where the server does not know it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from spacer_like.exceptions import DataLimitError, MapDataError, damage_as

Element = dict[str, Any]
Tags = dict[str, list[str]]

DATA_NAME = "osm_data.json"
FILTERED_NAME = "primary_osm_data_filtered.json"
TAG_NAMES = ("node_tags.json", "way_tags.json", "relation_tags.json")
"""The files that `MapElements.tags` go to."""
MOST_BYTES = 2**28
"""The longest text of map data that is read; a cell of zoom 12 in the middle of a large town takes a tenth of it."""

_LISTS = {"node": "nodes", "way": "ways", "relation": "relations"}


@dataclass(frozen=True)
class MapElements:
    """The tagged elements of a cell.

    Fields:
        quadkey: of the cell.
        nodes, ways, relations: in the order of the answer.
    """

    quadkey: str
    nodes: list[Element]
    ways: list[Element]
    relations: list[Element]

    @classmethod
    def of(cls, quadkey: str, elements: Iterable[Any], name: str) -> MapElements:
        """Those of some elements that have tags.

        Args:
            name: what errors call the source of the elements.

        Raises:
            MapDataError: one of them is no element.
        """
        of_type: dict[str, list[Element]] = {"node": [], "way": [], "relation": []}
        for index, element in enumerate(elements):
            if not _is_element(element):
                raise MapDataError(f"Element {index} of {name} is no node, way or relation of OpenStreetMap.")
            if element.get("tags"):
                of_type[element["type"]].append(element)
        return cls(quadkey, of_type["node"], of_type["way"], of_type["relation"])

    @classmethod
    def from_json(cls, data: bytes, name: str) -> MapElements:
        """What `to_json` wrote; elements without tags are left out.

        Raises:
            MapDataError: not of that form.
            DataLimitError: of more than `MOST_BYTES`.
        """
        found = read_json(data, name)
        if not isinstance(found, dict) or not isinstance(found.get("quadkey"), str):
            raise MapDataError(f"{_begun(name)} must be a JSON object with quadkey, nodes, ways and relations.")
        elements: list[Any] = []
        for element_type, key in _LISTS.items():
            listed = found.get(key)
            if not isinstance(listed, list):
                raise MapDataError(f"{_begun(name)} must have a list of {key}.")
            if any(isinstance(element, dict) and element.get("type") != element_type for element in listed):
                raise MapDataError(f"The {key} of {name} must all be of the type '{element_type}'.")
            elements += listed
        return cls.of(found["quadkey"], elements, name)

    def to_json(self) -> bytes:
        """The bytes of ``osm_data.json``; equal elements give equal bytes."""
        return write_json(
            {"quadkey": self.quadkey, "nodes": self.nodes, "ways": self.ways, "relations": self.relations},
            f"the elements of the cell {self.quadkey}",
        )

    def filtered(self, keys: Iterable[str]) -> MapElements:
        """Those elements that have any of these keys."""
        wanted = frozenset(keys)
        kept = [
            [element for element in some if not wanted.isdisjoint(element["tags"])]
            for some in (self.nodes, self.ways, self.relations)
        ]
        return MapElements(self.quadkey, *kept)

    def tags(self) -> tuple[Tags, Tags, Tags]:
        """For nodes, ways and relations: each key with the values of all elements that have it, in their order."""
        return _tags(self.nodes), _tags(self.ways), _tags(self.relations)


def read_json(data: bytes, name: str) -> Any:
    """What a JSON text says.

    Raises:
        MapDataError: no JSON, or with a number that is none.
        DataLimitError: longer than `MOST_BYTES`.
    """
    if len(data) > MOST_BYTES:
        raise DataLimitError(f"{_begun(name)} is longer than {MOST_BYTES // 2**20} MiB: no map data are read of it.")
    with damage_as(MapDataError, name, f"{_begun(name)} is no JSON text"):
        return json.loads(data, parse_constant=_refuse_number, parse_float=_finite)


def write_json(value: Any, name: str) -> bytes:
    """The JSON text of a value, as UTF-8 without blanks.

    Raises:
        MapDataError: it holds a text that is no Unicode.
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        raise MapDataError(f"A text in {name} is no Unicode.") from None


def merged_tags(many: Iterable[Tags]) -> Tags:
    """Each key with its values in all of many dictionaries."""
    merged: Tags = {}
    for tags in many:
        for key, values in tags.items():
            merged.setdefault(key, []).extend(values)
    return merged


def _tags(elements: Iterable[Element]) -> Tags:
    found: Tags = {}
    for element in elements:
        for key, value in element["tags"].items():
            found.setdefault(key, []).append(value)
    return found


def _is_element(element: Any) -> bool:
    if not isinstance(element, dict):
        return False
    tags = element.get("tags", {})
    return (
        element.get("type") in ("node", "way", "relation")
        and type(element.get("id")) is int
        and isinstance(tags, dict)
        # The keys of a JSON object are texts.
        and all(type(value) is str for value in tags.values())
    )


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _begun(name: str) -> str:
    """A name at the start of a sentence; the name of a file stays as it is."""
    return f"The {name[4:]}" if name.startswith("the ") else name
