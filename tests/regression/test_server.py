"""The server of predictions as people and programs meet it: over HTTP, with all that may be sent wrongly."""

import io
import json
import socket
import struct
import threading
import time
import zlib
from contextlib import ExitStack, contextmanager

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from spacer_like import config
from spacer_like.exceptions import ImageError, ModelFileError
from spacer_like.http_server.connections import Bounds
from spacer_like.http_server.listening import server_config
from spacer_like.regression.server import app as server_app
from spacer_like.regression.server import pages
from spacer_like.regression.server.app import make_app
from spacer_like.regression.server.uploads import MOST_PIXELS, plain_name

from ..tags.browser import CHROMIUM, Browser

ANSWER = {
    "inclinations": {
        "Group_0": {"model4": 69, "model41": 71},
        "summary": {"mean": 70, "median": 70, "stdev": 1},
    },
    "interval": {"coverage": 0.9, "inclination": 71, "low": 66, "high": 77},
    "warnings": ["It is <b>unlike</b> others."],
    "rejection_likelihood": {"model4-binary": 12, "summary": {"mean": 12, "median": 12, "stdev": 0}},
}
EVIL = "<img src=x onerror=document.title='ran'>.png"


class Answers:
    """An answerer that waits where it is told to."""

    def __init__(self):
        self.let_go = threading.Event()
        self.let_go.set()
        self.seen = []

    def __call__(self, data, name):
        self.seen.append((name, len(data)))
        assert self.let_go.wait(20)
        image = Image.open(io.BytesIO(data))
        try:
            image.convert("RGB")
        except OSError as error:
            raise ImageError(f"The image '{name}' is damaged: {error}.") from None
        if name == "no-model.png":
            raise ModelFileError("The model is gone.")
        if name == "bug.png":
            raise RuntimeError("secret")
        return {"status": "success", "filename": name, **ANSWER}


class Server:
    def __init__(self, bounds=None, **options):
        self.answers = Answers()
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.address = self.listening.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        config = server_config(make_app(self.answers, **options), bounds or Bounds())
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]})

    def send(self, data, name="galaxy.png", field="file"):
        return httpx.post(f"{self.url}/api/file", files={field: (name, data)}, timeout=30)


@contextmanager
def serving(bounds=None, **options):
    server = Server(bounds, **options)
    server.thread.start()
    try:
        yield server
    finally:
        server.answers.let_go.set()
        server.server.should_exit = True
        server.thread.join(20)
        server.listening.close()
    assert not server.thread.is_alive()


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


