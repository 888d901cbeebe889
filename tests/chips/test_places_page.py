"""Places by example on the map: the server's addresses, and the page in a browser."""

import json
from base64 import b64decode

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio

from spacer_like.chips.messages import CutRasterMsg
from spacer_like.chips.tasks.rasters import cut_raster
from spacer_like.embeddings import write_embeddings
from spacer_like.location import DataLocation
from spacer_like.tile_server.places import MOST_BODY, Places, PlacesOptions
from spacer_like.tile_server.raster_index import LiveRasters

from ..tags.browser import CHROMIUM, Browser
from .raster_making import naip
from .test_rank_places import DIMENSION, two_kinds
from .test_served_rasters import asked
from .test_tile_server import command, serving


def at(path):
    return DataLocation("filesystem", str(path))


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    """Chips of a raster in the cells of the web, and vectors of two kinds: every third is of the rarer one."""
    folder = tmp_path_factory.mktemp("places")
    naip(folder / "scenes/scene.tif")
    cut_raster(
        CutRasterMsg(
            raster_loc=at(folder / "scenes/scene.tif"),
            chips_loc=at(folder / "chips"),
            manifest_loc=at(folder / "chips/manifests/scene.parquet"),
            grid="xyz",
            size=64,
        )
    )
    names = sorted(path.name for path in (folder / "chips").glob("*.jpg"))
    with (folder / "e.safetensors").open("wb") as file:
        write_embeddings(file, "0" * 40, DIMENSION, [(names, two_kinds(len(names))[0])])
    return folder, names


def options(folder, answers):
    return PlacesOptions([at(folder / "e.safetensors")], at(folder / "chips"), at(answers))


@pytest.fixture
def client(chips, tmp_path):
    folder, _ = chips
    with serving(LiveRasters(asked(folder / "scenes")), places=Places(options(folder, tmp_path / "answers"))) as client:
        yield client


def marked(client, marks):
    return client.post("/places/marks", json={"marks": marks})


class TestAddresses:
    def test_all_chips_are_ranked_by_answers(self, client, chips):
        _, names = chips
        before = client.get("/places.json").json()
        assert (before["n_chips"], before["marks"], before["shares"]) == (len(names), [], None)
        assert {chip for chip, *_ in before["ranked"]} == set(range(len(names)))
        state = marked(client, [[0, True], [1, False]]).json()
        rare = [chip for chip in range(len(names)) if chip % 3 == 0 and chip]
        assert {chip for chip, *_ in state["ranked"][: len(rare)]} == set(rare)
        assert {name for _, name, _ in state["ranked"]} == set(names) - {names[0], names[1]}
        shares = np.frombuffer(b64decode(state["shares"]), np.uint8)
        assert shares[rare].min() > np.delete(shares, [0, *rare]).max()
        assert client.get("/places.json").json()["marks"] == [[0, True], [1, False]]

    def test_answers_are_kept_for_another_day(self, client, chips, tmp_path):
        folder, names = chips
        marked(client, [[3, True], [1, False]])
        assert (tmp_path / "answers/marks.csv").read_text().split() == [
            "chip,answer",
            f"{names[3]},yes",
            f"{names[1]},no",
        ]
        assert Places(options(folder, tmp_path / "answers")).state()["marks"] == [[3, True], [1, False]]

    def test_the_answer_is_written(self, client, chips, tmp_path):
        assert client.post("/places/answer", json={}).status_code == 400
        marked(client, [[0, True]])
        files = client.post("/places/answer", json={}).json()["files"]
        assert [file.rpartition("/")[2] for file in files] == ["places.parquet", "EPSG-3857.tif"]
        assert pq.read_table(tmp_path / "answers/places.parquet").num_rows == len(chips[1])
        with rasterio.open(tmp_path / "answers/maps/EPSG-3857.tif") as drawn:
            assert drawn.descriptions == ("score",)

    def test_chips_have_outlines_names_and_pictures(self, client, chips):
        _, names = chips
        state = client.get("/places.json").json()
        corners = np.frombuffer(client.get("/places/outlines").content, "<f4").reshape(-1, 4, 2)
        assert len(corners) == len(names)
        column, row = (int(part) for part in names[5].partition("_")[0].split("-")[1:])
        zoom = int(names[5][1:3])
        side = 2 * np.pi * 6378137 / 2**zoom
        west = column * side - np.pi * 6378137
        assert corners[5, 0, 0] + state["origin"][0] == pytest.approx(west, abs=0.5)
        assert corners[5, 0, 1] + state["origin"][1] == pytest.approx(np.pi * 6378137 - row * side, abs=0.5)
        assert client.get("/places/5.json").json() == {"name": names[5]}
        assert client.get("/places/5.jpg").content.startswith(b"\xff\xd8\xff")

    @pytest.mark.parametrize("address", ["places/999999.jpg", "places/-1.jpg", "places/x.json", "places/999999.json"])
    def test_there_is_nothing_else(self, client, address):
        assert client.get(f"/{address}").status_code == 404

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"{", b"[" * 100_000, b"[]", b'{"marks": 1}', b'{"marks": [[0]]}', b'{"marks": [[0, 1]]}',
            b'{"marks": [[true, true]]}', b'{"marks": [["0", true]]}', b'{"marks": [[-1, true]]}',
            b'{"marks": [[99999999999999999999, true]]}', b" " * (MOST_BODY + 1),
        ],
    )  # fmt: skip
    def test_what_is_no_answer_is_refused_in_a_sentence_and_changes_nothing(self, client, body):
        marked(client, [[0, True]])
        answer = client.post("/places/marks", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 404)
        assert answer.json()["detail"].endswith(".")
        assert client.get("/places.json").json()["marks"] == [[0, True]]

    @pytest.mark.parametrize(
        "headers",
        [{"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Origin": "https://elsewhere.example"}],
    )
    def test_pages_elsewhere_cannot_answer(self, client, headers):
        answer = client.post("/places/marks", content=json.dumps({"marks": [[0, True]]}), headers=headers)
        assert answer.status_code == 400
        assert client.get("/places.json").json()["marks"] == []

    def test_without_embeddings_there_are_no_places(self, chips):
        with serving(LiveRasters(asked(chips[0] / "scenes"))) as client:
            assert client.get("/places.json").status_code == 404
            assert 'id="places"' not in client.get("/").text


