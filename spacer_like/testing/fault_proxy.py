"""A proxy before an S3 server, by which the share of requests that is asked for goes wrong.

>>> faults = Faults(slow_down=0.3, cut=0.1, lost=0.1)
>>> with FaultProxy("http://127.0.0.1:5000", faults) as proxy:  # doctest: +SKIP
...     with config.override(aws_endpoint_url=proxy.url):
...         ...
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from urllib.parse import urlsplit

from typing_extensions import Self

_CHANGES = ("PUT", "POST", "DELETE")
# What the proxy says itself, or what concerns one connection only.
_NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "server", "date"}


@dataclass(frozen=True)
class Faults:
    """The shares of requests, from 0 to 1, that go wrong; the fields are kinds of faults, and their sum is at most 1.

    Fields:
        slow_down: the answer is 503 SlowDown, and nothing was done.
        reset: the connection is reset before the request was passed on, in the middle of its body if it has one.
        lost: of a PUT, POST or DELETE; it was done, and the connection breaks off before its answer.
        cut: the body of the answer breaks off in the middle.
        drip: the body of the answer comes in pieces of one byte, each after `seconds_a_byte`.
        late_error: of the POST that completes an upload in parts; its answer is 200, and an error in the body.
    """

    slow_down: float = 0.0
    reset: float = 0.0
    lost: float = 0.0
    cut: float = 0.0
    drip: float = 0.0
    late_error: float = 0.0
    seconds_a_byte: float = 0.05

    def choose(self, method: str, path: str, number: int, seed: int = 0) -> str | None:
        """The fault of a request, the same one whatever other requests there are.

        Args:
            path: with the query, without the bucket, see `plain_path`.
            number: how many equal requests there have been before.
        """
        drawn = Random(f"{seed} {method} {path} {number}").random()
        for field in fields(self)[:-1]:
            drawn -= getattr(self, field.name)
            if drawn < 0:
                return field.name if _may_happen(field.name, method, path) else None
        return None


def ends_upload(method: str, path: str) -> bool:
    """Whether a request completes an upload in parts."""
    return method == "POST" and "uploadId=" in path


def plain_path(path: str) -> str:
    """The path of a request without the bucket and the id of an upload in parts, which are others each time."""
    return re.sub(r"uploadId=[^&]*", "uploadId=", path.removeprefix("/").partition("/")[2])


def _may_happen(kind: str, method: str, path: str) -> bool:
    if kind == "late_error":
        return ends_upload(method, path)
    return method in _CHANGES if kind == "lost" else method != "HEAD" or kind in ("slow_down", "reset")


class FaultProxy:
    """Passes requests on to a server, and lets some go wrong; usable by many threads, and started by ``with``.

    Args:
        behind: the server's URL.
    """

    def __init__(self, behind: str, faults: Faults | None = None, seed: int = 0) -> None:
        self.faults = faults or Faults()
        self.seed = seed
        self.choose: Callable[[str, str, int], str | None] = self._by_share
        """Which fault a request gets, of its method, its `plain_path` and the number of equal requests before."""
        self.instead: Callable[[], object] = lambda: None
        """Done after a request whose answer is lost."""
        self.requests: list[tuple[str, str]] = []
        """The methods and paths of all requests."""
        self.happened: Counter[str] = Counter()
        """How often each fault happened."""
        self._behind = urlsplit(behind).netloc
        self._seen: Counter[tuple[str, str]] = Counter()
        self._forgotten: set[str] = set()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, method: str, part: str = "") -> int:
        """How many requests there were of a method, and with a text in their path."""
        return sum(found == method and part in path for found, path in self.requests)

    def _by_share(self, method: str, path: str, number: int) -> str | None:
        return self.faults.choose(method, path, number, self.seed)

    def fault_of(self, method: str, path: str) -> str | None:
        """The fault of the request that has come, which is counted."""
        plain = plain_path(path)
        with self._lock:
            self.requests.append((method, path))
            number = self._seen[method, plain]
            self._seen[method, plain] += 1
        # It may wait, and must not let others wait for it.
        kind = self.choose(method, plain, number)
        if kind is not None:
            with self._lock:
                self.happened[kind] += 1
        return kind

    def passed_on(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        """The status, the headers and the body of the server's answer."""
        if path in self._forgotten:
            # Amazon does not know an upload any more that was completed; moto completes it again.
            return 404, [], _error("NoSuchUpload")
        connection = http.client.HTTPConnection(self._behind, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def forget(self, method: str, path: str) -> None:
        """Let an upload that was completed be unknown from now on."""
        if ends_upload(method, path):
            self._forgotten.add(path)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *details: object) -> None:
        # A client that went away, or a server that did.
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def forward(self) -> None:
        proxy = self.server.proxy
        kind = proxy.fault_of(self.command, self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if kind == "reset":
            self.rfile.read(length // 2)
            self._break_off(by_reset=True)
            return
        body = self.rfile.read(length)
        if kind == "slow_down":
            self._answer(503, [], _error("SlowDown"), None)
            return
        if kind == "late_error":
            self._answer(200, [], _error("InternalError"), None)
            return
        status, headers, data = proxy.passed_on(self.command, self.path, body, self._headers())
        if kind == "lost":
            proxy.forget(self.command, self.path)
            proxy.instead()
            self._break_off()
            return
        self._answer(status, headers, data, kind)

    def _headers(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower() not in ("expect", "connection")}

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def _answer(self, status: int, headers: Sequence[tuple[str, str]], data: bytes, kind: str | None) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        of_object = dict(headers).get("Content-Length", "0")
        self.send_header("Content-Length", of_object if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if kind == "cut" and data:
            self.wfile.write(data[: len(data) // 2])
            self._break_off()
        elif kind == "drip":
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(self.server.proxy.faults.seconds_a_byte)
        else:
            self.wfile.write(data)

    def _break_off(self, by_reset: bool = False) -> None:
        self.close_connection = True
        if by_reset:
            # Without waiting for what is on its way: the other side gets a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            return
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *details: object) -> None:
        pass


def _error(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>-</Message></Error>'.encode()
