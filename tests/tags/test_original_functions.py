"""The functions of image-tagging-tools: its parameters, its default files, and models by their type and tag."""

import re
import sqlite3
import zipfile
from pathlib import Path

import pytest

from spacer_like.tags.model_names import model_file_name
from spacer_like.tags.original import classify_main, generate_model_path, list_models
from spacer_like.testing.extractors import MeanColour

from .colours import BLUE, LR, RED, image, red_and_blue


@pytest.fixture(params=["a folder", "a folder with archives", "an archive", "one image"])
def images(request, tmp_path, monkeypatch) -> str:
    """Images, and models where they are by default."""
    monkeypatch.chdir(tmp_path)
    red_and_blue(tmp_path / "output" / "models")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.png").write_bytes(image(RED))
    archive = tmp_path / {"a folder with archives": "new/inner.zip"}.get(request.param, "new.zip")
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("2.png", image(BLUE))
    return {"an archive": "new.zip", "one image": "new/1.png"}.get(request.param, "new")


def test_classify_main_writes_where_image_tagging_tools_does(images, tmp_path):
    answer = classify_main(images, extractor=MeanColour())

    has_archives = images == "new.zip" or (tmp_path / "new" / "inner.zip").exists()
    table, begin = ("stage4", "tagging_output_from_zip-") if has_archives else ("stage3", "tagging_output_")
    (written,) = [path for path in (tmp_path / "output").iterdir() if path.is_dir() and path.name != "models"]
    assert re.fullmatch(rf"{begin}\d{{1,2}}_\d{{1,2}}_\d{{1,2}}_\d{{1,2}}", written.name)
    assert (written / "output.json").is_file()
    with sqlite3.connect(tmp_path / "output" / f"{table}.db") as database:
        rows = database.execute(f"SELECT count(*) FROM {table} WHERE tag_prob IS NOT NULL").fetchone()[0]
    assert rows == 2 * answer.n_images


def test_the_parameters_of_classify_main(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.png").write_bytes(image(RED))
    red_and_blue(tmp_path / "models")
    model = generate_model_path("models", LR, "red")

    classify_main(
        folder_path="1.png",
        output_dir="out",
        json_file_path=None,
        bins_number=5,
        model_path=model,
        extractor=MeanColour(),
    )

    assert [str(path.relative_to("out")) for path in Path("out").rglob("*.png")] == [f"{LR}/red/1.0/1.png"]


def test_models_are_listed_by_their_type(tmp_path):
    red_and_blue(tmp_path)

    assert list_models(str(tmp_path)) == {LR: ["blue", "red"]}


@pytest.mark.parametrize("name", [model_file_name(LR, "red"), f"model-{LR}-tag-red.pkl"])
def test_the_path_of_a_model_that_is_there(tmp_path, name):
    (tmp_path / name).write_bytes(b"")

    assert generate_model_path(str(tmp_path), LR, "red") == str(tmp_path / name)


@pytest.mark.parametrize("tag", ["green", "", "a\0b", "x" * 5000, "a/b", "\ud800"])
def test_no_path_of_a_model_that_is_not_there(tmp_path, tag):
    assert generate_model_path(str(tmp_path), LR, tag) is None
