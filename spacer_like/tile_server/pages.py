"""The server's two pages: a map, and a list of what there is. They load nothing from elsewhere."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from spacer_like.drawing.figures import html_table
from spacer_like.http_server.pages import Page
from spacer_like.tile_server.raster_index import RasterIndex

if TYPE_CHECKING:
    from spacer_like.tile_server.raster_index import LiveRasters
    from spacer_like.tile_server.tree_index import IndexedTile, LiveTree, TreeIndex

MOST_LINES = 2000
"""Cells, acquisitions, and rasters, that are listed."""
_OWN_GRID = ", <code>zones/33/{z}/{x}/{y}.jpg</code> (a zone's own grid, 512 pixels)"


@lru_cache(maxsize=2)
def map_page(with_places: bool = False) -> Page:
    """The map, where it is asked for with places by example."""
    html = files(__package__).joinpath("map.html").read_text(encoding="utf-8")
    if with_places:
        places = files(__package__).joinpath("places.html").read_text(encoding="utf-8")
        html = html.replace("</body>", f"{places}</body>")
    return Page.of(html)


def list_page(live: LiveTree | LiveRasters) -> Page:
    """What there is: of a tree its zones, acquisitions and cells, else the rasters; with the way to each on the map."""
    index = live.index
    style = files(__package__).joinpath("list.css").read_text(encoding="utf-8")
    name = escape(live.name)
    body = [
        f"<h1>{'Tiles' if index.zones else 'Rasters'}</h1><p><code>{name}</code> holds {_counted(index)}.</p>",
        "<p><a href='./'>Map</a> · <a href='tilejson.json'>TileJSON</a> · <a href='tileMatrixSets'>grids</a> · "
        "<a href='tree.json'>this as JSON</a></p>",
        "<p class='quiet'>For map programs: <code>tiles/{z}/{x}/{y}.jpg</code> (Web Mercator, also .png and .webp), "
        f"<code>tms/{{z}}/{{x}}/{{y}}.jpg</code> (rows from the south){_OWN_GRID if index.zones else ''}. "
        "<code>?acquisition=NAME</code> puts one in front.</p>",
        *(
            [_rasters(index)]
            if isinstance(index, RasterIndex)
            else [_zones(index), _acquisitions(index), _cells(index)]
        ),
    ]
    return Page.of(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What is there</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _counted(index: TreeIndex | RasterIndex) -> str:
    if isinstance(index, RasterIndex):
        return f"{index.n_tiles:,} rasters that can be shown"
    return f"{index.n_tiles:,} tiles of {index.n_cells:,} cells, of {len(index.acquisitions):,} acquisitions"


def _rasters(index: RasterIndex) -> str:
    rows = [
        [
            f'<a href="./#web/{min(one.zoom, 15)}/{one.centre[1]:.5f}/{one.centre[0]:.5f}">'
            f"<code>{escape(one.name)}</code></a>",
            escape(one.raster.date),
            f"{one.raster.width:,} x {one.raster.height:,}",
            str(one.zoom),
        ]
        for one in index.rasters[:MOST_LINES]
    ]
    listed = html_table(["raster", "date", "pixels", "zoom"], rows, names=2) + _rest(index.n_tiles)
    if not index.failed:
        return listed
    failed = [[f"<code>{escape(one.tile)}</code>", escape(one.reason)] for one in index.failed[:MOST_LINES]]
    return listed + "<h2>Not shown</h2>" + html_table(["raster", "reason"], failed, names=2)


def _zones(index: TreeIndex) -> str:
    rows = [
        [str(zone.zone), f"{len(zone.tiles):,}", f"{sum(len(tiles) for tiles in zone.tiles.values()):,}"]
        for zone in index.zones.values()
    ]
    return "<h2>Zones</h2>" + html_table(["UTM zone", "cells", "tiles"], rows)


def _acquisitions(index: TreeIndex) -> str:
    listed = list(index.acquisitions.values())[:MOST_LINES]
    rows = [
        [
            f"<code>{escape(one.name)}</code>",
            escape(", ".join(sorted(one.dates))),
            ", ".join(map(str, sorted(one.zones))),
            f"{one.n_tiles:,}",
        ]
        for one in listed
    ]
    head = ["acquisition", "date", "zones", "tiles"]
    return "<h2>Acquisitions</h2>" + html_table(head, rows, names=2) + _rest(len(index.acquisitions))


def _cells(index: TreeIndex) -> str:
    rows: list[list[str]] = []
    for zone in index.zones.values():
        longitudes, latitudes = zone.middles
        numbers = zone.cell_numbers.tolist()[: MOST_LINES - len(rows)]
        rows += [
            _cell_row(zone.tiles[number], float(longitudes[row]), float(latitudes[row]))
            for row, number in enumerate(numbers)
        ]
    return "<h2>Cells</h2>" + html_table(["cell", "newest", "tiles"], rows, names=2) + _rest(index.n_cells)


def _cell_row(tiles: list[IndexedTile], longitude: float, latitude: float) -> list[str]:
    return [
        f'<a href="./#web/14/{latitude:.5f}/{longitude:.5f}"><code>{tiles[0].cell.name}</code></a>',
        f"{tiles[0].date} <code>{escape(tiles[0].acquisition)}</code>",
        str(len(tiles)),
    ]


def _rest(count: int) -> str:
    return f"<p class='quiet'>And {count - MOST_LINES:,} more.</p>" if count > MOST_LINES else ""
