"""The server of tiles as map programs meet it: over HTTP, with all that may be asked wrongly."""

import io
import logging
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import morecantile
import numpy as np
import pytest
import uvicorn
from PIL import Image

from spacer_like import storage
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, MissingExtraError, SpacerInputError, StorageUnavailableError
from spacer_like.storage import MemoryStorage, RemoteStorage
from spacer_like.storage.ranges import BLOCK_BYTES, PositionedFile, RemoteParts
from spacer_like.tile_server.app import make_app
from spacer_like.tile_server.serving import ServerOptions, serve
from spacer_like.tile_server.tree_index import LiveTree

from ..conftest import ACCESS_KEY, SECRET_KEY, plain_environment
from .served_tree import EAST_CELL, NEW, OLD, RED, SHARP_CELL, WEST_CELL, coarse_tile, make_tree, tile_file

# A tile of Web Mercator in WEST_CELL, and one that ends south of it.
INSIDE, AT_THE_EDGE = "15/17925/11886", "12/2240/1486"


@contextmanager
def serving(tree, **options):
    """A client of a server of this process."""
    app = make_app(tree, n_threads=3, **options)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, port=0, lifespan="on"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=address, timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("ard"))


@pytest.fixture(scope="module")
def client(root):
    with serving(LiveTree(DataLocation("filesystem", str(root)))) as client:
        yield client


def picture(answer) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def has_red(answer) -> bool:
    pixels = np.asarray(picture(answer).convert("RGB"), int).reshape(-1, 3)
    return bool((np.abs(pixels - RED).max(axis=1) <= 8).any())


@pytest.mark.parametrize(
    ("ending", "media_type", "format"),
    [
        (".jpg", "image/jpeg", "JPEG"),
        (".jpeg", "image/jpeg", "JPEG"),
        (".png", "image/png", "PNG"),
        (".webp", "image/webp", "WEBP"),
        ("", "image/jpeg", "JPEG"),
    ],
)
def test_a_tile_comes_in_the_format_that_is_asked_for(ending, media_type, format, client):
    answer = client.get(f"/tiles/{INSIDE}{ending}")
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (picture(answer).format, picture(answer).size) == (format, (256, 256))
    assert has_red(answer)


def test_what_has_no_data_is_transparent_where_the_format_can_be(client):
    for accept, format in (("image/avif,image/webp,*/*", "WEBP"), ("*/*", "PNG")):
        answer = client.get(f"/tiles/{AT_THE_EDGE}", headers={"Accept": accept})
        assert answer.headers["vary"] == "Accept"
        shown = picture(answer)
        assert shown.format == format
        assert shown.convert("RGBA").getchannel("A").getextrema() == (0, 255)
    assert picture(client.get(f"/tiles/{AT_THE_EDGE}.jpg")).mode == "RGB"


def test_nothing_at_all_is_an_empty_tile(client):
    answer = client.get("/tiles/15/1/1.png")
    assert answer.headers["x-tile-way"] == "empty"
    assert picture(answer).getextrema()[3] == (0, 0)


def test_tiles_for_sharp_screens_have_twice_the_pixels(client):
    assert picture(client.get(f"/tiles/{INSIDE}@2x.png")).size == (512, 512)


def test_rows_from_the_south_are_the_same_tiles(client):
    zoom, column, row = map(int, AT_THE_EDGE.split("/"))
    north = client.get(f"/tiles/{AT_THE_EDGE}.png")
    south = client.get(f"/tms/{zoom}/{column}/{2**zoom - 1 - row}.png")
    assert south.content == north.content


def test_a_cell_by_its_quadkey_and_by_its_column_and_row_is_the_same(client):
    cell = SHARP_CELL.children(17)[0]
    by_quadkey = client.get(f"/zones/33/{cell.quadkey}.jpg")
    by_place = client.get(f"/zones/33/17/{cell.column}/{cell.row}")
    assert by_quadkey.headers["x-tile-way"] == "passthrough"
    assert by_quadkey.content == by_place.content
    assert picture(by_quadkey).size == (512, 512)
    as_png = client.get(f"/zones/33/{cell.quadkey}.png")
    assert as_png.headers["x-tile-way"] == "mosaic"


def test_a_zone_that_the_tree_has_nothing_of_is_empty(client):
    assert client.get(f"/zones/34/{SHARP_CELL.quadkey}.png").headers["x-tile-way"] == "empty"


def test_an_acquisition_may_be_in_front_or_alone(client):
    address = f"/zones/33/{EAST_CELL.quadkey}.png"
    newest = client.get(address).content
    assert client.get(address, params={"acquisition": NEW}).content == newest
    assert client.get(address, params={"acquisition": OLD}).content != newest
    alone = picture(client.get(address, params={"acquisition": NEW, "only": "true"}))
    assert alone.getchannel("A").getextrema() == (0, 255)


