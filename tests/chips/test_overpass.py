"""Asking an Overpass server: what it is asked, and what becomes of each way in which it does not answer."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from spacer_like.chips.geography import boxes_of
from spacer_like.chips.grid import Cell
from spacer_like.chips.labels import overpass
from spacer_like.chips.labels.overpass import OverpassServer, query_text
from spacer_like.config import override
from spacer_like.exceptions import DataLimitError, MapDataError, StorageUnavailableError, URLDownloadError
from spacer_like.storage import http_connection
from spacer_like.storage.http_connection import is_public

from .overpass_server import (
    ANSWER,
    CELL,
    MISUNDERSTOOD,
    answers,
    cut,
    drop,
    endless,
    overpass_machine,
    packed,
    page,
    silence,
)

BOXES = [(24.94, 60.17, 24.95, 60.18)]


@pytest.fixture
def machine():
    with overpass_machine() as machine, override(url_allow_private=True, url_timeout_seconds=5):
        yield machine


class Asking:
    """A server that is asked, and the waits between the attempts, which are not slept."""

    def __init__(self, machine, **fields):
        self.waits: list[float] = []
        self.server = OverpassServer(machine.url, timeout=1, sleep=self.waits.append, **fields)

    def __call__(self):
        return self.server.elements(BOXES, "the cell Z35-x")

    def refused(self, kind):
        with pytest.raises(kind) as caught:
            self()
        return str(caught.value)


@pytest.fixture
def ask(machine):
    return Asking(machine)


def test_the_elements_of_a_real_answer_come_back_unchanged(machine, ask):
    elements, attempts = ask()
    assert elements == json.loads(ANSWER)["elements"]
    assert attempts == 1
    assert ask.waits == []


def test_the_query(machine, ask):
    ask()
    assert machine.queries == [
        '[out:json][timeout:1][maxsize:536870912];nwr[~"."~"."](60.1700000,24.9400000,60.1800000,24.9500000);out geom;'
    ]


def test_the_box_of_a_cell_is_rounded_outwards():
    (west, south, east, north), *others = boxes_of(Cell(35, CELL))
    assert not others
    assert query_text([(west, south, east, north)], 180, 2**29).split(";")[1] == (
        'nwr[~"."~"."](60.1706114,24.9440602,60.1735029,24.9498636)'
    )


def test_a_cell_across_the_180th_meridian_is_asked_for_in_two_boxes():
    from spacer_like.chips.geography import cells_around

    cell = next(cell for cell in cells_around((179.99, -16.8, -179.99, -16.7), 60, 12) if len(boxes_of(cell)) == 2)
    (west, south, east, north), (other_west, other_south, other_east, other_north) = boxes_of(cell)
    assert 179.9 < west < east == 180.0
    assert -180.0 == other_west < other_east < -179.9
    assert (south, north) == (other_south, other_north)
    text = query_text(boxes_of(cell), 10, 2**20)
    assert text.startswith('[out:json][timeout:10][maxsize:1048576];(nwr[~"."~"."](')
    assert text.endswith(",-180.0000000," + f"{north:.7f},{other_east:.7f}););out geom;")


def test_an_endpoint_with_a_query_of_its_own_keeps_it_to_itself(machine):
    asking = Asking(machine)
    asking.server = OverpassServer(f"{machine.url}?key=geheim#part", timeout=1, attempts=1)
    machine.faults = [page(404)]
    text = asking.refused(MapDataError)
    assert "geheim" not in text
    assert machine.requests[0][1].startswith("/api/interpreter?key=geheim&data=%5Bout")


def test_a_password_goes_to_the_server_and_into_no_error(machine):
    machine.faults = [page(403)]
    asking = Asking(machine)
    asking.server = OverpassServer(machine.url.replace("://", "://me:geheim@"), timeout=1)
    assert "geheim" not in asking.refused(MapDataError)
    assert machine.requests[0][2]["Authorization"].startswith("Basic ")


def test_packed_answers_are_unpacked(machine, ask):
    machine.otherwise = packed(ANSWER)
    assert len(ask()[0]) == 989
    assert machine.requests[0][2]["Accept-Encoding"] == "gzip"


class TestABusyServer:
    def test_is_asked_again_when_it_says(self, machine, ask):
        machine.faults = [page(429, Retry_After="7"), page(504, Retry_After="0")]
        elements, attempts = ask()
        assert (len(elements), attempts) == (989, 3)
        assert ask.waits == [7.0, 0.0]

    def test_may_say_a_date(self, machine, ask):
        soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
        machine.faults = [page(429, Retry_After=soon), page(429, Retry_After="Sat, 21 Nov 2015 03:44:00 GMT")]
        ask()
        assert 80 < ask.waits[0] <= 100
        assert ask.waits[1] == 0

    @pytest.mark.parametrize("text", ["soon", "-5", "1e3", "", "٣", "Sat, 99 Nov 2015 99:00:00 GMT"])
    def test_that_says_no_time_is_waited_for_as_if_it_said_none(self, machine, ask, text):
        machine.faults = [page(429, Retry_After=text.encode("utf-8").decode("latin-1"))]
        ask()
        assert ask.waits == [5.0]

    def test_is_asked_ever_more_seldom(self, machine):
        machine.otherwise = page(504)
        ask = Asking(machine, attempts=10)
        text = ask.refused(StorageUnavailableError)
        assert ask.waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]
        assert len(machine.requests) == 10
        assert text == (
            f"The map server '{machine.url}' was asked 10 times for the cell Z35-x, and at last answered 504 Gateway "
            "Timeout: try again later."
        )

    def test_that_asks_to_wait_too_long_is_left(self, machine, ask):
        machine.otherwise = page(429, Retry_After="86400")
        assert "answered 429 Too Many Requests, and asks to wait 86400 seconds" in ask.refused(StorageUnavailableError)
        assert ask.waits == []
        assert len(machine.requests) == 1

    @pytest.mark.parametrize("text", ["9" * 400, "99999999999"])
    def test_that_asks_to_wait_for_ever_is_left(self, machine, ask, text):
        machine.otherwise = page(503, Retry_After=text)
        ask.refused(StorageUnavailableError)
        assert ask.waits == []

    def test_may_say_so_with_a_success(self, machine, ask):
        machine.faults = [page(200), answers(b"")]
        assert ask()[1] == 3

    def test_really_is_waited_for(self, machine):
        """Without a stand-in for sleeping: the default is the real one."""
        machine.faults = [page(429, Retry_After="0")]
        assert OverpassServer(machine.url, timeout=1).elements(BOXES, "x")[1] == 2


class TestAnAnswerThatIsNotWhole:
    def remark(self, text):
        found = json.loads(ANSWER)
        return answers(json.dumps({**found, "elements": found["elements"][:100], "remark": text}).encode())

    def test_is_asked_for_again_where_time_ran_out(self, machine, ask):
        text = 'runtime error: Query timed out in "query" at line 1 after 181 seconds.'
        machine.faults = [self.remark(text)]
        assert ask()[1] == 2
        machine.otherwise = self.remark(text)
        assert f"answered with a part of the elements: {text}" in ask.refused(StorageUnavailableError)

    def test_is_refused_where_memory_ran_out(self, machine, ask):
        machine.otherwise = self.remark("runtime error: Query run out of memory using about 512 MB of RAM.")
        assert "needs more than max_bytes, 536870912, for the cell Z35-x" in ask.refused(MapDataError)
        assert len(machine.requests) == 1

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(drop, id="no answer"),
            pytest.param(cut(ANSWER, 100_000), id="broken off"),
            pytest.param(cut(ANSWER, 100_000, announced=False), id="broken off, of unknown length"),
            pytest.param(cut(ANSWER, 0, announced=False), id="empty"),
            pytest.param(lambda handler: handler.wfile.write(b"\0garbage\r\n\r\n"), id="no HTTP"),
        ],
    )
    def test_is_asked_for_again_where_it_broke_off(self, machine, ask, fault):
        machine.faults = [fault]
        elements, attempts = ask()
        assert (len(elements), attempts) == (989, 2)
        assert ask.waits == [5.0]

    def test_is_asked_for_again_where_packed_data_broke_off(self, machine, ask):
        data = gzip.compress(ANSWER, 1)
        machine.faults = [
            answers(data[:10_000], Content_Encoding="gzip"),
            answers(b"\0" * 1000, Content_Encoding="gzip"),
        ]
        assert ask()[1] == 3

    def test_is_given_up_in_the_end(self, machine):
        machine.otherwise = cut(ANSWER, 1000)
        ask = Asking(machine, attempts=2)
        assert "IncompleteBodyError: 1000 of 354860 bytes came" in ask.refused(StorageUnavailableError)

    def test_silence_ends(self, machine):
        machine.faults = [silence(4)]
        with override(url_timeout_seconds=0):
            assert "timed out" in Asking(machine, attempts=1).refused(StorageUnavailableError)

    def test_nobody_listening(self, machine):
        ask = Asking(machine, attempts=2)
        ask.server = OverpassServer("http://127.0.0.1:9/api", timeout=1, attempts=2, sleep=ask.waits.append)
        assert "broke off (ConnectionRefusedError" in ask.refused(StorageUnavailableError)
        assert ask.waits == [5.0]


class TestARefusal:
    def test_of_the_query_says_why(self, machine, ask):
        machine.otherwise = page(400, MISUNDERSTOOD)
        assert ask.refused(MapDataError) == (
            f"The map server '{machine.url}' refuses to answer for the cell Z35-x: 400 Bad Request: "
            'line 1: parse error: Unknown type "nwx".'
        )
        assert len(machine.requests) == 1

    def test_says_nothing_that_a_terminal_obeys(self, machine, ask):
        machine.otherwise = page(400, "<p><strong>Error</strong>: \x1b[2J" + "x" * 5000 + "</p>")
        text = ask.refused(MapDataError)
        assert "\x1b" not in text
        assert len(text) < 600

    @pytest.mark.parametrize("status", [401, 403, 404, 406, 410])
    def test_of_another_kind(self, machine, ask, status):
        machine.otherwise = page(status, "<html>no</html>")
        assert f"refuses to answer for the cell Z35-x: {status}" in ask.refused(MapDataError)

    @pytest.mark.parametrize("body", [b"<html>Welcome to the hotel's network</html>", b"[]", b"osm", b'"text"'])
    def test_what_is_no_json_object_is_no_overpass_server(self, machine, ask, body):
        machine.otherwise = answers(body)
        assert "answers no JSON: give the URL of an Overpass interpreter" in ask.refused(MapDataError)

    @pytest.mark.parametrize("body", [b"{}", b'{"elements": {}}', b'{"status": "ok"}'])
    def test_json_without_elements(self, machine, ask, body):
        machine.otherwise = answers(body)
        assert "it is no Overpass server" in ask.refused(MapDataError)

    @pytest.mark.parametrize("body", [b'{"elements": [NaN]}', b'{"elements":[1e999]}', b'{"a":' * 100_000, b"{\xff}"])
    def test_wrong_json(self, machine, body):
        machine.otherwise = answers(body)
        Asking(machine, attempts=1).refused(StorageUnavailableError)


class TestHostileServers:
    def test_an_answer_without_end_is_left(self, machine, ask, monkeypatch):
        machine.otherwise = endless
        monkeypatch.setattr(overpass, "MOST_BYTES", 1_000_000)
        assert "holds more than 1000000 bytes, more than is read of it" in ask.refused(DataLimitError)
        assert len(machine.requests) == 1

    def test_the_limit_of_downloads_holds_too(self, machine, ask):
        with override(max_download_bytes=100_000):
            assert "MAX_DOWNLOAD_BYTES" in ask.refused(DataLimitError)

    def test_what_unpacks_to_too_much_is_left(self, machine, ask, monkeypatch):
        machine.otherwise = packed(b'{"elements":[' + b" " * 2_000_000 + b"]}")
        monkeypatch.setattr(overpass, "MOST_BYTES", 1_000_000)
        ask.refused(DataLimitError)

    def test_this_machine_is_not_asked_unless_settings_allow_it(self, machine, ask):
        with override(url_allow_private=False):
            assert "not on the public internet" in ask.refused(URLDownloadError)
        assert machine.requests == []

    def test_a_redirect_to_this_machine_is_not_followed(self, machine, ask, monkeypatch):
        monkeypatch.setattr(http_connection, "is_public", lambda address: address == "127.0.0.2" or is_public(address))
        with overpass_machine("127.0.0.2") as stranger, override(url_allow_private=False):
            stranger.otherwise = answers(b"", 302, Location=machine.url)
            ask = Asking(stranger)
            assert "not on the public internet" in ask.refused(URLDownloadError)
        assert len(stranger.requests) == 1
        assert machine.requests == []

    def test_a_redirect_keeps_the_query(self, machine, ask):
        machine.faults = [lambda handler: answers(b"", 301, Location=handler.path.replace("/api", "/v2/api"))(handler)]
        assert len(ask()[0]) == 989
        assert machine.queries[0] == machine.queries[1]
        assert machine.requests[1][1].startswith("/v2/api/interpreter?data=")

    def test_a_redirect_in_a_circle_ends(self, machine, ask):
        machine.otherwise = lambda handler: answers(b"", 302, Location=handler.path)(handler)
        assert "more than 10 redirects" in ask.refused(URLDownloadError)
