"""A server of tiles: its port, its loop, and its end. Its packages are imported when it is started."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spacer_like.cores import core_count
from spacer_like.exceptions import SpacerInputError
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    import uvicorn

    from spacer_like.location import DataLocation
    from spacer_like.tile_server.connections import Application, Bounds
    from spacer_like.tile_server.tree_index import LiveTree

_SECONDS_TO_FINISH = 1
_SECONDS_KEPT_ALIVE = 5


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
    """

    host: str = "127.0.0.1"
    port: int = 8080
    kind: str = "visual"
    zones: list[int] | None = None
    threads: int | None = None
    refresh: float = 300.0
    origins: list[str] = field(default_factory=list)
    log_requests: bool = False


def serve(ard_loc: DataLocation, options: ServerOptions, ready: Callable[[str, LiveTree], None]) -> None:
    """Serve a tree of tiles until the process is interrupted.

    Args:
        ready: called with the address of the map, and the tree, once the server can be reached.

    Raises:
        MissingExtraError: packages of the extra `geo` are not installed.
        SpacerInputError: the port cannot be had; other errors as `LiveTree`.
        KeyboardInterrupt: that was the interrupt.
    """
    for name in ("rasterio", "pyproj", "morecantile", "fastapi", "uvicorn"):
        import_extra(name, "A server of tiles", "geo")
    from spacer_like.tile_server.app import make_app
    from spacer_like.tile_server.connections import Bounds
    from spacer_like.tile_server.tree_index import LiveTree

    # A port that is taken is reported before the tree is listed.
    with _listening(options.host, options.port) as listening:
        tree = LiveTree(ard_loc, options.kind, options.zones, options.refresh)
        app = make_app(tree, options.threads or max(4, 2 * core_count()), options.origins)
        config = server_config(app, Bounds(), options.log_requests)
        _announcing(config, lambda: ready(_address(listening), tree)).run(sockets=[listening])


def server_config(app: Application, bounds: Bounds, log_requests: bool = False) -> uvicorn.Config:
    """How uvicorn serves an application within bounds."""
    import uvicorn

    from spacer_like.tile_server.connections import OpenConnections

    connections = OpenConnections(bounds)
    return uvicorn.Config(
        connections.application(app),
        http=connections.protocol(),
        # A web socket would leave the bounds.
        ws="none",
        log_config=None,
        access_log=log_requests,
        server_header=False,
        timeout_keep_alive=_SECONDS_KEPT_ALIVE,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )


def _announcing(config: uvicorn.Config, ready: Callable[[], None]) -> uvicorn.Server:
    """A server that logs when it can be reached."""
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                ready()

    return Announcing(config)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, OverflowError, UnicodeError) as error:
        raise SpacerInputError(f"There is no address {host}, port {port}, to serve at: {error}.") from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(128)
    except OSError as error:
        found.close()
        raise SpacerInputError(
            f"Port {port} of {host} cannot be served at ({error.strerror}): choose another with --port."
        ) from error
    return found


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        # What listens everywhere is looked at from here.
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
