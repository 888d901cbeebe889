import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from spacer_like import storage
from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, TrainingTaskLabels
from spacer_like.exceptions import DataNotFoundError, ExtractorMismatchError, FeatureFileError, ModelFileError
from spacer_like.learning import sklearn_objects
from spacer_like.learning.classifier import Classifier
from spacer_like.learning.model_files import (
    CLASSIFIER,
    KEPT_CLASSIFIERS,
    check_same_extractor,
    classifier_from_bytes,
    load_classifier,
    store_classifier,
)
from spacer_like.learning.pickles import Made, read_pickle
from spacer_like.learning.sklearn_objects import FROZEN, to_pickle_bytes, tree_of
from spacer_like.learning.sklearn_tree import ALLOWED, classifier_of, from_pickle_bytes
from spacer_like.train_classifier import MiniBatchTrainer

from .prefit import prefit_calibration

Store = Callable[..., ImageLabels]

GOLDEN = Path(__file__).parent / "golden"
LOCATION = DataLocation("memory", "classifier.pkl")


def made(kind: str = "MLP", classes: tuple[Any, ...] = (2, 5, 9), extractor_id: str | None = "abc") -> Classifier:
    random = np.random.default_rng(0)
    outputs = len(classes) if len(classes) > 2 else 1
    sizes = [(6, 4), (4, outputs)] if kind == "MLP" else [(6, outputs)]
    dtype = np.float32 if kind == "MLP" else np.float64
    return Classifier(
        kind,  # type: ignore[arg-type]
        np.array(classes),
        tuple((random.normal(size=size).astype(dtype), random.normal(size=size[1]).astype(dtype)) for size in sizes),
        -random.random(outputs) - 0.5,
        random.normal(size=outputs),
        parameters={"average": True, "loss": "log_loss"} if kind == "LR" else {"learning_rate_init": 0.01},
        extractor_id=extractor_id,
        metrics={"accuracy": 0.75},
        versions={"spacer_like": "0.1.0"},
    )


ALL_KINDS = [
    pytest.param(made(kind, classes), id=f"{kind}-{len(classes)}")
    for kind in ("MLP", "LR")
    for classes in ((2, 5, 9), ("coral", "sand"), (-1, 2**62))
]
FEATURES = np.random.default_rng(1).normal(size=(20, 6))


class TestGoldenPickles:
    """Files as each version of scikit-learn wrote them, and what it answered."""

    @pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*[0-9]_*.pkl")))
    def test_old_files_give_the_same_numbers(self, name: str) -> None:
        wanted = json.loads((GOLDEN / f"{name}.json").read_text())
        classifier = classifier_from_bytes((GOLDEN / f"{name}.pkl").read_bytes())
        assert classifier.classes_.tolist() == wanted["classes"]
        np.testing.assert_allclose(classifier.predict_proba(wanted["features"]), wanted["probabilities"], atol=1e-14)

    @pytest.mark.parametrize("name", ["lr3_0.17.1", "mlp2_1.5.2"])
    def test_an_old_file_can_be_stored_anew_for_the_current_scikit_learn(self, name: str) -> None:
        wanted = json.loads((GOLDEN / f"{name}.json").read_text())
        classifier = classifier_from_bytes((GOLDEN / f"{name}.pkl").read_bytes())
        current = pickle.loads(to_pickle_bytes(classifier))
        np.testing.assert_allclose(
            current.predict_proba(np.array(wanted["features"])), wanted["probabilities"], atol=1e-14
        )


