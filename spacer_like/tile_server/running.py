"""The process of a server: its port, its loop, and its end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn

from spacer_like.cores import core_count
from spacer_like.exceptions import SpacerInputError
from spacer_like.tile_server.app import make_app
from spacer_like.tile_server.connections import Application, Bounds, OpenConnections
from spacer_like.tile_server.live_tree import LiveTree

if TYPE_CHECKING:
    from spacer_like.location import DataLocation
    from spacer_like.tile_server.serving import ServerOptions

_SECONDS_TO_FINISH = 1
_SECONDS_KEPT_ALIVE = 5


def run(ard_loc: DataLocation, options: ServerOptions, ready: Callable[[str, LiveTree], None]) -> None:
    """Serve a tree of tiles until the process is interrupted; see `serving.serve`."""
    # A port that is taken is told before the tree is listed.
    with _listening(options.host, options.port) as listening:
        tree = LiveTree(ard_loc, options.kind, options.zones, options.refresh)
        app = make_app(tree, options.threads or max(4, 2 * core_count()), options.origins)
        config = server_config(app, Bounds(), options.log_requests)
        _Announcing(config, lambda: ready(_address(listening), tree)).run(sockets=[listening])


def server_config(app: Application, bounds: Bounds, log_requests: bool = False) -> uvicorn.Config:
    """How uvicorn serves an application within bounds."""
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


class _Announcing(uvicorn.Server):
    """A server that says when it can be reached."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()


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
