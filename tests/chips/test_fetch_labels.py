"""fetch_labels: the files of each cell, from a server or an extract, on every kind of storage."""

import json
from pathlib import Path

import pytest

from spacer_like import storage
from spacer_like.chips.messages import FetchedCell, FetchLabelsMsg, FetchLabelsReturnMsg
from spacer_like.chips.tasks.labels import fetch_labels, fetch_osm_by_quadkey
from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import (
    DataNotFoundError,
    MapDataError,
    StorageUnavailableError,
    URLDownloadError,
)
from spacer_like.progress import listening
from spacer_like.storage import clear_memory_storage, list_keys, read_bytes, write_bytes

from .overpass_server import ANSWER, CELL, DATA, answers, overpass_machine, page

CELLS = [CELL[:12], "013133103012", "013133103001"]
FILES = ["node_tags.json", "osm_data.json", "relation_tags.json", "way_tags.json"]
EXTRACT = DataLocation("filesystem", str(DATA / "helsinki_centre.osm.pbf"))


@pytest.fixture(autouse=True)
def empty_storage():
    clear_memory_storage()
    yield
    clear_memory_storage()


@pytest.fixture
def machine():
    with overpass_machine() as machine, override(url_allow_private=True, url_timeout_seconds=5):
        yield machine


@pytest.fixture(params=["memory", "filesystem", "s3"])
def ard(request, tmp_path):
    """The root of a tree, with and without the slash at its end."""
    if request.param == "memory":
        yield DataLocation("memory", "ard/")
    elif request.param == "filesystem":
        yield DataLocation("filesystem", str(tmp_path / "ard"))
    else:
        server = request.getfixturevalue("moto")
        with server.settings():
            yield DataLocation("s3", "maps/ard", server.make_bucket())


ARD = DataLocation("memory", "ard")


def message(machine=None, quadkeys=CELLS[:1], **fields):
    if machine is not None:
        fields.setdefault("endpoint", machine.url)
    return FetchLabelsMsg(**{"zone": 35, "quadkeys": list(quadkeys), "ard_loc": ARD, "timeout": 1, **fields})


def stored(name, cell=CELLS[0]):
    return json.loads(read_bytes(DataLocation("memory", f"ard/35/{cell}/{name}")))


def keys_of(loc):
    return sorted(found.key.removeprefix(loc.key).lstrip("/") for found in list_keys(loc))


def test_the_files_of_a_cell(machine, ard):
    answer = fetch_labels(message(machine, ard_loc=ard))
    assert answer.fetched == [FetchedCell(quadkey=CELLS[0], nodes=582, ways=378, relations=29, attempts=1)]
    assert answer.skipped == []
    assert keys_of(ard) == [f"35/{CELLS[0]}/{name}" for name in FILES]


def test_what_the_files_hold(machine):
    fetch_labels(message(machine, keys=["building", "amenity"]))
    data = stored("osm_data.json")
    assert list(data) == ["quadkey", "nodes", "ways", "relations"]
    assert data["quadkey"] == CELLS[0]
    assert data["nodes"] + data["ways"] + data["relations"] == json.loads(ANSWER)["elements"]
    filtered = stored("primary_osm_data_filtered.json")
    assert list(filtered) == list(data)
    for kind, name in (("nodes", "node"), ("ways", "way"), ("relations", "relation")):
        wanted = [element for element in data[kind] if {"building", "amenity"} & set(element["tags"])]
        assert filtered[kind] == wanted
        assert 0 < len(wanted) < len(data[kind])
        tags = stored(f"{name}_tags.json")
        assert tags["name"] == [element["tags"]["name"] for element in data[kind] if "name" in element["tags"]]


def test_cells_are_asked_for_one_after_the_other(machine):
    told = []
    with listening(lambda *report: told.append(report)):
        answer = fetch_labels(message(machine, CELLS))
    assert [cell.quadkey for cell in answer.fetched] == CELLS
    boxes = [query.split(";")[1] for query in machine.queries]
    assert boxes[0] == 'nwr[~"."~"."](60.1507196,24.9257600,60.1969648,25.0185848)'
    assert len(set(boxes)) == 3
    assert told == [("fetching map data", number, 3) for number in (1, 2, 3)]


