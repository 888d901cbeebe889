"""Clients that are slow, idle or too many leave room for others: real sockets against a real server."""

import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest
import uvicorn

from spacer_like.http_server.connections import Bounds
from spacer_like.http_server.listening import server_config

HALF = b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "
WHOLE = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = bytes(2**25)


class Application:
    """Answers at once; ``/large`` with much, ``/held`` once it is let go."""

    def __init__(self):
        self.held = threading.Event()
        self.n_held = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        import asyncio

        if scope["path"] == "/held":
            self.n_held += 1
            await asyncio.to_thread(self.held.wait, 20)
        body = LARGE if scope["path"] == "/large" else b"here"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


class Server:
    def __init__(self, **bounds):
        self.application = Application()
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.address = self.listening.getsockname()
        self.server = uvicorn.Server(server_config(self.application, Bounds(**bounds)))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]})

    def get(self, path=""):
        return httpx.get(f"http://127.0.0.1:{self.address[1]}/{path}", timeout=10)

    def connect(self, files, data=b"", source="127.0.0.1"):
        connection = files.enter_context(socket.create_connection(self.address, 10, (source, 0)))
        connection.sendall(data)
        return connection


@contextmanager
def serving(**bounds):
    server = Server(**bounds)
    server.thread.start()
    try:
        with ExitStack() as files:
            yield server, files
    finally:
        server.application.held.set()
        server.server.should_exit = True
        server.thread.join(20)
        server.listening.close()
    assert not server.thread.is_alive()


def is_closed(connection, seconds):
    """Whether the server ends a connection within some seconds."""
    connection.settimeout(seconds)
    try:
        while connection.recv(2**16):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("data", [b"", HALF, b"\x16\x03"], ids=["nothing", "half a request", "half a greeting"])
def test_hundreds_of_half_requests_keep_nobody_out(data):
    with serving() as (server, files):
        for _ in range(505):
            server.connect(files, data)
        start = time.monotonic()
        assert server.get().text == "here"
        # Before the ten seconds are over after which a half request is ended.
        assert time.monotonic() - start < 8


def test_half_requests_from_many_addresses_keep_nobody_out():
    with serving(connections=50, of_client=20) as (server, files):
        for number in range(100):
            server.connect(files, HALF, f"127.0.1.{number % 10 + 1}")
        assert server.get().text == "here"


def test_one_client_closes_its_own_connections_and_no_others():
    with serving(of_client=5) as (server, files):
        other = server.connect(files, HALF, "127.0.0.2")
        own = [server.connect(files, HALF) for _ in range(7)]
        assert [is_closed(connection, 0.5) for connection in own[:2]] == [True, True]
        assert not is_closed(own[2], 0.1)
        other.sendall(b"1\r\n\r\n")
        assert other.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_request_that_does_not_become_complete_is_ended_however_slowly_it_goes_on():
    with serving(seconds_to_ask=1) as (server, files):
        connection = server.connect(files, HALF)
        start = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - start < 8:
                connection.sendall(b"a")
                time.sleep(0.1)
        assert 0.9 < time.monotonic() - start < 5


def test_so_is_one_after_an_answer_and_one_whose_body_never_ends():
    with serving(seconds_to_ask=1) as (server, files):
        second = server.connect(files, WHOLE % b"" + HALF)
        body = server.connect(files, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\na")
        for connection in (second, body):
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            assert is_closed(connection, 5)


def test_an_answer_that_nobody_takes_is_not_kept():
    with serving(seconds_to_take=1) as (server, files):
        connection = server.connect(files, WHOLE % b"large")
        deadline = time.monotonic() + 8
        while not server.server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.05)
        while server.server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not server.server.server_state.connections
        assert is_closed(connection, 5)


def test_an_answer_that_takes_long_to_make_is_waited_for():
    with serving(seconds_to_ask=0.5, seconds_to_take=0.5) as (server, files):
        connection = server.connect(files, WHOLE % b"held")
        assert not is_closed(connection, 2)
        server.application.held.set()
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_requests_past_the_bound_are_told_to_come_back_and_served_then():
    with serving(requests=2) as (server, files):
        for _ in range(2):
            server.connect(files, WHOLE % b"held")
        deadline = time.monotonic() + 5
        while server.application.n_held < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        answer = server.get()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "come back in some seconds" in answer.text
        server.application.held.set()
        while server.get().status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.get().text == "here"


def test_connections_that_are_answered_are_not_closed_for_new_ones():
    with serving(of_client=2) as (server, files):
        busy = [server.connect(files, WHOLE % b"held") for _ in range(2)]
        deadline = time.monotonic() + 5
        while server.application.n_held < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert is_closed(server.connect(files, b""), 2)
        server.application.held.set()
        assert [connection.recv(4096)[:12] for connection in busy] == [b"HTTP/1.1 200"] * 2


def test_a_connection_serves_many_requests():
    with serving() as (server, _), httpx.Client(base_url=f"http://127.0.0.1:{server.address[1]}") as client:
        assert {client.get("/").text for _ in range(20)} == {"here"}
        assert len(server.server.server_state.connections) == 1
