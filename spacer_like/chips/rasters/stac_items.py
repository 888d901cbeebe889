"""The chips of rasters as a STAC collection and its items (version 1.1.0, stacspec.org)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.rasters.manifest import RasterManifest
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VERSION = "1.1.0"
_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "tif": "image/tiff; application=geotiff",
    "npy": "application/octet-stream",
}
_PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
# An item needs a time, or a range of times.
_ANY_TIME = {
    "datetime": None,
    "start_datetime": "0001-01-01T00:00:00Z",
    "end_datetime": "9999-12-31T23:59:59Z",
}


def stac_items(manifest: RasterManifest) -> list[dict[str, Any]]:
    """An item for each chip that was made, whose asset is the chip; one of unknown place has no geometry.

    The outline is that of the chip's bounds in longitude and latitude (WGS84).
    """
    header = manifest.header
    when = {"datetime": f"{header.date}T00:00:00Z"} if header.date else _ANY_TIME
    return [_item(row, header.source, when) for row in manifest.made().to_pylist()]


def stac_collection(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The collection of items, which lie in ``items.json`` beside it."""
    boxes = np.array([item["bbox"] for item in items if "bbox" in item]).reshape(-1, 4)
    box = [-180.0, -90.0, 180.0, 90.0]
    if len(boxes):
        west, east = _span(boxes[:, 0], boxes[:, 2])
        box = [west, float(boxes[:, 1].min()), east, float(boxes[:, 3].max())]
    times = sorted({item["properties"]["datetime"] for item in items} - {None})
    return {
        "type": "Collection",
        "stac_version": _VERSION,
        "id": "chips",
        "description": "Chips of rasters.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [box]},
            "temporal": {"interval": [[times[0], times[-1]] if times else [None, None]]},
        },
        "links": [{"rel": "items", "href": "./items.json", "type": "application/geo+json"}],
    }


def _item(row: dict[str, Any], source: str, when: dict[str, Any]) -> dict[str, Any]:
    name = row["chip"]
    outline = _outline(row)
    box = {} if outline is None else {"bbox": _box(outline)}
    return {
        "type": "Feature",
        "stac_version": _VERSION,
        "stac_extensions": [_PROJECTION],
        "id": name.rpartition(".")[0],
        "geometry": None if outline is None else {"type": "Polygon", "coordinates": [outline]},
        **box,
        "properties": {
            **when,
            "proj:code": row["crs"] if row["crs"] and row["crs"].startswith("EPSG:") else None,
            "proj:transform": row["transform"],
            "proj:shape": [row["height"], row["width"]],
            "spacer_like:source": source,
            "spacer_like:place": row["place"],
            "spacer_like:valid_fraction": row["valid_fraction"],
            "spacer_like:scale": row["scale"],
        },
        "links": [{"rel": "collection", "href": "./collection.json", "type": "application/json"}],
        "collection": "chips",
        "assets": {
            "chip": {"href": f"./{name}", "type": _TYPES[name.rpartition(".")[2]], "roles": ["data"]},
        },
    }


def _outline(row: dict[str, Any]) -> list[list[float]] | None:
    """A chip's corners in longitude and latitude, counterclockwise and closed."""
    if row["crs"] is None:
        return None
    import_extra("pyproj", "Locating a chip on earth", "geo")
    from pyproj import Transformer

    a, b, c, d, e, f = row["transform"]
    columns, rows = np.array([0, 0, 1, 1]) * row["width"], np.array([0, 1, 1, 0]) * row["height"]
    transformer = Transformer.from_crs(row["crs"], 4326, always_xy=True)
    longitudes, latitudes = transformer.transform(a * columns + b * rows + c, d * columns + e * rows + f)
    if not (np.isfinite(longitudes).all() and np.isfinite(latitudes).all()):
        return None
    points = np.stack([longitudes, latitudes], axis=1).round(9).tolist()
    return [*points, points[0]]


def _span(west: NDArray[np.float64], east: NDArray[np.float64]) -> tuple[float, float]:
    """The narrowest west and east around several, the west larger than the east across the 180th meridian."""
    order = np.argsort(west, kind="stable")
    begins, ends = west[order], np.maximum.accumulate((east + 360 * (east < west))[order])
    ends = np.maximum(ends, ends[-1] - 360)
    # Behind each: how far it is to the next one, round the earth from the last.
    gaps = np.append(begins[1:], begins[0] + 360) - ends
    widest = int(gaps.argmax())
    if gaps[widest] <= 0:
        return -180.0, 180.0
    end = float(ends[widest])
    return float(begins[(widest + 1) % len(begins)]), round(end - 360, 9) if end > 180 else end


def _box(outline: list[list[float]]) -> list[float]:
    """West, south, east, north; the west is larger than the east across the 180th meridian (RFC 7946, 5.2)."""
    points = np.array(outline)
    west, east = points[:, 0].min(), points[:, 0].max()
    if east - west > 180:
        turned = points[:, 0] % 360
        west, east = turned.min() - 360 * (turned.min() > 180), turned.max() - 360
    return [float(west), float(points[:, 1].min()), float(east), float(points[:, 1].max())]
