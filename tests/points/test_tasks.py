"""The four tasks, on real photographs with real weights."""

import json
from itertools import chain

import numpy as np
import pytest

from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, TrainingTaskLabels, ValResults
from spacer_like.exceptions import (
    DataNotFoundError,
    ExtractorMismatchError,
    RowColumnInvalidError,
    RowColumnMismatchError,
    TrainingLabelsError,
)
from spacer_like.extractors import DummyExtractor, EfficientNetLite0Extractor
from spacer_like.messages import ClassifyFeaturesMsg, ClassifyImageMsg, ExtractFeaturesMsg, TrainClassifierMsg
from spacer_like.storage import exists, read_bytes, write_bytes
from spacer_like.task_utils import SplitMode, preprocess_labels
from spacer_like.tasks import classify_features, classify_image, extract_features, train_classifier

SETTINGS = {"split_ratios": (0.2, 0.2), "split_mode": SplitMode.POINTS_STRATIFIED}


def place(folder, name):
    return DataLocation("filesystem", str(folder / name))


@pytest.fixture
def training(labels, tmp_path):
    """A training message; keyword arguments replace its fields."""

    def make(**changes):
        fields = {
            "job_token": "",
            "trainer": "minibatch",
            "nbr_epochs": 3,
            "clf_type": "LR",
            "labels": preprocess_labels(labels, **SETTINGS),
            "previous_model_locs": [],
            "model_loc": place(tmp_path, "model.pkl"),
            "valresult_loc": place(tmp_path, "results.json"),
        }
        return TrainClassifierMsg(**fields | changes)

    return make