def picture(format="PNG", mode="RGB", size=(40, 30), **options):
    sink = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(sink, format, **options)
    return sink.getvalue()


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width, height):
    """A PNG of a few bytes that claims to be as large as that."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(2**20), 9))
        + png_chunk(b"IEND", b"")
    )


def failure(answer, status):
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"status", "message"}
    assert body["status"] == "failure"
    assert body["message"].endswith(".")
    return body["message"]


class TestAnImage:
    @pytest.mark.parametrize(
        ("format", "mode"),
        [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "L"), ("PNG", "LA"), ("JPEG", "RGB"), ("GIF", "P")],
    )
    def test_of_each_format_is_answered(self, format, mode, server):
        answer = server.send(picture(format, mode), "galaxy.img")
        assert answer.status_code == 200
        assert answer.json() == {"status": "success", "filename": "galaxy.img", **ANSWER}
        pages.Answer.model_validate(answer.json(), strict=True)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_of_many_frames_counts_by_its_first(self, server):
        frames = [Image.new("P", (300, 300), number % 256) for number in range(2000)]
        sink = io.BytesIO()
        frames[0].save(sink, "GIF", save_all=True, append_images=frames[1:])
        start = time.monotonic()
        assert server.send(sink.getvalue(), "frames.gif").status_code == 200
        assert time.monotonic() - start < 5

    @pytest.mark.parametrize(
        ("given", "name"),
        [
            ("../../etc/passwd.png", "passwd.png"),
            ("C:\\Users\\me\\galaxy.png", "galaxy.png"),
            ("/abs/é道.png", "é道.png"),
            (EVIL, EVIL),
            ("..", "image"),
            ("a" * 500 + ".png", "a" * 200),
        ],
    )
    def test_is_called_by_its_file_without_folders(self, given, name, server):
        assert server.send(picture(), given).json()["filename"] == name

    def test_is_called_without_what_terminals_obey(self):
        assert plain_name("a\x1b[31m\u202eb\0.png") == "a\\x1b[31m\\u202eb\\x00.png"

    def test_beside_other_fields_of_the_form_is_found(self, server):
        answer = httpx.post(f"{server.url}/api/file", data={"verbose": "1"}, files={"file": ("g.png", picture())})
        assert answer.status_code == 200


class TestARefusal:
    def test_of_another_kind_of_file_names_the_formats(self, server):
        for data in (b"", b"no image", b"\x89PNG\r\n", picture("TIFF"), picture("BMP"), b"%!PS-Adobe-3.0 EPSF-3.0\n"):
            failure(server.send(data), 415)
        assert "PNG, JPEG or GIF" in failure(server.send(b"<svg/>", "g.svg"), 415)

    def test_of_a_request_without_a_form(self, server):
        failure(httpx.post(f"{server.url}/api/file", content=picture()), 415)
        failure(httpx.post(f"{server.url}/api/file", json={"file": "x"}), 415)

    @pytest.mark.parametrize(
        "files",
        [{"other": ("g.png", b"x")}, {"file": (None, b"text")}, [("file", ("a", b"x")), ("file", ("b", b"y"))]],
        ids=["another field", "a text", "two files"],
    )
    def test_of_a_form_without_one_file(self, files, server):
        failure(httpx.post(f"{server.url}/api/file", files=files), 400)

    @pytest.mark.parametrize(
        "kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x"]
    )
    def test_of_a_form_that_is_none(self, kind, server):
        headers = {"Content-Type": kind}
        failure(httpx.post(f"{server.url}/api/file", content=b"--y\r\n\r\nno form", headers=headers), 400)

    def test_of_an_image_that_is_cut_short_or_damaged(self, server):
        whole = picture("JPEG", size=(200, 200))
        assert "damaged" in failure(server.send(whole[: len(whole) // 2], "half.jpg"), 422)
        failure(server.send(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", b"short"), "bad.png"), 422)

    def test_of_a_bomb_before_it_is_decoded(self, server):
        n_seen = len(server.answers.seen)
        assert "pixels" in failure(server.send(bomb(60_000, 60_000)), 413)
        side = int(MOST_PIXELS**0.5)
        failure(server.send(bomb(side + 1, side + 1)), 413)
        assert len(server.answers.seen) == n_seen

    def test_of_a_bomb_in_a_text_of_the_image(self, server):
        text = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**27), 9))
        data = picture()
        start = time.monotonic()
        server.send(data[:33] + text + data[33:])
        assert time.monotonic() - start < 5

    def test_of_an_image_over_the_limit_says_what_may_be_sent(self, server):
        data = picture()
        with config.override(max_upload_bytes=len(data) + 10):
            assert server.send(data + bytes(10)).status_code == 200
            assert f"{len(data) + 10:,} bytes" in failure(server.send(data + bytes(11)), 413)

    def test_when_models_fail_says_that_and_of_a_fault_of_ours_nothing(self, server, caplog):
        assert failure(server.send(picture(), "no-model.png"), 503) == "The model is gone."
        assert "secret" not in failure(server.send(picture(), "bug.png"), 500)

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/api/file", 405),
            ("POST", "/", 405),
            ("DELETE", "/api/file", 405),
            ("GET", "/docs", 404),
            ("GET", "/api/pgc/2557", 404),
            ("GET", "/..%2f..%2fetc/passwd", 404),
        ],
    )
    def test_of_another_address_or_method(self, method, path, status, server):
        failure(httpx.request(method, server.url + path), status)


HEAD = b"POST /api/file HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n%s\r\n\r\n"
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="g.png"\r\n\r\n'


def replied(connection):
    connection.settimeout(10)
    reply = b""
    while b"\r\n\r\n" not in reply or b"failure" not in reply:
        part = connection.recv(2**16)
        if not part:
            break
        reply += part
    return reply


class TestMuch:
    def test_is_refused_by_its_length_before_it_is_sent(self, server):
        with socket.create_connection(server.address, 10) as connection:
            connection.sendall(HEAD % b"Content-Length: 100000000")
            assert b" 413 " in replied(connection)

    @pytest.mark.parametrize("length", [b"9" * 17, b"1" + b"0" * 18])
    def test_of_any_length_is_refused(self, length, server):
        with socket.create_connection(server.address, 10) as connection:
            connection.sendall(HEAD % (b"Content-Length: " + length))
            assert b" 413 " in replied(connection)

    def test_without_a_length_is_refused_after_what_is_allowed(self, server):
        n_sent, part = 0, bytes(2**16)
        with socket.create_connection(server.address, 10) as connection:
            connection.sendall(HEAD % b"Transfer-Encoding: chunked")
            for data in (FORM, *[part] * 40):
                connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))
                n_sent += len(data)
            assert n_sent > 2 * config.settings().max_upload_bytes
            assert b" 413 " in replied(connection)

    def test_is_read_to_its_end_by_ordinary_clients(self, server):
        failure(server.send(bytes(20_000_000)), 413)


class TestSlowClients:
    def test_of_an_upload_are_sent_away(self):
        with serving(seconds_to_send=0.5) as server, socket.create_connection(server.address, 10) as connection:
            connection.sendall(HEAD % b"Content-Length: 1000" + FORM)
            start = time.monotonic()
            assert b" 408 " in replied(connection)
            assert 0.3 < time.monotonic() - start < 8

    def test_fifty_of_them_keep_nobody_out(self):
        with serving() as server, ExitStack() as files:
            for _ in range(50):
                connection = files.enter_context(socket.create_connection(server.address, 10))
                connection.sendall(HEAD % b"Content-Length: 1000" + FORM)
            assert server.send(picture()).status_code == 200
            assert httpx.get(server.url).status_code == 200

    def test_past_the_bound_are_told_to_come_back(self):
        with serving(Bounds(requests=3)) as server, ExitStack() as files:
            for _ in range(3):
                connection = files.enter_context(socket.create_connection(server.address, 10))
                connection.sendall(HEAD % b"Content-Length: 1000" + FORM)
            deadline = time.monotonic() + 5
            while (answer := httpx.get(server.url)).status_code != 503 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")

    def test_whose_images_wait_are_not_too_many(self, monkeypatch):
        monkeypatch.setattr(server_app, "MOST_WAITING", 2)
        with serving() as server:
            server.answers.let_go.clear()
            threads = [threading.Thread(target=server.send, args=(picture(),)) for _ in range(2)]
            for thread in threads:
                thread.start()
            deadline = time.monotonic() + 10
            while not server.answers.seen and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.3)
            answer = server.send(picture())
            assert "come back" in failure(answer, 503)
            assert answer.headers["retry-after"] == "10"
            assert httpx.get(server.url).status_code == 200
            server.answers.let_go.set()
            for thread in threads:
                thread.join(10)
            assert server.send(picture()).status_code == 200


class TestPages:
    @pytest.mark.parametrize("path", ["/", "/api/docs"])
    def test_load_nothing_from_elsewhere(self, path, server):
        answer = httpx.get(server.url + path)
        assert answer.headers["content-type"].startswith("text/html")
        assert "https://" not in answer.text
        assert "[[" not in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"

    def test_for_programs_say_what_is_sent_and_answered(self, server):
        described = httpx.get(f"{server.url}/api/openapi.json").json()
        operation = described["paths"]["/api/file"]["post"]
        assert list(operation["requestBody"]["content"]) == ["multipart/form-data"]
        assert {"200", "400", "408", "413", "415", "422", "503"} <= operation["responses"].keys()
        assert json.dumps(described).count("docs") == 0
        answered = described["components"]["schemas"]["Answer"]["properties"]
        assert answered.keys() >= {"inclinations", "interval", "rejection_likelihood", "warnings"}
        page = httpx.get(f"{server.url}/api/docs").text
        assert all(f"<code>{name}</code>" in page for name in answered.keys() - {"status", "filename"})


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path) as browser:
        yield browser


def opened(browser, server):
    browser.call("Page.enable")
    browser.call("Page.navigate", url=server.url)
    browser.until("document.readyState == 'complete' && location.protocol == 'http:'")


def send_by_page(browser, path):
    browser.choose_file("#file", path)
    browser.value("document.getElementById('send').click()")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")
class TestInABrowser:
    def test_an_image_is_sent_and_its_answer_stands_beside_it(self, browser, server, tmp_path):
        opened(browser, server)
        (tmp_path / EVIL.replace("/", "")).write_bytes(picture())
        send_by_page(browser, tmp_path / EVIL)
        browser.until(
            "!document.getElementById('answer').hidden && document.getElementById('picture').naturalWidth == 40"
        )
        assert browser.value("document.getElementById('degrees').textContent") == "71°"
        spread = browser.value("document.getElementById('spread').textContent")
        assert spread == "90 % of such galaxies are between 66° and 77°."
        assert browser.value("document.getElementById('warnings').textContent") == "It is <b>unlike</b> others."
        assert browser.value("document.getElementById('rejected').textContent").startswith("12 % likely")
        cells = browser.value("[...document.querySelectorAll('#table tr')].map(r => r.innerText)")
        assert cells[1:] == ["model4\tGroup 0\t69°", "model41\tGroup 0\t71°", "model4-binary\tlikely rejected\t12 %"]
        assert browser.value("document.title") == "Inclination of a galaxy"
        assert browser.value("document.getElementById('note').textContent") == ""

    def test_a_refusal_is_shown_as_text(self, browser, server, tmp_path):
        opened(browser, server)
        (tmp_path / EVIL).write_bytes(b"no image")
        send_by_page(browser, tmp_path / EVIL)
        browser.until("document.getElementById('note').textContent.includes('is no image in the format PNG')")
        assert EVIL in browser.value("document.getElementById('note').textContent")
        assert browser.value("document.getElementById('answer').hidden")
        assert browser.value("document.title") == "Inclination of a galaxy"

    def test_a_file_that_is_too_large_is_not_sent(self, browser, server, tmp_path):
        opened(browser, server)
        (tmp_path / "large.png").write_bytes(bytes(2 * 2**20))
        n_seen = len(server.answers.seen)
        send_by_page(browser, tmp_path / "large.png")
        browser.until("document.getElementById('note').textContent.startsWith('The image has 2,097,152 bytes')")
        assert len(server.answers.seen) == n_seen
