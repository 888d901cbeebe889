"""Labels of chips by features: how many of each label lie in a chip, and what share of it they take; needs shapely."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from spacer_like.chips.labels.footprints import Footprints
from spacer_like.chips.labels.geometries import Geometries
from spacer_like.chips.labels.label_join import Pairs
from spacer_like.chips.labels.label_rules import check_label
from spacer_like.chips.labels.rings import valid_parts
from spacer_like.chips.labels.vector_layer import Box, boxes_of
from spacer_like.exceptions import DataLimitError, MapDataError
from spacer_like.tables.label_table import MOST_LABELS

Project = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Points [n, 2] in other coordinates; those that have none are not finite."""

_POINT, _POLYGON = 0, 3
# Of the box of the chips: what features are cut off beyond, and into how many parts their lines are divided across it.
_MARGIN = 0.1
_PARTS = 256
_MOST_COORDINATES = 2**25
_POINTS_OF_SIDE = 9


@dataclass(frozen=True)
class Outlines:
    """Parts of areas in chips.

    Fields:
        chips: int64 [n], indices of the chips; labels: [n], of the areas; numbers: int64 [n], of the features.
        shapes: object [n], in pixels of the chips.
    """

    chips: NDArray[np.int64]
    labels: list[str]
    numbers: NDArray[np.int64]
    shapes: NDArray[np.object_]