@pytest.fixture(scope="session")
def model(labels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    msg = TrainClassifierMsg(
        "",
        "minibatch",
        3,
        "LR",
        preprocess_labels(labels, **SETTINGS),
        [],
        place(folder, "m.pkl"),
        place(folder, "r.json"),
    )
    train_classifier(msg)
    return msg.model_loc


def test_features_are_stored_with_their_positions_and_their_extractor(extracted):
    _, location, annotations = extracted[0]
    features = ImageFeatures.load(location)

    assert features.rowcols == [(row, col) for row, col, _ in annotations]
    assert features.feature_dim == 1280
    assert features.extractor_id == EfficientNetLite0Extractor().extractor_id


@pytest.mark.parametrize("clf_type", ["LR", "MLP"])
def test_a_classifier_is_trained_evaluated_and_stored(training, clf_type):
    msg = training(clf_type=clf_type, nbr_epochs=5)
    answer = train_classifier(msg)
    results = ValResults.load(msg.valresult_loc)

    assert len(answer.ref_accs) == 5
    assert answer.acc == np.mean(np.array(results.gt) == np.array(results.est)) > 0.5
    assert results.classes == ["bright", "dark", "medium"]
    assert exists(msg.model_loc)


def test_the_same_training_gives_the_same_classifier(training, tmp_path):
    messages = [training(clf_type="MLP", model_loc=place(tmp_path, name)) for name in ("one", "two")]
    accuracies = [train_classifier(msg).ref_accs for msg in messages]

    assert accuracies[0] == accuracies[1]
    assert read_bytes(messages[0].model_loc) == read_bytes(messages[1].model_loc)


def test_a_training_leaves_its_message_as_it_was(training, labels):
    rare = ImageLabels({location: [*labels[location], (*labels[location][0][:2], "rare")] for location in labels})
    msg = training(labels=TrainingTaskLabels(rare, labels, labels))
    before = json.dumps(msg.serialize())
    train_classifier(msg)
    assert json.dumps(msg.serialize()) == before


def test_previous_classifiers_are_evaluated_on_the_same_points(training, model):
    answer = train_classifier(training(previous_model_locs=[model, model]))
    assert answer.pc_accs == [answer.acc] * 2
    assert "left_out" not in answer.serialize()


def test_a_missing_previous_classifier_fails_before_anything_is_written(training, tmp_path):
    msg = training(previous_model_locs=[place(tmp_path, "nowhere.pkl")])
    with pytest.raises(DataNotFoundError, match=r"nowhere\.pkl"):
        train_classifier(msg)
    assert not exists(msg.model_loc)
    assert not exists(msg.valresult_loc)


def test_the_evaluation_report_goes_where_it_is_asked_for(training, tmp_path):
    msg = training(report_loc=place(tmp_path, "report.json"))
    answer = train_classifier(msg)
    report = json.loads(read_bytes(msg.report_loc))

    assert report["accuracy"] == pytest.approx(answer.acc)
    assert report["ref_accs"] == answer.ref_accs


def test_stored_features_are_classified_in_the_order_of_the_file(extracted, model):
    _, features, annotations = extracted[1]
    answer = classify_features(ClassifyFeaturesMsg("", features, model))
    best = [answer.classes[int(np.argmax(scores))] for _, _, scores in answer.scores]

    assert [(row, col) for row, col, _ in answer.scores] == [(row, col) for row, col, _ in annotations]
    assert answer[annotations[0][:2]] == answer.scores[0][2]
    assert np.allclose([sum(scores) for _, _, scores in answer.scores], 1)
    assert np.mean([one == truth for one, (_, _, truth) in zip(best, annotations, strict=True)]) > 0.6


def test_an_image_is_classified_as_its_stored_features_are(extracted, model):
    image, features, annotations = extracted[1]
    rowcols = [annotation[:2] for annotation in annotations][:6][::-1]
    stored = classify_features(ClassifyFeaturesMsg("", features, model))
    answer = classify_image(ClassifyImageMsg("", EfficientNetLite0Extractor(), rowcols, image, model))

    assert [(row, col) for row, col, _ in answer.scores] == rowcols
    for rowcol in rowcols:
        assert np.allclose(answer[rowcol], stored[rowcol], atol=1e-4)


def test_legacy_features_are_classified_without_positions(extracted, model, tmp_path):
    legacy = place(tmp_path, "legacy.json")
    write_bytes(legacy, json.dumps(ImageFeatures.load(extracted[0][1]).features[:2].tolist()).encode())
    answer = classify_features(ClassifyFeaturesMsg("", legacy, model))

    assert not answer.valid_rowcol
    assert [score[:2] for score in answer.scores] == [(None, None)] * 2


def test_legacy_features_are_never_trained_on(training, tmp_path):
    legacy = place(tmp_path, "legacy.json")
    write_bytes(legacy, b"[[1, 2], [3, 4]]")
    only = ImageLabels({legacy: [(1, 1, "x"), (2, 2, "y")]})
    with pytest.raises(
        ValueError, match=r"legacy\.json: Features without rowcols are no longer supported for training"
    ):
        train_classifier(training(labels=TrainingTaskLabels(only, only, only)))


def test_features_of_one_extractor_are_not_classified_by_a_model_of_another(model, tmp_path):
    other = place(tmp_path, "other.features")
    ImageFeatures.from_arrays([(1, 1)], np.zeros((1, 1280), np.float32), extractor_id="another").store(other)
    with pytest.raises(ExtractorMismatchError):
        classify_features(ClassifyFeaturesMsg("", other, model))


def test_a_label_at_a_point_that_the_feature_file_lacks_is_named(training, labels):
    wrong = ImageLabels({location: [*labels[location], (1, 0, "dark")] for location in labels})
    key = next(iter(labels)).key
    sentence = f"{key}: The labels' row-column positions don't match those of the feature vector (example: (1, 0))."
    with pytest.raises(RowColumnMismatchError) as caught:
        train_classifier(training(labels=TrainingTaskLabels(wrong, labels, labels)))
    assert str(caught.value) == sentence


def test_one_class_cannot_be_trained(training, labels):
    one = labels.filter_classes({"dark"})
    with pytest.raises(TrainingLabelsError, match=r"there are 1 class\(es\) left"):
        train_classifier(training(labels=TrainingTaskLabels(one, one, one)))


def test_a_class_that_the_reference_set_lacks_is_left_out(training, labels):
    ref = labels.filter_classes({"dark", "bright"})
    msg = training(labels=TrainingTaskLabels(labels, ref, labels))
    train_classifier(msg)
    assert ValResults.load(msg.valresult_loc).classes == ["bright", "dark"]


@pytest.mark.parametrize(("rowcols", "sentence"), [([], "at least one point"), ([(0, 640)], "falls outside")])
def test_points_that_cannot_be_are_refused(photographs, tmp_path, rowcols, sentence):
    msg = ClassifyImageMsg("", EfficientNetLite0Extractor(), rowcols, photographs[0][0], place(tmp_path, "m.pkl"))
    with pytest.raises(RowColumnInvalidError, match=sentence):
        classify_image(msg)


def test_a_missing_image_is_told_before_a_missing_classifier(tmp_path):
    msg = ClassifyImageMsg("", DummyExtractor(), [(1, 1)], place(tmp_path, "reef.jpg"), place(tmp_path, "m.pkl"))
    with pytest.raises(DataNotFoundError, match=r"reef\.jpg"):
        classify_image(msg)


def remote_labels():
    """Three sets, of one image each, whose features lie in a bucket."""
    return TrainingTaskLabels(
        *(
            ImageLabels({DataLocation("s3", f"{name}.features", "bucket"): [(1, 1, "x"), (2, 2, "y")]})
            for name in ("train", "ref", "val")
        )
    )


def test_remote_features_are_not_cached_where_that_is_disabled(training, tmp_path, monkeypatch):
    seen = []

    def look_around(trainer, labels, *rest):
        seen.extend(labels[name].filesystem_cache for name in ("train", "ref", "val"))
        raise TrainingLabelsError("enough")

    msg = training(labels=remote_labels(), feature_cache_dir=TrainClassifierMsg.FeatureCache.DISABLED)
    monkeypatch.setattr(type(msg.trainer), "__call__", look_around)
    with pytest.raises(TrainingLabelsError, match="enough"):
        train_classifier(msg)
    assert seen == [None, None, None]


def test_remote_features_are_cached_for_the_time_of_a_training_only(training, tmp_path, monkeypatch):
    seen = []

    def look_around(trainer, labels, *rest):
        caches = {labels[name].filesystem_cache for name in ("train", "ref", "val")}
        seen.append((*caches, list(tmp_path.glob("*/"))))
        raise TrainingLabelsError("enough")

    msg = training(labels=remote_labels(), feature_cache_dir=str(tmp_path))
    monkeypatch.setattr(type(msg.trainer), "__call__", look_around)
    with pytest.raises(TrainingLabelsError, match="enough"):
        train_classifier(msg)

    ((cache, during),) = seen
    assert str(cache).startswith(str(tmp_path))
    assert [str(folder) for folder in during] == [str(cache)]
    assert not list(tmp_path.glob("*/"))


def test_a_point_given_twice_is_kept_twice(photographs, tmp_path):
    image, _, annotations = photographs[0]
    rowcols = list(chain.from_iterable([annotation[:2]] * 2 for annotation in annotations[:2]))
    features = place(tmp_path, "features")
    extract_features(ExtractFeaturesMsg("", DummyExtractor(feature_dim=3), rowcols, image, features))
    assert ImageFeatures.load(features).rowcols == rowcols
