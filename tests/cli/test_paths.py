"""Paths as people type them, in every option: with `..`, `.` and `~`, relative, absolute, as file:// URI."""

import csv
import json
import shutil

import pytest

from .conftest import COLOURS, TRAINING

EXTRACTOR = ("--extractor", COLOURS)
FEATURE_FILES = [f"{number}.jpg.features" for number in range(6)]


@pytest.fixture
def beside(trained, monkeypatch):
    """A working folder beside the folders of the reef."""
    (trained / "work").mkdir()
    (trained / "home").mkdir()
    monkeypatch.setenv("HOME", str(trained / "home"))
    monkeypatch.chdir(trained / "work")
    return trained


@pytest.mark.parametrize(
    "photo", ["../photos/0.jpg", "./../photos/./0.jpg", "~/../photos/0.jpg", "file://../photos/0.jpg"]
)
def test_images_models_and_outputs(beside, command, photo):
    said = command(
        "classify", photo, "--model", "../work/../reef.pkl", "--grid", 2, *EXTRACTOR,
        "--out", "~/classes.csv", "--annotate", "../work/./drawn.png",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert (beside / "home" / "classes.csv").is_file()
    assert (beside / "work" / "drawn.png").is_file()


@pytest.mark.parametrize("folder", ["../photos", "../photos/", "~/../photos", "file://{root}/work/../photos"])
def test_folders_of_images_and_features(beside, command, folder):
    folder = folder.format(root=beside)
    said = command("extract", folder, "--grid", 2, "--out", "../work/f", "--points-out", "../p.csv", *EXTRACTOR)
    assert said.code == 0, said.err
    assert sorted(path.name for path in (beside / "work" / "f").glob("*.features")) == [
        f"{n}.jpg.features" for n in range(6)
    ]
    with (beside / "p.csv").open() as file:
        assert {row["image"] for row in csv.DictReader(file)} == {f"{number}.jpg" for number in range(6)}


def test_tables_their_images_and_all_options_of_train(beside, command):
    (beside / "tables").mkdir()
    lines = (beside / "labels.csv").read_text().replace("photos/", "../photos/")
    (beside / "tables" / "labels.csv").write_text(lines)
    table = "../tables/../tables/labels.csv"
    said = command("extract", "--points", table, "--out", "../f", *EXTRACTOR)
    assert said.code == 0, said.err
    assert sorted(path.name for path in (beside / "f" / "photos").glob("*.features")) == [
        f"{n}.jpg.features" for n in range(6)
    ]
    said = command(
        "train", table, "--features", "../work/../f", "--model", "~/../new.pkl", *TRAINING[5:], "--validation", 0.2,
        "--previous", "../reef.pkl", "--report", "../r.json", "--plot", "../p.png", "--page", "../p.html",
        "--valresult", "../v.json",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert {"new.pkl", "r.json", "p.png", "p.html", "v.json"} <= {path.name for path in beside.iterdir()}
    assert command("validate", table).code == 0
    assert command("classify", "--points", table, "--model", "../new.pkl", *EXTRACTOR).code == 0


def test_images_of_equal_names_in_other_folders_keep_features_apart(beside, command):
    shutil.copytree(beside / "photos", beside / "more")
    (beside / "work" / "points.csv").write_text("image,row,col\n../photos/0.jpg,5,8\n../more/0.jpg,5,8\n")
    assert command("extract", "--points", "points.csv", "--out", "f", *EXTRACTOR).code == 0
    assert {path.parent.name for path in (beside / "work" / "f").rglob("*.features")} == {"photos", "more"}


def test_jobs_and_results(beside, command):
    place = {"storage_type": "filesystem"}
    task = {
        "job_token": "1",
        "feature_loc": place | {"key": str(beside / "features" / "photos" / "0.jpg.features")},
        "classifier_loc": place | {"key": str(beside / "reef.pkl")},
    }
    (beside / "job.json").write_text(json.dumps({"task_name": "classify_features", "tasks": [task]}))
    assert command("run", "../job.json", "--result", "~/../work/answer.json").code == 0
    assert json.loads((beside / "work" / "answer.json").read_text())["ok"] is True


def test_a_key_of_a_message_keeps_its_guard(beside, command):
    place = {"storage_type": "filesystem"}
    task = {
        "job_token": "1",
        "feature_loc": place | {"key": "../features/photos/0.jpg.features"},
        "classifier_loc": place | {"key": "../reef.pkl"},
    }
    (beside / "job.json").write_text(json.dumps({"task_name": "classify_features", "tasks": [task]}))
    said = command("run", "../job.json")
    assert said.code == 64
    assert "'..' among its parts" in said.out + said.err


def test_collections_lists_and_output_of_rarity(beside, command):
    (beside / "nft").mkdir()
    for name in ("a", "b"):
        shutil.copytree(beside / "photos", beside / "nft" / name)
    (beside / "white.csv").write_text("collection_id\na\n")
    (beside / "home" / "black.csv").write_text("collection_id\nb\n")
    arguments = ("--size", 8, "--processes", 1, "--no-pictures")
    for lists in (("--whitelist", "../white.csv"), ("--blacklist", "~/black.csv")):
        said = command("rarity", "../work/../nft", "--out", "~/../out", *lists, *arguments)
        assert said.code == 0, said.err
    assert [path.name for path in (beside / "out" / "collections").iterdir()] == ["a"]


def test_rarity_does_not_take_its_own_output_for_a_collection(reef, command, monkeypatch):
    (reef / "nft").mkdir()
    shutil.copytree(reef / "photos", reef / "nft" / "a")
    monkeypatch.chdir(reef / "nft")
    for _ in range(2):
        answer = command("rarity", ".", "--size", 8, "--processes", 1, "--no-pictures", "--json").json
        assert [one["collection_id"] for one in answer["collections"]] == ["a"]


def test_collections_elsewhere_are_refused_in_a_sentence(reef, command):
    said = command("rarity", "s3://bucket/nft")
    assert said.code == 64
    assert "FOLDER must be a folder of this machine, and is s3://bucket/nft." in said.err


def test_trees_tables_and_chips(beside, command):
    for arguments in (
        ("chips", "cut", "../tree", "--out", "../chips"),
        ("chips", "nodata", "../chips", "--out", "../i.json"),
        ("chips", "label-table", "../i.json", "../l.json", "--tiles", "../tree", "--out", "../a.csv,~/b.csv"),
        ("chips", "plot-labels", "../t.csv", "--map", "../m.png"),
        ("chips", "locate", "Z33-03111121232201230_1050410012C31100", "--tiles", "../tree"),
        ("chips", "fetch-labels", "--tiles", "../tree"),
        ("chips", "index", "../e.safetensors", "--out", "../i"),
        ("chips", "similar", "../photos/0.jpg", "--index", "../i", "--sheet", "../s.png", "--out", "../r.csv"),
        ("chips", "label", "../chips", "--model", "../m", "--out", "../p.csv"),
        ("chips", "encode", "../chips", "--out", "../e", "--model", "../m"),
        ("chips", "train", "../t.csv", "../chips", "--model", "../m", "--metrics", "../x.json"),
    ):
        said = command(*arguments)
        # Nothing of it is there, but each is looked for where it was said to be.
        assert said.code == 64
        assert "among its parts" not in said.err, arguments
