"""Tiles across a network: what is fetched of them, and what happens when it breaks."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spacer_like import config
from spacer_like.chips.cutting.manifest import read_manifest
from spacer_like.chips.messages.tiles import ChipTileMsg
from spacer_like.chips.tasks.tiles import chip_tile, is_cut
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import TileError, TransientError
from spacer_like.storage import clear_memory_storage, exists, list_keys, read_bytes, write_bytes

from .tile_making import ACQUISITION, CELL, make_tile, tile_path


@dataclass
class RangeServer:
    """A web server that sends parts of one file, and remembers how many bytes it sent."""

    data: bytes
    url: str = ""
    sent: list[int] = field(default_factory=list)
    failing_after: int = 10**9


@pytest.fixture
def serve() -> Iterator:
    servers = []

    def start(data: bytes) -> RangeServer:
        served = RangeServer(data)

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(b"", 200, len(served.data))

            def do_GET(self) -> None:
                if len(served.sent) >= served.failing_after:
                    self.answer(b"", 503, 0)
                    return
                first, last = (int(text) for text in self.headers["Range"].removeprefix("bytes=").split("-"))
                part = served.data[first : last + 1]
                served.sent.append(len(part))
                self.answer(part, 206, len(part), f"bytes {first}-{first + len(part) - 1}/{len(served.data)}")

            def answer(self, body: bytes, status: int, length: int, content_range: str = "") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.send_header("ETag", '"1"')
                if content_range:
                    self.send_header("Content-Range", content_range)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *details) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        servers.append((server, thread))
        served.url = f"http://127.0.0.1:{server.server_address[1]}/ard/33/{CELL}/2015-05-28/{ACQUISITION}-visual.tif"
        return served

    with config.override(url_allow_private=True, url_timeout_seconds=5):
        yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()
    clear_memory_storage()


def message(tile: DataLocation, root: DataLocation | None = None, **fields) -> ChipTileMsg:
    root = root or DataLocation("memory", "")
    place = [DataLocation(root.storage_type, f"{root.key}{name}", root.bucket_name) for name in ("m.parquet", "chips")]
    return ChipTileMsg(tile_loc=tile, manifest_loc=place[0], **{"chips_loc": place[1]} | fields)


def chips_in(root: DataLocation) -> dict[str, bytes]:
    return {loc.filename: read_bytes(loc) for loc in list_keys(root) if loc.key.endswith(".jpg")}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """A tile of JPEG with overviews, and one of DEFLATE."""
    folder = tmp_path_factory.mktemp("remote")
    return {
        kind: make_tile(tile_path(folder / kind), width=1536, height=1536, compress=kind)
        for kind in ("JPEG", "DEFLATE")
    }


@pytest.fixture
def local_chips(tiles):
    def cut(kind, **fields):
        chip_tile(message(DataLocation("filesystem", str(tiles[kind])), DataLocation("memory", "local/"), **fields))
        return chips_in(DataLocation("memory", "local/"))

    yield cut
    clear_memory_storage()


@pytest.mark.parametrize(("kind", "zoom"), [("JPEG", 17), ("JPEG", 18), ("DEFLATE", 17)])
def test_a_tile_by_its_url_gives_the_same_chips(tiles, serve, local_chips, kind, zoom):
    server = serve(tiles[kind].read_bytes())
    chip_tile(message(DataLocation("url", server.url), zoom=zoom))
    found = chips_in(DataLocation("memory", "chips/"))
    # Nothing else is in the range requests than what chips are made of.
    assert found == local_chips(kind, zoom=zoom)
    assert len(found) == (4 if zoom == 17 else 16)


def test_blocks_are_fetched_in_few_large_reads(tiles, serve):
    server = serve(tiles["JPEG"].read_bytes())
    chip_tile(message(DataLocation("url", server.url)))
    # The layout, and two rows of blocks.
    assert len(server.sent) == 3
    assert sum(server.sent) < 0.8 * len(server.data)


def test_what_the_url_holds_as_a_secret_is_kept_nowhere(tiles, serve):
    server = serve(tiles["JPEG"].read_bytes())
    loc = DataLocation("url", f"{server.url}?signature=SECRET")
    chip_tile(message(loc))
    data = read_bytes(DataLocation("memory", "m.parquet"))
    assert b"SECRET" not in data
    assert read_manifest(data, "m").header.tile_loc == DataLocation("url", server.url)
    with pytest.raises(TileError, match="its URL has a query or a password") as caught:
        chip_tile(message(loc, chips_loc=None))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "DEFLATE"])
def test_a_server_that_fails_in_the_middle_is_to_be_asked_again(tiles, serve, kind):
    server = serve(tiles[kind].read_bytes())
    server.failing_after = 2
    with pytest.raises(TransientError):
        chip_tile(message(DataLocation("url", server.url)))
    assert not exists(DataLocation("memory", "m.parquet"))
    server.failing_after = 10**9
    assert chip_tile(message(DataLocation("url", server.url))).n_chips == 4


@pytest.mark.parametrize("kind", ["JPEG", "DEFLATE"])
def test_a_tile_on_s3_is_cut_into_chips_on_s3(tiles, moto, local_chips, kind):
    with moto.settings():
        bucket = moto.make_bucket()
        tile = DataLocation("s3", f"ard/33/{CELL}/2015-05-28/{ACQUISITION}-visual.tif", bucket)
        write_bytes(tile, tiles[kind].read_bytes())
        msg = message(tile, DataLocation("s3", "out/", bucket))
        assert not is_cut(msg)
        assert chip_tile(msg).n_chips == 4
        assert is_cut(msg)
        assert chips_in(DataLocation("s3", "out/chips/33/", bucket)) == local_chips(kind)
        # Another tile under the same key.
        write_bytes(tile, tiles[kind].read_bytes() + b" ")
        assert not is_cut(msg)
