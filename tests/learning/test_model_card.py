"""A classifier's file without pickle, its card, and what answers from it."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacer_like.data_classes import DataLocation, ImageLabels, TrainingTaskLabels
from spacer_like.learning.classifier import Classifier
from spacer_like.learning.model_card import checked_card
from spacer_like.learning.model_files import CLASSIFIER, classifier_from_bytes, load_classifier
from spacer_like.learning.sklearn_objects import to_pickle_bytes
from spacer_like.messages import TrainClassifierMsg
from spacer_like.storage import read_bytes
from spacer_like.tasks import train_classifier
from spacer_like.train_classifier import MiniBatchTrainer

Store = Callable[..., ImageLabels]
GOLDEN = Path(__file__).parent / "golden" / "classifier-card-v1.safetensors"
FEATURES = np.random.default_rng(1).normal(size=(40, 12))


@pytest.fixture(params=["MLP", "LR"])
def trained(request: Any, three_sets: TrainingTaskLabels) -> Classifier:
    sources = {
        loc.key: f"site {number % 2}" for labels in vars(three_sets).values() for number, loc in enumerate(labels)
    }
    model = DataLocation("memory", "model.safetensors")
    results = DataLocation("memory", "results.json")
    trainer = MiniBatchTrainer(batch_size=50, mlp_learning_rate_init=0.02)
    message = TrainClassifierMsg("", trainer, 3, request.param, three_sets, [], model, results, image_sources=sources)
    answer = train_classifier(message)
    found = load_classifier(model)
    assert isinstance(found, Classifier)
    assert found.card["metrics"]["accuracy"] == answer.acc
    return found


def test_the_card_says_what_it_was_trained_on_and_how_good_it_is(trained: Classifier) -> None:
    card = trained.card
    assert card["data"] == {
        "train": {"images": 12, "points": 120},
        "ref": {"images": 6, "points": 60},
        "val": {"images": 5, "points": 50},
    }
    assert [row["label"] for row in card["classes"]] == trained.classes_.tolist()
    assert sum(row["train"] for row in card["classes"]) == 120
    low, high = card["metrics"]["interval"]
    assert low <= card["metrics"]["accuracy"] <= high
    assert card["metrics"]["baselines"]["majority"] < card["metrics"]["accuracy"]
    assert card["domain"] == {**{key: ["site 0", "site 1"] for key in ("train", "ref", "val")}, "unlike": []}


def test_a_pickle_and_a_file_without_one_keep_the_same_numbers_and_card(trained: Classifier) -> None:
    back = classifier_from_bytes(to_pickle_bytes(trained))
    assert isinstance(back, Classifier)
    assert (back.card, back.metrics, back.versions) == (trained.card, trained.metrics, trained.versions)
    np.testing.assert_array_equal(back.predict_proba(FEATURES), trained.predict_proba(FEATURES))


def test_it_answers_as_scikit_learn_does_without_scikit_learn_or_torch(trained: Classifier, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(CLASSIFIER.to_bytes(trained))
    np.save(tmp_path / "features.npy", FEATURES)
    program = """
import sys
for name in ("sklearn", "torch", "scipy", "onnxruntime"):
    sys.modules[name] = None
import numpy as np
from spacer_like.data_classes import DataLocation
from spacer_like.learning.model_files import load_classifier
classifier = load_classifier(DataLocation("filesystem", "model.safetensors"))
np.save("probabilities.npy", classifier.predict_proba(np.load("features.npy")))
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    wanted = trained.to_sklearn().predict_proba(FEATURES)
    np.testing.assert_allclose(np.load(tmp_path / "probabilities.npy"), wanted, rtol=0, atol=1e-6)


def test_golden_file() -> None:
    """Version 1 of the format with a card."""
    classifier = classifier_from_bytes(GOLDEN.read_bytes())
    assert isinstance(classifier, Classifier)
    assert classifier.card == {
        "card_version": 1,
        "data": {"train": {"images": 2, "points": 9}},
        "classes": [
            {"label": label, "train": 3, "ref": 2, "val": 2, "precision": 0.5, "recall": None} for label in (2, 5, 9)
        ],
        "metrics": {"accuracy": 0.75, "interval": [0.5, 0.9]},
        "domain": {"train": ["Laysan"]},
    }
    np.testing.assert_allclose(classifier.predict_proba(np.ones((1, 6))).sum(), 1)
    assert CLASSIFIER.to_bytes(classifier) == GOLDEN.read_bytes()


@pytest.mark.parametrize(
    "card", [[], 3, "card", {"card_version": 1}, {"card_version": 1, "data": {"train": 3}}, {"card_version": 2}]
)
def test_a_damaged_card_is_no_reason_to_refuse_a_classifier(card: Any) -> None:
    assert checked_card(card) == {}
    classifier = classifier_from_bytes(GOLDEN.read_bytes())
    assert isinstance(classifier, Classifier)
    damaged = replace(classifier, card={"x": card})
    for data in (CLASSIFIER.to_bytes(damaged), to_pickle_bytes(damaged)):
        back = classifier_from_bytes(data)
        assert isinstance(back, Classifier)
        assert back.card == {}
        np.testing.assert_array_equal(back.predict_proba(np.ones((1, 6))), classifier.predict_proba(np.ones((1, 6))))


def test_the_file_is_no_pickle(trained: Classifier) -> None:
    data = read_bytes(DataLocation("memory", "model.safetensors"))
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["header"])
    assert header["format_version"] == 1
    assert header["card"] == trained.card
