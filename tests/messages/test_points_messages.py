"""The messages of the points family: PySpacer's layouts, its three dialects, and what is refused."""

import json
from pathlib import Path

import pytest

from spacer_like.data_classes import DataLocation, ImageLabels
from spacer_like.exceptions import MessageError, MissingFieldError
from spacer_like.messages import (
    ClassifyFeaturesMsg,
    ClassifyImageMsg,
    ClassifyReturnMsg,
    ExtractFeaturesMsg,
    ExtractFeaturesReturnMsg,
    TrainClassifierMsg,
    TrainClassifierReturnMsg,
    TrainingTaskLabels,
)

GOLDEN = Path(__file__).parent / "golden"
ALL = [
    ClassifyFeaturesMsg,
    ClassifyImageMsg,
    ClassifyReturnMsg,
    ExtractFeaturesMsg,
    ExtractFeaturesReturnMsg,
    TrainClassifierMsg,
    TrainClassifierReturnMsg,
]
MEMORY = DataLocation("memory", "a")


def journey(message):
    return type(message).deserialize(json.loads(json.dumps(message.serialize())))


@pytest.mark.parametrize("message_class", ALL)
def test_a_message_survives_the_journey_through_json(message_class):
    assert journey(message_class.example()) == message_class.example()


@pytest.mark.parametrize("message_class", ALL)
def test_a_message_is_written_as_pyspacer_writes_it(message_class):
    theirs = json.loads((GOLDEN / "pyspacer_0.14" / f"{message_class.__name__}.json").read_text())
    read = message_class.deserialize(theirs)

    ours = json.loads(json.dumps(read.serialize()).replace("spacer_like.learning.trainer", "spacer.train_classifier"))
    assert ours == json.loads(json.dumps(theirs).replace("spacer.extractors", "spacer_like.extractors"))


@pytest.mark.parametrize("name", ["0.12", "0.13", "0.14"])
def test_every_dialect_of_the_training_message_is_read(name):
    dialect = json.loads((GOLDEN / "train_classifier_dialects.json").read_text())[name]
    message = TrainClassifierMsg.deserialize(dialect)

    assert list(message.labels.train.keys()) == [DataLocation("s3", "1.features", "corals")]
    assert message.trainer.serialize()["class_path"] == "spacer_like.learning.trainer.MiniBatchTrainer"
    assert journey(message) == message


def test_every_dialect_is_accepted_by_the_constructor():
    common = {
        "job_token": "1",
        "nbr_epochs": 1,
        "clf_type": "LR",
        "previous_model_locs": [],
        "model_loc": MEMORY,
        "valresult_loc": MEMORY,
    }
    features_loc = DataLocation("s3", "", "corals")
    located = ImageLabels({DataLocation("s3", "1.features", "corals"): [(1, 2, 3)]})
    by_text = ImageLabels({"1.features": [(1, 2, 3)]})

    oldest = TrainClassifierMsg(
        trainer_name="minibatch",
        labels=TrainingTaskLabels(by_text, by_text, by_text),
        features_loc=features_loc,
        **common,
    )
    older = TrainClassifierMsg(trainer_name="minibatch", labels=TrainingTaskLabels(located, located, located), **common)
    newest = TrainClassifierMsg(trainer="minibatch", labels=TrainingTaskLabels(located, located, located), **common)

    assert oldest == older == newest


def test_features_named_by_text_alone_are_refused():
    by_text = ImageLabels({"1.features": [(1, 2, 3)]})
    with pytest.raises(MessageError, match="need a features_loc"):
        TrainClassifierMsg("1", "minibatch", 1, "LR", TrainingTaskLabels(by_text, by_text, by_text), [], MEMORY, MEMORY)


def test_arguments_may_be_given_by_position():
    message = ClassifyFeaturesMsg("token", DataLocation("memory", "features"), DataLocation("memory", "model"))
    assert message == ClassifyFeaturesMsg(
        job_token="token",
        feature_loc=DataLocation("memory", "features"),
        classifier_loc=DataLocation("memory", "model"),
    )


def test_too_many_arguments_are_refused():
    with pytest.raises(MessageError, match="has 4 fields, and 5 were given"):
        ClassifyFeaturesMsg("token", MEMORY, MEMORY, MEMORY, MEMORY)


