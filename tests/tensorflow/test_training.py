"""InclinET's networks learn by TensorFlow as they do by torch, and the weights are ours."""

import numpy as np
import pytest

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.learning.training_loop import TrainingConfig
from spacer_like.location import DataLocation
from spacer_like.messages import TrainRegressorMsg
from spacer_like.regression.architectures import weight_shapes
from spacer_like.regression.keras_training import train_by_keras
from spacer_like.regression.networks import network, set_weights
from spacer_like.regression.regressor import REGRESSOR
from spacer_like.regression.training_data import Examples, NetworkConfig
from spacer_like.storage import read_bytes
from spacer_like.tasks import train_regressor

from ..regression.shaded import pool, written

pytestmark = pytest.mark.filterwarnings("ignore")
SIZE = 28


def ellipses(n_images: int, seed: int) -> Examples:
    """Bright ellipses, and how round they are from -1 to 1."""
    random = np.random.default_rng(seed)
    targets = random.uniform(-1, 1, n_images).astype(np.float32)
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    minor = (2 + 4 * (1 + targets))[:, None, None]
    inside = (columns / 11) ** 2 + (rows / minor) ** 2 < 1
    return Examples(np.repeat((inside * 200).astype(np.uint8)[..., None], 3, axis=3), targets)


def config(n_steps: int, n_classes: int | None = None, input_scale: float = 1 / 255, **other) -> NetworkConfig:
    return NetworkConfig(TrainingConfig(n_steps, 16, 1e-3, 5, "constant", **other), n_classes, input_scale, "float32")


def train(n_steps: int, snapshots=None, n_classes=None, **other):
    validation = ellipses(40, 1)
    if n_classes:
        validation = Examples(validation.inputs, (validation.targets > 0).astype(np.int64))

    def batch(step: int) -> Examples:
        made = ellipses(96, 10 + step)
        return Examples(made.inputs, (made.targets > 0).astype(np.int64)) if n_classes else made

    return train_by_keras("model4", SIZE, config(n_steps, n_classes, **other), batch, validation, snapshots)


class Kept:
    """Snapshots in memory; a training may be killed after one."""

    def __init__(self, killed_after: int = 0) -> None:
        self.killed_after, self.data = killed_after, None

    def latest(self, fingerprint: str) -> bytes | None:
        return self.data

    def keep(self, fingerprint: str, epoch: int, data: bytes) -> None:
        self.data = data
        if epoch == self.killed_after:
            raise KeyboardInterrupt


def test_a_network_learns_and_its_weights_are_ours():
    weights, fitted = train(12)
    assert {name: array.shape for name, array in weights.items()} == weight_shapes("model4", SIZE, None)
    assert [entry.train.keys() for entry in fitted.history] == [{"loss", "mse", "mae", "spread"}] * 12
    assert fitted.history[-1].train["loss"] < 0.5 * fitted.history[0].train["loss"]
    torch = pytest.importorskip("torch")
    module, validation = network("model4", SIZE, None).eval(), ellipses(40, 1)
    set_weights(module, weights)
    with torch.inference_mode():
        pixels = torch.from_numpy(validation.inputs.transpose(0, 3, 1, 2) * np.float32(1 / 255))
        outputs = module(pixels).tanh().numpy()[:, 0]
    mse = float(np.mean((outputs - validation.targets) ** 2))
    assert mse == pytest.approx(fitted.history[-1].validation["mse"], abs=1e-5)
    assert fitted.history[-1].validation["loss"] == pytest.approx(mse, abs=1e-5)


def test_classes_are_learnt_too():
    weights, fitted = train(8, n_classes=2)
    assert weights["out.weight"].shape == (2, 8)
    assert fitted.history[-1].validation["accuracy"] > 0.8


def test_the_same_training_gives_the_same_bits():
    (first, _), (second, _) = train(2), train(2)
    assert all((first[name] == second[name]).all() for name in first)


def test_a_training_that_was_killed_goes_on_to_the_same_bits():
    whole, _ = train(4)
    snapshots = Kept(killed_after=2)
    with pytest.raises(KeyboardInterrupt):
        train(4, snapshots)
    snapshots.killed_after = 0
    resumed, fitted = train(4, snapshots)
    assert fitted.resumed_from == 2
    assert all((whole[name] == resumed[name]).all() for name in whole)


def test_the_best_weights_are_kept_where_they_are_wanted():
    weights, fitted = train(6, keeps="best")
    best = min(range(6), key=lambda step: fitted.history[step].validation["loss"])
    assert fitted.best_epoch == best + 1
    other, _ = train(best + 1)
    assert all((weights[name] == other[name]).all() for name in weights)


def test_a_training_that_diverges_says_so():
    with pytest.raises(TrainingLabelsError, match=r"The training diverges: take a smaller learning_rate\.$"):
        train_by_keras("model4", SIZE, config(2, None, 1e30), lambda step: ellipses(96, step), ellipses(40, 1))


def test_the_task_writes_a_model_that_predicts(tmp_path):
    msg = TrainRegressorMsg(
        backend="tensorflow",
        network="model4",
        minibatch=16,
        passes=2,
        batch_locs=[written(tmp_path, "28x28_train_aug_00.npz", pool(64, 1, size=SIZE))],
        validation_locs=[written(tmp_path, "c_test.npz", pool(20, 2, size=SIZE))],
        snapshots_loc=DataLocation("filesystem", str(tmp_path / "snapshots")),
        model_loc=DataLocation("filesystem", str(tmp_path / "model4.safetensors")),
    )
    answer = train_regressor(msg)
    assert (answer.steps, answer.precision, answer.resumed_from) == (2, "float32", 0)
    model = REGRESSOR.from_bytes(read_bytes(msg.model_loc), "model4")
    assert (model.network, model.size, "tensorflow" in model.versions) == ("model4", SIZE, True)
    data = read_bytes(msg.model_loc)
    assert train_regressor(msg).resumed_from == 2
    assert read_bytes(msg.model_loc) == data


def test_the_rate_rises_at_the_beginning():
    warm = NetworkConfig(TrainingConfig(3, 16, 1e-3, 5, "constant", warm_up=9), None, 1 / 255, "float32")
    _, fitted = train_by_keras("model4", SIZE, warm, lambda step: ellipses(96, 10), ellipses(40, 1))
    # After 6, 12 and 18 minibatches.
    assert [one.learning_rate for one in fitted.history] == pytest.approx([2e-3 / 3, 1e-3, 1e-3])
