"""Classifiers of scikit-learn of any class: trained by a trainer of one's own, stored, loaded, and never run."""

import pickle
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from spacer_like import config, storage
from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, TrainingTaskLabels, ValResults
from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError, ModelFileError
from spacer_like.learning.classifier import Classifier
from spacer_like.learning.model_files import load_classifier, store_classifier
from spacer_like.learning.sklearn_estimators import SklearnClassifier, check_classes
from spacer_like.mailman import process_job
from spacer_like.messages import ClassifyFeaturesMsg, JobMsg, TrainClassifierMsg, TrainClassifierReturnMsg
from spacer_like.registry import register
from spacer_like.train_classifier import ClassifierTrainer

from .prefit import prefit_calibration

RANDOM = np.random.default_rng(0)
LABELS = np.arange(60) % 3
FEATURES = RANDOM.standard_normal((60, 8)) + LABELS[:, None]
LOCATION = DataLocation("memory", "own.pkl")

SAFE_CLASSIFIERS = [
    CalibratedClassifierCV(RandomForestClassifier(5, random_state=0), cv=2),
    prefit_calibration(RandomForestClassifier(5, n_jobs=2, random_state=0).fit(FEATURES, LABELS)),
    CalibratedClassifierCV(RandomForestClassifier(5, random_state=0), cv=2, method="isotonic"),
    CalibratedClassifierCV(LinearSVC(), cv=2),
    CalibratedClassifierCV(SGDClassifier(), cv=2),
    CalibratedClassifierCV(make_pipeline(StandardScaler(), PCA(3), LogisticRegression()), cv=2),
    RandomForestClassifier(5, random_state=0),
    ExtraTreesClassifier(5, random_state=0),
    DecisionTreeClassifier(max_depth=3),
    BaggingClassifier(DecisionTreeClassifier(), 3, max_features=4, random_state=0),
    AdaBoostClassifier(n_estimators=3),
    LogisticRegression(),
    LinearDiscriminantAnalysis(),
    GaussianNB(),
    make_pipeline(StandardScaler(), MLPClassifier((4,), tol=1.0, max_iter=20, n_iter_no_change=2)),
]


@pytest.mark.filterwarnings("ignore:The SAMME.R algorithm:FutureWarning")
@pytest.mark.parametrize("estimator", SAFE_CLASSIFIERS, ids=lambda one: repr(one)[:60])
def test_it_answers_the_same_after_it_was_stored(estimator: Any) -> None:
    estimator.fit(FEATURES, LABELS)
    store_classifier(LOCATION, estimator)
    back = load_classifier(LOCATION)
    assert isinstance(back, SklearnClassifier)
    np.testing.assert_allclose(back.predict_proba(FEATURES), estimator.predict_proba(FEATURES), atol=1e-14)
    assert back.predict(FEATURES).tolist() == back.classes_[back.predict_proba(FEATURES).argmax(axis=1)].tolist()
    store_classifier(DataLocation("memory", "again.pkl"), back)


def test_labels_may_be_texts() -> None:
    names = np.array(["coral", "sand", "turf"])[LABELS]
    store_classifier(LOCATION, CalibratedClassifierCV(RandomForestClassifier(3), cv=2).fit(FEATURES, names))
    assert load_classifier(LOCATION).classes_.tolist() == ["coral", "sand", "turf"]


def test_the_kinds_that_we_train_are_still_read_as_plain_arrays() -> None:
    store_classifier(LOCATION, prefit_calibration(SGDClassifier().fit(FEATURES, LABELS)).fit(FEATURES, LABELS))
    assert isinstance(load_classifier(LOCATION), Classifier)


def test_what_it_does_not_expect_is_refused() -> None:
    store_classifier(LOCATION, GaussianNB().fit(FEATURES, LABELS))
    classifier = load_classifier(LOCATION)
    with pytest.raises(ExtractorMismatchError, match="expects feature vectors of 8 numbers"):
        classifier.predict_proba(np.zeros((1, 7)))
    with pytest.raises(FeatureFileError, match="not finite"):
        classifier.predict_proba(np.full((1, 8), np.nan))


@pytest.mark.parametrize(
    ("estimator", "sentence"),
    [
        (KNeighborsClassifier(), r"names sklearn\.neighbors\."),
        (SVC(probability=True), r"names sklearn\.svm\._classes\.SVC"),
        (make_pipeline(FunctionTransformer(np.abs), GaussianNB()), "names sklearn.preprocessing._function"),
        (LinearSVC(), "gives no probabilities"),
    ],
)
@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
def test_what_could_not_be_loaded_is_not_stored(estimator: Any, sentence: str) -> None:
    location = DataLocation("memory", "refused.pkl")
    with pytest.raises(ModelFileError, match=sentence):
        store_classifier(location, estimator.fit(FEATURES, LABELS))
    assert not storage.exists(location)


