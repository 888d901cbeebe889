"""Where chips lie: their corners in longitude and latitude, by the manifests of tiles and rasters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.rasters.manifest import RasterManifest
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.chips.cutting.manifest import Manifest
    from spacer_like.embeddings import NameList

_WORLD = 360.0


def corners_of_chips(manifests: Iterable[Manifest | RasterManifest], names: NameList) -> NDArray[np.float64]:
    """The corners of chips: float64 [n, 4, 2], longitude and latitude (WGS84), counterclockwise.

    Chips beside the 180th meridian have longitudes beyond 180. NaN: no manifest says where the chip lies.

    Raises:
        MissingExtraError: pyproj is not installed.
    """
    found = np.full((len(names), 4, 2), np.nan)
    for manifest in manifests:
        chips = manifest.chips["chip"].to_pylist()
        rows = {number: row for row, chip in enumerate(chips) if (number := names.find(chip)) is not None}
        if rows:
            found[list(rows)] = _degrees(manifest, list(rows.values()))
    return found


def _degrees(manifest: Manifest | RasterManifest, rows: list[int]) -> NDArray[np.float64]:
    import_extra("pyproj", "Locating chips on earth", "geo")
    from pyproj import Transformer

    table = manifest.chips.take(rows)
    corners, codes = _of_raster(table) if isinstance(manifest, RasterManifest) else _of_tile(table)
    found = np.full(corners.shape, np.nan)
    for code in set(codes) - {None}:
        those = np.array([one == code for one in codes])
        transformer = Transformer.from_crs(code, 4326, always_xy=True)
        found[those] = np.stack(transformer.transform(corners[those, :, 0], corners[those, :, 1]), axis=-1)
    found[~np.isfinite(found).all(axis=(1, 2))] = np.nan
    # Those that are cut by the 180th meridian go on beyond it.
    wide = np.ptp(found[:, :, 0], axis=1) > _WORLD / 2
    found[wide, :, 0] %= _WORLD
    return found


def _of_raster(table: Any) -> tuple[NDArray[np.float64], list[Any]]:
    transforms = np.array(table["transform"].to_pylist(), np.float64).T[:, :, None]
    size = table["width"].to_numpy()[:, None], table["height"].to_numpy()[:, None]
    columns, rows = np.array([0, 0, 1, 1]) * size[0], np.array([0, 1, 1, 0]) * size[1]
    a, b, c, d, e, f = transforms
    corners = np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=-1)
    return corners, table["crs"].to_pylist()


def _of_tile(table: Any) -> tuple[NDArray[np.float64], list[Any]]:
    west, south, east, north = (table[side].to_numpy() for side in ("west", "south", "east", "north"))
    corners = np.stack([west, north, west, south, east, south, east, north], axis=-1).reshape(-1, 4, 2)
    return corners, table["epsg"].to_pylist()
