"""What the server says of its tree and its tiles, for machines."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import morecantile
import pyproj

from spacer_like.chips.grid import N_ZONES, NORTH_EDGE, ROOT_SIDE, WEST_EDGE, epsg_of_zone
from spacer_like.exceptions import DataNotFoundError
from spacer_like.tile_server.footprint import MOST_WEB_ZOOM, MOST_ZONE_ZOOM, ZONE_SIZE

if TYPE_CHECKING:
    from spacer_like.tile_server.raster_index import RasterIndex
    from spacer_like.tile_server.tree_index import TreeIndex, ZoneIndex

MOST_LISTED = 2000
"""Acquisitions that are listed, the newest first: a page of more is read by nobody."""
WEB_MERCATOR_QUAD = "WebMercatorQuad"


def tile_json(index: TreeIndex | RasterIndex, template: str, scheme: str = "xyz") -> dict[str, Any]:
    """The TileJSON 3.0.0 of the tiles in Web Mercator.

    Args:
        template: the address of a tile with {z}, {x} and {y}.
    """
    west, south, east, north = index.box
    return {
        "tilejson": "3.0.0",
        "name": "spacer_like",
        "version": "1.0.0",
        "scheme": scheme,
        "tiles": [template],
        "minzoom": 0,
        "maxzoom": min(index.native_zoom + 1, MOST_WEB_ZOOM),
        "bounds": [west, south, east, north],
        "center": [*index.centre, min(13, index.native_zoom)],
    }


def tree_json(index: TreeIndex | RasterIndex) -> dict[str, Any]:
    """What there is: its extent, the zones of a tree, and acquisitions or rasters, the newest first."""
    acquisitions = list(index.acquisitions.values())
    return {
        "n_tiles": index.n_tiles,
        "n_cells": index.n_cells,
        "bounds": list(index.box),
        "center": list(index.centre),
        "zones": [_zone(zone) for zone in index.zones.values()],
        "n_acquisitions": len(acquisitions),
        "acquisitions": [
            {"name": one.name, "dates": sorted(one.dates), "zones": sorted(one.zones), "n_tiles": one.n_tiles}
            for one in acquisitions[:MOST_LISTED]
        ],
        "zone_grid": {
            "west": WEST_EDGE,
            "north": NORTH_EDGE,
            "side": ROOT_SIDE,
            "tile_size": ZONE_SIZE,
            "max_zoom": MOST_ZONE_ZOOM,
        },
        "web_max_zoom": MOST_WEB_ZOOM,
    }


def tile_matrix_set(index: TreeIndex | RasterIndex, name: str) -> dict[str, Any]:
    """A grid of tiles as an OGC TileMatrixSet: WebMercatorQuad, or UTM01 to UTM60, of which the tree has tiles.

    Raises:
        DataNotFoundError: no such grid.
    """
    if name not in tile_matrix_sets(index):
        raise DataNotFoundError("There is no such grid of tiles: /tileMatrixSets lists all of them.")
    return _matrix_set(name).model_dump(exclude_none=True, mode="json")


def tile_matrix_sets(index: TreeIndex | RasterIndex) -> list[str]:
    """The names of the grids that there are tiles in."""
    return [WEB_MERCATOR_QUAD, *(f"UTM{zone:02d}" for zone in index.zones)]


@lru_cache(maxsize=N_ZONES + 1)
def _matrix_set(name: str) -> morecantile.TileMatrixSet:
    if name == WEB_MERCATOR_QUAD:
        found: morecantile.TileMatrixSet = morecantile.tms.get(name)
        return found
    # South of the equator northings go on below 0: so the halves of a zone are one grid.
    made: morecantile.TileMatrixSet = morecantile.TileMatrixSet.custom(
        [WEST_EDGE, NORTH_EDGE - ROOT_SIDE, WEST_EDGE + ROOT_SIDE, NORTH_EDGE],
        pyproj.CRS.from_epsg(epsg_of_zone(int(name[3:]))),
        tile_width=ZONE_SIZE,
        tile_height=ZONE_SIZE,
        maxzoom=MOST_ZONE_ZOOM,
        id=name,
        title=f"The grid of UTM zone {int(name[3:])}",
    )
    return made


def _zone(zone: ZoneIndex) -> dict[str, Any]:
    return {
        "zone": zone.zone,
        "n_cells": len(zone.tiles),
        "n_tiles": sum(len(tiles) for tiles in zone.tiles.values()),
        # In metres of the northern projection, whose northings are negative in the south.
        "bounds": [*zone.bounds[:, :2].min(axis=0).tolist(), *zone.bounds[:, 2:].max(axis=0).tolist()],
        "degrees": list(zone.box),
    }
