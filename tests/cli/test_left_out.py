"""What a training cannot learn from is said: on the terminal, in the answer, in the report and on the page."""

import json

import pytest

from spacer_like.mailman import process_job
from spacer_like.messages import JobMsg, JobReturnMsg

from .conftest import COLOURS, TRAINING

SPLITS = ("--validation", 0.2, "--report", "report.json", "--page", "page.html")


@pytest.fixture
def with_rare_classes(reef, command):
    """The reef, where one class is in one image only, and another has a single point."""
    lines = (reef / "labels.csv").read_text().splitlines()
    for number, label in ((1, "gorgonian <b>"), (2, "gorgonian <b>"), (3, "gorgonian <b>"), (20, "anemone")):
        lines[number] = lines[number].rpartition(",")[0] + f",{label}"
    (reef / "labels.csv").write_text("\n".join(lines) + "\n")
    assert command("extract", "--points", "labels.csv", "--out", "features", "--extractor", COLOURS).code == 0
    return reef


def test_everywhere_with_counts_and_what_to_do(with_rare_classes, command):
    said = command("train", *TRAINING, *SPLITS)
    assert said.code == 0, said.err
    assert "The model does not know 2 labelled classes (4 points left out)." in said.out
    assert "gorgonian" in said.out
    assert "anemone" in said.out
    assert "label more points of it" in said.out.replace("\n", " ")
    report = json.loads((with_rare_classes / "report.json").read_text())
    assert [one["label"] for one in report["left_out"]] == ["gorgonian <b>", "anemone"]
    assert [sum(one[name] for name in ("train", "ref", "val")) for one in report["left_out"]] == [3, 1]
    page = (with_rare_classes / "page.html").read_text()
    assert "Classes left out" in page
    assert "gorgonian &lt;b&gt;" in page
    assert "It has 1 point, and each of the three sets needs one: label more points of it." in page


@pytest.mark.parametrize("split", ["vectors", "points", "points-stratified"])
def test_with_every_split(with_rare_classes, command, split):
    answer = command("train", *TRAINING, *SPLITS, "--split", split, "--json").json
    left_out = {one["label"]: one["train"] + one["ref"] + one["val"] for one in answer["left_out"]}
    assert left_out["anemone"] == 1
    assert sum(answer["sets"].values()) + sum(left_out.values()) == 96
    assert answer["report"]["left_out"] == answer["left_out"]
    assert answer["unlabelled_points"] == 0


def test_nothing_is_said_where_everything_is_learnt(extracted, command):
    said = command("train", *TRAINING, *SPLITS)
    assert "left out" not in said.out + said.err
    assert "left_out" not in json.loads((extracted / "report.json").read_text())
    assert "left out" not in (extracted / "page.html").read_text()


def test_in_the_return_message(with_rare_classes, command):
    from spacer_like.cli.options import labelled_table
    from spacer_like.cli.point_jobs import labelled_features
    from spacer_like.cli.terminal import Terminal
    from spacer_like.data_classes import DataLocation
    from spacer_like.learning.labels_split import SplitMode, divide_labels
    from spacer_like.messages import TrainClassifierMsg

    labels = labelled_features(labelled_table("labels.csv", Terminal()), DataLocation.local("features"))
    message = TrainClassifierMsg(
        "", "minibatch", 2, "LR", divide_labels(labels, (0.3, 0.2), SplitMode.POINTS_STRATIFIED), [],
        DataLocation("memory", "m"), DataLocation("memory", "v"),
    )  # fmt: skip
    answer = process_job(JobMsg("train_classifier", [message]))
    (one,) = [one for one in answer.results[0].left_out if one.label == "anemone"]
    assert (one.train, one.ref, one.val) == (1, 0, 0)
    assert JobReturnMsg.deserialize(json.loads(json.dumps(answer.serialize()))) == answer