def test_a_cell_that_is_there_is_not_fetched(machine, ard):
    fetch_labels(message(machine, CELLS[:1], ard_loc=ard))
    answer = fetch_labels(message(machine, CELLS, ard_loc=ard))
    assert answer.skipped == CELLS[:1]
    assert [cell.quadkey for cell in answer.fetched] == CELLS[1:]
    assert len(machine.requests) == 3
    assert fetch_labels(message(machine, CELLS, ard_loc=ard)).fetched == []
    assert len(machine.requests) == 3


def test_a_cell_that_is_there_is_filtered_anew(machine):
    fetch_labels(message(machine))
    assert fetch_labels(message(machine, keys=["railway"])).skipped == CELLS[:1]
    found = stored("primary_osm_data_filtered.json")
    assert found["ways"]
    assert all("railway" in element["tags"] for element in found["ways"])
    assert len(machine.requests) == 1


def test_a_cell_is_fetched_again_where_that_is_asked(machine):
    fetch_labels(message(machine, keys=["amenity"]))
    node = {"type": "node", "id": 1, "lat": 60.17, "lon": 24.94, "tags": {"a": "b"}}
    machine.otherwise = answers(json.dumps({"elements": [node]}).encode())
    answer = fetch_labels(message(machine, overwrite=True))
    assert [cell.nodes for cell in answer.fetched] == [1]
    assert stored("osm_data.json") == {"quadkey": CELLS[0], "nodes": [node], "ways": [], "relations": []}
    assert stored("node_tags.json") == {"a": ["b"]}
    assert stored("way_tags.json") == {}
    # What was chosen of the elements of before goes with them.
    assert keys_of(ARD) == [f"35/{CELLS[0]}/{name}" for name in FILES]


def test_a_cell_that_is_named_twice_is_fetched_once(machine):
    assert len(fetch_labels(message(machine, [CELLS[0], CELLS[1], CELLS[0]])).fetched) == 2


def test_the_same_message_gives_the_same_bytes(machine):
    def blobs():
        clear_memory_storage()
        fetch_labels(message(machine, keys=["amenity"]))
        return {loc.key: read_bytes(loc) for loc in list_keys(ARD)}

    assert blobs() == blobs()


def test_a_busy_server_is_asked_again(machine):
    machine.faults = [page(429, Retry_After="0"), page(504, Retry_After="0")]
    answer = fetch_labels(message(machine, CELLS[:2]))
    assert [cell.attempts for cell in answer.fetched] == [3, 1]


def test_what_came_before_a_failure_is_kept(machine):
    machine.faults = [answers(ANSWER)]
    machine.otherwise = page(429, Retry_After="0")
    with pytest.raises(StorageUnavailableError, match=f"was asked 3 times for the cell Z35-{CELLS[1]}"):
        fetch_labels(message(machine, CELLS, attempts=3))
    assert keys_of(ARD) == [f"35/{CELLS[0]}/{name}" for name in FILES]
    machine.otherwise = answers(ANSWER)
    assert fetch_labels(message(machine, CELLS)).skipped == CELLS[:1]


@pytest.mark.parametrize(
    "behaviour",
    [page(400), answers(b'{"elements":[5]}'), answers(b'{"elements":[],"remark":"runtime error: out of memory"}')],
)
def test_nothing_is_stored_of_an_answer_that_is_none(machine, behaviour):
    machine.otherwise = behaviour
    with pytest.raises(MapDataError):
        fetch_labels(message(machine))
    assert keys_of(ARD) == []


def test_null_points_and_empty_geometries_are_stored(machine):
    found = json.loads(ANSWER)
    ways = [element for element in found["elements"] if element["type"] == "way"]
    ways[0]["geometry"][0] = None
    machine.otherwise = answers(json.dumps(found).encode())
    fetch_labels(message(machine))
    assert stored("osm_data.json")["ways"] == ways
    assert any(
        member.get("geometry") == []
        for relation in stored("osm_data.json")["relations"]
        for member in relation["members"]
    )


def test_this_machine_is_asked_only_where_settings_allow_it(machine):
    with override(url_allow_private=False), pytest.raises(URLDownloadError, match="not on the public internet"):
        fetch_labels(message(machine))
    assert machine.requests == []


def test_a_file_that_is_malformed_is_told_by_its_name(machine):
    write_bytes(DataLocation("memory", f"ard/35/{CELLS[0]}/osm_data.json"), b"[]")
    with pytest.raises(MapDataError, match=f"'memory://ard/35/{CELLS[0]}/osm_data.json' must be a JSON object"):
        fetch_labels(message(machine, keys=["amenity"]))


