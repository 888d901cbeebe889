"""Scored images: decisions by thresholds, output.json, the manifest, and the rows of the databases."""

import json

import numpy as np
import pyarrow as pa
import pytest

from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.tags.scored_images import FoundArchive, ScoredBy, ScoredImages

MODELS = [
    ScoredBy("ovr-logistic-regression", "cat", 0.5, 0.5),
    ScoredBy("ovr-svm", "cat", 0.9, 0.4),
    ScoredBy("ovr-svm", "dog", None, 0.4),
]


def record(path: str, hash_id: str = "") -> ImageRecord:
    return ImageRecord(path, f"{path} bytes", hash_id or f"{path} pixels", "PNG", 1, 2, 3)


def scored(paths: dict[str, list[float]], hashes: dict[str, str] | None = None) -> ScoredImages:
    records = [record(path, (hashes or {}).get(path, "")) for path in paths]
    return ScoredImages(records, MODELS, np.array(list(paths.values())).reshape(-1, len(MODELS)))


def test_a_tag_is_given_at_its_threshold_and_below_it_a_person_is_asked():
    images = scored({"a.png": [0.5, 0.9, 0.4], "b.png": [0.49, 0.89, 1.0], "c.png": [0.0, 0.39, 0.39]})

    assert images.decisions.tolist() == [[2, 2, 1], [0, 1, 1], [0, 0, 0]]
    assert [images.tags_of(image) for image in range(3)] == [["cat"], [], []]


def test_output_json():
    images = scored({"a.png": [0.25, 0.5, 1], "b.png": [0, 0, 0], "c.png": [1, 1, 1]}, {"a.png": "h", "c.png": "h"})

    text = "".join(images.json_lines())

    found = json.loads(text)
    assert text == json.dumps(found, indent=4)
    assert list(found) == ["b.png pixels", "h"]
    assert found["h"] == {
        "hash_id": "h",
        "file_path": "c.png",
        "classifiers_output": [
            {"model_type": "ovr-logistic-regression", "tag_name": "cat", "tag_prob": 1.0},
            {"model_type": "ovr-svm", "tag_name": "cat", "tag_prob": 1.0},
            {"model_type": "ovr-svm", "tag_name": "dog", "tag_prob": 1.0},
        ],
    }


def test_output_json_of_nothing():
    assert json.loads("".join(scored({}).json_lines())) == {}


def test_database_rows():
    assert list(scored({"new/it's.PNG": [0.25, 0.5, 1]}).rows()) == [
        ("it's.PNG", "new/it's.PNG", ".PNG", "new/it's.PNG pixels", "ovr-logistic-regression", "cat", 0.25),
        ("it's.PNG", "new/it's.PNG", ".PNG", "new/it's.PNG pixels", "ovr-svm", "cat", 0.5),
        ("it's.PNG", "new/it's.PNG", ".PNG", "new/it's.PNG pixels", "ovr-svm", "dog", 1.0),
    ]


def test_database_rows_of_archives_name_the_innermost():
    images = scored({"m.zip/a.png": [0, 0, 0], "m.zip/s.zip/b.png": [1, 1, 1], "m.zipped/c.png": [1, 1, 1]})

    rows = list(images.archive_rows([FoundArchive("m.zip", 3), FoundArchive("m.zip/s.zip", 1)]))

    assert rows[:2] == [
        ("m.zip", None, "m.zip", ".zip", 3, None, None, None, None),
        ("s.zip", None, "m.zip/s.zip", ".zip", 1, None, None, None, None),
    ]
    assert [row[:6] for row in rows[2::3]] == [
        ("a.png", "m.zip/a.png", "m.zip", ".png", None, "m.zip/a.png pixels"),
        ("b.png", "m.zip/s.zip/b.png", "m.zip/s.zip", ".png", None, "m.zip/s.zip/b.png pixels"),
        ("c.png", "m.zipped/c.png", None, ".png", None, "m.zipped/c.png pixels"),
    ]
    assert len(rows) == 2 + 9


@pytest.mark.parametrize("rows_at_a_time", [1, 4, 2**16])
def test_manifest(rows_at_a_time, monkeypatch):
    monkeypatch.setattr("spacer_like.tags.scored_images._ROWS_AT_A_TIME", rows_at_a_time)
    images = scored({"a.png": [0.5, 0.1, 0.4], "b.png": [0.04, 0.95, 1.0]})
    files = [["1", "2", ""], ["", "", "3"]]

    table = pa.concat_tables(images.manifest(files)).to_pydict()

    assert table["path"] == ["a.png"] * 3 + ["b.png"] * 3
    assert table["id"] == [images.records[0].id] * 3 + [images.records[1].id] * 3
    assert table["tag"] == ["cat", "cat", "dog"] * 2
    assert table["score"] == [0.5, 0.1, 0.4, 0.04, 0.95, 1.0]
    assert table["bin"] == ["0.5", "0.1", "0.4", "0.1", "0.9", "1.0"]
    assert table["decision"] == ["given", "none", "review", "none", "given", "review"]
    assert table["file"] == [*files[0], *files[1]]
