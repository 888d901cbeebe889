"""Extracts of other kinds than today's of the planet: packed in other ways, with history, with negative ids."""

import bz2
import lzma
import struct
import zlib
from io import BytesIO

import osmium
import pyarrow as pa
import pytest

from spacer_like.chips.labels.osm_extract import elements_in
from spacer_like.exceptions import MapDataError

from .test_osm_extract import EXTRACT, HELSINKI

BOX = (24.9, 60.1, 25.0, 60.2)
HERE = (24.95, 60.15)
mutable = osmium.osm.mutable


def elements(data, area=(BOX,)):
    return list(elements_in(BytesIO(data), [area], "map.osm.pbf"))


def varint(number):
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def fields(message):
    place = 0

    def number():
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
        else:
            length = number()
            yield key >> 3, message[place : place + length]
            place += length


def repacked(data, field, pack):
    """An extract whose blobs are packed in another way."""
    place, found = 0, b""
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        header = dict(fields(data[place + 4 : place + 4 + length]))
        begin = place + 4 + length
        blob = dict(fields(data[begin : begin + header[3]]))
        block = blob[1] if 1 in blob else zlib.decompress(blob[3])
        packed = pack(block)
        size = b"" if field == 1 else b"\x10" + varint(len(block))
        new = size + bytes([field << 3 | 2]) + varint(len(packed)) + packed
        head = b"\x0a" + varint(len(header[1])) + header[1] + b"\x18" + varint(len(new))
        found += struct.pack(">I", len(head)) + head + new
        place = begin + header[3]
    return found


PACKINGS = {
    "nothing": (1, bytes),
    "zlib": (3, zlib.compress),
    "LZMA": (4, lambda block: lzma.compress(block, format=lzma.FORMAT_ALONE)),
    "XZ": (4, lzma.compress),
    "bzip2": (5, bz2.compress),
    "LZ4": (6, lambda block: pa.Codec("lz4_raw").compress(block, asbytes=True)),
    "Zstandard": (7, lambda block: pa.Codec("zstd").compress(block, asbytes=True)),
}


@pytest.mark.parametrize("kind", PACKINGS)
def test_an_extract_says_the_same_however_it_is_packed(kind):
    assert elements(repacked(EXTRACT, *PACKINGS[kind]), HELSINKI) == elements(EXTRACT, HELSINKI)


@pytest.mark.parametrize("kind", [kind for kind in PACKINGS if kind != "nothing"])
def test_a_blob_that_cannot_be_unpacked_is_an_error_with_the_file_s_name(kind):
    field, _ = PACKINGS[kind]
    sentence = r"'map\.osm\.pbf' is (no .*: a blob cannot be unpacked|damaged: failed to uncompress)"
    with pytest.raises(MapDataError, match=sentence):
        elements(repacked(EXTRACT, field, lambda block: b"\x07" + block[:50]), HELSINKI)


def test_a_packing_that_nobody_knows_is_said_to_be_one():
    with pytest.raises(MapDataError, match="compressed in a way that nobody knows"):
        elements(repacked(EXTRACT, 9, bytes), HELSINKI)


def written(path, *things):
    path.unlink(missing_ok=True)
    writer = osmium.SimpleWriter(str(path))
    for thing in things:
        writer.add(thing)
    writer.close()
    return path.read_bytes()


def node(number, version=1, place=HERE, visible=True, **tags):
    at = {"location": place} if visible else {}
    return mutable.Node(id=number, version=version, visible=visible, tags=tags, **at)


@pytest.mark.parametrize("ending", ["osh.pbf", "osm.pbf"])
def test_of_a_history_the_last_version_of_each_element_counts(ending, tmp_path):
    data = written(
        tmp_path / f"made.{ending}",
        node(1, 1, shop="old"),
        node(1, 2, (24.96, 60.16), shop="new"),
        node(2, 1, shop="gone"),
        node(2, 2, visible=False),
        node(3, 1, (10.0, 10.0), shop="moved in"),
        node(3, 2, shop="moved in"),
        node(4, 1),
        node(4, 2, (24.97, 60.15)),
        mutable.Way(id=7, version=1, nodes=[1, 4], tags={"highway": "track"}),
        mutable.Way(id=7, version=2, nodes=[1, 4, 3], tags={"highway": "primary"}),
        mutable.Way(id=8, version=1, nodes=[1, 4], tags={"highway": "path"}),
        mutable.Way(id=8, version=2, visible=ending == "osm.pbf", tags={}),
        mutable.Relation(id=9, version=1, members=[("n", 1, "old")], tags={"type": "site"}),
        mutable.Relation(id=9, version=2, members=[("w", 7, "new")], tags={"type": "site"}),
    )
    (found,) = elements(data)
    assert [(one["type"], one["id"], one["tags"]) for one in found] == [
        ("node", 1, {"shop": "new"}),
        ("node", 3, {"shop": "moved in"}),
        ("way", 7, {"highway": "primary"}),
        ("relation", 9, {"type": "site"}),
    ]
    assert (found[0]["lon"], found[0]["lat"]) == (24.96, 60.16)
    assert found[2]["geometry"][1] == {"lat": 60.15, "lon": 24.97}
    assert found[3]["members"][0]["role"] == "new"


def test_elements_with_negative_ids_are_found_with_their_geometry(tmp_path):
    data = written(
        tmp_path / "made.osm.pbf",
        node(-3, place=(24.96, 60.15)),
        node(-2, shop="yes"),
        node(5),
        mutable.Way(id=-7, nodes=[-2, -3, 5], tags={"highway": "path"}),
        mutable.Relation(id=-9, members=[("w", -7, ""), ("n", -3, "stop")], tags={"type": "route"}),
    )
    (found,) = elements(data)
    assert [(one["type"], one["id"]) for one in found] == [("node", -2), ("way", -7), ("relation", -9)]
    assert found[1]["nodes"] == [-2, -3, 5]
    assert found[1]["geometry"][1] == {"lat": 60.15, "lon": 24.96}
    way, stop = found[2]["members"]
    assert way["ref"] == -7
    assert way["geometry"] == found[1]["geometry"]
    assert (stop["ref"], stop["lon"]) == (-3, 24.96)


def test_an_element_that_is_there_twice_in_no_order_is_an_error(tmp_path):
    places = [node(1, 1, shop="a"), node(2, 1, shop="b"), node(1, 2, shop="c")]
    ways = [mutable.Way(id=7, version=1, nodes=[1, 2], tags={"highway": "path"})] * 2
    (found,) = elements(written(tmp_path / "made.osm.pbf", *places, *ways))
    assert [one["id"] for one in found] == [1, 2, 7]
