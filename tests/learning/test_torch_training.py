"""Training by epochs: a regression and a set of tags in torch, and the rules of the loop that all trainings share."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spacer_like.config import override
from spacer_like.exceptions import TrainingLabelsError
from spacer_like.learning.snapshots import FolderSnapshots, fingerprint, read_snapshot
from spacer_like.learning.split import Split, split_by_hash
from spacer_like.learning.torch_training import HeadModule, TorchTask, fit_torch
from spacer_like.learning.training_loop import TrainingConfig, fit
from spacer_like.location import DataLocation
from spacer_like.storage import clear_memory_storage, list_keys

CONFIG = TrainingConfig(8, 16, 1e-2, 0)
SPLIT = split_by_hash([str(number) for number in range(200)], 0.2, 0.1)
RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(200, 6)).astype(np.float32)
ANGLES = np.tanh(FEATURES[:, 0] - 0.5 * FEATURES[:, 1]).astype(np.float32)
TAGS = np.stack([FEATURES[:, 2] > 0, FEATURES[:, 3] > 1, FEATURES[:, 4] < 0], axis=1)


@pytest.fixture(autouse=True)
def one_thread():
    clear_memory_storage()
    with override(torch_threads=1):
        yield
    clear_memory_storage()


class Regression(TorchTask):
    """A number between -1 and 1: a network of which only the last layers learn before `unfreeze_epoch`, and a head."""

    def __init__(self, seed=0, unfreeze_epoch=3, dropout=0.2):
        generator = torch.Generator().manual_seed(seed)
        network = HeadModule(6, [8], [0.0], 5, generator)
        self.head = HeadModule(5, [4], [dropout], 1, generator, has_norm=False)
        self.module = nn.ModuleDict({"network": network, "head": self.head})
        self.unfreeze_epoch = unfreeze_epoch

    def begin_epoch(self, epoch):
        learns = epoch >= self.unfreeze_epoch
        self.head.train()
        self.module["network"].train(learns).requires_grad_(learns)
        return {"network_learns": int(learns)}

    def outputs(self, rows, random):
        return torch.tanh(self.head(self.module["network"](torch.from_numpy(FEATURES[rows])), random))[:, 0]

    def loss(self, outputs, rows):
        return nn.functional.mse_loss(outputs, torch.from_numpy(ANGLES[rows]))

    def metrics(self, rows, outputs, of):
        return {"rmse": float(np.sqrt(np.mean((outputs - ANGLES[rows]) ** 2)))} if of == "validation" else {}


class Tags(TorchTask):
    """A sigmoid for each tag, on embeddings."""

    def __init__(self):
        self.module = HeadModule(6, [], [], 3, torch.Generator().manual_seed(0))

    def outputs(self, rows, random):
        return self.module(torch.from_numpy(FEATURES[rows]), random)

    def loss(self, outputs, rows):
        return nn.functional.binary_cross_entropy_with_logits(outputs, torch.from_numpy(TAGS[rows].astype(np.float32)))

    def metrics(self, rows, outputs, of):
        return {"accuracy": float(((outputs > 0) == TAGS[rows]).mean())}


def weights(task: TorchTask) -> bytes:
    return b"".join(value.numpy().tobytes() for value in task.module.state_dict().values())


class Killed:
    """Snapshots in a folder; the training is killed after `last` epochs."""

    def __init__(self, last):
        self.last = last
        self.inner = FolderSnapshots(DataLocation("memory", "snapshots/"))
        self.latest = self.inner.latest

    def keep(self, fingerprint, epoch, data):
        self.inner.keep(fingerprint, epoch, data)
        if epoch == self.last:
            raise KeyboardInterrupt


class TestARegression:
    def test_learns_and_says_how_it_went(self):
        task = Regression(dropout=0.0)
        fitted = fit_torch(task, replace(CONFIG, nbr_epochs=40), SPLIT)
        entry = fitted.history[-1].flat()
        assert entry["validation_rmse"] ** 2 == pytest.approx(entry["validation_loss"], rel=1e-5)
        assert entry["validation_rmse"] < 0.5 * ANGLES[SPLIT.validation].std()
        assert [one.facts["network_learns"] for one in fitted.history[:4]] == [0, 0, 1, 1]
        assert "train_rmse" not in entry

    @pytest.mark.parametrize("keeps", ["last", "best"])
    @pytest.mark.parametrize("after", [1, 4])
    def test_killed_and_run_again_it_ends_with_the_same_bits(self, keeps, after):
        config = replace(CONFIG, keeps=keeps, schedule="plateau", learning_rate=5e-2)
        whole = Regression()
        expected = fit_torch(whole, config, SPLIT)
        with pytest.raises(KeyboardInterrupt):
            fit_torch(Regression(), config, SPLIT, Killed(after))
        task = Regression()
        fitted = fit_torch(task, config, SPLIT, FolderSnapshots(DataLocation("memory", "snapshots/")))
        assert fitted.resumed_from == after
        assert (fitted.history, fitted.best_epoch) == (expected.history, expected.best_epoch)
        assert weights(task) == weights(whole)
        assert len(list(list_keys(DataLocation("memory", "snapshots/")))) == 1

    def test_that_keeps_the_best_epoch_has_its_weights(self):
        config = replace(CONFIG, nbr_epochs=12, learning_rate=0.3, keeps="best", schedule="constant")
        task = Regression()
        fitted = fit_torch(task, config, SPLIT)
        losses = [entry.validation["loss"] for entry in fitted.history]
        assert fitted.best_epoch == 1 + int(np.argmin(losses)) < 12
        until_best = Regression()
        fit_torch(until_best, replace(config, nbr_epochs=fitted.best_epoch, keeps="last"), SPLIT)
        assert weights(task) == weights(until_best)

    def test_that_diverges_says_so(self):
        with pytest.raises(TrainingLabelsError, match=r"^The training diverges: take a smaller learning_rate\.$"):
            fit_torch(Tags(), replace(CONFIG, learning_rate=1e30), SPLIT)


class TestTags:
    def test_become_a_head_in_numpy(self):
        task = Tags()
        fitted = fit_torch(task, replace(CONFIG, nbr_epochs=80, batch_size=32, learning_rate=5e-2), SPLIT)
        found = task.module.head("sigmoid")(FEATURES[SPLIT.test])
        assert ((found > 0.5) == TAGS[SPLIT.test]).mean() > 0.9
        assert fitted.history[-1].train["accuracy"] > 0.9


class Given:
    """A learner whose validation losses are given, and that notes the rates of its steps."""

    advice = "give other losses"

    def __init__(self, losses):
        self.losses, self.rates, self.epoch, self.restored = losses, [], 0, None

    def begin_epoch(self, epoch, seed):
        self.epoch = epoch
        return {}

    def step(self, rows, rate):
        self.rates.append(rate)
        return 1.0, np.zeros((len(rows), 1))

    def evaluate(self, rows):
        return self.losses[self.epoch - 1], np.zeros((len(rows), 1))

    def metrics(self, rows, outputs, of):
        return {}

    def state(self):
        return {"epoch": np.array(self.epoch)}

    def restore(self, state):
        self.restored = int(state["epoch"])


TWO = Split(np.arange(4), np.arange(4, 6))


class TestTheLoop:
    def test_lets_the_rate_fall_where_the_loss_does_not_and_stops_in_the_end(self):
        learner = Given([5, 4, 4, 4, 3, 4, 4, 4, 4, 9, 9])
        config = TrainingConfig(11, 4, 1.0, 0, "plateau", plateau_factor=0.5, stop_patience=4, keeps="best")
        fitted = fit(learner, config, TWO)
        assert learner.rates == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
        assert (len(fitted.history), fitted.best_epoch, learner.restored) == (9, 5, 5)

    def test_without_a_validation_set_goes_on_to_the_last_epoch_and_keeps_it(self):
        learner = Given([])
        config = TrainingConfig(5, 4, 1.0, 0, "plateau", stop_patience=1, keeps="best")
        fitted = fit(learner, config, Split(np.arange(4), np.arange(0)))
        assert (len(fitted.history), fitted.best_epoch, learner.restored) == (5, 5, 5)
        assert fitted.history[0].validation == {}

    def test_along_a_cosine_the_rate_falls_with_every_step_to_a_hundredth(self):
        learner = Given([1] * 5)
        fit(learner, TrainingConfig(5, 2, 0.5, 0), TWO)
        assert learner.rates == sorted(learner.rates, reverse=True)
        assert (learner.rates[0], learner.rates[-1]) == (0.5, pytest.approx(0.005))

    def test_in_a_warm_up_the_rate_rises_to_what_it_would_be(self):
        learner = Given([1] * 8)
        fit(learner, TrainingConfig(8, 2, 0.5, 0, "constant", warm_up=2), TWO)
        assert learner.rates == [0.25, *[0.5] * 15]
        learner = Given([1] * 8)
        fit(learner, TrainingConfig(8, 2, 0.5, 0, "constant", warm_up=100), TWO)
        assert learner.rates == [*(0.0625 * number for number in range(1, 9)), *[0.5] * 8], "at most half of all steps"

    @settings(max_examples=50, deadline=None)
    @given(st.integers(1, 60), st.integers(2, 16), st.integers(0, 2**32 - 1), st.integers(1, 50), st.booleans())
    def test_batches_hold_every_example_once_in_an_order_of_their_own(self, count, size, seed, epoch, joins):
        config = TrainingConfig(99, size, 1.0, seed, no_single_batch=joins)
        batches = config.batches(np.arange(100, 100 + count), epoch)
        assert sorted(np.concatenate(batches)) == list(range(100, 100 + count))
        assert all(len(rows) == size for rows in batches[:-1])
        assert 1 <= len(batches[-1]) <= size + joins
        if joins and count > 1:
            assert len(batches[-1]) > 1
        again = config.batches(np.arange(100, 100 + count), epoch)
        assert all((one == other).all() for one, other in zip(batches, again, strict=True))

    def test_a_snapshot_of_another_config_or_of_other_examples_is_not_looked_at(self):
        folder = FolderSnapshots(DataLocation("memory", "snapshots/"))
        examples = {"features": FEATURES}
        assert fit_torch(Tags(), CONFIG, SPLIT, folder, depends_on=({}, examples)).resumed_from == 0
        assert fit_torch(Tags(), CONFIG, SPLIT, folder, depends_on=({}, examples)).resumed_from == 8
        others = [
            (CONFIG, SPLIT, ({}, {"features": FEATURES + 1})),
            (CONFIG, SPLIT, ({"layers": 3}, examples)),
            (replace(CONFIG, seed=1), SPLIT, ({}, examples)),
            (CONFIG, Split(SPLIT.validation, SPLIT.train), ({}, examples)),
        ]
        for config, split, depends_on in others:
            assert fit_torch(Tags(), config, split, folder, depends_on=depends_on).resumed_from == 0
        assert len(list(list_keys(DataLocation("memory", "snapshots/")))) == 5

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: b"",
            lambda data: data[:-50],
            lambda data: b"\xff" * 99,
            lambda data: data.replace(b'"F32"', b'"I32"'),
            lambda data: data.replace(b"state.weights", b"state.sthgiew"),
            lambda data: data.replace(b'\\"epoch\\": 2', b'\\"epoch\\": 3'),
            lambda data: data[:-4] + b"\x00\x00\xc0\x7f",
            lambda data: data[:-4] + bytes([data[-4] ^ 1]) + data[-3:],
        ],
        ids=[
            "empty",
            "cut short",
            "no file",
            "other kinds",
            "other names",
            "epochs not in order",
            "no number",
            "a bit",
        ],
    )
    def test_after_a_damaged_snapshot_it_begins_anew_and_says_so(self, spoil, caplog):
        found = {}

        class Kept:
            def latest(self, fingerprint):
                return found.get("data")

            def keep(self, fingerprint, epoch, data):
                found.setdefault("data", data) if epoch == 2 else None

        whole = Tags()
        fit_torch(whole, CONFIG, SPLIT, Kept())
        assert fit_torch(Tags(), CONFIG, SPLIT, Kept()).resumed_from == 2
        found["data"] = spoil(found["data"])
        task = Tags()
        assert fit_torch(task, CONFIG, SPLIT, Kept()).resumed_from == 0
        assert weights(task) == weights(whole)
        assert "A snapshot cannot be restored, and the training begins anew: " in caplog.text


def test_a_fingerprint_depends_on_names_types_shapes_and_numbers():
    array = np.arange(6, dtype=np.float32)
    others = [{"a": array + 1}, {"b": array}, {"a": array.reshape(2, 3)}, {"a": array.view(np.int32)}, {}]
    found = {fingerprint({"x": 1}, arrays) for arrays in [{"a": array}, *others]} | {fingerprint({}, {"a": array})}
    assert len(found) == 7
    assert fingerprint({}, {"b": array, "a": array + 1}) == fingerprint({}, {"a": array + 1, "b": array})
    assert fingerprint({}, {"step": np.array(1.0)}) != fingerprint({}, {"step": np.array(2.0)})


def test_a_snapshot_says_of_which_training_it_is():
    kept = Killed(None)
    fit_torch(Tags(), CONFIG, SPLIT, kept)
    [loc] = list_keys(DataLocation("memory", "snapshots/"))
    own = loc.filename.split("-")[0]
    arrays, history = read_snapshot(kept.latest(own), own)
    assert [entry["epoch"] for entry in history] == list(range(1, 9))
    assert set(arrays) >= {"state.weights.output.weight", "state.optimizer.output.weight.exp_avg"}
    with pytest.raises(ValueError, match="of another training"):
        read_snapshot(kept.latest(own), "other")
