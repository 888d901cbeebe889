"""How often a run decodes an image, and that scores made in one pass are those of two."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from spacer_like.cli import main
from spacer_like.engines.base import Serial
from spacer_like.progress import listening
from spacer_like.rarity.tasks import collections as decoding
from spacer_like.workflows.rarity import RarityOptions, score_collections
from spacer_like.workflows.steps import Steps

STREAMED = RarityOptions(size=16, methods=("ratio", "log"), keep_stacks=False)
KEPT = RarityOptions(size=16, methods=("ratio", "log"))
WORK = {"Decoding", "Checking", "Counting colours", "Scoring"}


class Killed(BaseException):
    pass


class Watched(Serial):
    """An engine in this process that keeps what it was asked for."""

    def __init__(self):
        self.asked = []

    def outcomes(self, messages, before=None):
        self.asked += messages
        return super().outcomes(messages, before)


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


@pytest.fixture
def decoded(monkeypatch):
    """How often each image is decoded, by what the run does meanwhile."""
    found: dict[str, Counter[str]] = {}
    square_into, at_work = decoding.square_into, ["nothing"]

    def counted(square, data, name, **options):
        found.setdefault(at_work[0], Counter())[f"{hashlib.sha256(data).hexdigest()} {name}"] += 1
        square_into(square, data, name, **options)

    def listen(work, ended, total):
        at_work[0] = work if work in WORK else at_work[0]

    monkeypatch.setattr(decoding, "square_into", counted)
    with listening(listen):
        yield found


def test_a_streamed_run_decodes_each_image_to_check_to_count_and_to_score(collections, decoded, tmp_path):
    report = score_collections(collections, tmp_path / "out", STREAMED, Serial())
    assert report.n_scored == 8
    assert list(decoded) == ["Checking", "Counting colours", "Scoring"]
    for counts in decoded.values():
        assert len(counts) == 8
        assert set(counts.values()) == {1}


def test_the_help_says_how_often_images_are_decoded(capsys):
    assert main(["rarity", "--help"]) == 0
    assert "Decode images three times, to check, count and score" in " ".join(capsys.readouterr().out.split())


def test_a_run_that_keeps_pixels_decodes_each_image_once(collections, decoded, tmp_path):
    score_collections(collections, tmp_path / "out", KEPT, Serial())
    assert list(decoded) == ["Decoding"]
    assert set(decoded["Decoding"].values()) == {1}


@pytest.mark.parametrize("options", [STREAMED, KEPT], ids=["streamed", "kept"])
@pytest.mark.parametrize("scope", ["local", "global"])
def test_a_scope_that_is_done_stays_and_the_other_alone_is_scored_to_the_same_bytes(
    options, scope, collections, tmp_path
):
    output, engine = tmp_path / "out", Watched()
    score_collections(collections, output, options, engine)
    joint = [one for one in engine.asked if one.task == "score_collection"]
    assert len(joint) == 2
    assert all(one.second_scores_locs for one in joint)
    before = contents(output)
    for name in ("apes", "punks"):
        (output / "records" / f"score%20{scope}%20{name}.json").unlink()
    engine.asked.clear()
    score_collections(collections, output, options, engine)
    alone = [one for one in engine.asked if one.task == "score_collection"]
    assert [[*one.scores_locs] for one in alone] == [["raw"] if scope == "local" else ["ratio", "log"]] * 2
    assert not any(one.second_scores_locs for one in alone)
    assert contents(output) == before


@pytest.fixture(scope="module")
def streamed(collections, tmp_path_factory):
    """A folder, and what a streamed run leaves in it that nothing disturbs."""
    output = tmp_path_factory.mktemp("streamed") / "out"
    score_collections(collections, output, STREAMED, Serial())
    return output, contents(output)


# Of 15 records the first 5 say that two collections are checked and counted, and merged; then come those of the scores.
@pytest.mark.parametrize("recorded", range(5, 10))
def test_killed_between_any_records_of_scores_and_taken_up_again_it_leaves_the_same_bytes(
    recorded, collections, streamed, monkeypatch
):
    output, expected = streamed
    for path in output.rglob("*"):
        if path.is_file():
            path.unlink()
    record, left = Steps._record, iter(range(recorded))

    def record_or_die(self, step, result):
        if next(left, None) is None:
            raise Killed
        record(self, step, result)

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "_record", record_or_die)
        with pytest.raises(Killed):
            score_collections(collections, output, STREAMED, Serial())
    assert score_collections(collections, output, STREAMED, Serial()).steps_run == 15 - recorded
    assert contents(output) == expected


def test_a_failure_of_both_scopes_drops_the_collection_once(collections, make_transparent, tmp_path):
    folder = make_transparent(tmp_path / "in")
    (folder / "apes" / "metadata").mkdir()
    (folder / "apes" / "metadata" / "metadata.csv").write_bytes(b"\x00\x01\xff")
    report = score_collections(folder, tmp_path / "out", STREAMED, Serial())
    assert {one.collection_id: one.state for one in report.collections} == {"apes": "failed", "punks": "scored"}
    assert "metadata.csv" in next(one.reason for one in report.collections if one.collection_id == "apes")