def test_an_answer_is_not_sent_again_to_who_has_it(client):
    first = client.get(f"/tiles/{INSIDE}.jpg")
    assert "max-age" in first.headers["cache-control"]
    again = client.get(f"/tiles/{INSIDE}.jpg", headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"/tiles/{INSIDE}.jpg", headers={"If-None-Match": '"x"'}).status_code == 200


def test_head_asks_for_what_get_would_say(client):
    head, whole = client.head(f"/tiles/{INSIDE}.jpg"), client.get(f"/tiles/{INSIDE}.jpg")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/tiles/13/8192/0", 400),
        ("/tiles/13/0/8192", 400),
        ("/tiles/25/0/0", 400),
        ("/tiles/99999999999/0/0", 400),
        ("/tiles/-1/0/0", 400),
        ("/tiles/1.5/0/0", 400),
        ("/tiles/١/0/0", 400),
        ("/tiles/13/0/0.tif", 400),
        ("/tiles/13/0/0@9x.png", 400),
        ("/tiles/13/0/", 404),
        ("/tms/13/0/8192", 400),
        ("/tms/999999999/0/0", 400),
        ("/zones/0/0", 400),
        ("/zones/61/0", 400),
        ("/zones/33/4", 400),
        ("/zones/33/000000000000000000000000000", 400),
        ("/zones/33/00000000000000000000000000", 400),
        ("/zones/33/17/131072/0", 400),
        ("/zones/33/0@2x.png", 400),
        (f"/tiles/{INSIDE}?acquisition=../../etc/passwd", 404),
        (f"/tiles/{INSIDE}?acquisition=nothing", 404),
        (f"/tiles/{INSIDE}?acquisition={OLD}&only=perhaps", 400),
        (f"/tiles/{INSIDE}?only=true", 400),
        ("/tiles/13/..%2f..%2f..%2fetc/passwd", 404),
        ("/tiles/13/0/..%2f..%2f..%2f..%2fetc%2fpasswd", 404),
        ("/33/120000213310/2015-05-28/1050410012C31100-visual.tif", 404),
        ("/..%2f33", 404),
        ("/tileMatrixSets/UTM34", 404),
        ("/tileMatrixSets/..%2f..", 404),
        ("/tilejson.json?format=exe", 400),
        ("/tilejson.json?scheme=wmts", 400),
        ("/docs", 404),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(address, status, client):
    answer = client.get(address)
    assert answer.status_code == status
    assert answer.json()["detail"].endswith(".")
    assert answer.headers["cache-control"] == "no-store"


def test_only_looking_is_allowed(client):
    assert client.post("/tiles/1/0/0").status_code == 405
    assert client.delete("/tree.json").status_code == 405


def test_tile_json_leads_to_tiles(client):
    described = client.get("/tilejson.json", params={"format": "jpg", "acquisition": OLD}).json()
    west, south, east, north = described["bounds"]
    assert west < 16.9 < 17.06 < east
    assert -36 < south < -34
    assert north > 44.2
    zoom, column, row = INSIDE.split("/")
    address = described["tiles"][0].format(z=zoom, x=column, y=row)
    assert address.endswith(f"/tiles/{INSIDE}.jpg?acquisition={OLD}")
    assert has_red(client.get(address))
    longitude, latitude, zoom = described["center"]
    middle = morecantile.tms.get("WebMercatorQuad").tile(longitude, latitude, int(zoom))
    tile = client.get(f"/tiles/{middle.z}/{middle.x}/{middle.y}.png")
    assert tile.headers["x-tile-way"] == "mosaic"
    assert client.get("/tilejson.json", params={"scheme": "tms"}).json()["scheme"] == "tms"


def test_the_zones_grid_is_a_tile_matrix_set(client):
    names = [one["id"] for one in client.get("/tileMatrixSets").json()["tileMatrixSets"]]
    assert names == ["WebMercatorQuad", "UTM33"]
    grid = morecantile.TileMatrixSet(**client.get("/tileMatrixSets/UTM33").json())
    for zoom in (0, 12, 17):
        cell = SHARP_CELL.children(17)[37].parent(zoom)
        bounds = grid.xy_bounds(cell.column, cell.row, zoom)
        assert tuple(bounds) == pytest.approx(cell.bounds, abs=1e-6)


def test_what_is_there_is_told_to_machines_and_people(client, root):
    tree = client.get("/tree.json").json()
    assert (tree["n_tiles"], tree["n_cells"]) == (6, 4)
    assert [one["name"] for one in tree["acquisitions"]] == [NEW, OLD]
    assert tree["zones"][0]["bounds"][1] < 0 < tree["zones"][0]["bounds"][3]
    page = client.get("/list").text
    for text in (WEST_CELL.name, NEW, "2019-01-02", str(root)):
        assert text in page


