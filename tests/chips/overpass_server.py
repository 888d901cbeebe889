"""An Overpass server of this machine, that answers from a real file, and goes wrong as real ones do."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

DATA = Path(__file__).parents[1] / "data" / "chips"
ANSWER = gzip.decompress((DATA / "helsinki_overpass.json.gz").read_bytes())
"""A real answer: what has tags in the cell Z35-0131331030032011."""
CELL = "0131331030032011"

# As the server of https://overpass-api.de writes it.
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"
    "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
<head>
  <meta http-equiv="content-type" content="text/html; charset=utf-8" lang="en"/>
  <title>OSM3S Response</title>
</head>
<body>

<p>The data included in this document is from www.openstreetmap.org. The data is made available under ODbL.</p>
<p><strong style="color:#FF0000">Error</strong>: {} </p>

</body>
</html>
"""
BUSY = PAGE.format(
    "runtime error: open64: 0 Success /osm3s_osm_base Dispatcher_Client::request_read_and_idx::timeout. The server is "
    "probably too busy to handle your request."
)
MISUNDERSTOOD = PAGE.format("line 1: parse error: Unknown type &quot;nwx&quot;")

Behaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class OverpassMachine:
    """Its first requests meet what `faults` say, one after the other; later ones `otherwise`."""

    server: ThreadingHTTPServer
    faults: list[Behaviour] = field(default_factory=list)
    otherwise: Behaviour = lambda handler: respond(handler, 200, ANSWER)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        host, port = self.server.server_address[:2]
        return f"http://{host}:{port}/api/interpreter"

    @property
    def queries(self) -> list[str]:
        return [parse_qs(urlsplit(path).query)["data"][0] for _, path, _ in self.requests]


@contextmanager
def overpass_machine(host: str = "127.0.0.1") -> Iterator[OverpassMachine]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def do_GET(self) -> None:
            machine.requests.append((self.command, self.path, dict(self.headers)))
            behave = machine.faults.pop(0) if machine.faults else machine.otherwise
            try:
                behave(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *details) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *details) -> None:
            pass

    with ExitStack() as stack:
        server = Server((host, 0), Handler)
        machine = OverpassMachine(server)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        yield machine


def respond(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in ({"Content_Length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def answers(body: bytes, status: int = 200, **headers: str) -> Behaviour:
    return lambda handler: respond(handler, status, body, **headers)


def page(status: int, text: str = BUSY, **headers: str) -> Behaviour:
    return answers(text.encode(), status, Content_Type="text/html; charset=utf-8", **headers)


def packed(body: bytes) -> Behaviour:
    return answers(gzip.compress(body, 1), Content_Encoding="gzip")


def cut(body: bytes, length: int, announced: bool = True) -> Behaviour:
    """An answer that breaks off, with or without a length that it was to have."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if announced:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:length])
        handler.close_connection = True
        handler.wfile.flush()
        handler.connection.shutdown(2)

    return answer


def drop(handler: BaseHTTPRequestHandler) -> None:
    """No answer at all."""
    handler.close_connection = True
    handler.connection.shutdown(2)


def silence(seconds: float) -> Behaviour:
    return lambda handler: time.sleep(seconds)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b'{"elements":[')
    while True:
        handler.wfile.write(b'{"type":"node","id":1,"lat":0,"lon":0},' * 1000)
