"""A training that was interrupted goes on from its last epoch, and ends with the bytes of an unbroken one."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacer_like import config
from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, TrainingTaskLabels
from spacer_like.exceptions import MessageError
from spacer_like.learning.model_files import to_pickle_bytes
from spacer_like.learning.snapshots import FolderSnapshots
from spacer_like.messages import TrainClassifierMsg
from spacer_like.storage import list_keys, read_bytes, write_bytes
from spacer_like.tasks import train_classifier
from spacer_like.train_classifier import MiniBatchTrainer

Store = Callable[..., ImageLabels]
FOLDER = DataLocation("memory", "snapshots")
KINDS = [("MLP", None), ("MLP", 4), ("LR", None), ("LR", 4)]


class Interrupted(Exception):
    pass


class InterruptedSnapshots(FolderSnapshots):
    """Snapshots of a training that ends in the middle of the epoch after some."""

    def __init__(self, epochs: int) -> None:
        super().__init__(FOLDER)
        self._epochs = epochs

    def keep(self, fingerprint: str, epoch: int, data: bytes) -> None:
        super().keep(fingerprint, epoch, data)
        if epoch >= self._epochs:
            raise Interrupted


def trained(sets: TrainingTaskLabels, kind: str, epochs: int = 9, snapshots: Any = None, **arguments: Any) -> bytes:
    trainer = MiniBatchTrainer(batch_size=50, mlp_learning_rate_init=0.05, **arguments)
    classifier, _, answer = trainer(sets, epochs, [], kind, snapshots)
    return to_pickle_bytes(classifier) + json.dumps([answer.ref_accs, answer.ref_losses, answer.kept_epoch]).encode()


@pytest.mark.parametrize("memory", [2**31, 0])
@pytest.mark.parametrize(("kind", "patience"), KINDS)
def test_interrupted_twice_it_ends_with_the_same_bytes(
    three_sets: TrainingTaskLabels, kind: str, patience: int | None, memory: int
) -> None:
    with config.override(training_memory_bytes=memory):
        for epochs in (2, 5):
            with pytest.raises(Interrupted):
                trained(three_sets, kind, snapshots=InterruptedSnapshots(epochs), patience=patience)
        resumed = trained(three_sets, kind, snapshots=FolderSnapshots(FOLDER), patience=patience)
        assert resumed == trained(three_sets, kind, patience=patience)
        # What has ended is not trained again.
        assert trained(three_sets, kind, snapshots=InterruptedSnapshots(1), patience=patience) == resumed
    assert len(list(list_keys(FOLDER))) == 1


def test_images_held_back_stop_an_interrupted_training_alike(three_sets: TrainingTaskLabels) -> None:
    arguments = {"patience": 4, "stopping_share": 0.2}
    with pytest.raises(Interrupted):
        trained(three_sets, "MLP", snapshots=InterruptedSnapshots(2), **arguments)
    resumed = trained(three_sets, "MLP", snapshots=FolderSnapshots(FOLDER), **arguments)
    assert resumed == trained(three_sets, "MLP", **arguments)
    assert resumed != trained(three_sets, "MLP", patience=4)


def test_a_training_can_be_made_longer_and_shorter(three_sets: TrainingTaskLabels) -> None:
    trained(three_sets, "MLP", 3, FolderSnapshots(FOLDER))
    for epochs in (6, 4):
        assert trained(three_sets, "MLP", epochs, FolderSnapshots(FOLDER)) == trained(three_sets, "MLP", epochs)


def test_other_labels_files_or_parameters_are_another_training(three_sets: TrainingTaskLabels) -> None:
    def count(sets: TrainingTaskLabels, **arguments: Any) -> int:
        trained(sets, "MLP", 1, FolderSnapshots(FOLDER), **arguments)
        return len(list(list_keys(FOLDER)))

    assert [count(three_sets), count(three_sets)] == [1, 1]
    assert count(three_sets, mlp_hidden_layer_sizes=(7,)) == 2
    assert count(three_sets, patience=2) == 3
    fewer = three_sets.copy()
    fewer.train = ImageLabels({location: three_sets.train[location][1:] for location in three_sets.train})
    assert count(fewer) == 4
    location = next(iter(three_sets.train))
    features = ImageFeatures.load(location)
    ImageFeatures.from_arrays(features.rowcols, features.features + 1).store(location)
    assert count(three_sets) == 5


def test_a_damaged_snapshot_is_ignored(three_sets: TrainingTaskLabels) -> None:
    trained(three_sets, "MLP", 3, FolderSnapshots(FOLDER))
    (snapshot,) = list_keys(FOLDER)
    data = bytearray(read_bytes(snapshot))
    data[-5] ^= 1
    write_bytes(snapshot, bytes(data))
    assert trained(three_sets, "MLP", 5, FolderSnapshots(FOLDER)) == trained(three_sets, "MLP", 5)


def test_what_scikit_learn_trains_has_no_snapshots(three_sets: TrainingTaskLabels) -> None:
    with pytest.raises(MessageError, match="has no snapshots"):
        trained(three_sets, "LR", 1, FolderSnapshots(FOLDER), sgd_loss="hinge")


def training(folder: Path) -> TrainClassifierMsg:
    """A training of some seconds on files."""
    random, sets = np.random.default_rng(0), []
    for name, images in (("train", 20), ("ref", 4), ("val", 4)):
        labels = ImageLabels()
        for number in range(images):
            location = DataLocation("filesystem", str(folder / f"{name}{number}.features"))
            classes, rowcols = random.integers(0, 5, 50), [(row, row) for row in range(50)]
            vectors = random.normal(size=(50, 200)) + 0.4 * random.normal(size=(5, 200))[classes]
            ImageFeatures.from_arrays(rowcols, vectors.astype(np.float32)).store(location)
            labels.add_image(
                location, [(row, col, int(label)) for (row, col), label in zip(rowcols, classes, strict=True)]
            )
        sets.append(labels)
    out = [DataLocation("filesystem", str(folder / name)) for name in ("model.safetensors", "results.json", "kept")]
    trainer = MiniBatchTrainer(mlp_hidden_layer_sizes=(200, 100), batch_size=100)
    return TrainClassifierMsg(
        "", trainer, 40, "MLP", TrainingTaskLabels(*sets), [], out[0], out[1], snapshots_loc=out[2]
    )


def test_a_process_that_is_killed_at_any_moment_is_taken_up_again(tmp_path: Path) -> None:
    message = training(tmp_path)
    (tmp_path / "message.json").write_text(json.dumps(message.serialize()))
    program = """
import json
from spacer_like.messages import TrainClassifierMsg
from spacer_like.tasks import train_classifier
train_classifier(TrainClassifierMsg.deserialize(json.load(open("message.json"))))
"""
    killed = 0
    for least in (1, 8, None):
        child = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
        while least is not None and child.poll() is None and not epochs_kept(tmp_path) >= least:
            time.sleep(0.002)
        if least is not None:
            child.kill()
        killed += child.wait(120) == -signal.SIGKILL
    assert child.returncode == 0
    assert killed >= 1
    resumed = Path(message.model_loc.key).read_bytes(), Path(message.valresult_loc.key).read_bytes()
    train_classifier(message.model_copy(update={"snapshots_loc": None}))
    assert resumed == (Path(message.model_loc.key).read_bytes(), Path(message.valresult_loc.key).read_bytes())


def epochs_kept(folder: Path) -> int:
    names = [path.stem for path in folder.glob("kept/*.safetensors") if not path.name.startswith(".")]
    return max((int(name.rpartition("-")[2]) for name in names), default=0)