@pytest.mark.parametrize("address", ["/", "/list"])
def test_pages_load_nothing_from_elsewhere(address, client):
    answer = client.get(address)
    assert answer.headers["content-type"].startswith("text/html")
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_pages_elsewhere_may_read_only_where_that_was_said(client, root):
    headers = {"Origin": "https://map.example"}
    assert "access-control-allow-origin" not in client.get("/tree.json", headers=headers).headers
    tree = LiveTree(DataLocation("filesystem", str(root)))
    with serving(tree, origins=["https://map.example"]) as other:
        assert other.get("/tree.json", headers=headers).headers["access-control-allow-origin"] == "https://map.example"


def test_many_at_once_get_what_each_gets_alone(client):
    cells = [*SHARP_CELL.children(17)[:4], *SHARP_CELL.children(18)[:4], WEST_CELL, EAST_CELL, WEST_CELL.parent(11)]
    addresses = [f"/zones/33/{cell.quadkey}" for cell in cells] + [f"/tiles/{INSIDE}", f"/tiles/{AT_THE_EDGE}"]
    alone = [client.get(address).content for address in addresses]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda address: client.get(address).content, addresses * 3))
    assert answers == alone * 3


def test_a_broken_tile_does_not_stop_the_rest(tmp_path):
    coarse_tile(tmp_path, WEST_CELL, RED)
    broken = tile_file(tmp_path, EAST_CELL)
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"II*\0" + b"\xff" * 400)
    with serving(LiveTree(DataLocation("filesystem", str(tmp_path)))) as client:
        assert has_red(client.get(f"/zones/33/{WEST_CELL.parent(11).quadkey}.png"))
        assert client.get(f"/zones/33/{EAST_CELL.quadkey}.png").status_code == 200


def test_new_tiles_are_seen_after_a_while(tmp_path):
    coarse_tile(tmp_path, EAST_CELL, RED)
    with serving(LiveTree(DataLocation("filesystem", str(tmp_path)), refresh=0.05)) as client:
        assert client.get(f"/zones/33/{WEST_CELL.parent(11).quadkey}.png").status_code == 200
        assert client.get("/tree.json").json()["n_cells"] == 1
        coarse_tile(tmp_path, WEST_CELL, RED)
        end = time.monotonic() + 20
        while client.get("/tree.json").json()["n_cells"] == 1 and time.monotonic() < end:
            time.sleep(0.05)
        assert has_red(client.get(f"/zones/33/{WEST_CELL.quadkey}.png"))


def test_a_tree_without_tiles_is_told(tmp_path):
    with pytest.raises(DataNotFoundError, match="holds no tile: they lie in it like"):
        LiveTree(DataLocation("filesystem", str(tmp_path)))


class Elsewhere(RemoteStorage):
    """A storage across a network that can be cut."""

    def __init__(self):
        self.kept = MemoryStorage()
        self.is_cut = False
        self.asked = []

    def location(self, key):
        return DataLocation("elsewhere", key)

    def read(self, key):
        raise AssertionError("A tile is not read whole.")

    def read_range(self, key, start, length):
        if self.is_cut:
            raise StorageUnavailableError("The network is cut.")
        self.asked.append((start, length))
        return self.kept.read_range(key, start, length)

    def size(self, key):
        return self.kept.size(key)

    def write(self, key, data):
        self.kept.write(key, data)

    def delete(self, key):
        self.kept.delete(key)

    def exists(self, key):
        return self.kept.exists(key)

    def list(self, prefix=""):
        return self.kept.list(prefix)


@pytest.fixture
def elsewhere(monkeypatch):
    there = Elsewhere()
    from spacer_like import location

    monkeypatch.setattr(location, "STORAGE_TYPES", [*location.STORAGE_TYPES])
    monkeypatch.setattr(storage, "_registered", {})
    storage.register_storage("elsewhere", lambda bucket: there)
    return there


def test_while_a_storage_does_not_answer_nothing_is_kept(elsewhere, root, caplog):
    for path in root.rglob("*.tif"):
        elsewhere.write(f"ard/{path.relative_to(root)}", path.read_bytes())
    with serving(LiveTree(DataLocation("elsewhere", "ard"))) as client:
        address = f"/zones/33/{SHARP_CELL.children(17)[0].quadkey}.png"
        elsewhere.is_cut = True
        with caplog.at_level(logging.ERROR):
            unsure = client.get(address)
        assert unsure.headers["cache-control"] == "no-store"
        assert unsure.headers["x-tile-way"] == "empty"
        elsewhere.is_cut = False
        sure = client.get(address)
        assert "max-age" in sure.headers["cache-control"]
        assert sure.headers["x-tile-way"] == "mosaic"
        elsewhere.is_cut = True
        again = client.get(f"/zones/33/{SHARP_CELL.children(17)[33].quadkey}.png")
        assert again.status_code == 200


