"""The file osm_data.json: what goes into it, and what is made of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.chips.labels import map_elements
from spacer_like.chips.labels.map_elements import MapElements, merged_tags, read_json, write_json
from spacer_like.exceptions import DataLimitError, MapDataError

from .overpass_server import ANSWER

QUADKEY = "013133103003"
NODE = {"type": "node", "id": 1, "lat": 60.17, "lon": 24.9, "tags": {"amenity": "cafe", "name": "Äiti"}}
BARE = {"type": "node", "id": 2, "lat": 60.18, "lon": 24.9}
WAY = {
    "type": "way",
    "id": 1,
    "bounds": {"minlat": 60.1, "minlon": 24.9, "maxlat": 60.2, "maxlon": 24.9},
    "nodes": [1, 2, 3],
    "geometry": [{"lat": 60.1, "lon": 24.9}, None, {"lat": 60.2, "lon": 24.9}],
    "tags": {"highway": "path"},
}
RELATION = {
    "type": "relation",
    "id": 1,
    "members": [{"type": "way", "ref": 9, "role": "outer", "geometry": []}, {"type": "node", "ref": 1, "role": ""}],
    "tags": {"amenity": "school", "type": "multipolygon"},
}


def elements_of(*elements):
    return MapElements.of(QUADKEY, elements, "the answer")


@pytest.fixture(scope="module")
def real():
    return MapElements.of(QUADKEY, json.loads(ANSWER)["elements"], "the answer")


def test_a_real_answer(real):
    assert [len(real.nodes), len(real.ways), len(real.relations)] == [582, 378, 29]
    assert real.nodes + real.ways + real.relations == json.loads(ANSWER)["elements"]


def test_the_file_has_four_keys_and_the_elements_as_they_were(real):
    found = json.loads(real.to_json())
    assert list(found) == ["quadkey", "nodes", "ways", "relations"]
    assert found["quadkey"] == QUADKEY
    assert found["nodes"] + found["ways"] + found["relations"] == json.loads(ANSWER)["elements"]


def test_the_file_is_read_again(real):
    assert MapElements.from_json(real.to_json(), "it") == real


def test_elements_without_tags_are_left_out():
    assert elements_of(NODE, BARE, {**BARE, "id": 3, "tags": {}}).nodes == [NODE]


def test_null_points_and_empty_geometries_stay():
    found = elements_of(WAY, RELATION)
    assert MapElements.from_json(found.to_json(), "it") == found
    assert found.ways == [WAY]
    assert found.relations == [RELATION]


def test_the_tags_of_each_kind():
    nodes, ways, relations = elements_of(NODE, {**NODE, "id": 7, "tags": {"amenity": "bar"}}, WAY, RELATION).tags()
    assert nodes == {"amenity": ["cafe", "bar"], "name": ["Äiti"]}
    assert ways == {"highway": ["path"]}
    assert relations == {"amenity": ["school"], "type": ["multipolygon"]}


def test_tags_of_many_cells_are_put_together():
    assert merged_tags([{"a": ["1", "2"]}, {}, {"b": ["3"], "a": ["1"]}]) == {"a": ["1", "2", "1"], "b": ["3"]}


def test_elements_that_have_any_of_some_keys():
    found = elements_of(NODE, WAY, RELATION)
    assert found.filtered(["amenity"]) == MapElements(QUADKEY, [NODE], [], [RELATION])
    assert found.filtered(["highway", "name"]) == MapElements(QUADKEY, [NODE], [WAY], [])
    assert found.filtered([]) == MapElements(QUADKEY, [], [], [])
    # A key is not a part of one.
    assert found.filtered(["amen"]) == MapElements(QUADKEY, [], [], [])


@given(st.dictionaries(st.text(), st.text()), st.integers(), st.floats(-90, 90))
def test_whatever_tags_hold_is_kept(tags, number, latitude):
    try:
        json.dumps(tags, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    node = {"type": "node", "id": number, "lat": latitude, "lon": 0.1, "tags": tags}
    found = elements_of(node)
    assert found.nodes == ([node] if tags else [])
    assert MapElements.from_json(found.to_json(), "it") == found


@pytest.mark.parametrize(
    "element",
    [
        *(None, 1, "node", [], {}),
        {"type": "area", "id": 1},
        {"type": ["node"], "id": 1},
        {"type": "node"},
        {"type": "node", "id": "1"},
        {"type": "node", "id": True},
        {"type": "node", "id": 1, "tags": []},
        {"type": "node", "id": 1, "tags": None},
        {"type": "node", "id": 1, "tags": {"a": 1}},
        {"type": "node", "id": 1, "tags": {"a": None}},
    ],
)
def test_what_is_no_element(element):
    with pytest.raises(MapDataError, match=r"^Element 1 of the answer is no node, way or relation of OpenStreetMap\.$"):
        elements_of(NODE, element)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b"[" * 200_000),
        b'{"quadkey": 5, "nodes": [], "ways": [], "relations": []}',
        b'{"quadkey": "0", "nodes": [], "ways": []}',
        b'{"quadkey": "0", "nodes": {}, "ways": [], "relations": []}',
        b'{"quadkey": "0", "nodes": [{"type": "way", "id": 1}], "ways": [], "relations": []}',
        b'{"quadkey": "0", "nodes": [5], "ways": [], "relations": []}',
        b'{"quadkey": "0", "nodes": [NaN], "ways": [], "relations": []}',
        b'{"quadkey": "0", "nodes": [1e400], "ways": [], "relations": []}',
        b'{"quadkey": "0", "nodes": [' + b"9" * 5000 + b'], "ways": [], "relations": []}',
    ],
)
def test_a_malformed_file_is_one_sentence(data):
    with pytest.raises(MapDataError, match=r"^(The file|Element|The nodes of the file)[^\n]{10,200}\.$"):
        MapElements.from_json(data, "the file")


def test_a_text_that_is_no_unicode_is_told():
    node = {**NODE, "tags": {"name": "\ud800"}}
    with pytest.raises(MapDataError, match="no Unicode"):
        elements_of(node).to_json()


def test_a_text_that_is_too_long_is_not_read(monkeypatch):
    monkeypatch.setattr(map_elements, "MOST_BYTES", 2**20)
    assert read_json(b'"' + b"x" * (2**20 - 2) + b'"', "the file") == "x" * (2**20 - 2)
    with pytest.raises(DataLimitError, match=r"(?i)the file is longer than 1 MiB"):
        read_json(b'"' + b"x" * 2**20 + b'"', "the file")


def test_json_is_written_without_blanks_and_as_it_reads():
    assert write_json({"name": ["Äiti", 1.5]}, "it") == '{"name":["Äiti",1.5]}'.encode()
