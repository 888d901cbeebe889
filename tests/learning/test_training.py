import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.random import RandomState
from sklearn.neural_network import MLPClassifier

from spacer_like import config, storage
from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, TrainingTaskLabels
from spacer_like.data_classes.labels import SET_NAMES
from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError, MessageError, TrainingLabelsError
from spacer_like.learning.batches import LabelledFeatures
from spacer_like.learning.labels_sampling import balanced_subsample, hold_back
from spacer_like.learning.labels_split import learned_points
from spacer_like.learning.model_files import to_pickle_bytes
from spacer_like.messages import TrainClassifierMsg
from spacer_like.tasks import train_classifier
from spacer_like.train_classifier import MiniBatchTrainer
from spacer_like.train_utils import calc_acc, evaluate_classifier

from .prefit import prefit_calibration

Store = Callable[..., ImageLabels]
TRAINER = MiniBatchTrainer(batch_size=50, mlp_learning_rate_init=0.02)


def matrix(labels: ImageLabels) -> tuple[np.ndarray, np.ndarray]:
    vectors, names = labels.load_all_data()
    return np.array(vectors), np.array(names)


class TestTheAnswer:
    @pytest.mark.parametrize("kind", ["MLP", "LR"])
    def test_classifier_results_and_accuracies_agree(self, three_sets: TrainingTaskLabels, kind: str) -> None:
        classifier, results, answer = TRAINER(three_sets, 3, [], kind)
        features, names = matrix(three_sets.val)

        assert results.classes == classifier.classes_.tolist() == [3, 7, 8]
        assert [results.classes[index] for index in results.gt] == names.tolist()
        assert [results.classes[index] for index in results.est] == classifier.predict(features).tolist()
        np.testing.assert_allclose(results.scores, classifier.predict_proba(features).max(axis=1), rtol=1e-12)
        assert answer.acc == calc_acc(results.gt, results.est) > 0.6
        assert len(answer.ref_accs) == 3
        assert answer.runtime > 0
        figures = {"accuracy": answer.acc, "points": 50, "ref_accuracy": answer.ref_accs[-1]}
        assert classifier.metrics == {**learned_points([three_sets.train, three_sets.ref]), **figures}
        assert set(classifier.versions) == {"spacer_like", "numpy", "scikit-learn"}

    def test_labels_may_be_a_dictionary(self, three_sets: TrainingTaskLabels) -> None:
        sets = {name: three_sets[name] for name in ("train", "ref", "val")}
        assert TRAINER(sets, 1, [], "LR")[2].acc == TRAINER(three_sets, 1, [], "LR")[2].acc

    def test_previous_classifiers_are_tried_on_the_same_points(self, three_sets: TrainingTaskLabels) -> None:
        first, _, first_answer = TRAINER(three_sets, 1, [], "LR")
        second, _, second_answer = TRAINER(three_sets, 3, [], "MLP")
        _, _, answer = TRAINER(three_sets, 1, [first, second, second.to_sklearn()], "LR")
        assert answer.pc_accs == [first_answer.acc, second_answer.acc, second_answer.acc]

    def test_the_files_of_val_are_read_once(
        self, three_sets: TrainingTaskLabels, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        previous, _, _ = TRAINER(three_sets, 1, [], "LR")
        read: list[str] = []
        original = storage.read_many

        def counting(locations: Any, **arguments: Any) -> Any:
            locations = list(locations)
            read.extend(location.key for location in locations)
            return original(locations, **arguments)

        monkeypatch.setattr(storage, "read_many", counting)
        TRAINER(three_sets, 3, [previous, previous], "MLP")
        assert len(read) == len(set(read)) == 12 + 6 + 5

    @pytest.mark.parametrize("kind", ["MLP", "LR"])
    def test_classes_may_be_two(self, store: Store, kind: str) -> None:
        sets = TrainingTaskLabels(*(store(name, 6, classes=("coral", "sand")) for name in ("train", "ref", "val")))
        classifier, results, answer = TRAINER(sets, 3, [], kind)
        assert classifier.slopes.shape == (1,)
        assert results.classes == ["coral", "sand"]
        assert answer.acc > 0.8
        assert answer.ref_accs[-1] > 0.8

    def test_no_random_stream_of_the_process_is_touched(self, three_sets: TrainingTaskLabels) -> None:
        before = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
        TRAINER(three_sets, 1, [], "MLP")
        assert np.random.get_state()[1].tolist() == before  # type: ignore[index, union-attr]


class TestAgainstScikitLearn:
    def test_the_network_is_the_one_that_scikit_learn_would_train(self, three_sets: TrainingTaskLabels) -> None:
        theirs = MLPClassifier((10,), learning_rate_init=0.01)
        ref_features, ref_names = matrix(three_sets.ref)
        ref_accs = []
        for epoch in range(4):
            random = RandomState(epoch)
            order = list(three_sets.train.keys())
            random.shuffle(order)  # type: ignore[arg-type, unused-ignore]
            shuffled = ImageLabels({location: three_sets.train[location] for location in order})
            theirs.random_state = random
            for vectors, names in shuffled.load_data_in_batches(batch_size=50):
                theirs.partial_fit(np.array(vectors), names, classes=[3, 7, 8])
            ref_accs.append(calc_acc(ref_names, theirs.predict(ref_features)))
        calibrated = prefit_calibration(theirs).fit(ref_features, ref_names)

        trainer = MiniBatchTrainer(batch_size=50, mlp_hidden_layer_sizes=(10,), mlp_learning_rate_init=0.01)
        classifier, found_accs = trainer._train(three_sets.train, three_sets.ref, 4, "MLP")

        features, _ = matrix(three_sets.val)
        np.testing.assert_allclose(classifier.predict_proba(features), calibrated.predict_proba(features), atol=1e-4)
        assert found_accs == ref_accs

    @pytest.mark.parametrize("kind", ["MLP", "LR"])
    def test_the_calibration_is_the_one_that_scikit_learn_would_fit(
        self, three_sets: TrainingTaskLabels, kind: str
    ) -> None:
        classifier, _ = TRAINER._train(three_sets.train, three_sets.ref, 2, kind)
        calibrated = prefit_calibration(classifier.estimator).fit(*matrix(three_sets.ref))
        features, _ = matrix(three_sets.val)
        np.testing.assert_allclose(classifier.predict_proba(features), calibrated.predict_proba(features), atol=1e-5)

    @pytest.mark.parametrize("arguments", [{"sgd_loss": "hinge"}, {"sgd_loss": "modified_huber"}, {"sgd_average": 20}])
    def test_other_losses_are_left_to_scikit_learn(self, three_sets: TrainingTaskLabels, arguments: Any) -> None:
        classifier, _, answer = MiniBatchTrainer(batch_size=50, **arguments)(three_sets, 3, [], "LR")
        assert answer.acc > 0.6
        found = classifier.estimator.get_params()
        for name, value in arguments.items():
            assert found[name.removeprefix("sgd_")] == value

    def test_without_averaging_the_last_weights_stand(self, three_sets: TrainingTaskLabels) -> None:
        last, _ = MiniBatchTrainer(50, sgd_average=False)._train(three_sets.train, three_sets.ref, 2, "LR")
        mean, _ = TRAINER._train(three_sets.train, three_sets.ref, 2, "LR")
        assert np.abs(last.layers[0][0]).max() > np.abs(mean.layers[0][0]).max()
        assert last.estimator.average is False

    def test_an_unknown_loss_is_named(self, three_sets: TrainingTaskLabels) -> None:
        with pytest.raises(FeatureFileError, match="invented"):
            MiniBatchTrainer(sgd_loss="invented")(three_sets, 1, [], "LR")


class TestReproducible:
    @pytest.mark.parametrize("kind", ["MLP", "LR"])
    def test_memory_does_not_change_the_model(self, three_sets: TrainingTaskLabels, kind: str) -> None:
        files = []
        # Everything kept; a part; nothing.
        for memory in (2**31, 5000, 0):
            with config.override(training_memory_bytes=memory):
                classifier, _, _ = TRAINER(three_sets, 3, [], kind)
            files.append(to_pickle_bytes(classifier))
        assert files[0] == files[1] == files[2]

    @pytest.mark.parametrize("kind", ["MLP", "LR"])
    def test_another_process_makes_the_same_file_and_needs_no_scikit_learn(self, kind: str) -> None:
        program = """
import hashlib, sys
import numpy as np
from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels
from spacer_like.learning.batches import LabelledFeatures
from spacer_like.learning.model_files import to_pickle_bytes
from spacer_like.messages import TrainClassifierMsg
from spacer_like.tasks import train_classifier
from spacer_like.train_classifier import MiniBatchTrainer
random = np.random.default_rng(0)
sets = {}
for name in ("train", "ref", "val"):
    sets[name] = ImageLabels()
    for number in range(4):
        location = DataLocation("memory", f"{name}{number}")
        points = [(row, row, "abc"[row % 3]) for row in range(12)]
        vectors = random.normal(size=(12, 9)) + np.arange(12)[:, None] % 3
        ImageFeatures.from_arrays([point[:2] for point in points], vectors).store(location)
        sets[name].add_image(location, points)
classifier, _, answer = MiniBatchTrainer()(sets, 3, [], sys.argv[1])
print(hashlib.sha256(to_pickle_bytes(classifier)).hexdigest(), answer.acc, {"sklearn", "scipy"} & set(sys.modules))
"""
        first, second = (
            subprocess.run([sys.executable, "-c", program, kind], capture_output=True, text=True, check=True).stdout
            for _ in range(2)
        )
        assert first == second
        assert first.endswith("set()\n")


class TestWhatCannotBeTrained:
    def test_one_class(self, store: Store) -> None:
        labels = store("a", 2, classes=(3,))
        with pytest.raises(TrainingLabelsError, match="multiple classes"):
            TRAINER({"train": labels, "ref": labels, "val": labels}, 1, [], "LR")

    def test_a_class_that_ref_lacks(self, three_sets: TrainingTaskLabels, store: Store) -> None:
        three_sets.ref = store("ref", 3, classes=(3, 7))
        with pytest.raises(TrainingLabelsError, match="8 is not in the reference set"):
            TRAINER(three_sets, 1, [], "LR")

    def test_a_class_that_only_val_has(self, three_sets: TrainingTaskLabels, store: Store) -> None:
        three_sets.val = store("val", 3, classes=(3, 7, 99))
        with pytest.raises(TrainingLabelsError, match="99"):
            TRAINER(three_sets, 1, [], "LR")

    def test_classes_of_both_types(self, three_sets: TrainingTaskLabels, store: Store) -> None:
        three_sets.ref = store("ref", 3, classes=(3, "seven"))
        with pytest.raises(TrainingLabelsError, match="all numbers or all texts"):
            TRAINER(three_sets, 1, [], "LR")

    def test_classes_too_large_for_an_array(self, three_sets: TrainingTaskLabels, store: Store) -> None:
        three_sets.ref = store("ref", 3, classes=(3, 2**70))
        with pytest.raises(TrainingLabelsError, match="63 bits"):
            TRAINER(three_sets, 1, [], "LR")

    def test_features_too_large_to_learn_from(self, store: Store) -> None:
        sets = TrainingTaskLabels(*(store(name, 6, scale=3e37) for name in ("train", "ref", "val")))
        with pytest.raises(FeatureFileError, match="diverged"):
            TRAINER(sets, 1, [], "MLP")

    @pytest.mark.parametrize(("kind", "epochs"), [("SVM", 1), ("LR", 0)])
    def test_arguments_out_of_range(self, three_sets: TrainingTaskLabels, kind: str, epochs: int) -> None:
        with pytest.raises(MessageError, match="of the type MLP or LR, and is trained for at least one epoch"):
            TRAINER(three_sets, epochs, [], kind)


class TestExtractors:
    def sets(self, store: Store, *ids: str | None) -> TrainingTaskLabels:
        names = ("train", "ref", "val")
        return TrainingTaskLabels(
            *(store(name, 4, extractor_id=extractor_id) for name, extractor_id in zip(names, ids, strict=True))
        )

    def test_the_classifier_knows_whose_features_it_learned(self, store: Store) -> None:
        assert TRAINER(self.sets(store, "one", "one", "one"), 1, [], "LR")[0].extractor_id == "one"
        assert TRAINER(self.sets(store, None, None, None), 1, [], "LR")[0].extractor_id is None

    @pytest.mark.parametrize("ids", [("one", "two", "one"), ("one", "one", "two")])
    def test_features_of_several_extractors_are_refused(self, store: Store, ids: tuple[str, ...]) -> None:
        with pytest.raises(ExtractorMismatchError, match=r"one.*two"):
            TRAINER(self.sets(store, *ids), 1, [], "LR")

    def test_sets_of_vectors_of_unequal_length(self, three_sets: TrainingTaskLabels, store: Store) -> None:
        three_sets.ref = store("ref", 3, dimension=5)
        with pytest.raises(ExtractorMismatchError, match=r"12 .* 5"):
            TRAINER(three_sets, 1, [], "LR")
        three_sets.ref, three_sets.val = store("ref", 3), store("val", 3, dimension=5)
        with pytest.raises(ExtractorMismatchError, match="12"):
            TRAINER(three_sets, 1, [], "LR")

    def test_a_previous_classifier_of_another_extractor_is_refused(self, store: Store) -> None:
        previous, _, _ = TRAINER(self.sets(store, "one", "one", "one"), 1, [], "LR")
        with pytest.raises(ExtractorMismatchError, match=r"one.*two"):
            TRAINER(self.sets(store, "two", "two", "two"), 1, [previous], "LR")


def test_evaluate_classifier_takes_any_classifier(three_sets: TrainingTaskLabels) -> None:
    classifier, results, _ = TRAINER(three_sets, 2, [], "LR")
    true, estimated, scores = evaluate_classifier(classifier.to_sklearn(), three_sets.val)
    assert [results.classes[index] for index in results.gt] == true
    assert [results.classes[index] for index in results.est] == estimated
    np.testing.assert_allclose(scores, results.scores, rtol=1e-5)
    with pytest.raises(TrainingLabelsError, match="There are no points to evaluate the classifier on"):
        evaluate_classifier(classifier, ImageLabels())


class _CountingHandler(BaseHTTPRequestHandler):
    fetched: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        key = self.path.lstrip("/")
        self.fetched.append(key)
        data = storage.read_bytes(DataLocation("memory", key))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_HEAD(self) -> None:
        data = storage.read_bytes(DataLocation("memory", self.path.lstrip("/")))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hash(data)}"')
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _CountingHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    _CountingHandler.fetched.clear()