def test_of_a_remote_file_parts_are_read_and_kept(elsewhere):
    data = np.random.default_rng(0).integers(0, 256, 5 * BLOCK_BYTES + 100, np.uint8).tobytes()
    elsewhere.write("tile", data)
    file = PositionedFile(RemoteParts(elsewhere, "tile"))
    for start, length in ((0, 10), (BLOCK_BYTES - 5, 10), (5 * BLOCK_BYTES + 90, 50), (3, 4 * BLOCK_BYTES), (10**9, 5)):
        file.seek(start)
        assert file.read(length) == data[start : start + length]
    before = len(elsewhere.asked)
    file.seek(BLOCK_BYTES)
    file.read(BLOCK_BYTES)
    assert len(elsewhere.asked) == before
    assert file.seek(-7, io.SEEK_END) == len(data) - 7
    assert file.readall() == data[-7:]
    elsewhere.write("tile", data[:100])
    with pytest.raises(StorageUnavailableError, match="has changed while it was read"):
        _of_size(elsewhere, len(data)).read(1000)


def _of_size(elsewhere, size):
    file = PositionedFile(RemoteParts(elsewhere, "tile"))
    file.parts.size = size
    return file


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch, root):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spacer_like\[geo\]'"):
        serve(DataLocation("filesystem", str(root)), ServerOptions(), print)


def test_a_port_that_is_taken_is_told_before_anything_is_done(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(SpacerInputError, match="choose another with --port"),
    ):
        serve(DataLocation("filesystem", str(tmp_path)), ServerOptions(port=taken.getsockname()[1]), print)


@contextmanager
def command(*arguments, **environment):
    """`spacer-like tiles serve` as a process, and a client of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "spacer_like", "tiles", "serve", *map(str, arguments), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=plain_environment() | environment,
    )
    try:
        said = process.stderr.readline()
        address = next((word for word in said.split() if word.startswith("http://")), None)
        assert address, said + process.stderr.read()
        with httpx.Client(base_url=address, timeout=60) as client:
            yield process, client, said
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_the_command_says_where_to_look_and_ends_when_it_is_interrupted(root):
    with command(root) as (process, client, said):
        assert said.startswith("6 tiles of 4 cells are to be seen at http://127.0.0.1:")
        assert has_red(client.get(f"/tiles/{INSIDE}"))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == "Ended.\n"


def test_hundreds_of_half_requests_do_not_keep_the_map_from_others(root):
    with command(root) as (_, client, _), ExitStack() as files:
        address = (client.base_url.host, client.base_url.port)
        for _ in range(505):
            files.enter_context(socket.create_connection(address, 10)).sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        start = time.monotonic()
        assert has_red(client.get(f"/tiles/{INSIDE}"))
        # Before the ten seconds are over after which a half request is ended.
        assert time.monotonic() - start < 8


def test_the_command_ends_by_sigterm_as_every_command_does(root):
    with command(root) as (process, client, _):
        assert has_red(client.get(f"/tiles/{INSIDE}"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 143
        assert process.stderr.read() == "Interrupted by SIGTERM.\n"


def test_a_tree_in_a_bucket_is_served(root, moto):
    bucket, client = moto.make_bucket(), moto.client()
    for path in root.rglob("*.tif"):
        client.upload_file(str(path), bucket, f"ard/{path.relative_to(root)}")
    client.close()
    environment = {
        "SPACER_AWS_ENDPOINT_URL": moto.url,
        "SPACER_AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "SPACER_AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "SPACER_AWS_REGION": "us-east-1",
    }
    with command(f"s3://{bucket}/ard", **environment) as (_, served, _):
        assert has_red(served.get(f"/tiles/{INSIDE}"))
        chip = served.get(f"/zones/33/{SHARP_CELL.children(17)[0].quadkey}")
        assert chip.headers["x-tile-way"] == "passthrough"
        assert picture(served.get(f"/zones/33/{SHARP_CELL.children(18)[0].quadkey}.png")).size == (512, 512)


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium to look at the map with")
def test_the_map_shows_tiles_and_places_in_a_browser(client, tmp_path):
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    shown = subprocess.run(
        [
            "chromium",
            *arguments,
            "--virtual-time-budget=3000",
            str(client.base_url).rstrip("/") + "/#33/12/44.2/16.91",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    tile = WEST_CELL.quadkey
    assert f'src="zones/33/12/{WEST_CELL.column}/{WEST_CELL.row}"' in shown
    assert f"Z33-{tile}" in shown
    assert "44.200000° N, 16.910000° E" in shown
    assert "6 tiles of 4 cells, 2 acquisitions" in shown
    assert '<option value="33">' in shown
