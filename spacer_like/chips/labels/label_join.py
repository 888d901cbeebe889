"""Which elements of a map lie in which cells of the grid; needs shapely.

Cells are closed for lines: one along the side of two cells lies in both. A line that only touches a cell in a point
does not lie in it, nor does an area that only touches it in points or lines. A point lies in one cell, as
`spacer_like.chips.grid.cell_at` has it: between two cells in the eastern, and in the southern one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from spacer_like.chips.grid import NORTH_EDGE, WEST_EDGE, Cell, side_of_zoom
from spacer_like.chips.labels.geometries import Geometries
from spacer_like.exceptions import TileError

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
Pieces = tuple[NDArray[np.float64], NDArray[np.int64]]

_LINE = 1
_MOST_PAIRS = 2**22


class CellJoin:
    """Cells of one zone and zoom, to find what lies in them.

    Args:
        cells: any of them, each once.

    Raises:
        TileError: they are of several zones or zooms, or one is there twice.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        kinds = {(cell.zone, cell.zoom) for cell in cells}
        if len(kinds) != 1 or len(set(cells)) != len(cells):
            raise TileError("Cells to join must be of one zone and one zoom, at least one, and each there once.")
        ((self.zone, self.zoom),) = kinds
        self.n_cells = len(cells)
        self._side = side_of_zoom(self.zoom)
        columns = np.array([cell.column for cell in cells], np.int64)
        rows = np.array([cell.row for cell in cells], np.int64)
        keys = self._keys(columns, rows)
        self._indices = np.argsort(keys)
        self._sorted_keys = keys[self._indices]
        # In the order of their keys, as all that is found below.
        columns, rows = columns[self._indices], rows[self._indices]
        west, north = WEST_EDGE + columns * self._side, NORTH_EDGE - rows * self._side
        self._boxes = shapely.box(west, north - self._side, west + self._side, north)
        self._tree = shapely.STRtree(self._boxes)

    def pairs(self, geometries: Geometries) -> Iterator[Pairs]:
        """The pairs (owner, index of the cell) of which the element lies in the cell, each pair once.

        Yields:
            int64 [n], int64 [n]: the pairs of some elements, ascending; all of an element's are in one part, and the
            elements of the parts ascend.
        """
        owners = geometries.owners()
        for some in np.split(owners, self._cuts(geometries, owners)):
            if not len(some):
                continue
            of_points = _slice(geometries.point_owners, some)
            of_shapes = _slice(geometries.shape_owners, some)
            found = [
                self._numbered(geometries.point_owners[of_points], self._with_points(geometries.points[of_points])),
                self._numbered(geometries.shape_owners[of_shapes], self._with_shapes(geometries.shapes[of_shapes])),
            ]
            yield np.divmod(np.unique(np.concatenate(found)), self.n_cells)

    def _numbered(self, owners: NDArray[np.int64], pairs: Pairs) -> NDArray[np.int64]:
        """A number for each pair of an element and a cell, ascending by element and cell."""
        return np.asarray(owners[pairs[0]] * self.n_cells + pairs[1])

    def _cuts(self, geometries: Geometries, owners: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where to cut a list of owners, so that no part has more than about `_MOST_PAIRS` pairs."""
        west, south, east, north = shapely.bounds(geometries.shapes).T
        near = (np.ceil((east - west) / self._side) + 1) * (np.ceil((north - south) / self._side) + 1)
        near = np.minimum(near, self.n_cells)
        pairs = np.ones(len(owners)) + np.bincount(
            np.searchsorted(owners, geometries.shape_owners), near, minlength=len(owners)
        )
        part = np.cumsum(pairs) // _MOST_PAIRS
        return np.flatnonzero(np.diff(part)) + 1

    def _with_points(self, points: NDArray[np.float64]) -> Pairs:
        return self._looked_up(np.arange(len(points)), *self._columns_and_rows(points[:, 0], points[:, 1]))

    def _with_shapes(self, shapes: NDArray[np.object_]) -> Pairs:
        inside, others = self._within_one(shapely.bounds(shapes))
        is_line = shapely.get_type_id(shapes[others]) == _LINE
        lines, areas = others[is_line], others[~is_line]
        # A line lies where any of its pieces does: whatever it crosses, itself included, it is looked at once.
        pieces, of_line = line_pieces(shapes[lines])
        boxes = np.concatenate([pieces.min(axis=1), pieces.max(axis=1)], axis=1)
        inside_pieces, crossing = self._within_one(boxes)
        found = [
            inside,
            (lines[of_line[inside_pieces[0]]], inside_pieces[1]),
            self._in_order(
                pairs_across(self._tree, self._boxes, shapely.linestrings(pieces[crossing]), lines[of_line[crossing]])
            ),
            self._in_order(pairs_across(self._tree, self._boxes, shapes[areas], areas)),
        ]
        return np.concatenate([one for one, _ in found]), np.concatenate([cells for _, cells in found])

    def _within_one(self, bounds: NDArray[np.float64]) -> tuple[Pairs, NDArray[np.int64]]:
        """What lies within one column and row without touching its sides, as most buildings do: the indices of those
        with their cells, and the indices of the others."""
        west, south, east, north = bounds.T
        columns, rows = self._columns_and_rows(west, north)
        cell_west, cell_north = WEST_EDGE + columns * self._side, NORTH_EDGE - rows * self._side
        alone = (cell_west < west) & (east < cell_west + self._side)
        alone &= (cell_north - self._side < south) & (north < cell_north)
        return self._looked_up(np.flatnonzero(alone), columns[alone], rows[alone]), np.flatnonzero(~alone)

    def _columns_and_rows(self, eastings: NDArray[np.float64], northings: NDArray[np.float64]) -> Pairs:
        side = self._side
        columns = np.floor((eastings - WEST_EDGE) / side)
        rows = np.floor((NORTH_EDGE - northings) / side)
        # Quotients are rounded; the sides of cells are not.
        columns += WEST_EDGE + (columns + 1) * side <= eastings
        columns -= WEST_EDGE + columns * side > eastings
        rows += NORTH_EDGE - (rows + 1) * side >= northings
        rows -= NORTH_EDGE - rows * side < northings
        return columns.astype(np.int64), rows.astype(np.int64)

    def _in_order(self, pairs: Pairs) -> Pairs:
        """Pairs of boxes as pairs of cells."""
        return pairs[0], self._indices[pairs[1]]

    def _looked_up(self, indices: NDArray[np.int64], columns: NDArray[np.int64], rows: NDArray[np.int64]) -> Pairs:
        """Those of the shapes whose column and row is a cell's, with the index of the cell."""
        size = 2**self.zoom
        within = (columns >= 0) & (columns < size) & (rows >= 0) & (rows < size)
        indices, keys = indices[within], self._keys(columns[within], rows[within])
        found = np.minimum(np.searchsorted(self._sorted_keys, keys), self.n_cells - 1)
        hit = self._sorted_keys[found] == keys
        return indices[hit], self._indices[found[hit]]

    def _keys(self, columns: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(rows * 2**self.zoom + columns)


def pairs_across(
    tree: shapely.STRtree, areas: NDArray[np.object_], shapes: NDArray[np.object_], indices: NDArray[np.int64]
) -> Pairs:
    """Pairs of the shapes' `indices` and of areas, by exact predicates of each with each that is near.

    Args:
        tree: of the areas.
        shapes: pieces of lines with two points, and polygons.
    """
    shape, area = tree.query(shapes, predicate="intersects")
    shapely.prepare(shapes[shapely.get_type_id(shapes) != _LINE])
    touching = shapely.touches(shapes[shape], areas[area])
    # A line along an area's side only touches it, but over a length.
    lines = np.flatnonzero(touching & (shapely.get_type_id(shapes[shape]) == _LINE))
    along = shapely.relate_pattern(shapes[shape[lines]], areas[area[lines]], "*1*******")
    touching[lines[along]] = False
    return indices[shape[~touching]], area[~touching]


def _slice(owners: NDArray[np.int64], some: NDArray[np.int64]) -> slice:
    return slice(int(np.searchsorted(owners, some[0])), int(np.searchsorted(owners, some[-1], side="right")))


def line_pieces(lines: NDArray[np.object_]) -> Pieces:
    """The pieces of lines between two points, float64 [n, 2, 2], that are longer than 0, and the indices of their
    lines, int64 [n]."""
    points, of_point = shapely.get_coordinates(lines, return_index=True)
    pieces = np.stack([points[:-1], points[1:]], axis=1) if len(points) else np.empty((0, 2, 2))
    of_piece = of_point[:-1]
    kept = (of_piece == of_point[1:]) & (pieces[:, 0] != pieces[:, 1]).any(axis=1)
    return pieces[kept], of_piece[kept].astype(np.int64)