@pytest.mark.parametrize(("has_folder", "times"), [(True, 1), (False, 3)])
def test_beyond_the_memory_remote_files_are_kept_in_the_labels_folder(
    tmp_path: Path, store: Store, address: str, has_folder: bool, times: int
) -> None:
    here = store("a", 3)
    remote = ImageLabels(
        {DataLocation("url", f"{address}/{location.key}"): here[location] for location in list(here.keys())}
    )
    if has_folder:
        remote.set_filesystem_cache(tmp_path)
    with config.override(url_allow_private=True):
        features = LabelledFeatures(remote, {3: 0, 7: 1, 8: 2}, memory_bytes=0)
        _CountingHandler.fetched.clear()
        passes = [[batch.vectors.tolist() for batch in features.batches(20)] for _ in range(3)]
    assert passes[0] == passes[1] == passes[2]
    assert sorted(_CountingHandler.fetched) == sorted([f"a{number}.npz" for number in range(3)] * times)
    assert len(list(tmp_path.iterdir())) == (3 if has_folder else 0)


def test_copies_of_remote_files_serve_later_trainings_until_the_files_change(
    tmp_path: Path, three_sets: TrainingTaskLabels, address: str
) -> None:
    def at(location: DataLocation) -> DataLocation:
        return DataLocation("url", f"{address}/{location.key}")

    sets = TrainingTaskLabels(
        *(ImageLabels({at(loc): points[loc] for loc in points}) for points in map(three_sets.__getitem__, SET_NAMES))
    )
    out = [DataLocation("memory", name) for name in ("model.safetensors", "results.json")]
    message = TrainClassifierMsg("", TRAINER, 2, "LR", sets, [], *out, feature_cache_dir=tmp_path, keep_features=True)
    fetched = []
    with config.override(url_allow_private=True):
        for changes in range(3):
            if changes == 2:
                location = next(iter(three_sets.train))
                changed = ImageFeatures.load(location)
                ImageFeatures.from_arrays(changed.rowcols, changed.features + 1).store(location)
            _CountingHandler.fetched.clear()
            train_classifier(message)
            fetched.append(len(_CountingHandler.fetched))
    assert fetched == [12 + 6 + 5, 0, 1]


