"""`classify --points` says when the model learned from the points: what it says of them proves nothing."""

import pytest

from spacer_like.learning.labels_split import LEARNED_POINTS, MOST_POINTS, count_learned, learned_points

from .conftest import COLOURS, TRAINING


def classified(command, *options, model="reef.pkl"):
    said = command("classify", *options, "--model", model, "--extractor", COLOURS)
    assert said.code == 0, said.err
    return said.err


@pytest.mark.parametrize("model", ["reef.pkl", "reef.safetensors"])
@pytest.mark.parametrize("inputs", [(), ("photos",), ("photos/0.jpg", "photos/1.jpg")])
def test_points_that_it_learned_from_are_counted(extracted, command, inputs, model):
    # Of the six images, one is for the evaluation.
    training = ("--validation", 0.2, "--json", "--model", model)
    answer = command("train", *TRAINING, *training).json
    err = classified(command, *inputs, "--points", "labels.csv", model=model)
    learned = answer["sets"]["train"] + answer["sets"]["ref"]
    assert 48 <= learned < 96
    if len(inputs) < 2:
        assert f"The model learned from {learned} of these 96 points" in err
    files = sorted(map(str, (extracted / "features").rglob("*.features")))
    assert f"learned from {learned} of these 96 points" in classified(
        command, *files, "--points", "labels.csv", model=model
    )


def test_of_other_points_and_of_grids_nothing_is_said(trained, command):
    lines = (trained / "labels.csv").read_text().replace(",5,", ",6,").splitlines()
    (trained / "new.csv").write_text("\n".join([lines[0], *(line for line in lines if ",6," in line)]) + "\n")
    assert "learned" not in classified(command, "--points", "new.csv")
    assert "learned" not in classified(command, "photos", "--grid", "2x2")


def test_a_model_without_a_record_of_them_or_with_a_broken_one_is_used():
    for metrics in ({}, {LEARNED_POINTS: "no base 64!"}, {LEARNED_POINTS: 3}, {LEARNED_POINTS: ""}):
        assert count_learned(metrics, [("a.jpg", 1, 2)]) == 0


def test_of_too_many_points_nothing_is_kept():
    class Many:
        label_count = MOST_POINTS + 1

    assert learned_points([Many()]) == {}