class TestFromAnExtract:
    pytest.importorskip("osmium")

    def test_the_same_files(self, ard):
        answer = fetch_labels(message(ard_loc=ard, extract_loc=EXTRACT))
        (cell,) = answer.fetched
        assert (cell.nodes, cell.attempts) == (863, 0)
        assert keys_of(ard) == [f"35/{CELLS[0]}/{name}" for name in FILES]

    def test_the_same_elements_as_from_a_server(self, machine):
        fetch_labels(message(machine))
        of_server = stored("osm_data.json")
        fetch_labels(message(extract_loc=EXTRACT, overwrite=True))
        of_extract = stored("osm_data.json")
        # The extract has the town around the small cell that the answer is of.
        for kind in ("nodes", "ways", "relations"):
            known = {element["id"]: element for element in of_extract[kind]}
            assert [known[element["id"]] for element in of_server[kind]] == of_server[kind]

    @pytest.mark.parametrize("kind", ["memory", "s3", "url"])
    def test_wherever_the_extract_lies(self, kind, request, machine):
        data = Path(EXTRACT.key).read_bytes()
        if kind == "s3":
            server = request.getfixturevalue("moto")
            request.getfixturevalue("s3_settings")
            loc = DataLocation("s3", "maps/helsinki.osm.pbf", server.make_bucket())
            write_bytes(loc, data)
        elif kind == "url":
            machine.otherwise = answers(data)
            loc = DataLocation("url", machine.url)
        else:
            loc = DataLocation("memory", "helsinki.osm.pbf")
            write_bytes(loc, data)
        assert fetch_labels(message(extract_loc=loc)).fetched[0].nodes == 863

    @pytest.fixture
    def s3_settings(self, moto):
        with moto.settings():
            yield

    def test_no_server_is_asked(self, machine):
        fetch_labels(message(machine, extract_loc=EXTRACT))
        assert machine.requests == []

    def test_it_is_not_read_where_all_is_there(self):
        fetch_labels(message(extract_loc=EXTRACT))
        assert fetch_labels(message(extract_loc=DataLocation("memory", "missing"))).skipped == CELLS[:1]

    def test_a_cell_elsewhere(self):
        with pytest.raises(MapDataError, match="has nothing of the cell at longitude"):
            fetch_labels(message(extract_loc=EXTRACT, quadkeys=["013133103333"]))
        assert keys_of(ARD) == []

    def test_an_extract_that_is_not_there(self):
        with pytest.raises(DataNotFoundError):
            fetch_labels(message(extract_loc=DataLocation("memory", "missing")))


class TestTagsOfAZone:
    def test_are_fetched_and_put_together(self, machine, ard):
        for cell in CELLS[:2]:
            write_bytes(DataLocation(ard.storage_type, f"{ard.key.rstrip('/')}/35/{cell}/x.json", ard.bucket_name), b"")
        nodes, ways, relations = fetch_osm_by_quadkey(35, ard, machine.url)
        one = [element for element in json.loads(ANSWER)["elements"] if element["type"] == "node"]
        names = [element["tags"]["name"] for element in one if "name" in element["tags"]]
        assert nodes["name"] == names * 2
        assert ways["building"]
        assert relations["type"]
        assert len(machine.requests) == 2
        for name, tags in (("node", nodes), ("way", ways), ("relation", relations)):
            key = f"{ard.key.rstrip('/')}/35/{name}_tags.json"
            assert json.loads(read_bytes(DataLocation(ard.storage_type, key, ard.bucket_name))) == tags

    def test_of_a_path(self, machine, tmp_path):
        (tmp_path / "35" / CELLS[0] / "2021-05-28").mkdir(parents=True)
        (tmp_path / "35" / CELLS[0] / "2021-05-28" / "x-visual.tif").touch()
        (tmp_path / "35" / "notes").mkdir()
        assert fetch_osm_by_quadkey(35, str(tmp_path), machine.url)[0]["name"]

    def test_of_a_tree_without_the_zone(self, machine):
        with pytest.raises(MapDataError, match="'memory://ard/33/' has no folder of a cell"):
            fetch_osm_by_quadkey(33, "memory://ard", machine.url)


def test_the_message_answers_by_its_kind(machine):
    assert isinstance(fetch_labels(message(machine)), FetchLabelsReturnMsg)
    assert storage.exists(DataLocation("memory", f"ard/35/{CELLS[0]}/osm_data.json"))