def test_extractors_that_are_mixed_are_named_in_order(tmp_path: Path) -> None:
    sets = {}
    for number in (3, 0, 4, 1, 5, 2):
        location = DataLocation("filesystem", str(tmp_path / f"{number}.npz"))
        points = [(row, row) for row in range(1, 9)]
        features = ImageFeatures.from_arrays(points, np.ones((8, 3)), extractor_id=f"extractor {number}")
        features.store(location)
        sets[location] = [(row, row, row % 2) for row in range(1, 9)]
    names = ", ".join(f"extractor {number}" for number in range(6))
    with pytest.raises(ExtractorMismatchError, match=f"are of different extractors: {names}.$"):
        TRAINER(TrainingTaskLabels(*[ImageLabels(sets)] * 3), 1, [], "LR")


class TestStopping:
    def test_the_epoch_with_the_least_loss_is_kept(self, three_sets: TrainingTaskLabels) -> None:
        trainer = MiniBatchTrainer(batch_size=50, mlp_learning_rate_init=0.1, patience=3)
        classifier, _, answer = trainer(three_sets, 60, [], "MLP")
        losses, kept = answer.ref_losses or [], answer.kept_epoch or 0
        assert losses[kept - 1] == min(losses)
        assert len(losses) == len(answer.ref_accs) == kept + 3 < 60
        # It is the very network of that epoch.
        of_that_epoch, _ = MiniBatchTrainer(batch_size=50, mlp_learning_rate_init=0.1)._train(
            three_sets.train, three_sets.ref, kept, "MLP"
        )
        for own, other in zip(classifier.layers, of_that_epoch.layers, strict=True):
            np.testing.assert_array_equal(own[0], other[0])
        assert classifier.metrics["ref_accuracy"] == answer.ref_accs[kept - 1]

    def test_images_held_back_can_choose_it(self, three_sets: TrainingTaskLabels) -> None:
        trainer = MiniBatchTrainer(batch_size=50, mlp_learning_rate_init=0.1, patience=3, stopping_share=0.2)
        classifier, _, answer = trainer(three_sets, 60, [], "MLP")
        losses, kept = answer.stopping_losses or [], answer.kept_epoch or 0
        assert losses[kept - 1] == min(losses)
        assert len(losses) == len(answer.ref_losses or []) == kept + 3
        assert losses != answer.ref_losses
        # It learnt from the other images alone, and the reference set has only calibrated it.
        left, held = hold_back(three_sets.train, 0.2)
        assert answer.stopping_points == held.label_count == 30
        of_those, _ = MiniBatchTrainer(batch_size=50, mlp_learning_rate_init=0.1)._train(
            left, three_sets.ref, kept, "MLP"
        )
        np.testing.assert_array_equal(classifier.layers[0][0], of_those.layers[0][0])
        np.testing.assert_array_equal(classifier.slopes, of_those.slopes)

    @pytest.mark.parametrize("kind", ["MLP", "LR"])
    def test_without_patience_the_last_epoch_is_kept(self, three_sets: TrainingTaskLabels, kind: str) -> None:
        _, _, answer = TRAINER(three_sets, 4, [], kind)
        assert answer.kept_epoch == len(answer.ref_losses or []) == 4

    @pytest.mark.parametrize("arguments", [{}, {"sgd_loss": "hinge"}])
    def test_the_loss_of_a_linear_classifier_falls(self, three_sets: TrainingTaskLabels, arguments: Any) -> None:
        _, _, answer = MiniBatchTrainer(batch_size=50, patience=9, **arguments)(three_sets, 8, [], "LR")
        assert min(answer.ref_losses or []) < np.log(3)


