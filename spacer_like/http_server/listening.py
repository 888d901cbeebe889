"""Servers of this package: their port, their loop, and their end. uvicorn is imported when one is started."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from spacer_like.exceptions import SpacerInputError

if TYPE_CHECKING:
    import uvicorn

    from spacer_like.http_server.connections import Application, Bounds

_SECONDS_TO_FINISH = 1
_SECONDS_KEPT_ALIVE = 5


def run_server(
    app: Application, bounds: Bounds, at: socket.socket, ready: Callable[[str], None], log_requests: bool = False
) -> None:
    """Serve an application until the process is interrupted.

    Args:
        at: as of `listening`.
        ready: called with the address once the server can be reached.

    Raises:
        KeyboardInterrupt: that was the interrupt.
    """
    _announcing(server_config(app, bounds, log_requests), lambda: ready(_address(at))).run(sockets=[at])


def server_config(app: Application, bounds: Bounds, log_requests: bool = False) -> uvicorn.Config:
    """How uvicorn serves an application within bounds."""
    import uvicorn

    from spacer_like.http_server.connections import OpenConnections

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


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0: any that is free.

    Raises:
        SpacerInputError: there is no such address, or the port cannot be had.
    """
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


def _address(at: socket.socket) -> str:
    host, port = at.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        # What listens everywhere is looked at from here.
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