class TestOwnPickles:
    @pytest.mark.parametrize("classifier", ALL_KINDS)
    def test_a_plain_scikit_learn_answers_the_same(self, classifier: Classifier) -> None:
        theirs = pickle.loads(to_pickle_bytes(classifier))
        assert isinstance(theirs, CalibratedClassifierCV)
        np.testing.assert_allclose(theirs.predict_proba(FEATURES), classifier.predict_proba(FEATURES), atol=1e-14)
        assert theirs.predict(FEATURES).tolist() == classifier.predict(FEATURES).tolist()
        assert theirs.n_features_in_ == 6

    def test_in_a_process_that_knows_nothing_of_this_package(self, tmp_path: Path) -> None:
        (tmp_path / "classifier.pkl").write_bytes(to_pickle_bytes(made()))
        program = """
import pickle, sys
import numpy as np
classifier = pickle.load(open("classifier.pkl", "rb"))
print(classifier.predict_proba(np.ones((1, 6))).tolist(), any(name.startswith("spacer_like") for name in sys.modules))
"""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{made().predict_proba(np.ones((1, 6))).tolist()} False\n"

    @pytest.mark.parametrize("classifier", ALL_KINDS)
    def test_they_are_read_back(self, classifier: Classifier) -> None:
        back = from_pickle_bytes(to_pickle_bytes(classifier))
        assert to_pickle_bytes(back) == to_pickle_bytes(classifier)
        assert (back.extractor_id, back.metrics, back.versions) == ("abc", {"accuracy": 0.75}, {"spacer_like": "0.1.0"})
        assert back.layers[0][0].dtype == classifier.layers[0][0].dtype

    @pytest.mark.parametrize("classifier", ALL_KINDS)
    def test_the_objects_are_whole(self, classifier: Classifier) -> None:
        """The pickle is composed of names; what it makes must have what the real constructors set."""
        estimator = classifier.estimator
        assert type(estimator) is (MLPClassifier if classifier.kind == "MLP" else SGDClassifier)
        assert estimator.get_params().keys() == type(estimator)().get_params().keys()
        assert (
            classifier.to_sklearn().get_params(deep=False).keys()
            == CalibratedClassifierCV().get_params(deep=False).keys()
        )
        assert repr(clone(estimator))
        np.testing.assert_array_equal(estimator.predict(FEATURES).shape, (20,))
        # The arguments that are not ours to choose are scikit-learn's own defaults.
        ours, defaults = estimator.get_params(), type(estimator)().get_params()
        chosen = {"hidden_layer_sizes", "learning_rate_init", "loss", "average"}
        assert {name: ours[name] for name in ours.keys() - chosen} == {
            name: defaults[name] for name in defaults.keys() - chosen
        }

    def test_the_composed_pickle_is_that_of_the_real_objects(self) -> None:
        for classifier in (made("MLP"), made("LR")):
            composed = from_pickle_bytes(to_pickle_bytes(classifier))
            real = from_pickle_bytes(pickle.dumps(classifier.to_sklearn()))
            assert to_pickle_bytes(composed) == to_pickle_bytes(real)

    def test_a_version_of_scikit_learn_that_is_not_known_pickles_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sklearn_objects, "KNOWN_VERSIONS", ())
        theirs = pickle.loads(data := to_pickle_bytes(made()))
        np.testing.assert_allclose(theirs.predict_proba(FEATURES), made().predict_proba(FEATURES), atol=1e-14)
        np.testing.assert_array_equal(from_pickle_bytes(data).predict_proba(FEATURES), made().predict_proba(FEATURES))

    def test_the_installed_version_is_known(self) -> None:
        assert sklearn_objects._sklearn_version().rpartition(".")[0] in sklearn_objects.KNOWN_VERSIONS

    def test_they_are_small(self, store: Store) -> None:
        sets = TrainingTaskLabels(*(store(name, 5, dimension=200) for name in ("train", "ref", "val")))
        classifier, _, _ = MiniBatchTrainer()(sets, 1, [], "MLP")
        weights = 4 * (200 * 100 + 100 + 100 * 3 + 3)
        assert len(to_pickle_bytes(classifier)) < weights + 6000

    @pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
    @pytest.mark.parametrize("kind", ["MLP", "LR"])
    def test_every_protocol_is_read(self, kind: str, protocol: int) -> None:
        back = from_pickle_bytes(pickle.dumps(made(kind).to_sklearn(), protocol=protocol))
        np.testing.assert_allclose(back.predict_proba(FEATURES), made(kind).predict_proba(FEATURES), atol=1e-15)

    @pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
    def test_other_activations_are_read(self, activation: str) -> None:
        theirs = MLPClassifier((4,), activation=activation, max_iter=200, tol=1.0, n_iter_no_change=2, random_state=0)
        labels = np.arange(20) % 3
        calibrated = prefit_calibration(theirs.fit(FEATURES, labels)).fit(FEATURES, labels)
        back = from_pickle_bytes(pickle.dumps(calibrated))
        np.testing.assert_allclose(back.predict_proba(FEATURES), calibrated.predict_proba(FEATURES), atol=1e-14)
        again = back.to_sklearn()
        np.testing.assert_allclose(again.predict_proba(FEATURES), calibrated.predict_proba(FEATURES), atol=1e-14)