@dataclass
class FeatureLabels:
    """The labels that features give to the chips of one projection.

    Args:
        footprints: where the chips lie.
        to_chips: from the features' projection to the chips'; None: they are the same.
        from_chips: the other way.
        is_geographic: whether the features are in degrees.
        wants_shares: whether shares are wanted.
        name: what errors call the features' file.

    Attributes:
        labels: of the features so far, in the order in which they came.
        n_without_geometry: number of features that had none.
    """

    footprints: Footprints
    to_chips: Project | None = None
    from_chips: Project | None = None
    is_geographic: bool = False
    wants_shares: bool = False
    name: str = "features"
    labels: dict[str, int] = field(default_factory=dict)
    n_without_geometry: int = 0
    _counts: dict[int, int] = field(default_factory=dict)
    _pieces: dict[int, list[Any]] = field(default_factory=dict)
    _n_coordinates: int = 0

    def __post_init__(self) -> None:
        self.boxes: Sequence[Box] = _boxes(self)

    def add(
        self, shapes: NDArray[np.object_], values: Sequence[str], numbers: NDArray[np.int64], wants_outlines: bool
    ) -> Outlines | None:
        """Add features of the labels `values`; returns the parts of areas that lie in chips, where they are wanted."""
        for value in values:
            if value not in self.labels:
                check_label(value, self.name)
                self.labels[value] = len(self.labels)
        if len(self.labels) > MOST_LABELS:
            raise DataLimitError(
                f"The attribute has more than {MOST_LABELS} values: name those that are labels, or take another one."
            )
        of_label = np.array([self.labels[value] for value in values], np.int64)
        geometries, n_without = self._geometries(shapes)
        self.n_without_geometry += n_without
        shape_pairs = self.footprints.shape_pairs(geometries.shapes)
        owners, chips = self.footprints.pairs(geometries, shape_pairs)
        for key in (chips * MOST_LABELS + of_label[owners]).tolist():
            self._counts[key] = self._counts.get(key, 0) + 1
        if not (self.wants_shares or wants_outlines):
            return None
        return self._cut(geometries, shape_pairs, of_label, values, numbers, wants_outlines)

    def counts(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """How many features of each label lie in each chip, [chips, labels]."""
        return self._table(labels, self._counts, np.int64)

    def shares(self, labels: Sequence[str]) -> NDArray[np.float64]:
        """The share of each chip that areas of each label take, [chips, labels]; where areas overlap, once."""
        self._unite()
        united = np.array([parts[0] for parts in self._pieces.values()], object)
        areas = dict(zip(self._pieces, shapely.area(united).tolist(), strict=True))
        whole = shapely.area(self.footprints.shapes)
        return np.asarray(np.minimum(self._table(labels, areas, np.float64) / whole[:, None], 1.0))

    def _table(self, labels: Sequence[str], found: dict[int, Any], dtype: Any) -> NDArray[Any]:
        table = np.zeros((len(self.footprints.names), len(labels)), dtype)
        columns = {self.labels[label]: column for column, label in enumerate(labels) if label in self.labels}
        for key, value in found.items():
            chip, label = divmod(key, MOST_LABELS)
            if label in columns:
                table[chip, columns[label]] = value
        return table

    def _geometries(self, shapes: NDArray[np.object_]) -> tuple[Geometries, int]:
        """The parts of features near the chips, in their projection, and the number of features without any."""
        shapes = shapely.force_2d(shapes)
        is_good = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
        coordinates, of_shape = shapely.get_coordinates(shapes, return_index=True)
        is_good[of_shape[~np.isfinite(coordinates).all(axis=1)]] = False
        owners = np.flatnonzero(is_good)
        parts, owners = _parts(shapes[owners], owners)
        is_point = shapely.get_type_id(parts) == _POINT
        points, of_point = shapely.get_coordinates(parts[is_point]), owners[is_point]
        areas, sources = valid_parts(parts[~is_point])
        of_area = owners[~is_point][sources]
        n_without = len(shapes) - len(np.union1d(of_point, of_area))
        areas, sources = self._near(areas)
        of_area = of_area[sources]
        if self.to_chips is not None:
            points, areas = self.to_chips(points), self._projected(areas)
            kept = np.isfinite(points).all(axis=1)
            points, of_point = points[kept], of_point[kept]
            kept = ~shapely.is_missing(areas)
            areas, of_area = areas[kept], of_area[kept]
            areas, sources = valid_parts(areas)
            of_area = of_area[sources]
        order = np.argsort(of_area, kind="stable")
        return Geometries(points, of_point, areas[order], of_area[order]), n_without

    def _near(self, shapes: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
        """The parts of lines and polygons near the chips, and the indices of theirs."""
        boxes = np.array([shapely.box(*box) for box in self.boxes], object)
        near = np.flatnonzero(shapely.intersects(shapes[:, None], shapely.envelope(boxes)).any(axis=1))
        found, owners = shapes[near], near
        if self.to_chips is None:
            return found, owners
        region = shapely.union_all(boxes)
        beyond = ~shapely.covers(region, found)
        found[beyond] = shapely.intersection(found[beyond], region)
        width = max(max(east - west, north - south) for west, south, east, north in self.boxes)
        found = shapely.segmentize(found, max(width / _PARTS, 1e-9))
        parts, sources = valid_parts(found)
        return parts, owners[sources]

    def _projected(self, shapes: NDArray[np.object_]) -> NDArray[np.object_]:
        """Shapes in the projection of the chips; None where some point has no place in it."""
        project = self.to_chips
        if project is None or not len(shapes):
            return shapes
        points, owners = shapely.get_coordinates(shapes, return_index=True)
        points = project(points)
        is_bad = np.zeros(len(shapes), bool)
        is_bad[owners[~np.isfinite(points).all(axis=1)]] = True
        points[is_bad[owners]] = 0.0
        found = np.asarray(shapely.set_coordinates(np.array(shapes), points))
        found[is_bad] = None
        return found

    def _cut(
        self,
        geometries: Geometries,
        shape_pairs: Pairs,
        of_label: NDArray[np.int64],
        values: Sequence[str],
        numbers: NDArray[np.int64],
        wants_outlines: bool,
    ) -> Outlines | None:
        areas, owners = geometries.shapes, geometries.shape_owners
        at, chips = (side[shapely.get_type_id(areas[shape_pairs[0]]) == _POLYGON] for side in shape_pairs)
        pieces = self.footprints.shapes[chips].copy()
        shapely.prepare(areas)
        partial = ~shapely.covers(areas[at], pieces)
        pieces[partial] = shapely.intersection(areas[at[partial]], pieces[partial])
        parts, sources = valid_parts(pieces)
        flat = shapely.get_type_id(parts) == _POLYGON
        parts, sources = parts[flat], sources[flat]
        chips, owners = chips[sources], owners[at[sources]]
        if self.wants_shares:
            keys = chips * MOST_LABELS + of_label[owners]
            for key, part in zip(keys.tolist(), parts, strict=True):
                self._pieces.setdefault(key, []).append(part)
            self._n_coordinates += int(shapely.get_num_coordinates(parts).sum())
            if self._n_coordinates > _MOST_COORDINATES:
                self._unite()
                if self._n_coordinates > _MOST_COORDINATES // 2:
                    raise DataLimitError(
                        "The features in the chips have too many points: label the chips of a part at a time."
                    )
        if not wants_outlines:
            return None
        # By chip and feature: a feature of several parts is one outline.
        order = np.lexsort((chips, owners))
        firsts = np.flatnonzero(np.diff(owners[order], prepend=-1) | np.diff(chips[order], prepend=-1))
        shapes = np.array([shapely.union_all(some) for some in np.split(parts[order], firsts[1:])], object)
        chips, owners = chips[order][firsts], owners[order][firsts]
        return Outlines(
            chips, [values[owner] for owner in owners], numbers[owners], self.footprints.in_pixels(shapes, chips)
        )

    def _unite(self) -> None:
        by_count: dict[int, list[int]] = {}
        for key, parts in self._pieces.items():
            by_count.setdefault(len(parts), []).append(key)
        for count, keys in by_count.items():
            if count > 1:
                together = np.array([self._pieces[key] for key in keys], object)
                for key, one in zip(keys, shapely.union_all(together, axis=1), strict=True):
                    self._pieces[key] = [one]
        kept = np.array([parts[0] for parts in self._pieces.values()], object)
        self._n_coordinates = int(shapely.get_num_coordinates(kept).sum())


def _parts(shapes: NDArray[np.object_], owners: NDArray[np.intp]) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """The points, lines and polygons that shapes consist of."""
    while (shapely.get_type_id(shapes) > _POLYGON).any():
        shapes, inside = shapely.get_parts(shapes, return_index=True)
        owners = owners[inside]
    kept = ~shapely.is_empty(shapes)
    return shapes[kept], owners[kept]


def _boxes(found: FeatureLabels) -> Sequence[Box]:
    """Where features may lie that have something in a chip, in their projection."""
    points = np.concatenate(list(_sides(found.footprints.shapes)))
    if found.from_chips is not None:
        points = found.from_chips(points)
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):
            raise MapDataError("The chips lie nowhere in the projection of the features.")
    boxes = boxes_of(points, found.is_geographic)
    margin = _MARGIN * max(max(east - west, north - south) for west, south, east, north in boxes) + 1e-9
    wide = [(west - margin, south - margin, east + margin, north + margin) for west, south, east, north in boxes]
    if len(boxes) == 1:
        return wide
    (west, south, _, north), (_, _, east, _) = wide
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def _sides(shapes: NDArray[np.object_]) -> Iterator[NDArray[np.float64]]:
    """Points along the sides of polygons of four corners."""
    corners = shapely.get_coordinates(shapes).reshape(-1, 5, 2)
    for share in np.linspace(0, 1, _POINTS_OF_SIDE, endpoint=False):
        yield (corners[:, :-1] + share * (corners[:, 1:] - corners[:, :-1])).reshape(-1, 2)