def test_a_setting_trusts_further_classes_or_their_package() -> None:
    estimator = KNeighborsClassifier(algorithm="kd_tree").fit(FEATURES, LABELS)
    for trusted in ("sklearn.neighbors", "sklearn"):
        with config.override(allowed_classifier_classes=(trusted, "sklearn.metrics")):
            store_classifier(LOCATION, estimator)
            np.testing.assert_array_equal(
                load_classifier(LOCATION).predict_proba(FEATURES), estimator.predict_proba(FEATURES)
            )
    load_classifier.cache_clear()
    with pytest.raises(ModelFileError, match=r"own\.pkl: The pickle names sklearn\.neighbors"):
        load_classifier(LOCATION)


class TestTrees:
    """Compiled code follows a tree's nodes without looking where they lead."""

    def read(self, **changes: Any) -> Any:
        forest = RandomForestClassifier(1, random_state=0).fit(FEATURES, LABELS)
        tree = forest.estimators_[0].tree_
        state = tree.__getstate__()
        for name, value in changes.items():
            value = value(state["nodes"]) if value is len else value
            if name in state:
                state[name] = value
            else:
                state["nodes"][name][0] = value

        class Changed:
            def __reduce__(self) -> Any:
                return type(tree), (8, np.array([3]), 1), state

        forest.estimators_[0].tree_ = Changed()
        storage.write_bytes(LOCATION, pickle.dumps(forest, protocol=3))
        load_classifier.cache_clear()
        return load_classifier(LOCATION)

    def test_a_whole_one_is_read(self) -> None:
        assert self.read().predict_proba(FEATURES).shape == (60, 3)

    @pytest.mark.parametrize(
        "change",
        [
            {"left_child": 10**9},
            {"right_child": 10**9},
            # The first place behind its end.
            {"left_child": len},
            {"right_child": len},
            {"left_child": 0},
            {"right_child": -5},
            {"feature": 8},
            {"feature": -1},
            {"node_count": 10**6},
            {"node_count": 1},
            {"values": np.zeros((1, 1, 3))},
        ],
    )
    def test_one_that_leads_outside_itself_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(ModelFileError, match=r"own\.pkl.*A decision tree in the pickle leads outside itself"):
            self.read(**change)

    def test_one_of_more_features_than_its_owner_is_refused(self) -> None:
        forest = RandomForestClassifier(1, random_state=0).fit(FEATURES, LABELS)
        forest.estimators_[0].n_features_in_ = 3
        with pytest.raises(ModelFileError, match="leads outside itself"):
            store_classifier(LOCATION, forest)


class Hostile:
    def __init__(self, *calls: Any) -> None:
        self.calls = calls

    def __reduce__(self) -> Any:
        return self.calls