def test_the_command_serves_tiles_of_rasters_and_places(chips, tmp_path):
    folder, names = chips
    places = ("--embeddings", folder / "e.safetensors", "--chips", folder / "chips", "--answers", tmp_path / "answers")
    with command(folder / "scenes", "--bands", "nir,red,green", "--range", "0,200", *places) as (_, client, said):
        assert said.startswith("1 raster is to be seen at ")
        zoom, column, row = (int(part) for part in names[5].partition("_")[0][1:].split("-"))
        # Chips of 64 pixels are a quarter of a tile wide.
        assert client.get(f"/tiles/{zoom - 2}/{column // 4}/{row // 4}.png").headers["x-tile-way"] == "mosaic"
        assert marked(client, [[0, True]]).json()["marks"] == [[0, True]]


COUNTS = "document.getElementById('counts').textContent"
RANKED = "[...document.querySelectorAll('#ranked li')].map(one => Number(one.dataset.chip))"
MARKED = "[...document.querySelectorAll('#marked li')].map(one => one.className)"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")
def test_a_person_finds_places_in_a_browser(client, chips, tmp_path):
    _, names = chips
    (tmp_path / "browser").mkdir()
    with Browser(tmp_path / "browser") as browser:
        browser.call("Page.enable")
        browser.call("Page.navigate", url=str(client.base_url))
        browser.until("document.querySelectorAll('#ranked li').length > 5")
        browser.value("[...document.querySelectorAll('#ranked li')].find(one => one.dataset.chip % 3 == 0).focus()")
        browser.press("y")
        browser.until(f"{COUNTS}.startsWith('1 yes, 0 no')")
        # One yes is enough to see the others of its kind first.
        browser.until(f"{RANKED}.length && {RANKED}[0] % 3 == 0")
        browser.value("document.querySelectorAll('#ranked li')[0].focus()")
        browser.press("ArrowRight")
        browser.press("n")
        browser.until(f"{COUNTS}.startsWith('1 yes, 1 no')")
        assert browser.value(MARKED) == ["no", "yes"]
        browser.press("u")
        browser.until(f"{COUNTS}.startsWith('1 yes, 0 no')")
        # A click on the map chooses the chip there.
        for kind in ("mousePressed", "mouseReleased"):
            browser.call("Input.dispatchMouseEvent", type=kind, x=550, y=450, button="left", clickCount=1)
        browser.until("document.getElementById('chosen').textContent.endsWith('.jpg')")
        assert browser.value("document.getElementById('chosen').textContent") in names
        browser.press("n")
        browser.until(f"{COUNTS}.startsWith('1 yes, 1 no')")
        # The colours of the ranking are on the map.
        coloured = "[...document.getElementById('lines').getContext('2d').getImageData(0, 0, 1000, 800).data]"
        assert browser.value(f"{coloured}.filter((value, at) => at % 4 == 3 && value).length > 1000")
        browser.value("document.getElementById('write').click()")
        browser.until("document.getElementById('said').textContent.startsWith('Written')")
        assert (tmp_path / "answers/places.parquet").exists()
