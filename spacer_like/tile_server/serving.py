"""A server of tiles: what it is asked for, and its start. Its packages are imported when it is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spacer_like.cores import core_count
from spacer_like.extras import import_extra
from spacer_like.http_server.listening import listening, run_server
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from spacer_like.chips.messages.rasters import CutRastersMsg
    from spacer_like.tile_server.places import PlacesOptions
    from spacer_like.tile_server.raster_index import LiveRasters
    from spacer_like.tile_server.tree_index import LiveTree


@dataclass(frozen=True)
class ServerOptions:
    """How a tree is served.

    Fields:
        host, port: where; port 0: any that is free.
        kind: of the tiles that are shown.
        zones: only these; None: all.
        threads: tiles made at once; None: twice the cores, 4 at least, for threads wait for storages as well.
        refresh: seconds after which the tree is listed again; 0: never.
        origins: of web pages elsewhere that may read what the server says.
        log_requests: whether every request is logged.
        places: chips that people look for by example; None: the map shows none.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    kind: str = "visual"
    zones: list[int] | None = None
    threads: int | None = None
    refresh: float = 300.0
    origins: list[str] = field(default_factory=list)
    log_requests: bool = False
    places: PlacesOptions | None = None


def serve(
    shown: DataLocation | CutRastersMsg,
    options: ServerOptions,
    ready: Callable[[str, LiveTree | LiveRasters], None],
) -> None:
    """Serve a tree of tiles, or rasters, until the process is interrupted.

    Args:
        shown: the root of a tree; or rasters, as `cut_rasters` takes them.
        ready: called with the address of the map, and the tree, once the server can be reached.

    Raises:
        MissingExtraError: packages of the extra `geo` are not installed.
        SpacerInputError: the port cannot be had; other errors as `LiveTree` and `LiveRasters`.
        KeyboardInterrupt: that was the interrupt.
    """
    for name in ("rasterio", "pyproj", "morecantile", "fastapi", "uvicorn"):
        import_extra(name, "A server of tiles", "geo")
    from spacer_like.http_server.connections import Bounds
    from spacer_like.tile_server.app import make_app
    from spacer_like.tile_server.places import Places
    from spacer_like.tile_server.raster_index import LiveRasters
    from spacer_like.tile_server.tree_index import LiveTree

    # A port that is taken is reported before the tree is listed.
    with listening(options.host, options.port) as at:
        tree = (
            LiveTree(shown, options.kind, options.zones, options.refresh)
            if isinstance(shown, DataLocation)
            else LiveRasters(shown)
        )
        places = None if options.places is None else Places(options.places)
        app = make_app(tree, options.threads or max(4, 2 * core_count()), options.origins, places)
        run_server(app, Bounds(), at, lambda address: ready(address, tree), options.log_requests)
