"""Rarity from beginning to end: a folder of collections in, rankings out, and nothing done twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from spacer_like.cli import main
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, MessageError, TableError
from spacer_like.workflows.rarity import RarityOptions, methods_named, score_collections

SMALL = RarityOptions(size=32, processes=1)


def contents(folder: Path) -> dict[str, str]:
    """A digest of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def table(output: Path, method: str):
    return pyarrow.parquet.read_table(output / "scores" / f"{method}.parquet")


@pytest.fixture(scope="module")
def finished(make_collections, tmp_path_factory):
    """(collections, output, report) of a run that nothing disturbed."""
    folder = make_collections(tmp_path_factory.mktemp("collections"))
    output = tmp_path_factory.mktemp("output")
    return folder, output, score_collections(folder, output, SMALL)


def test_what_can_be_scored_is_and_the_rest_is_reported(finished):
    report = finished[2]
    assert {one.collection_id: one.state for one in report.collections} == {
        "apes": "scored",
        "hidden": "pre-reveal",
        "nothing": "empty",
        "punks": "scored",
        "torn": "failed",
    }
    reasons = {one.collection_id: one.reason for one in report.collections}
    assert "100%" in reasons["hidden"]
    assert "nothing" in reasons["nothing"]
    assert "torn.zip" in reasons["torn"]
    assert [one["name"] for one in report.collections[0].unreadable] == ["77"]


def test_every_image_is_ranked_among_all(finished):
    _, output, report = finished
    assert report.n_images == 24
    for method in SMALL.methods:
        ranking = table(output, method)
        assert ranking.num_rows == 24
        assert ranking["pixelRank"].to_pylist() == list(range(1, 25))
        assert set(ranking["collectionAddress"].to_pylist()) == {"apes", "punks"}
    assert sum(report.buckets.values()) == 24


def test_the_agreement_with_the_metadata_is_reported(finished):
    for one in finished[2].scored:
        assert set(one.correlations) == {"local_raw", *(f"global_{method}" for method in SMALL.methods)}
        assert one.correlations["global_ratio"]["n"] == 11
        assert -1 <= one.correlations["global_ratio"]["spearman_score"] <= 1


def test_the_rankings_of_each_two_methods_are_compared(finished):
    _, output, report = finished
    pairs = {frozenset((one["first"], one["second"])) for one in report.comparisons}
    assert pairs >= {frozenset(pair) for pair in combinations(SMALL.methods, 2)}
    rows = (output / "scores" / "comparison.csv").read_text().splitlines()
    assert len(rows) == 1 + len(report.comparisons) == 1 + len(pairs)


def test_what_is_done_and_unchanged_is_not_done_again(finished):
    folder, output, _ = finished
    before = contents(output)
    again = score_collections(folder, output, SMALL)

    # The collections that failed are tried again, in case somebody mended them.
    assert again.steps_run == 2
    assert contents(output) == before


def test_only_what_depends_on_a_changed_image_is_done_again(make_collections, tmp_path):
    folder = make_collections(tmp_path / "collections")
    score_collections(folder, tmp_path / "output", SMALL)
    untouched = tmp_path / "output" / "collections" / "apes" / "histogram.parquet"
    written = untouched.stat().st_mtime_ns
    Image.new("RGB", (32, 32), (255, 0, 255)).save(folder / "punks" / "resized" / "5", "PNG")

    score_collections(folder, tmp_path / "output", SMALL)
    assert untouched.stat().st_mtime_ns == written
    first = table(tmp_path / "output", "ratio").slice(0, 1).to_pylist()[0]
    assert (first["collectionAddress"], str(first["tokenId"])) == ("punks", "5")


def test_a_file_that_was_deleted_is_made_again(make_collections, tmp_path):
    folder = make_collections(tmp_path / "collections")
    score_collections(folder, tmp_path / "output", SMALL)
    before = contents(tmp_path / "output")
    (tmp_path / "output" / "collections" / "punks" / "global_log.csv").unlink()
    (tmp_path / "output" / "global" / "histogram.parquet").unlink()

    score_collections(folder, tmp_path / "output", SMALL)
    assert contents(tmp_path / "output") == before


def test_decoded_pixels_need_not_be_kept(finished, tmp_path):
    folder, output, _ = finished
    report = score_collections(folder, tmp_path, RarityOptions(size=32, processes=2, keep_stacks=False))

    assert not list(tmp_path.rglob("pixels.npz"))
    states = {one.collection_id: one.state for one in report.collections}
    assert states["nothing"] == "empty"
    assert "nothing" in next(one.reason for one in report.collections if one.collection_id == "nothing")
    for method in SMALL.methods:
        assert table(tmp_path, method).equals(table(output, method))


