"""The storages that keep the contract, and a server whose answers go wrong."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest

from spacer_like import config, storage
from spacer_like.exceptions import DataNotFoundError
from spacer_like.storage import s3, s3_obstore
from spacer_like.storage.base import Storage

LONG_AGO = "Sat, 21 Nov 2015 03:44:00 GMT"


@dataclass(frozen=True)
class Place:
    """A storage, and where in it keys may be made."""

    kind: str
    storage: Storage
    root: str = ""

    def key(self, name: str) -> str:
        return f"{self.root}{name}"

    def new_folder(self) -> str:
        return self.key(f"{uuid4().hex}/")

    @property
    def is_slow(self) -> bool:
        return self.kind in ("s3", "s3 by boto3", "s3 of rclone")


class SmallestStorage(Storage):
    """A storage of one's own: only what every storage must bring."""

    def __init__(self) -> None:
        self.entries = {}

    def read(self, key):
        if key not in self.entries:
            raise DataNotFoundError(f"No entry '{key}'.")
        return self.entries[key]

    def write(self, key, data):
        self.entries[key] = bytes(data)

    def delete(self, key):
        self.entries.pop(key, None)

    def exists(self, key):
        return key in self.entries

    def list(self, prefix=""):
        return (key for key in list(self.entries) if key.startswith(prefix))


KINDS = ["filesystem", "memory", "s3", "s3 by boto3", "s3 of rclone", "own"]


@pytest.fixture(params=KINDS)
def place(request, tmp_path) -> Iterator[Place]:
    kind = request.param
    with ExitStack() as stack:
        if kind == "filesystem":
            yield Place(kind, storage.storage_factory("filesystem"), f"{tmp_path}/")
        elif kind == "memory":
            yield Place(kind, storage.storage_factory("memory"))
            storage.clear_memory_storage()
        elif kind == "own":
            yield Place(kind, SmallestStorage())
        else:
            server = request.getfixturevalue("rclone" if "rclone" in kind else "moto")
            stack.enter_context(server.settings())
            if "boto3" in kind:
                # As in a process that was forked after obstore had been used.
                patch = stack.enter_context(pytest.MonkeyPatch.context())
                patch.setattr(s3_obstore, "is_usable", lambda: False)
            yield Place(kind, storage.storage_factory("s3", server.make_bucket()))


@dataclass
class FaultyServer:
    """An HTTP server that does what a path says: ``answers[path]`` gets the handler of the request."""

    host: str
    server: ThreadingHTTPServer
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def count(self, method: str) -> int:
        return sum(request[0] == method for request in self.requests)


@pytest.fixture
def start_server() -> Iterator[Callable[..., FaultyServer]]:
    """Makes servers; `wrap` may put their socket into another, such as an encrypted one."""
    with ExitStack() as stack:

        def start(host: str = "127.0.0.1", wrap=None) -> FaultyServer:
            class Handler(BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.1"
                timeout = 20

                def answer(self) -> None:
                    faulty.requests.append((self.command, self.path, dict(self.headers)))
                    self.sent_body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                    try:
                        faulty.answers.get(self.path.partition("?")[0], not_found)(self)
                    except OSError:
                        self.close_connection = True

                do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = answer

                def log_message(self, *details) -> None:
                    pass

            class Server(ThreadingHTTPServer):
                daemon_threads = True

                def handle_error(self, *details) -> None:
                    pass

            server = Server((host, 0), Handler)
            if wrap:
                server.socket = wrap(server.socket)
            faulty = FaultyServer(host, server)
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return faulty

        yield start


@pytest.fixture
def server(start_server) -> FaultyServer:
    return start_server()


def respond(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in ({"Content_Length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def not_found(handler: BaseHTTPRequestHandler) -> None:
    respond(handler, 404, b"<Error><Code>NoSuchKey</Code></Error>")


def break_off(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.wfile.flush()
    handler.connection.shutdown(2)


class Answers:
    """What a server may do to a request."""

    respond = staticmethod(respond)

    @staticmethod
    def status(number: int, code: str = "", **headers: str):
        body = f"<Error><Code>{code}</Code><Message>secret of the server</Message></Error>".encode() if code else b""
        return lambda handler: respond(handler, number, body, **headers)

    @staticmethod
    def ok(body: bytes, **headers: str):
        return lambda handler: respond(handler, 200, body, **headers)

    @staticmethod
    def object(body: bytes):
        """An object as S3 serves it."""
        return lambda handler: respond(handler, 200, body, ETag='"1"', Last_Modified=LONG_AGO)

    @staticmethod
    def redirect(target: str, status: int = 302):
        return lambda handler: respond(handler, status, Location=target)

    @staticmethod
    def cut(sent: int = 5000, announced: int = 100_000):
        """A body that breaks off."""

        def answer(handler) -> None:
            respond(handler, 200, b"x" * sent, Content_Length=str(announced), ETag='"1"', Last_Modified=LONG_AGO)
            break_off(handler)

        return answer

    @staticmethod
    def drop(handler) -> None:
        """No answer at all."""
        break_off(handler)

    @staticmethod
    def endless(pause: float = 0.0, piece: bytes = b"x" * 65536):
        def answer(handler) -> None:
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(pause)

        return answer

    @staticmethod
    def first(count: int, fault, then):
        """The first `count` requests go wrong."""
        seen = iter(range(count))
        return lambda handler: (then if next(seen, None) is None else fault)(handler)


@pytest.fixture(scope="session")
def answers() -> type[Answers]:
    return Answers


@pytest.fixture
def private_urls() -> Iterator[None]:
    """URLs may lead to this machine."""
    with config.override(url_allow_private=True, url_timeout_seconds=5):
        yield


@pytest.fixture(autouse=True)
def _clients_are_let_go() -> Iterator[None]:
    """Each test has servers or buckets of its own: their clients, of 12 MB each, would make 3 GB in the end."""
    yield
    s3._boto_buckets.clear()
    s3._obstore_buckets.clear()
