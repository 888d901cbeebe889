"""Tables with a geometry for each row, as GeoParquet (version 1.1.0, geoparquet.org)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.extras import import_extra

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

GEOMETRY = "geometry"
_VERSION = "1.1.0"


def with_geometry(table: pa.Table, corners: NDArray[np.float64]) -> pa.Table:
    """A table with a column of outlines, longitude and latitude (OGC:CRS84), which Parquet keeps as GeoParquet.

    Args:
        corners: float64 [rows, 4, 2], counterclockwise, see `corners_of_chips`; a row of NaN has no geometry. What
            reaches beyond 180 degrees is cut there into two parts.

    Raises:
        MissingExtraError: shapely is not installed.
    """
    import pyarrow as pa

    import_extra("shapely", "Writing GeoParquet", "geo")
    import shapely

    placed = np.asarray(np.isfinite(corners).all(axis=(1, 2)))
    shapes = np.full(len(corners), None, object)
    shapes[placed] = shapely.polygons(corners[placed])
    beyond = placed & (np.where(placed[:, None], corners[:, :, 0], 0.0).max(axis=1) > 180)
    shapes[beyond] = [_cut(shape) for shape in shapes[beyond]]
    shapes[placed] = shapely.orient_polygons(shapes[placed])
    kinds = sorted({shape.geom_type for shape in shapes[placed]})
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": kinds,
        "orientation": "counterclockwise",
        "edges": "planar",
    }
    if placed.any():
        column["bbox"] = [float(number) for number in shapely.total_bounds(shapes[placed])]
    described = {"version": _VERSION, "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    geometries = pa.array(shapely.to_wkb(shapes, byte_order=1), pa.binary())
    # Without a projection by name it is longitude and latitude.
    return table.append_column(GEOMETRY, geometries).replace_schema_metadata({"geo": json.dumps(described)})


def _cut(shape: Any) -> Any:
    """A shape that reaches beyond 180 degrees, as two parts between -180 and 180."""
    import shapely

    east = shapely.intersection(shape, shapely.box(-180, -90, 180, 90))
    west = shapely.transform(shapely.intersection(shape, shapely.box(180, -90, 540, 90)), lambda at: at - [360, 0])
    parts = [part for part in (east, west) if part.geom_type == "Polygon" and not part.is_empty]
    return shapely.multipolygons(parts) if len(parts) > 1 else parts[0]
