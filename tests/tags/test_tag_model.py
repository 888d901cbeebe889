"""Models of tags and their files: what they compute, that they come back, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from spacer_like.exceptions import ExtractorMismatchError, ModelFileError
from spacer_like.tags.tag_model import TAG_MODEL, LinearScorer, RbfScorer, TagModel, tag_scores

GOLDEN = Path(__file__).parent / "golden"


def linear(**changes) -> TagModel:
    fields = {
        "tag": "Straße / 道路",
        "model_type": "ovr-logistic-regression",
        "scorer": LinearScorer(np.array([1.0, -2.0]), 0.5),
        "extractor_id": "ab" * 20,
        "threshold": 0.75,
        "review_threshold": 0.25,
        "metrics": {"roc_auc": 0.5},
        "versions": {"numpy": "2"},
    }
    return TagModel(**(fields | changes))


def rbf(**changes) -> TagModel:
    scorer = RbfScorer(np.array([[0, 0], [1, 1]], np.float32), np.array([1.0, -1.0]), 0.25, 0.5, 2.0, -0.5)
    return linear(**({"model_type": "ovr-svm", "scorer": scorer, "threshold": None} | changes))


def coupled_rbf() -> TagModel:
    return rbf(scorer=replace(rbf().scorer, is_coupled=True))


VECTORS = np.array([[0, 0], [2, 1], [-1, 3]], np.float32)


class TestScores:
    def test_of_a_linear_model_are_the_logistic_function_of_a_product(self):
        assert tag_scores([linear()], VECTORS)[:, 0] == pytest.approx(1 / (1 + np.exp([-0.5, -0.5, 6.5])))

    def test_of_a_support_vector_machine_are_platts(self):
        decisions = np.exp([0, -2.5, -5]) - np.exp([-1, -0.5, -4]) + 0.25
        assert tag_scores([rbf()], VECTORS)[:, 0] == pytest.approx(1 / (1 + np.exp(-(2 * decisions - 0.5))))

    def test_of_many_models_are_those_of_each(self):
        random = np.random.default_rng(0)
        models = [linear(), rbf(), linear(scorer=LinearScorer(random.normal(size=2), -1.0))]
        models.append(rbf(scorer=replace(models[1].scorer, gamma=2.0)))
        vectors = random.normal(size=(1200, 2)).astype(np.float32)
        together = tag_scores(models, vectors)
        assert (together.shape, together.dtype) == ((1200, 4), np.float64)
        for at, model in enumerate(models):
            assert together[:, [at]] == pytest.approx(tag_scores([model], vectors), abs=1e-14)

    def test_are_those_of_scikit_learn(self):
        random = np.random.default_rng(1)
        vectors, targets = random.normal(size=(60, 8)), np.arange(60) % 2
        vectors[::2] += 0.5
        line = LogisticRegression().fit(vectors, targets)
        curve = SVC(gamma=0.1).fit(vectors, targets)
        scorer = RbfScorer(curve.support_vectors_, curve.dual_coef_[0], curve.intercept_[0], 0.1, 1.0, 0.0)
        models = [linear(scorer=LinearScorer(line.coef_[0], line.intercept_[0])), rbf(scorer=scorer)]
        expected = [line.predict_proba(vectors)[:, 1], 1 / (1 + np.exp(-curve.decision_function(vectors)))]
        assert pytest.approx(np.array(expected)) == tag_scores(models, vectors).T

    def test_need_no_image_and_no_model(self):
        assert tag_scores([linear(), rbf()], VECTORS[:0]).shape == (0, 2)
        assert tag_scores([], VECTORS).shape == (3, 0)

    def test_do_not_overflow(self):
        assert tag_scores([linear()], np.array([[1e6, 0], [-1e6, 0]])).tolist() == [[1], [0]]

    def test_of_vectors_of_another_length_are_refused(self):
        sentence = (
            r"^The model of the tag 'Straße / 道路' takes vectors of 2 numbers, and these have the shape \[3, 5\]"
        )
        with pytest.raises(ExtractorMismatchError, match=sentence):
            tag_scores([linear()], np.zeros((3, 5), np.float32))


class TestThresholds:
    def test_part_what_is_given_what_is_asked_and_what_is_neither(self):
        scores = np.array([0.2, 0.25, 0.75, 0.9])
        assert linear().is_given(scores).tolist() == [False, False, True, True]
        assert linear().is_for_review(scores).tolist() == [False, True, False, False]

    def test_without_one_nothing_is_given(self):
        scores = np.array([0.2, 1.0])
        assert rbf().is_given(scores).tolist() == [False, False]
        assert rbf().is_for_review(scores).tolist() == [False, True]


class TestTheFile:
    @pytest.mark.parametrize("make", [linear, rbf, coupled_rbf, lambda: linear(extractor_id=None, tag="道'\n")])
    def test_gives_the_model_back(self, make):
        model = make()
        data = TAG_MODEL.to_bytes(model)
        found = TAG_MODEL.from_bytes(data, "m")
        assert TAG_MODEL.to_bytes(found) == data
        for name in ("tag", "model_type", "extractor_id", "threshold", "review_threshold", "metrics", "versions"):
            assert getattr(found, name) == getattr(model, name)
        assert (tag_scores([found], VECTORS) == tag_scores([model], VECTORS)).all()

    @pytest.mark.parametrize(("name", "make"), [("linear", linear), ("rbf", rbf)])
    def test_of_version_1_is_read(self, name, make):
        data = (GOLDEN / f"tag-model-{name}-v1.safetensors").read_bytes()
        assert TAG_MODEL.to_bytes(TAG_MODEL.from_bytes(data, "golden")) == data == TAG_MODEL.to_bytes(make())


def changed(header=None, make=linear, **tensors) -> bytes:
    """A model's file with other tensors (None removes one), or other entries in its header."""
    data = TAG_MODEL.to_bytes(make())
    own = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["header"])
    found = {name: value for name, value in (load(data) | tensors).items() if value is not None}
    return save(found, {"header": json.dumps(own | (header or {}))})


HOSTILE = [
    b"",
    b"\x80\x04cos\nsystem\n.",
    TAG_MODEL.to_bytes(linear())[:-3],
    changed({"format": "spacer_like.classifier"}),
    changed({"format_version": 2}),
    changed({"scorer": "tree"}),
    changed({"scorer": "rbf"}),
    changed({"tag": ""}),
    changed({"tag": 3}),
    changed({"tag": "a" * 10_001}),
    changed({"tag": "\ud800"}),
    changed({"model_type": None}),
    changed({"extractor_id": 7}),
    changed({"threshold": 1.5}),
    changed({"threshold": True}),
    changed({"threshold": "0.5"}),
    changed({"review_threshold": None}),
    changed({"review_threshold": float("nan")}),
    changed({"metrics": 3}),
    changed(weights=None),
    changed(weights=np.zeros(0)),
    changed(weights=np.zeros((2, 2))),
    changed(weights=np.array([1.0, np.nan])),
    changed(weights=np.array([1, 2])),
    changed(bias=np.zeros(2)),
    changed(bias=np.array([np.inf])),
    changed(make=rbf, coefficients=np.zeros(3)),
    changed(make=rbf, support_vectors=np.zeros(2)),
    changed(make=rbf, gamma=np.array([-1.0])),
    changed(make=rbf, gamma=None),
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_a_file_that_is_none_is_refused_in_one_sentence(data):
    with pytest.raises(ModelFileError, match=r"^'m.safetensors': the file holds no model of a tag: [^\n]+\.$"):
        TAG_MODEL.from_bytes(data, "'m.safetensors'")
