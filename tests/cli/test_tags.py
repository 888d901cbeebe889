"""``spacer-like tags`` with the arguments of image-tagging-tools: the files that it would write."""

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
