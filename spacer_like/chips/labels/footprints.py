"""Where chips lie, by their manifests, and which geometries lie in them; needs shapely."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from spacer_like.chips.grid import TILE_ZOOM
from spacer_like.chips.labels.geometries import Geometries
from spacer_like.chips.labels.label_join import Pairs, line_pieces, pairs_across
from spacer_like.exceptions import DataLimitError, SpacerInputError, TableError

if TYPE_CHECKING:
    from spacer_like.chips.cutting.manifest import Manifest
    from spacer_like.chips.rasters.manifest import RasterManifest

MOST_CHIPS = 2**22
_PIXELS_OF_TILE = 16_384
# Of a pixel: positions on the side of a chip are rounded.
_DECIMALS = 6


@dataclass(frozen=True)
class Footprints:
    """Places of chips of one projection.

    Fields:
        crs: the projection, as an authority's code or WKT; None: the pixels of a raster that does not say it.
        names: [n], of the chips.
        transforms: float64 [n, 6], from a chip's pixels to the projection, as in manifests.
        sizes: int64 [n, 2], width and height of the chips in pixels.
    """

    crs: str | None
    names: list[str] = field(repr=False)
    transforms: NDArray[np.float64] = field(repr=False)
    sizes: NDArray[np.int64] = field(repr=False)

    @cached_property
    def shapes(self) -> NDArray[np.object_]:
        """The chips as polygons, object [n]."""
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * self.sizes[:, None, :]
        return np.asarray(shapely.polygons(_applied(self.transforms[:, None, :], corners)))

    @cached_property
    def _tree(self) -> Any:
        return shapely.STRtree(self.shapes)

    def pairs(self, geometries: Geometries, shape_pairs: Pairs | None = None) -> Pairs:
        """The pairs (index of a shape or point's owner, index of a chip) of what lies in which chip, each pair once.

        A line along the side of two chips lies in both; what only touches a chip does not lie in it. A point on the
        side of a chip lies in it where the side is its left or its upper one.

        Args:
            shape_pairs: of the geometries' shapes, where they are known.
        """
        shape, chip = shape_pairs or self.shape_pairs(geometries.shapes)
        at, of_point = self._tree.query(shapely.points(geometries.points), predicate="intersects")
        found = _applied(_inverted(self.transforms[of_point]), geometries.points[at])
        found = np.round(found, _DECIMALS)
        inside = ((found >= 0) & (found < self.sizes[of_point])).all(axis=1)
        owners = np.concatenate([geometries.shape_owners[shape], geometries.point_owners[at[inside]]])
        pairs = np.stack([owners, np.concatenate([chip, of_point[inside]])], axis=1)
        unique = np.unique(pairs, axis=0)
        return unique[:, 0], unique[:, 1]

    def shape_pairs(self, shapes: NDArray[np.object_]) -> Pairs:
        """The same of shapes by their indices; a shape and a chip may be there twice."""
        is_line = shapely.get_type_id(shapes) == 1
        lines, areas = np.flatnonzero(is_line), np.flatnonzero(~is_line)
        pieces, of_line = line_pieces(shapes[lines])
        found = [
            pairs_across(self._tree, self.shapes, shapely.linestrings(pieces), lines[of_line]),
            pairs_across(self._tree, self.shapes, shapes[areas], areas),
        ]
        return np.concatenate([one for one, _ in found]), np.concatenate([chips for _, chips in found])

    def in_pixels(self, shapes: NDArray[np.object_], chips: NDArray[np.int64]) -> NDArray[np.object_]:
        """Shapes in pixels of the chips that they lie in, x to the right and y down."""
        inverted = _inverted(self.transforms[chips])
        points, owners = shapely.get_coordinates(shapes, return_index=True)
        return np.asarray(shapely.set_coordinates(np.array(shapes), _applied(inverted[owners], points)))


def footprints_of(manifests: Iterable[Manifest | RasterManifest], partial_data: bool, name: str) -> list[Footprints]:
    """The places of the chips that were made, a list for each projection; a chip that is listed twice counts once.

    Args:
        partial_data: whether chips with some data count.
        name: what errors call the chips.

    Raises:
        SpacerInputError: none counts, or several rasters do not say where they lie.
        DataLimitError: there are more than four millions.
    """
    by_crs: dict[str | None, list[Footprints]] = {}
    known: set[str] = set()
    sources: set[str] = set()
    for manifest in manifests:
        table = manifest.made()
        classes, names = table["nodata_class"].to_pylist(), table["chip"].to_pylist()
        rows = [
            row
            for row, (chip, kind) in enumerate(zip(names, classes, strict=True))
            if chip not in known and (kind == "all_data" or (partial_data and kind == "partial_data"))
        ]
        known.update(names[row] for row in rows)
        if len(known) > MOST_CHIPS:
            raise DataLimitError(f"'{name}' has more than {MOST_CHIPS} chips: label a part of them at a time.")
        table, codes = table.take(rows), _codes(manifest, table.take(rows))
        transforms, sizes = _transforms(manifest, table)
        if not (np.isfinite(_inverted(transforms)).all() and (sizes > 0).all()):
            raise TableError(f"A manifest in '{name}' is malformed: a chip of it has no area.")
        if None in codes:
            sources.add(str(getattr(manifest.header, "source", "")))
        for code in dict.fromkeys(codes):
            those = [row for row, one in enumerate(codes) if one == code]
            part = Footprints(code, [names[rows[row]] for row in those], transforms[those], sizes[those])
            by_crs.setdefault(code, []).append(part)
    if len(sources) > 1:
        raise SpacerInputError(
            f"'{name}' has chips of {len(sources)} rasters that do not say where they lie: name the manifest of one."
        )
    if not by_crs:
        kinds = "any data" if partial_data else "nothing but data"
        raise SpacerInputError(f"The manifests in '{name}' have no chip with {kinds}.")
    return [_joined(code, parts) for code, parts in by_crs.items()]


def _joined(code: str | None, parts: Sequence[Footprints]) -> Footprints:
    names = [name for part in parts for name in part.names]
    transforms, sizes = (np.concatenate([getattr(part, name) for part in parts]) for name in ("transforms", "sizes"))
    return Footprints(code, names, transforms, sizes)


def _codes(manifest: Manifest | RasterManifest, table: Any) -> list[str | None]:
    if "crs" in table.column_names:
        return list(table["crs"].to_pylist())
    return [f"EPSG:{epsg}" for epsg in table["epsg"].to_pylist()]


def _transforms(manifest: Any, table: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if "transform" in table.column_names:
        sizes = np.stack([table[side].to_numpy() for side in ("width", "height")], axis=1).astype(np.int64)
        return np.array(table["transform"].to_pylist(), np.float64).reshape(-1, 6), sizes
    header = manifest.header
    size = header.size or _PIXELS_OF_TILE >> (header.zoom - TILE_ZOOM)
    west, south, east, north = (table[side].to_numpy() for side in ("west", "south", "east", "north"))
    zeros = np.zeros(len(west))
    transforms = np.stack([(east - west) / size, zeros, west, zeros, (south - north) / size, north], axis=1)
    return transforms, np.full((len(west), 2), size, np.int64)


def _applied(transforms: NDArray[np.float64], points: NDArray[Any]) -> NDArray[np.float64]:
    """Points [..., 2] by the transforms [..., 6]."""
    x, y = points[..., 0], points[..., 1]
    a, b, c, d, e, f = np.moveaxis(transforms, -1, 0)
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)


def _inverted(transforms: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c, d, e, f = np.moveaxis(transforms, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b, d, e = np.stack([e, -b, -d, a]) / (a * e - b * d)
    return np.stack([a, b, -a * c - b * f, d, e, -d * c - e * f], axis=-1)
