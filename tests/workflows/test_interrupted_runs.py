"""A rarity workflow that is interrupted, or run again with other options, leaves what an undisturbed run does."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import TransientError
from spacer_like.workflows import steps
from spacer_like.workflows.rarity import RarityOptions, score_collections
from spacer_like.workflows.rarity_pictures import draw_pictures
from spacer_like.workflows.steps import Steps

A = RarityOptions(size=16, processes=1, methods=("ratio", "log"))
B = RarityOptions(size=16, processes=1, methods=("ratio", "log"), background="#ff0000")
FEWER = RarityOptions(size=16, processes=1, methods=("ratio",), local_methods=(), keep_stacks=False)


class Killed(BaseException):
    pass


def contents(folder: Path) -> dict[str, str]:
    """A digest of every file below a folder, records included."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def collections(make_transparent, tmp_path_factory):
    return make_transparent(tmp_path_factory.mktemp("collections"))


@pytest.fixture(scope="module")
def finished(collections, tmp_path_factory):
    """The output of A, of a run that nothing disturbed, and what it holds."""
    output = tmp_path_factory.mktemp("finished") / "output"
    score_collections(collections, output, A)
    return output, contents(output)


@pytest.fixture
def output(finished, tmp_path):
    """The same output once more, at the same path, which records name."""
    original, _ = finished
    kept = tmp_path / "kept"
    shutil.copytree(original, kept)
    yield original
    shutil.rmtree(original)
    shutil.move(kept, original)


def run_until(number: int, collections: Path, output: Path, options: RarityOptions, monkeypatch) -> bool:
    """Whether the run died: where the step of this number has written its files, and has no record yet."""
    ended = iter(range(1000))
    record = Steps._record

    def record_or_die(self, step, result):
        if next(ended) == number:
            raise Killed
        record(self, step, result)

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "_record", record_or_die)
        try:
            score_collections(collections, output, options)
        except Killed:
            return True
    return False


# Two collections are converted, checked, counted, scored twice; merged; ranked.
@pytest.mark.parametrize("number", range(18))
def test_a_step_of_other_options_that_dies_before_its_record_leaves_nothing(
    number, collections, finished, output, monkeypatch
):
    died = run_until(number, collections, output, B, monkeypatch)
    assert died == (number < 17)
    score_collections(collections, output, A)
    assert contents(output) == finished[1]


@pytest.mark.parametrize("number", [3, 7, 12])
def test_a_run_with_fewer_methods_that_dies_leaves_nothing(number, collections, finished, output, monkeypatch):
    run_until(number, collections, output, FEWER, monkeypatch)
    score_collections(collections, output, A)
    assert contents(output) == finished[1]


def test_while_a_step_is_at_work_no_record_says_that_it_is_done(collections, finished, output, monkeypatch):
    assert run_until(0, collections, output, B, monkeypatch)
    record = json.loads((output / "records" / "convert%20apes.json").read_text())
    assert "fingerprint" not in record
    assert not (output / "report.json").exists()
    assert "fingerprint" in json.loads((output / "records" / "convert%20punks.json").read_text())


def test_files_of_methods_that_are_not_wanted_any_more_are_removed(collections, output, tmp_path):
    report = score_collections(collections, output, FEWER)
    assert "scores/log.csv" in report.removed
    assert "collections/apes/pixels.npz" in report.removed
    assert "collections/apes/global_log.csv" in report.removed
    clean = tmp_path / "clean"
    score_collections(collections, clean, FEWER)
    assert contents(output).keys() == contents(clean).keys()
    same = {name for name in contents(clean) if not name.startswith("records/")}
    assert {name: contents(output)[name] for name in same} == {name: contents(clean)[name] for name in same}


def test_a_collection_that_left_keeps_its_files_and_the_report_names_them(collections, output, tmp_path):
    (tmp_path / "black.csv").write_text("collection_id\npunks\n")
    options = RarityOptions(
        size=16,
        processes=1,
        methods=("ratio", "log"),
        blacklist=DataLocation("filesystem", str(tmp_path / "black.csv")),
    )
    report = score_collections(collections, output, options)
    assert report.left_over == ["collections/punks"]
    assert json.loads((output / "report.json").read_text())["left_over"] == ["collections/punks"]
    assert (output / "collections" / "punks" / "pixels.npz").exists()
    assert score_collections(collections, output, A).left_over == []


@pytest.mark.parametrize("damage", ["same length", "shorter", "deleted"])
@pytest.mark.parametrize(
    "name", ["scores/ratio.parquet", "global/table.npy.json", "collections/apes/ids.npz", "scores/ratio_edges.npz"]
)
def test_a_file_that_was_changed_after_its_record_is_made_again(name, damage, collections, finished, output):
    file = output / name
    if damage == "deleted":
        file.unlink()
    else:
        data = file.read_bytes()
        file.write_bytes(data[:-1] + b"\0" if damage == "same length" else data[:-5])
    score_collections(collections, output, A)
    assert contents(output) == finished[1]


def test_a_record_of_another_folder_removes_nothing(collections, output, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    planted = {"step": "x", "subject": None, "outputs": {"../mine.txt": 4, str(tmp_path / "mine.txt"): 4}}
    (output / "records" / "x.json").write_text(json.dumps(planted))
    (output / "records" / "y.json").write_text("[1, 2")
    score_collections(collections, output, A)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert not (output / "records" / "x.json").exists()


def test_files_that_are_removed_or_left_over_are_named_in_order(collections, output):
    gone = [f"gone {number}" for number in range(8)]
    for number, name in enumerate(gone):
        file = output / "collections" / name / "global_log.csv"
        file.parent.mkdir()
        file.touch()
        record = {"step": name, "subject": name, "outputs": {file.relative_to(output).as_posix(): 0}}
        (output / "records" / f"{7 - number}.json").write_text(json.dumps(record))
    report = score_collections(collections, output, FEWER)
    assert report.left_over == [f"collections/{name}" for name in gone]
    assert {name.split("/")[0] for name in report.removed} == {"collections", "scores"}
    assert report.removed == sorted(report.removed)


def test_pictures_of_scores_that_are_gone_are_gone(collections, output):
    draw_pictures(output, score_collections(collections, output, A), A)
    score_collections(collections, output, A)
    assert (output / "pictures" / "contact_sheet.png").exists()
    score_collections(collections, output, B)
    assert not list((output / "pictures").glob("*.png"))


def test_a_second_run_in_the_same_folder_waits_and_is_refused(collections, output, monkeypatch):
    monkeypatch.setattr(steps, "_SECONDS_FOR_ANOTHER_RUN", 0.2)
    with (output / "records" / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TransientError, match="Another run is at work in"):
            score_collections(collections, output, A)
    assert score_collections(collections, output, A).steps_run == 0


def test_a_run_with_other_options_that_is_killed_leaves_nothing(collections, finished, output):
    def command(*options):
        given = [str(collections), "--out", str(output), "--size", "16", "--methods", "ratio,log", "--no-pictures"]
        return [sys.executable, "-m", "spacer_like", "rarity", *given, "--processes", "2", "--json", *options]

    random = np.random.default_rng(0)
    for group in (True, False):
        with subprocess.Popen(
            command("--background", "#ff0000"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as run:  # fmt: skip
            time.sleep(float(random.uniform(1.0, 3.0)))
            # With its processes, and without: those must end by themselves.
            os.killpg(run.pid, signal.SIGKILL) if group else run.kill()
        ended = subprocess.run(command(), capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
        found = {name: digest for name, digest in contents(output).items() if not name.endswith(".unfinished")}
        assert found == finished[1]