class TestRareClasses:
    @pytest.fixture
    def uneven(self, store: Store) -> TrainingTaskLabels:
        """Sets in which all but a few points of a class are left out of the training."""
        sets = TrainingTaskLabels(*(store(name, 12, dimension=3) for name in ("train", "ref", "val")))
        kept = ImageLabels(
            {loc: [one for one in sets.train[loc] if one[2] != 8 or index < 3] for index, loc in enumerate(sets.train)}
        )
        return TrainingTaskLabels(kept, sets.ref, sets.val)

    @pytest.mark.parametrize("how", [{"class_weight": "balanced"}, {"balanced_subsample": 1}])
    @pytest.mark.parametrize("kind", ["MLP", "LR"])
    def test_they_are_found_more_often_before_calibration(
        self, uneven: TrainingTaskLabels, kind: str, how: dict[str, Any]
    ) -> None:
        given = []
        for arguments in ({}, how):
            trainer = MiniBatchTrainer(batch_size=50, mlp_learning_rate_init=0.02, **arguments)
            classifier, _ = trainer._train(uneven.train, uneven.ref, 30, kind)
            given.append(int((classifier.scores(matrix(uneven.val)[0]).argmax(axis=1) == 2).sum()))
        assert given[1] > given[0]

    def test_weights_of_one_change_nothing(self, three_sets: TrainingTaskLabels) -> None:
        """Classes of equally many points weigh 1."""
        even = balanced_subsample(three_sets.train, 1)
        for kind in ("MLP", "LR"):
            plain, weighted = (
                MiniBatchTrainer(batch_size=50, class_weight=how)._train(even, three_sets.ref, 2, kind)[0]
                for how in (None, "balanced")
            )
            assert to_pickle_bytes(plain) == to_pickle_bytes(weighted)
