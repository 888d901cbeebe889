"""What a classifier's file says of itself, and the same classifier without pickle."""

import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.learning.model_files import load_classifier

from ..learning.test_model_files import GOLDEN


@pytest.mark.parametrize("ending", ["safetensors", "pkl"])
def test_a_converted_classifier_classifies_alike_and_keeps_its_card(trained, command, ending):
    assert command("model", "convert", "reef.pkl", f"new.{ending}").code == 0
    answers = [
        command("classify", "features/photos/0.jpg.features", "--model", model, "--json").json["images"]
        for model in ("reef.pkl", f"new.{ending}")
    ]
    assert answers[0] == answers[1]
    cards = [command("model", "info", model, "--json").json for model in ("reef.pkl", f"new.{ending}")]
    assert cards[0]["card"] == cards[1]["card"]
    assert cards[0]["card"]["data"]["train"]["points"] > 0
    assert "learned_points" not in cards[0]["metrics"]


def test_the_card_is_shown(trained, command):
    said = command("model", "info", "reef.pkl")
    assert said.code == 0, said.err
    for text in ("LR of 3 → 2", "points in", "coral", "balanced accuracy: ", "macro f1: "):
        assert text in said.out


def test_a_file_of_another_program_has_no_card(tmp_path, command):
    said = command("model", "info", GOLDEN / "mlp3_1.5.2.pkl")
    assert "has no card" in said.out
    assert command("model", "info", GOLDEN / "mlp3_1.5.2.pkl", "--json").json["card"] == {}
    assert command("model", "convert", GOLDEN / "mlp3_1.5.2.pkl", tmp_path / "m.safetensors").code == 0
    assert load_classifier(DataLocation("filesystem", str(tmp_path / "m.safetensors"))).kind == "MLP"


def test_what_is_no_classifier_or_would_be_overwritten_is_refused(trained, command):
    assert "labels.csv" in command("model", "info", "labels.csv").err
    assert command("model", "convert", "reef.pkl", "reef.pkl").code == 64
    assert "nix.pkl" in command("model", "info", "nix.pkl").err