@pytest.mark.parametrize("name", ["n_estimators", "estimators_", "base_estimator", "anything"])
def test_a_hostile_pickle_runs_nothing_wherever_it_hides(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forest = RandomForestClassifier(1).fit(FEATURES, LABELS)
    setattr(forest, name, Hostile(exec, ("raise SystemExit('it ran')",)))
    storage.write_bytes(LOCATION, pickle.dumps(forest, protocol=3))
    with pytest.raises(ModelFileError, match=r"names builtins\.exec"):
        load_classifier(LOCATION)


def test_lists_of_the_same_lists_take_no_time() -> None:
    nested: Any = [1]
    for _ in range(200):
        nested = [nested, nested]
    bayes = GaussianNB().fit(FEATURES, LABELS)
    bayes.priors = nested
    store_classifier(LOCATION, bayes)
    assert load_classifier(LOCATION).classes_.tolist() == [0, 1, 2]


def test_a_class_may_be_named_as_people_import_it() -> None:
    check_classes(["sklearn.ensemble.RandomForestClassifier", "sklearn.ensemble._forest.RandomForestClassifier"])
    for refused in ("sklearn.neighbors.KNeighborsClassifier", "sklearn.ensemble", "os.system"):
        with pytest.raises(ModelFileError, match=f"{refused} could not be loaded again"):
            check_classes([refused])
    with config.override(allowed_classifier_classes=("sklearn.neighbors.KNeighborsClassifier", "sklearn.svm")):
        store_classifier(LOCATION, KNeighborsClassifier(algorithm="brute").fit(FEATURES, LABELS))
        with pytest.raises(ModelFileError, match="sklearn\\.svmx"):
            check_classes(["sklearn.svm.SVC", "sklearn.svmx.SVC"])


def test_a_class_on_the_list_is_neither_called_nor_changed() -> None:
    """What pickle would do: call a constructor, or set attributes of the class itself."""
    storage.write_bytes(LOCATION, pickle.dumps(Hostile(RandomForestClassifier, ("x",)), protocol=3))
    with pytest.raises(ModelFileError):
        load_classifier(LOCATION)
    changed = b"\x80\x03csklearn.naive_bayes\nGaussianNB\n}X\x01\x00\x00\x00aK\x01sb."
    storage.write_bytes(LOCATION, changed)
    with pytest.raises(ModelFileError, match="state to something that it did not make"):
        load_classifier(LOCATION)
    assert not hasattr(GaussianNB, "a")


def test_a_trusted_package_lends_no_name_to_what_it_merely_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    lender = ModuleType("lender")
    lender.run = exec  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lender", lender)
    storage.write_bytes(LOCATION, b"\x80\x03clender\nrun\nX\x05\x00\x00\x00raise\x85R.")
    with (
        config.override(allowed_classifier_classes=("lender",)),
        pytest.raises(ModelFileError, match=r"builtins\.exec"),
    ):
        load_classifier(LOCATION)


def test_a_file_decides_on_no_threads_and_prints_nothing() -> None:
    store_classifier(LOCATION, RandomForestClassifier(2).fit(FEATURES, LABELS).set_params(n_jobs=10**6, verbose=9))
    forest = load_classifier(LOCATION).estimator
    assert (forest.n_jobs, forest.verbose) == (None, 0)


class ForestTrainer(ClassifierTrainer):
    """As a caller of PySpacer writes one."""

    made: Any = RandomForestClassifier
    calls = 0

    def __call__(self, labels: Any, nbr_epochs: int, pc_models: Any, clf_type: str) -> Any:
        type(self).calls += 1
        features, names = labels["train"].load_all_data()
        classifier = CalibratedClassifierCV(self.made(), cv=2).fit(np.array(features), names)
        results = ValResults(scores=[1.0], gt=[0], est=[0], classes=classifier.classes_.tolist())
        return (
            classifier,
            results,
            TrainClassifierReturnMsg(acc=1.0, pc_accs=[0.5] * len(pc_models), ref_accs=[], runtime=1.0),
        )


@register
class DeclaredForest(ForestTrainer):
    classifier_classes = (RandomForestClassifier, CalibratedClassifierCV)


@register
class UndeclaredForest(ForestTrainer):
    pass


@register
class Neighbours(ForestTrainer):
    made = KNeighborsClassifier
    classifier_classes = (KNeighborsClassifier,)


def training(trainer: ClassifierTrainer, model: str = "trained.pkl", previous: Any = ()) -> JobMsg:
    location = DataLocation("memory", "some.features")
    ImageFeatures.from_arrays([(n, n) for n in range(60)], FEATURES.astype(np.float32)).store(location)
    labels = ImageLabels({location: [(n, n, int(label)) for n, label in enumerate(LABELS)]})
    places = [DataLocation("memory", name) for name in (model, "trained.valresult")]
    three = TrainingTaskLabels(labels, labels, labels)
    return JobMsg("train_classifier", [TrainClassifierMsg("1", trainer, 1, "MLP", three, list(previous), *places)])


@pytest.mark.parametrize("trainer", [DeclaredForest, UndeclaredForest])
def test_a_trainers_calibrated_forest_is_trained_stored_and_classifies(trainer: type[ForestTrainer]) -> None:
    storage.clear_memory_storage()
    assert process_job(training(trainer())).error_message is None
    model, features = DataLocation("memory", "trained.pkl"), DataLocation("memory", "some.features")
    answer = process_job(JobMsg("classify_features", [ClassifyFeaturesMsg("1", features, model)]))
    assert answer.error_message is None
    assert answer.results[0].classes == [0, 1, 2]
    assert answer.results[0].scores[0][2] == pytest.approx(
        load_classifier(model).predict_proba(FEATURES.astype(np.float32)[:1])[0].tolist()
    )
    again = process_job(training(trainer(), "next.pkl", [model]))
    assert again.results[0].pc_accs == [0.5]


def test_what_is_refused_is_refused_before_the_training() -> None:
    storage.clear_memory_storage()
    Neighbours.calls = DeclaredForest.calls = 0
    answer = process_job(training(Neighbours()))
    assert "ALLOWED_CLASSIFIER_CLASSES" in answer.error_message.splitlines()[-1]
    answer = process_job(training(DeclaredForest(), "trained.safetensors"))
    assert "can only be kept as a pickle" in answer.error_message
    assert (Neighbours.calls, DeclaredForest.calls) == (0, 0)
    with config.override(allowed_classifier_classes=("sklearn.neighbors", "sklearn.metrics")):
        assert process_job(training(Neighbours())).ok


def test_what_cannot_be_loaded_again_leaves_nothing_behind() -> None:
    storage.clear_memory_storage()

    class Undeclared(Neighbours):
        classifier_classes = ()

    assert not process_job(training(Undeclared())).ok
    assert not storage.exists(DataLocation("memory", "trained.valresult"))
