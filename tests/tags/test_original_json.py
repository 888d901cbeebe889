"""The JSON files of image-tagging-tools: written as by that program, read exactly, others refused."""

import json
from io import StringIO

import numpy as np
import pytest

from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.exceptions import TableError
from spacer_like.tags.original_json import Marker, read_original_json, read_tag_to_hash, write_lists, write_metadata

CLIP = Marker("CLIP", "ViT-B-32", "openai")


def records(n: int) -> list[ImageRecord]:
    tags = [(), ("cat",), ("wet", "cat")]
    return [
        ImageRecord(f"/ph/ü'{k}.png", f"{k:064x}", f"{k + 10:0128x}", "PNG", 9 + k, 3, 4, tags[k % 3]) for k in range(n)
    ]


def vectors(n: int) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)


def written(n: int, marker: Marker = CLIP, tagged: bool = True) -> str:
    file = StringIO()
    write_metadata(file, marker, zip(records(n), vectors(n), strict=True), tagged=tagged)
    return file.getvalue()


def as_the_original_writes(n: int, tagged: bool) -> str:
    found = {}
    for record, vector in zip(records(n), vectors(n), strict=True):
        found[record.hash_id] = {
            "hash_id": record.hash_id,
            "file_path": record.path,
            "file_name": record.path.rpartition("/")[2],
            "file_type": "PNG",
            "image_size_bytes": record.size_bytes,
            "image_resolution": [3, 4],
            "image_xsize": 3,
            "image_ysize": 4,
            "image_tags": list(record.tags),
            "embeddings_type": "CLIP",
            "model": "ViT-B-32",
            "pretrained": "openai",
            "embeddings_vector": vector.tolist(),
        }
        if not tagged:
            del found[record.hash_id]["image_tags"]
    return json.dumps(found, indent=4)


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_metadata_is_written_as_the_json_module_does_with_an_indentation_of_four(n, tagged):
    assert written(n, tagged=tagged) == as_the_original_writes(n, tagged)


@pytest.mark.parametrize("lists", [{}, {"a": []}, {"a": ["1", 'q"ü'], "b": ["3"]}])
def test_lists_are_written_as_the_json_module_does(lists):
    file = StringIO()
    write_lists(file, lists.items())
    assert file.getvalue() == json.dumps(lists, indent=4)


def test_what_is_written_is_read():
    table = read_original_json(written(5).encode(), "m.json")

    assert table.records == [record._replace(content_hash="") for record in records(5)]
    assert np.array_equal(table.vectors, vectors(5))
    assert table.vectors.dtype == np.float32
    assert table.encoder_id == "open_clip:ViT-B-32:openai"


def test_vectors_of_an_extractor_keep_its_id():
    text = written(1, Marker("spacer_like", "MeanColour", "0123"))
    assert read_original_json(text.encode(), "m.json").encoder_id == "0123"


def test_tags_may_come_from_the_other_file_and_hashes_without_a_record_are_left_out(caplog):
    some = records(3)
    lists = json.dumps({"b": [some[2].hash_id, "99"], "a": [some[2].hash_id]})
    hashes_of_tag = read_tag_to_hash(lists.encode(), "t.json")

    table = read_original_json(written(3).encode(), "m.json", hashes_of_tag)

    assert [record.tags for record in table.records] == [(), (), ("b", "a")]
    assert "1 hashes of tags are of images that 'm.json' does not have" in caplog.text


def changed(**values) -> bytes:
    found = json.loads(written(2))
    list(found.values())[1].update(values)
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"a": 1}',
        b"[" * 100_000,
        changed(embeddings_vector=[1, 2, 3]),
        changed(embeddings_vector=[1, 2, 3, "4"]),
        changed(embeddings_vector=[1, 2, 3, True]),
        changed(embeddings_vector=[1, 2, 3, 1e300]),
        changed(embeddings_vector=[1, 2, 3, float("nan")]),
        changed(embeddings_vector={"a": 1}),
        changed(file_path=None),
        changed(file_path="\ud800"),
        changed(image_xsize=-1),
        changed(image_tags="cat"),
        changed(image_tags=[1]),
        changed(pretrained="laion2b"),
        changed(model=None),
        written(1).replace(f"{10:0128x}", "no hash", 1).encode(),
    ],
)
def test_other_metadata_is_refused_in_one_sentence_that_names_it(data):
    with pytest.raises(TableError, match=r"^'m\.json' is no metadata of image-tagging-tools: .*\.$"):
        read_original_json(data, "m.json")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a": "b"}', b'{"a": [1]}', b'{"a": {"b": []}}', b'{"": []}'])
def test_another_list_of_tags_is_refused_in_one_sentence_that_names_it(data):
    with pytest.raises(TableError, match=r"^'t\.json' is no list of hashes of tags"):
        read_tag_to_hash(data, "t.json")
