"""`spacer-like examples` writes what the documentation works on, and replaces nothing of anybody's."""

import shutil

import pytest

from spacer_like import examples

from .test_missing_extras import run_without

DRAWN = "ard/35/013133103002/2021-06-18/104001007E9B6900-visual.tif"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    examples.write_examples(folder)
    return folder


def test_photographs_labels_a_collection_and_tiles_are_there(written):
    for name in (
        "china.jpg",
        "flower.jpg",
        "labels.csv",
        "collections/noto.zip",
        "helsinki.osm.pbf",
        "labels.json",
        DRAWN,
    ):
        assert (written / name).stat().st_size > 500, name
    assert "Creative Commons" in (written / "ORIGINS.md").read_text()


def test_a_second_time_it_changes_nothing(written, tmp_path, command):
    folder = shutil.copytree(written, tmp_path / "folder")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said = command("examples", folder, "--json")
    assert said.json["ok"]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["labels.csv", "china.jpg", "labels.json", "ORIGINS.md"])
def test_a_file_of_somebody_is_not_replaced_and_nothing_else_is_written(tmp_path, command, name):
    (tmp_path / name).write_text("my own\n")
    (tmp_path / "labels.json").write_text("{}")
    said = command("examples", tmp_path)
    assert said.code == 64
    assert "is there and is another file than the example: name an empty folder, or move it away." in said.err
    assert {path.name for path in tmp_path.iterdir()} == {name, "labels.json"}


def test_without_the_packages_for_tiles_the_rest_is_written_and_they_are_named(tmp_path):
    said = run_without("rasterio", "examples", ".", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "No tiles and no map" in said.stderr
    assert "'spacer_like[geo]'" in said.stderr
    assert (tmp_path / "labels.csv").exists()
    assert not (tmp_path / "ard").exists()


def test_a_place_that_is_no_folder_of_this_machine_is_refused(command):
    assert "FOLDER must be a folder of this machine" in command("examples", "s3://bucket/folder").err