class TestSafetensors:
    LOCATION = DataLocation("memory", "classifier.safetensors")

    @pytest.mark.parametrize("classifier", ALL_KINDS)
    def test_stored_and_loaded(self, classifier: Classifier) -> None:
        store_classifier(self.LOCATION, classifier)
        back = load_classifier(self.LOCATION)
        np.testing.assert_array_equal(back.predict_proba(FEATURES), classifier.predict_proba(FEATURES))
        assert back.classes_.tolist() == classifier.classes_.tolist()
        assert (back.kind, back.extractor_id, back.metrics) == (classifier.kind, "abc", {"accuracy": 0.75})
        assert CLASSIFIER.to_bytes(back) == CLASSIFIER.to_bytes(classifier)
        assert to_pickle_bytes(back) == to_pickle_bytes(classifier)

    def test_the_header_is_json(self) -> None:
        from safetensors import safe_open

        data = CLASSIFIER.to_bytes(made())
        length = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["header"])
        assert header["format"] == "spacer_like.classifier"
        assert header["format_version"] == 1
        assert header["kind"] == "MLP"
        assert header["classes"] == [2, 5, 9]
        assert safe_open

    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data[:-1],
            lambda data: data[:100],
            lambda data: data.replace(b'\\"kind\\": \\"MLP\\"', b'\\"kind\\": \\"SVM\\"'),
            lambda data: data.replace(b"[2, 5, 9]", b"[2, 5   ]"),
            lambda data: data.replace(b"slopes", b"ropes!"),
            lambda data: data.replace(b'version\\": 1', b'version\\": 7'),
            lambda data: data.replace(b"spacer_like.classifier", b"spacer_like.doggifier!"),
            lambda data: data.replace(b"__metadata__", b"__metabata__"),
        ],
    )
    def test_damaged_files_are_refused(self, change: Callable[[bytes], bytes]) -> None:
        data = CLASSIFIER.to_bytes(made())
        assert change(data) != data
        storage.write_bytes(self.LOCATION, change(data))
        with pytest.raises(ModelFileError, match=r"^memory://classifier\.safetensors: ") as refused:
            load_classifier(self.LOCATION)
        assert "pickle" not in str(refused.value)

    @pytest.mark.parametrize(
        ("spoilt", "sentence"),
        [
            ({"bias": np.array([0.0, np.nan, 0.0])}, "not finite"),
            ({"slopes": np.array([-1.0, -np.inf, -1.0])}, "not finite"),
            ({"layers": ((np.full((6, 3), np.nan, np.float32), np.zeros(3, np.float32)),)}, "not finite"),
            ({"classes_": np.array([2, 5, 5])}, "two classes of one name"),
        ],
    )
    def test_what_would_answer_no_probability_is_refused(self, spoilt: dict[str, Any], sentence: str) -> None:
        classifier = made()
        for name, value in spoilt.items():
            object.__setattr__(classifier, name, value)
        storage.write_bytes(self.LOCATION, CLASSIFIER.to_bytes(classifier))
        with pytest.raises(ModelFileError, match=sentence):
            load_classifier(self.LOCATION)


class TestStore:
    def test_what_is_not_fitted_is_refused(self) -> None:
        for unfitted in (CalibratedClassifierCV(), SGDClassifier(), "classifier"):
            with pytest.raises(ValueError, match=r"^Only fitted classifiers can be stored\.$"):
                store_classifier(LOCATION, unfitted)
        assert not storage.exists(LOCATION)

    @pytest.mark.parametrize(
        "calibrated",
        [
            CalibratedClassifierCV(KNeighborsClassifier(2), cv=2),
            prefit_calibration(KNeighborsClassifier(2).fit(FEATURES, np.arange(20) % 3)),
            KNeighborsClassifier(2),
        ],
    )
    def test_what_could_not_be_loaded_again_is_refused(self, calibrated: Any) -> None:
        calibrated.fit(FEATURES, np.arange(20) % 3)
        with pytest.raises(ModelFileError, match="could not be loaded again"):
            store_classifier(LOCATION, calibrated)
        assert not storage.exists(LOCATION)

    @pytest.mark.parametrize("classifier", ALL_KINDS)
    def test_objects_of_scikit_learn_are_stored_as_well(self, classifier: Classifier) -> None:
        store_classifier(LOCATION, classifier.to_sklearn())
        np.testing.assert_array_equal(
            load_classifier(LOCATION).predict_proba(FEATURES), classifier.predict_proba(FEATURES)
        )

    def test_pyspacers_names_for_both(self) -> None:
        storage.store_classifier(LOCATION, made())
        assert storage.load_classifier(LOCATION).classes_.tolist() == [2, 5, 9]
        storage.load_classifier.cache_clear()


