"""Records of made tiles, as a catalogue of satellite images holds them: where each lies and what it is called.

Each acquisition is a strip across the grid, and has a tile in every cell that it touches. The grid is computed by the
package that defines it, and not by ours.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import pytest
import shapely

APRON = 156.25
"""How far a tile goes beyond its cell, in metres."""


class Strip(NamedTuple):
    """An acquisition: its catalogue number and time, the cell of its south-western corner, and metres.

    Fields:
        corner: from the cell's own corner.
        slant: how far the northern edge lies east of the southern one.
    """

    zone: int
    quadkey: str
    catalog_id: str
    datetime: str
    corner: tuple[float, float]
    width: float
    length: float
    slant: float


STRIPS = (
    Strip(33, "031111230222", "10300100AAAA0100", "2019-03-01T10:09:34Z", (1234.5, 678.25), 11_000, 13_500, 900.0),
    Strip(33, "031111230222", "1050010000BB0200", "2022-11-30T09:58:03Z", (3100, 2000.125), 7_250, 9_100, -1_900),
    Strip(
        4, "031313131112", "6d32b2a8-07b6-4f17-8ea6-8ab9a5b7d3ef-inv", "2018-07-01T21:14:00Z", (0, 0), 6_100, 8_000, 0
    ),
    Strip(56, "211111230222", "10400100CCCC0300", "2021-01-15T00:02:59Z", (4999, 10), 15_500, 21_250, 1_230.75),
)


def made_records() -> list[dict[str, object]]:
    """A record for every tile of every strip, with the fields of an item of a SpatioTemporal Asset Catalog."""
    grid = pytest.importorskip("maxar_ard_grid")
    return [record for strip in STRIPS for record in _of_strip(strip, grid)]


def _of_strip(strip: Strip, grid: Any) -> list[dict[str, object]]:
    first = grid.Cell(strip.quadkey, zone=strip.zone)
    west, south = first.bounds[0] + strip.corner[0], first.bounds[1] + strip.corner[1]
    east, north, slant = west + strip.width, south + strip.length, strip.slant
    outline = shapely.Polygon([(west, south), (east, south), (east + slant, north), (west + slant, north)])
    records = []
    for column, row in product(range(first.x - 1, first.x + 5), range(first.y - 5, first.y + 1)):
        cell = grid.Cell(column, row, first.z, zone=strip.zone)
        left, bottom, right, top = cell.bounds
        if not outline.intersects(shapely.box(left, bottom, right, top)):
            continue
        tile = outline.intersection(shapely.box(left - APRON, bottom - APRON, right + APRON, top + APRON))
        records.append(
            {
                "utm_zone": strip.zone,
                "quadkey": cell.quadkey,
                "catalog_id": strip.catalog_id,
                "datetime": strip.datetime,
                "proj:epsg": int(cell.proj.removeprefix("EPSG:")),
                "proj:bbox": ",".join(str(edge) for edge in tile.bounds),
                "visual": f"{strip.zone:02}/{cell.quadkey}/{strip.datetime[:10]}/{strip.catalog_id}-visual.tif",
            }
        )
    return records