def test_lists_say_which_collections_count(finished, tmp_path):
    folder = finished[0]
    (tmp_path / "white.csv").write_text(",collection_id\n0,apes\n1,punks\n2,lost\n")
    (tmp_path / "black.csv").write_text(",collection_id\n0,punks\n")
    options = RarityOptions(
        size=32,
        processes=1,
        whitelist=DataLocation("filesystem", str(tmp_path / "white.csv")),
        blacklist=DataLocation("filesystem", str(tmp_path / "black.csv")),
    )
    report = score_collections(folder, tmp_path / "output", options)
    assert [one.collection_id for one in report.scored] == ["apes"]
    assert report.missing == ["lost"]


def test_a_list_without_ids_is_refused(finished, tmp_path):
    (tmp_path / "white.csv").write_text("name\napes\n")
    options = RarityOptions(whitelist=DataLocation("filesystem", str(tmp_path / "white.csv")))
    with pytest.raises(TableError, match=r"white\.csv has no column 'collection_id'"):
        score_collections(finished[0], tmp_path / "output", options)


def test_a_folder_without_collections_is_refused(tmp_path):
    with pytest.raises(DataNotFoundError, match="There is no folder"):
        score_collections(tmp_path / "missing", tmp_path)
    with pytest.raises(DataNotFoundError, match="holds no collection"):
        score_collections(tmp_path, tmp_path / "output")


def test_methods_are_checked(tmp_path):
    assert methods_named("ratio, log") == ("ratio", "log")
    with pytest.raises(MessageError, match="'rarest' is unknown"):
        methods_named("rarest")
    with pytest.raises(MessageError, match="Buckets of 'log'"):
        score_collections(tmp_path, tmp_path, RarityOptions(methods=("ratio",), bucketized="log"))


def test_a_run_that_is_killed_goes_on_and_leaves_the_same_files(finished, tmp_path):
    folder, output, _ = finished
    command = [sys.executable, "-m", "spacer_like", "rarity", str(folder), "--out", str(tmp_path), "--size", "32"]
    command += ["--no-pictures", "--json"]
    random = np.random.default_rng(0)
    for _ in range(4):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as run:
            time.sleep(float(random.uniform(0.8, 2.5)))
            os.killpg(run.pid, signal.SIGKILL)
    end = subprocess.run(command, capture_output=True, check=False)

    answer = json.loads(end.stdout)
    assert {one["collection_id"] for one in answer["collections"] if one["state"] == "scored"} == {"apes", "punks"}
    # Records name their folder. A writer that was killed leaves its unfinished file behind.
    found = {name: digest for name, digest in contents(tmp_path).items() if not name.endswith(".unfinished")}
    expected = contents(output)
    assert found.keys() == expected.keys()
    assert {name for name in found if found[name] != expected[name] and not name.startswith("records/")} == set()


def test_a_check_alone_writes_lists_that_a_run_takes(make_collections, tmp_path, capsys):
    folder, out = make_collections(tmp_path / "collections"), tmp_path / "out"
    arguments = ["rarity", str(folder), "--out", str(out), "--size", "16", "--processes", "1"]
    assert main([*arguments, "--check"]) == 64
    said = capsys.readouterr()
    assert "torn" in said.err
    assert f"2 good: {out / 'checks' / 'good.csv'}" in said.out
    lists = {path.name: path.read_text().splitlines() for path in (out / "checks").glob("*.csv")}
    assert lists == {
        "good.csv": ["collection_id", "apes", "punks"],
        "empty.csv": ["collection_id", "nothing"],
        "pre_reveal.csv": ["collection_id", "hidden"],
    }
    assert not (out / "report.json").exists()

    whitelist = ["--whitelist", str(out / "checks" / "good.csv"), "--methods", "ratio", "--no-pictures"]
    assert main([*arguments, *whitelist]) == 0
    report = (out / "report.json").read_bytes()
    blacklist = ["--blacklist", str(out / "checks" / "pre_reveal.csv"), "--json"]
    capsys.readouterr()
    assert main([*arguments, "--check", *blacklist]) == 64
    answer = json.loads(capsys.readouterr().out)
    assert {one["collection_id"]: one["state"] for one in answer["collections"]} == {
        "apes": "good", "nothing": "empty", "punks": "good", "torn": "failed"
    }  # fmt: skip
    assert answer["lists"]["good"] == str(out / "checks" / "good.csv")
    assert (out / "report.json").read_bytes() == report