class TestCache:
    def test_what_was_loaded_is_kept(self) -> None:
        store_classifier(LOCATION, made())
        assert load_classifier(LOCATION) is load_classifier(LOCATION)

    def test_it_is_never_stale(self) -> None:
        store_classifier(LOCATION, made("MLP"))
        assert load_classifier(LOCATION).kind == "MLP"
        store_classifier(LOCATION, made("LR"))
        assert load_classifier(LOCATION).kind == "LR"
        storage.delete(LOCATION)
        with pytest.raises(DataNotFoundError):
            load_classifier(LOCATION)

    def test_it_is_bounded(self) -> None:
        store_classifier(LOCATION, made())
        first = load_classifier(LOCATION)
        for number in range(KEPT_CLASSIFIERS):
            other = DataLocation("memory", f"other{number}")
            store_classifier(other, made(extractor_id=str(number)))
            load_classifier(other)
        assert load_classifier(LOCATION) is not first

    def test_what_was_asked_for_last_stays(self) -> None:
        load_classifier.cache_clear()
        places = [DataLocation("memory", f"other{number}") for number in range(KEPT_CLASSIFIERS + 1)]
        for number, place in enumerate(places):
            store_classifier(place, made(extractor_id=str(number)))
        first, second, *_ = [load_classifier(place) for place in places[:KEPT_CLASSIFIERS]]
        assert load_classifier(places[0]) is first
        load_classifier(places[-1])
        assert load_classifier(places[0]) is first
        assert load_classifier(places[1]) is not second

    def test_it_can_be_cleared(self) -> None:
        store_classifier(LOCATION, made())
        first = load_classifier(LOCATION)
        load_classifier.cache_clear()
        assert load_classifier(LOCATION) is not first

    def test_what_is_shared_cannot_be_changed(self) -> None:
        store_classifier(LOCATION, made())
        classifier = load_classifier(LOCATION)
        with pytest.raises(ValueError, match="read-only"):
            classifier.layers[0][0][0] = 1
        with pytest.raises(ValueError, match="read-only"):
            classifier.classes_[0] = 1


class TestSameExtractor:
    def features(self, extractor_id: str | None, dimension: int = 6) -> ImageFeatures:
        return ImageFeatures.from_arrays([(1, 1)], np.ones((1, dimension)), extractor_id)

    @pytest.mark.parametrize(("ours", "theirs"), [("abc", "abc"), (None, "abc"), ("abc", None), (None, None)])
    def test_the_same_or_not_known(self, ours: str | None, theirs: str | None) -> None:
        check_same_extractor(made(extractor_id=ours), self.features(theirs), "classifier.pkl")

    def test_another(self) -> None:
        with pytest.raises(ExtractorMismatchError, match=r"classifier\.pkl: .*abc.*xyz"):
            check_same_extractor(made(), self.features("xyz"), "classifier.pkl")

    def test_vectors_of_another_length(self) -> None:
        with pytest.raises(ExtractorMismatchError, match=r"classifier\.pkl: .*6 numbers.* 7"):
            check_same_extractor(made(), self.features(None, 7), "classifier.pkl")


class TestPredicting:
    @given(st.integers(1, 30), st.sampled_from(["MLP", "LR"]), st.integers(2, 5))
    def test_probabilities_sum_to_one(self, count: int, kind: str, classes: int) -> None:
        classifier = made(kind, tuple(range(classes)))
        features = np.random.default_rng(count).normal(size=(count, 6)) * 10
        probabilities = classifier.predict_proba(features)
        assert probabilities.shape == (count, classes)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
        assert classifier.predict(features).tolist() == probabilities.argmax(axis=1).tolist()

    def test_scores_beyond_what_exp_can_hold_give_probabilities(self) -> None:
        probabilities = made("MLP").predict_proba(np.full((1, 6), 1e6))
        assert np.isfinite(probabilities).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)

    def test_one_point_is_answered_as_many_are(self) -> None:
        alone = np.concatenate([made().predict_proba(FEATURES[row : row + 1]) for row in range(20)])
        np.testing.assert_allclose(made().predict_proba(FEATURES), alone, atol=1e-14)
        np.testing.assert_array_equal(made().predict_proba(FEATURES.tolist()), made().predict_proba(FEATURES))

    @pytest.mark.parametrize("features", [np.ones((2, 5)), np.ones(6), np.ones((1, 1, 6))])
    def test_vectors_of_another_length(self, features: Any) -> None:
        with pytest.raises(ExtractorMismatchError, match="6 numbers"):
            made().predict_proba(features)

    def test_numbers_that_are_not_finite(self) -> None:
        with pytest.raises(FeatureFileError, match="numbers that are not finite"):
            made().predict_proba(np.full((1, 6), np.nan))

    def test_it_is_shown_shortly(self) -> None:
        assert repr(made()) == "Classifier(MLP, 6 → 4 → 3, 3 classes)"


