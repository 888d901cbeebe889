"""Limits on connections, so that slow, idle or too many clients do not block others.

A connection has some seconds to send a complete request, the seconds that it is idle between two included, and some to
take an answer. Of each client and of all clients a bounded number is open: one more closes the connection that waits
for a request longest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Application = Callable[[Any, Any, Any], Awaitable[None]]

_SECONDS_BETWEEN_LOOKS = 0.5
_BUSY = b"The server has as many requests as it can take: come back in some seconds."


@dataclass(frozen=True)
class Bounds:
    """Limits on what clients use of a server.

    Fields:
        connections, of_client: open at once: of all clients, and of each address.
        requests: that are answered at once; more are refused with 503.
        seconds_to_ask: to send a complete request, from the connection or the last answer on.
        seconds_to_take: in which nothing may be left of an answer that was sent.
    """

    connections: int = 500
    of_client: int = 250
    requests: int = 400
    seconds_to_ask: float = 10.0
    seconds_to_take: float = 30.0


class _Connection(H11Protocol):
    """A connection with limits; only asyncio's own interface is overridden in uvicorn's class."""

    open_ones: OpenConnections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.socket = transport
        self.n_requests = 0
        self.waits_since = self.loop.time()
        self._unsent_since: float | None = None
        self._next_look = self.loop.call_later(_SECONDS_BETWEEN_LOOKS, self._look)
        self.open_ones.add(self)

    def data_received(self, data: bytes) -> None:
        token = _current.set(self)
        try:
            super().data_received(data)
        finally:
            _current.reset(token)

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()
        self.open_ones.remove(self)
        super().connection_lost(exc)

    def _look(self) -> None:
        now, bounds = self.loop.time(), self.open_ones.bounds
        if not self.socket.get_write_buffer_size():
            self._unsent_since = None
        elif self._unsent_since is None:
            self._unsent_since = now
        is_taken = self._unsent_since is None or now - self._unsent_since <= bounds.seconds_to_take
        if is_taken and (self.n_requests or now - self.waits_since <= bounds.seconds_to_ask):
            self._next_look = self.loop.call_later(_SECONDS_BETWEEN_LOOKS, self._look)
        else:
            # To close it would wait until what was sent is taken.
            self.socket.abort()


_current: ContextVar[_Connection] = ContextVar("connection")


class OpenConnections:
    """The open connections of a server."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._all: dict[_Connection, None] = {}
        self._n_requests = 0

    def protocol(self) -> type[H11Protocol]:
        """The class of connections that uvicorn is to make."""
        return type("_BoundedConnection", (_Connection,), {"open_ones": self})

    def application(self, app: Application) -> Application:
        """The application, for requests whose number is bounded."""

        async def bounded(scope: Any, receive: Any, send: Any) -> None:
            connection = _current.get(None)
            if scope["type"] != "http" or connection is None:
                await app(scope, receive, send)
                return
            self._n_requests += 1
            connection.n_requests += 1
            try:
                await (app if self._n_requests <= self.bounds.requests else _too_many)(scope, receive, send)
            finally:
                self._n_requests -= 1
                connection.n_requests -= 1
                connection.waits_since = connection.loop.time()

        return bounded

    def add(self, connection: _Connection) -> None:
        """Take a connection in, and close the one that waits longest, perhaps this one, where there are too many."""
        self._all[connection] = None
        same = [one for one in self._all if one.address == connection.address]
        some = same if len(same) > self.bounds.of_client else list(self._all)
        if some is same or len(some) > self.bounds.connections:
            longest = min((one for one in some if not one.n_requests), key=lambda one: one.waits_since)
            self.remove(longest)
            longest.socket.abort()

    def remove(self, connection: _Connection) -> None:
        """Forget a connection."""
        self._all.pop(connection, None)


async def _too_many(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(_BUSY)), (b"retry-after", b"10")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _BUSY})
