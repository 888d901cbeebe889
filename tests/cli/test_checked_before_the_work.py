"""The model, the extractor and the outputs' places are checked before any image is looked at."""

import os
from pathlib import Path

import numpy as np
import pytest

from spacer_like import location
from spacer_like.data_classes import DataLocation
from spacer_like.extractors import FeatureExtractor
from spacer_like.learning.classifier import Classifier
from spacer_like.learning.model_files import load_classifier, store_classifier
from spacer_like.mailman import process_job
from spacer_like.messages import ClassifyFeaturesMsg, ClassifyImageMsg, JobMsg
from spacer_like.storage import MemoryStorage, Storage, register_storage, write_bytes
from spacer_like.storage.filesystem import FilesystemStorage
from tests.cli.conftest import COLOURS

GRID = ("--grid", 2, "--extractor", COLOURS)
FILES = [f"features/photos/{number}.jpg.features" for number in range(6)]


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that are read."""
    found = []
    read = FilesystemStorage.read
    monkeypatch.setattr(FilesystemStorage, "read", lambda self, key: found.append(Path(key).name) or read(self, key))
    return found


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("classify", "photos", *GRID, "--model", "nix.pkl"), "nix.pkl"),
        (("classify", "photos", *GRID, "--model", "labels.csv"), "labels.csv: The pickle"),
        (("classify", "photos", "--grid", 2, "--model", "reef.pkl"), "trained on features of the extractor"),
        (("classify", *FILES, "--model", "nix.pkl"), "nix.pkl"),
        (
            (
                "classify",
                "photos",
                "--grid",
                2,
                "--model",
                "reef.pkl",
                "--extractor",
                "resnet50",
                "--weights",
                "nix.pt",
            ),
            "nix.pt",
        ),
        (("extract", "photos", "--grid", 2, "--out", "f", "--extractor", "resnet50", "--weights", "nix.pt"), "nix.pt"),
        (("classify", "photos", *GRID, "--model", "reef.pkl", "--out", "labels.csv/c.csv"), "leads through a file"),
        (("extract", "photos", *GRID, "--out", "f", "--points-out", "photos"), "--points-out '"),
        (("train", "labels.csv", "--features", "features", "--model", "photos"), "--model '"),
        (("train", "labels.csv", "--features", "features", "--model", "m.pkl", "--page", "photos"), "--page '"),
        (("train", "labels.csv", "--features", "features", "--model", "m.pkl", "--previous", "nix.pkl"), "nix.pkl"),
    ],
)
def test_what_is_missing_is_noticed_before_any_image_or_feature_file_is_read(trained, command, reads, arguments, told):
    said = command(*arguments)
    assert said.code == 64
    assert told in said.err
    assert said.err.count("\n") == 1
    assert not [name for name in reads if name.endswith((".jpg", ".features"))]


def test_a_folder_that_cannot_be_written_is_noticed_before_the_work(trained, command, reads, monkeypatch):
    # Permissions do not bind root, who may well run this.
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith("/shut"))
    (trained / "shut").mkdir()
    said = command("classify", *FILES, "--model", "reef.pkl", "--out", "shut/c.csv")
    assert (said.code, not reads) == (64, True)
    assert "cannot be written: the permissions" in said.err


def test_a_previous_model_of_another_extractor_is_refused_before_the_training(trained, command, monkeypatch):
    from spacer_like.learning import trainer

    layer = (np.zeros((5, 1)), np.zeros(1))
    other = Classifier("LR", np.array(["coral", "sand"]), (layer,), np.zeros(1), np.zeros(1))
    store_classifier(DataLocation("filesystem", str(trained / "other.pkl")), other)
    monkeypatch.setattr(trainer.MiniBatchTrainer, "__call__", lambda *_: pytest.fail("it trains"))
    options = ("--features", "features", "--model", "new.pkl", "--split", "points-stratified")
    said = command("train", "labels.csv", *options, "--previous", "other.pkl")
    assert said.code == 64
    assert "other.pkl: the classifier expects feature vectors of 5 numbers, and these have 3" in said.err


def test_a_job_without_its_classifier_extracts_nothing(trained, monkeypatch):
    begun = []
    monkeypatch.setattr(FeatureExtractor, "begin", lambda *given: begun.append(given))
    tasks = [
        ClassifyImageMsg(
            job_token="",
            extractor={"class_path": COLOURS},
            rowcols=[(1, 1)],
            image_loc=DataLocation("filesystem", f"photos/{number}.jpg"),
            classifier_loc=DataLocation("filesystem", "nix.pkl"),
        )
        for number in range(3)
    ]
    answer = process_job(JobMsg("classify_image", tasks))
    assert [outcome.error_class for outcome in answer.outcomes] == ["spacer_like.exceptions.DataNotFoundError"] * 3
    assert begun == []


def classify_all(model):
    features = [DataLocation("filesystem", file) for file in FILES]
    answer = process_job(JobMsg("classify_features", [ClassifyFeaturesMsg("", one, model) for one in features]))
    assert answer.ok, answer.error_message


def test_the_classifier_is_read_once_for_all_messages_and_again_when_it_was_replaced(trained, reads):
    model = DataLocation("filesystem", "reef.pkl")
    load_classifier.cache_clear()
    classify_all(model)
    classify_all(model)
    assert reads.count("reef.pkl") == 1
    data = (trained / "reef.pkl").read_bytes()
    (trained / "same.pkl").write_bytes(data)
    status = (trained / "reef.pkl").stat()
    os.utime(trained / "same.pkl", ns=(status.st_atime_ns, status.st_mtime_ns))
    (trained / "same.pkl").replace(trained / "reef.pkl")
    classify_all(model)
    assert reads.count("reef.pkl") == 2


def test_where_a_storage_tells_no_version_the_classifier_is_compared_each_time(trained, monkeypatch):
    class Own(MemoryStorage):
        version = Storage.version

    monkeypatch.setattr(location, "STORAGE_TYPES", list(location.STORAGE_TYPES))
    own = Own()
    register_storage("own", lambda bucket: own)
    place = DataLocation("own", "reef.pkl")
    write_bytes(place, (trained / "reef.pkl").read_bytes())
    first = load_classifier(place)
    assert load_classifier(place) is first
    layer = (np.zeros((3, 1)), np.zeros(1))
    store_classifier(place, Classifier("LR", np.array(["mud", "sand"]), (layer,), np.zeros(1), np.zeros(1)))
    assert load_classifier(place).classes_.tolist() == ["mud", "sand"]