def test_a_tree_that_is_not_whole_is_refused() -> None:
    """Each part that is taken away is missed, and said to be missing."""
    tree = tree_of(made())
    calibrated = tree.state["calibrated_classifiers_"][0]
    network = calibrated.state["estimator"].state["estimator"]
    for state, names in (
        (tree.state, ("classes_", "calibrated_classifiers_")),
        (calibrated.state, ("estimator", "calibrators", "method")),
        (calibrated.state["calibrators"][1].state, ("a_", "b_")),
        (network.state, ("coefs_", "intercepts_", "activation")),
    ):
        for name in names:
            kept = state.pop(name)
            with pytest.raises(ModelFileError):
                from_pickle_bytes(sklearn_objects.write_pickle(tree))
            state[name] = kept
    assert from_pickle_bytes(sklearn_objects.write_pickle(tree)).kind == "MLP"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda outer, inner, network: inner.update(method="isotonic"), "calibrated by the method 'sigmoid'"),
        (lambda outer, inner, network: network.update(classes_=np.array([2, 5, 8])), "speak of different classes"),
        (lambda outer, inner, network: network.update(activation="softplus"), "layers are missing or malformed"),
        (lambda outer, inner, network: network.update(coefs_={}), "layers are missing or malformed"),
        (lambda outer, inner, network: network.update(intercepts_={}), "layers are missing or malformed"),
        (lambda outer, inner, network: inner["calibrators"][0].state.update(a_="1"), "something else than numbers"),
        (lambda outer, inner, network: inner["calibrators"].append(None), "calibration is missing or no sigmoid"),
        (
            lambda outer, inner, network: outer["calibrated_classifiers_"].extend(outer["calibrated_classifiers_"]),
            "trained and calibrated once",
        ),
        (lambda outer, inner, network: outer["calibrated_classifiers_"].clear(), "trained and calibrated once"),
    ],
)
def test_a_tree_of_another_kind_is_refused_in_a_sentence(
    change: Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], None], sentence: str
) -> None:
    tree = tree_of(made())
    inner = tree.state["calibrated_classifiers_"][0].state
    frozen = inner["estimator"]
    change(tree.state, inner, (frozen.state["estimator"] if frozen.name == FROZEN else frozen).state)
    with pytest.raises(ModelFileError, match=sentence):
        classifier_of(read_pickle(sklearn_objects.write_pickle(tree), ALLOWED))


def test_a_frozen_classifier_without_a_state_is_refused_in_a_sentence() -> None:
    tree = tree_of(made())
    tree.state["calibrated_classifiers_"][0].state["estimator"] = Made(FROZEN, (), None)
    with pytest.raises(ModelFileError, match="A FrozenEstimator in the pickle is malformed"):
        from_pickle_bytes(sklearn_objects.write_pickle(tree))


@pytest.mark.parametrize(
    "change",
    [
        {"classes_": np.array([1, 2])},
        {"classes_": np.array([1.5, 2, 3])},
        {"classes_": np.array([[1, 2, 3]])},
        {"slopes": np.ones(2)},
        {"layers": ((np.ones((6, 4)), np.ones(4)), (np.ones((5, 3)), np.ones(3)))},
        {"layers": ((np.ones((6, 4)), np.ones(3)),)},
        {"layers": ((np.ones((6, 3), dtype=int), np.ones(3)),)},
        {"layers": ()},
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    from spacer_like.learning.classifier import with_checked_arrays

    with pytest.raises(ModelFileError, match="fit together"):
        with_checked_arrays(replace(made(), **change))
