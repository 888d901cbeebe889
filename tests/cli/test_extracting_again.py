"""`extract` does not do again what is done and unchanged, and does again what is not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.messages import ExtractFeaturesMsg
from spacer_like.storage import write_bytes
from spacer_like.workflows.extraction import RECORD, ExtractionRecord

from .conftest import COLOURS, MeanColourExtractor


@pytest.fixture
def extract(command):
    def run(*more, out="features"):
        said = command("extract", "--points", "labels.csv", "--out", out, "--extractor", COLOURS, *more, "--json")
        return {file["image"]: file["unchanged"] for file in said.json["files"]}

    return run


def test_what_is_done_is_left_as_it_is(reef, extract):
    assert not any(extract().values())
    before = {path: path.stat().st_mtime_ns for path in reef.rglob("*.features")}
    assert all(extract().values())
    assert {path: path.stat().st_mtime_ns for path in reef.rglob("*.features")} == before


def test_the_answer_of_people_says_so(extracted, command):
    said = command("extract", "--points", "labels.csv", "--out", "features", "--extractor", COLOURS)
    assert "Features of 96 points in 6 images; 6 of them were there, unchanged." in said.out
    (extracted / "features/photos/0.jpg.features").unlink()
    said = command(
        "extract",
        "photos/0.jpg",
        "photos/1.jpg",
        *("--points", "labels.csv", "--out", "features"),
        "--extractor",
        COLOURS,
    )
    assert "1 of them was there, unchanged." in said.out


@pytest.mark.parametrize("file", ["photos/3.jpg", "features/photos/3.jpg.features"])
def test_another_image_and_a_changed_feature_file_are_extracted_again(extracted, extract, file):
    other = (extracted / "photos/4.jpg").read_bytes()
    (extracted / file).write_bytes(other)
    assert [image for image, unchanged in extract().items() if not unchanged] == ["photos/3.jpg"]
    features = ImageFeatures.load(DataLocation("filesystem", "features/photos/3.jpg.features"))
    assert features.npoints == 16


def test_a_feature_file_that_was_removed_is_made_again(extracted, extract):
    (extracted / "features/photos/3.jpg.features").unlink()
    assert [image for image, unchanged in extract().items() if not unchanged] == ["photos/3.jpg"]


def test_other_points_are_extracted_again(extracted, extract):
    lines = (extracted / "labels.csv").read_text().splitlines()
    (extracted / "labels.csv").write_text("\n".join([*lines, "photos/5.jpg,1,1,sand"]))
    assert [image for image, unchanged in extract().items() if not unchanged] == ["photos/5.jpg"]


def test_another_extractor_extracts_all_again(extracted, command):
    files = command("extract", "photos/0.jpg", "--points", "labels.csv", "--out", "features", "--json").json["files"]
    assert [file["unchanged"] for file in files] == [False]


@pytest.mark.parametrize(
    "damage", ["", "[]", '{"version": 2, "files": []}', '{"version": 2, "files": {"a": 3}}', "[" * 10**5]
)
def test_a_damaged_record_is_none(extracted, extract, damage):
    record_of(extracted).write_text(damage)
    assert not any(extract().values())
    record_of(extracted)


def test_a_record_of_other_values_is_none(extracted, extract):
    record = json.loads(record_of(extracted).read_text())
    record["files"] = {key: [{"a": 1}, ["b"]] for key in record["files"]}
    record_of(extracted).write_text(json.dumps(record))
    assert not any(extract().values())


@pytest.mark.parametrize("storage_type", ["memory", "filesystem"])
def test_runs_at_the_same_time_lose_nothing_of_the_record(tmp_path, storage_type):
    folder = DataLocation(storage_type, str(tmp_path))
    tasks = [
        ExtractFeaturesMsg(
            str(number), MeanColourExtractor(), [(1, 1)], folder.below("image"), folder.below(f"{number}")
        )
        for number in range(5)
    ]
    for loc in (folder.below("image"), *(task.feature_loc for task in tasks)):
        write_bytes(loc, b"any")

    def done():
        return ExtractionRecord(folder).is_done(tasks)

    earlier, first, second = (ExtractionRecord(folder) for _ in range(3))
    assert not any(done())
    for run, own in ((earlier, [0]), (first, [1, 2]), (second, [3])):
        run.is_done(tasks)
        for number in own:
            run.add(tasks[number])
            run.write()
    assert done() == [True, True, True, True, False]
    # A third run makes one file of theirs while one of them goes on.
    third = ExtractionRecord(folder)
    third.is_done(tasks)
    for run in (third, second):
        run.add(tasks[4])
        run.write()
    assert all(done())


def record_of(folder):
    """The only file of a folder's record."""
    (found,) = (folder / "features").glob(f"{RECORD}*")
    return found


def test_what_fails_beside_what_is_done_is_the_failure_of_one(extracted, command):
    (extracted / "photos/2.jpg").write_bytes(b"no image")
    said = command("extract", "--points", "labels.csv", "--out", "features", "--extractor", COLOURS, "--json")
    assert [file["image"] for file in said.json["files"]] == [f"photos/{number}.jpg" for number in (0, 1, 3, 4, 5)]
    assert [failure["name"] for failure in said.json["failures"]] == ["photos/2.jpg"]
    assert said.code != 0


SLOWLY = """
import sys, time
from spacer_like.cli import main
from tests.cli import conftest

own = conftest.MeanColourExtractor.patches_to_features

def slowly(self, patches):
    time.sleep(float(sys.argv[1]))
    return own(self, patches)

conftest.MeanColourExtractor.patches_to_features = slowly
options = ["--points", "labels.csv", "--out", "features", "--extractor", conftest.COLOURS]
raise SystemExit(main(["extract", *options, "--json"]))
"""


def test_after_an_interruption_the_rest_is_done(reef):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def start(seconds):
        return subprocess.Popen([sys.executable, "-c", SLOWLY, seconds], env=environment, stdout=subprocess.PIPE)

    child = start("0.5")
    while not (reef / "features/photos/1.jpg.features").exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    done = {file["image"] for file in json.loads(child.communicate(timeout=60)[0])["files"]}
    files = json.loads(start("0").communicate(timeout=60)[0])["files"]
    assert 1 <= len(done) < 6
    # The signal may come between the recording of an image and its counting.
    assert len({file["image"] for file in files if file["unchanged"]} ^ done) <= 1
    assert len(files) == 6
