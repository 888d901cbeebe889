"""Elements of a map made by hand, in metres from the south-western corner of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyproj import Transformer

from spacer_like.chips.grid import Cell

Element = dict[str, Any]
Place = tuple[float, float]


class MapMaker:
    """Makes elements whose places are counted east and north from the corner of a cell."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self._to_degrees = Transformer.from_crs(cell.epsg, 4326, always_xy=True)
        self._next_id = 1

    def degrees(self, place: Place) -> Place:
        west, south, _, _ = self.cell.bounds
        return self._to_degrees.transform(west + place[0], south + place[1])

    def point(self, place: Place | None) -> dict[str, float] | None:
        if place is None:
            return None
        lon, lat = self.degrees(place)
        return {"lat": lat, "lon": lon}

    def node(self, place: Place, **tags: str) -> Element:
        return {"type": "node", "id": self._id(), **(self.point(place) or {}), "tags": tags}

    def way(self, places: Sequence[Place | None], **tags: str) -> Element:
        """A way; it is closed where its last place is its first."""
        geometry = [self.point(place) for place in places]
        names: dict[Any, int] = {}
        nodes = [names.setdefault(place, len(names) + 1) for place in places]
        return {"type": "way", "id": self._id(), "nodes": nodes, "geometry": geometry, "tags": tags}

    def square(self, west: float, south: float, side: float, **tags: str) -> Element:
        return self.way(square(west, south, side), **tags)

    def relation(self, members: Sequence[tuple[str, Sequence[Place | None]]], **tags: str) -> Element:
        """A relation of ways with their roles."""
        ways = [
            {"type": "way", "ref": self._id(), "role": role, "geometry": [self.point(place) for place in places]}
            for role, places in members
        ]
        return {"type": "relation", "id": self._id(), "members": ways, "tags": tags}

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id


def square(west: float, south: float, side: float) -> list[Place]:
    east, north = west + side, south + side
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]
