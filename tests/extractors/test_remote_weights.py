"""Weights from afar are fetched once, checked at every use, and not kept if they are other than announced."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import ConfigError, HashMismatchError
from spacer_like.extractors import EfficientNetExtractor
from spacer_like.extractors.networks import network_cache


class Server(ThreadingHTTPServer):
    """Serves one file under every path, and counts how often."""

    body = b""
    served = 0


@pytest.fixture
def server(b0_weights) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.served += 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(running.body)))
            self.end_headers()
            self.wfile.write(running.body)

        def log_message(self, *arguments: object) -> None:
            pass

    running = Server(("127.0.0.1", 0), Handler)
    running.body = b0_weights
    Thread(target=running.serve_forever, daemon=True).start()
    with override(url_allow_private=True, use_onnx=False):
        yield running
    running.shutdown()
    running.server_close()


def extractor_at(server: Server, **hashes: str) -> EfficientNetExtractor:
    location = DataLocation("url", f"http://127.0.0.1:{server.server_port}/b0.pt?token=secret")
    return EfficientNetExtractor({"weights": location}, hashes)


def test_are_fetched_once(server, photo):
    loaded = [extractor_at(server)(photo, [(5, 5)])[1].extractor_loaded_remotely for _ in range(2)]
    network_cache.clear()
    loaded.append(extractor_at(server)(photo, [(5, 5)])[1].extractor_loaded_remotely)
    assert loaded == [True, False, False]
    assert server.served == 1


def test_fetched_ahead_are_told_of_by_the_extraction(server, photo):
    extractor = extractor_at(server)
    assert extractor.prepare() is True
    loaded = [extractor(photo, [(5, 5)])[1].extractor_loaded_remotely for _ in range(2)]
    assert loaded == [True, False]


@pytest.mark.parametrize("load", ["load_datastream", "load_data_into_filesystem"])
def test_that_are_not_the_announced_ones_are_not_kept(server, load):
    extractor = extractor_at(server, weights="0" * 64)
    for _ in range(2):
        with pytest.raises(HashMismatchError) as caught:
            getattr(extractor, load)("weights")
        assert str(caught.value) == "Hash doesn't match for extractor's 'weights' file/blob."
    assert server.served == 2
    assert not extractor.data_filepath_for_cache("weights").exists()


def test_that_changed_in_the_cache_are_fetched_again_or_refused(server, b0_weights):
    extractor = extractor_at(server, weights=hashlib.sha256(b0_weights).hexdigest())
    path, loaded_remotely = extractor.load_data_into_filesystem("weights")
    assert loaded_remotely is True
    with open(path, "r+b") as file:
        file.write(b"spoiled")
    stream, _ = extractor.load_datastream("weights")
    assert stream.getvalue() == b0_weights


def test_can_be_forgotten(server):
    extractor = extractor_at(server)
    extractor.load_datastream("weights")
    assert extractor.data_filepath_for_cache("weights").exists()
    for _ in range(2):
        extractor.decache_remote_loaded_file("weights")
    assert not extractor.data_filepath_for_cache("weights").exists()


def test_need_a_folder_to_be_kept_in(server):
    with (
        override(extractors_cache_dir=None),
        pytest.raises(ConfigError, match="Must define EXTRACTORS_CACHE_DIR to load extractor files/blobs"),
    ):
        extractor_at(server).load_datastream("weights")
