"""Elements of an extract in a temporary file, and the areas that shapes are in."""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

import numpy as np

from spacer_like.chips.geography import Box
from spacer_like.chips.labels.map_elements import Element
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray


class ElementsFile:
    """Elements by their type and id in a file, to spare memory: all are added before any is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._parts: dict[tuple[str, int], tuple[int, int]] = {}
        self._end = 0

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key in self._parts

    def add(self, element: Element) -> None:
        data = marshal.dumps(element)
        self._file.write(data)
        self._parts[element["type"], element["id"]] = self._end, len(data)
        self._end += len(data)

    def get(self, element_type: str, number: int) -> Element | None:
        if (element_type, number) not in self._parts:
            return None
        start, length = self._parts[element_type, number]
        self._file.seek(start)
        element: Element = marshal.loads(self._file.read(length))
        return element


class Areas:
    """Which areas shapes are in."""

    def __init__(self, areas: Sequence[Sequence[Box]]) -> None:
        self._shapely = reading_modules()[1]
        boxes = [(box, number) for number, area in enumerate(areas) for box in area]
        edges = np.array([box for box, _ in boxes], np.float64).reshape(-1, 4)
        self._area_of_box = np.array([number for _, number in boxes], np.int64)
        self._tree = self._shapely.STRtree(self._shapely.box(*edges.T))
        self._around = (*edges[:, :2].min(axis=0).tolist(), *edges[:, 2:].max(axis=0).tolist())

    def may_hold(self, longitude: float, latitude: float) -> bool:
        west, south, east, north = self._around
        return bool(west <= longitude <= east and south <= latitude <= north)

    def of_points(self, points: Sequence[tuple[float, float]]) -> Iterator[tuple[int, int]]:
        """Pairs of a point's index and an area that it is in."""
        return self._pairs(self._shapely.points(np.array(points, np.float64).reshape(-1, 2)))

    def of_shapes(self, wkb: Sequence[str]) -> Iterator[tuple[int, int]]:
        """The same of shapes in WKB, as hexadecimal text, and areas that they have a point of."""
        return self._pairs(self._shapely.from_wkb(wkb))

    def _pairs(self, shapes: NDArray[np.object_]) -> Iterator[tuple[int, int]]:
        indices, boxes = self._tree.query(shapes, predicate="intersects")
        pairs = np.unique(np.stack([indices, self._area_of_box[boxes]], axis=1), axis=0)
        return ((index, area) for index, area in pairs.tolist())


def reading_modules() -> tuple[ModuleType, ModuleType]:
    """osmium and shapely.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    purpose = "Reading an .osm.pbf extract"
    return import_extra("osmium", purpose, "geo"), import_extra("shapely", purpose, "geo")