def test_a_message_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        ClassifyFeaturesMsg.example().job_token = "other"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colour": "red"}, r"ClassifyImageMsg does not validate: colour: there is no such field"),
        ({"job_token": 3}, "job_token: it must be a text"),
        ({"rowcols": [[1, 2], [1.5, 2]]}, r"rowcols\.1\.0: it must be a whole number"),
        ({"rowcols": [["1", 2]]}, r"rowcols\.0\.0: it must be a whole number"),
        ({"rowcols": [[True, 2]]}, r"rowcols\.0\.0: it must be a whole number"),
        ({"rowcols": [[1, 2, 3]]}, r"rowcols\.0: it must have at most 2 items"),
        ({"image_loc": {"storage_type": "ftp", "key": "a"}}, "image_loc: The storage type 'ftp' is unknown"),
        ({"image_loc": "s3://bucket/key"}, "image_loc: "),
        ({"extractor": {"class_path": "os.system"}}, r"extractor: The .* class 'os\.system' is unknown"),
        ({"extractor": {}}, "extractor: The .* needs a class_path"),
        ({"extractor": 7}, "extractor: the extractor must be described by its class_path"),
        ({"extractor": {"class_path": "minibatch"}}, "extractor: the extractor must be described"),
    ],
)
def test_a_fault_is_told_with_the_path_of_its_field(change, sentence):
    with pytest.raises(MessageError, match=sentence):
        ClassifyImageMsg.deserialize(ClassifyImageMsg.example().serialize() | change)


def test_a_missing_field_is_named_and_is_a_key_error():
    data = ClassifyImageMsg.example().serialize()
    del data["image_loc"]
    with pytest.raises(KeyError, match="image_loc: it is required, and missing") as caught:
        ClassifyImageMsg.deserialize(data)
    assert isinstance(caught.value, MissingFieldError)


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(MessageError, match="must be a JSON object"):
        ClassifyImageMsg.deserialize(value)


def test_extraction_needs_a_point_and_a_writable_place():
    example = ExtractFeaturesMsg.example().serialize()
    with pytest.raises(MessageError, match="rowcols: it must have at least 1 item"):
        ExtractFeaturesMsg.deserialize(example | {"rowcols": []})
    with pytest.raises(MessageError, match="feature_loc: Write not supported for 'url' storage type"):
        ExtractFeaturesMsg.deserialize(example | {"feature_loc": {"storage_type": "url", "key": "https://a.org/b"}})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"nbr_epochs": 0}, "nbr_epochs: it must be at least 1"),
        ({"nbr_epochs": 2.0}, "nbr_epochs: it must be a whole number"),
        ({"clf_type": "SVM"}, "clf_type: it must be 'MLP' or 'LR'"),
        ({"trainer": "no.such.Trainer"}, r"trainer: The .* class 'no\.such\.Trainer' is unknown"),
        ({"feature_cache_dir": "somewhere"}, "feature_cache_dir: it must be 'auto', 'disabled' or the absolute path"),
        ({"labels": {"train": {}, "ref": {}}}, "labels: The training labels lack the set 'val'"),
    ],
)
def test_a_training_message_that_cannot_be_is_refused(change, sentence):
    with pytest.raises(MessageError, match=sentence):
        TrainClassifierMsg.deserialize(TrainClassifierMsg.example().serialize() | change)


def test_the_cache_folder_may_be_a_path(tmp_path):
    message = TrainClassifierMsg.deserialize(TrainClassifierMsg.example().serialize() | {"feature_cache_dir": tmp_path})
    assert message.feature_cache_dir == str(tmp_path)
    assert TrainClassifierMsg.FeatureCache.AUTO == "auto"


def test_a_return_message_ignores_fields_of_a_later_version():
    data = ExtractFeaturesReturnMsg.example().serialize() | {"colour": "red"}
    assert ExtractFeaturesReturnMsg.deserialize(data) == ExtractFeaturesReturnMsg.example()


def test_scores_are_found_by_position():
    message = ClassifyReturnMsg.example()
    assert message[(20, 40)] == [0.9, 0.06, 0.04]
    with pytest.raises(KeyError):
        message[(0, 0)]


def test_scores_of_legacy_features_have_no_position():
    message = ClassifyReturnMsg(1.0, [(None, None, [0.5, 0.5])], ["a", "b"], False)
    assert journey(message) == message
    with pytest.raises(ValueError, match="requires valid rows and columns"):
        message[(0, 0)]
