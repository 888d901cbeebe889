"""``spacer-like tags`` with the arguments of image-tagging-tools: the files that it would write."""

import json
import sqlite3

import pytest

from spacer_like.examples import write_examples


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_examples(tmp_path)
    return "new.zip"


def test_images_without_tags_have_records_and_a_database_and_no_files_of_tags(images, tmp_path, command):
    arguments = ("--input_folder", images, "--tagged_dataset=False", "--output_folder=out")

    ended = command("tags", "process", *arguments, "--device=cpu", "--batch_size=8")

    assert ended.code == 0, ended.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "embeddings.parquet",
        "input-metadata.json",
        "stage1.db",
    ]
    with sqlite3.connect(tmp_path / "out" / "stage1.db") as database:
        assert database.execute("SELECT count(*) FROM stage1").fetchone() == (166,)


def test_a_cache_says_what_was_added_and_what_was_known(images, tmp_path, command):
    assert command("tags", "cache", "create").code == 0
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "broken\n\x1b[31m.png").write_bytes(b"no image")

    added = [json.loads(command("tags", "cache", "add", images, "--json").out) for _ in range(2)]
    failed = command("tags", "cache", "add", "some")

    assert [(one["n_added"], one["n_known"], one["n_failed"]) for one in added] == [(167, 0, 0), (0, 167, 0)]
    assert failed.code == 64
    assert "1 file failed." in failed.out
    assert "\x1b" not in failed.out + failed.err


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (["create"], "The cache 'output/file_cache.sqlite' is there already, and was left as it is."),
        (["find", "ab"], "The cache 'output/file_cache.sqlite' has no such image."),
        (["random"], "The cache 'output/file_cache.sqlite' is empty."),
    ],
)
def test_what_a_cache_cannot_do_is_said(tmp_path, monkeypatch, command, action, sentence):
    monkeypatch.chdir(tmp_path)
    command("tags", "cache", "create")

    said = command("tags", "cache", *action, "--json")

    assert said.code == 64
    assert json.loads(said.out) == {"ok": False, "cache": "output/file_cache.sqlite", "image": None}
    assert sentence in said.err
