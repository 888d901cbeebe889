"""Training a model of many labels: it learns, twice the same, and goes on where it was broken off."""

import numpy as np
import pytest
import torch

from spacer_like.chips.models.multilabel_metrics import sample_f_score
from spacer_like.chips.models.multilabel_model import MultilabelModel
from spacer_like.chips.models.multilabel_network import state_arrays, unfreeze
from spacer_like.chips.models.multilabel_training import Examples, MultilabelConfig, Trained, train
from spacer_like.config import override
from spacer_like.exceptions import TrainingLabelsError
from spacer_like.extractors.resnet_network import STAGES, random_resnet
from spacer_like.learning.split import Split
from spacer_like.learning.training_loop import TrainingConfig


def config(layers, dropouts, nbr_epochs, batch_size, learning_rate, seed, **others) -> MultilabelConfig:
    return MultilabelConfig(TrainingConfig(nbr_epochs, batch_size, learning_rate, seed), layers, dropouts, **others)


CONFIG = config((16, 8), (0.2, 0.5), 6, 8, 1e-2, 0)
LABELS = ("bright", "striped", "never")


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other would take longer than these few numbers do."""
    with override(torch_threads=1):
        yield


def features(count=120, seed=0) -> Examples:
    """Features, far from 0, of which two say a label each; the third label nobody has."""
    random = np.random.default_rng(seed)
    found = random.normal(5, 3, (count, 10)).astype(np.float32)
    targets = np.stack([found[:, 2] > 6, found[:, 7] < 3, np.zeros(count, bool)], axis=1)
    return Examples(targets, Split(np.arange(count - 30), np.arange(count - 30, count)), found)


def pictures(count=64, size=32, seed=0) -> Examples:
    """Noise, some of it bright, and some striped."""
    random = np.random.default_rng(seed)
    targets = random.random((count, 3)) < [0.5, 0.5, 0]
    pixels = random.integers(0, 60, (count, size, size, 3))
    pixels += 100 * targets[:, 0, None, None, None]
    pixels[:, ::4] += 90 * targets[:, 1, None, None, None]
    return Examples(targets, Split(np.arange(count - 20), np.arange(count - 20, count)), None, pixels.astype(np.uint8))


def a_network(seed=3):
    return "small", random_resnet("small", torch.Generator().manual_seed(seed))


def a_model(trained: Trained, network=None) -> MultilabelModel:
    extractor = None if network else "ab" * 20
    return MultilabelModel(LABELS, np.full(3, 0.35), trained.head, 32, extractor, network, trained.state)


def numbers(trained: Trained) -> bytes:
    arrays = [array for layer in trained.head.layers for array in layer.arrays.values()]
    arrays += [trained.state[name] for name in sorted(trained.state)]
    return b"".join(array.tobytes() for array in arrays)


class Kept:
    """Snapshots in a dictionary; after `last` epochs the training is broken off."""

    def __init__(self, last=None):
        self.last = last
        self.found: dict[str, bytes] = {}
        self.epochs: list[int] = []

    def latest(self, fingerprint):
        return self.found.get(fingerprint)

    def keep(self, fingerprint, epoch, data):
        self.found[fingerprint] = data
        self.epochs.append(epoch)
        if epoch == self.last:
            raise KeyboardInterrupt


def broken_off(settings, examples, network, after) -> Kept:
    kept = Kept(after)
    with pytest.raises(KeyboardInterrupt):
        train(settings, examples, network() if network else None, kept)
    kept.last = None
    return kept


class TestAHeadOnFeatures:
    def test_learns_what_can_be_learnt_and_says_it_of_others(self):
        settings = config((16, 8), (0.1, 0.1), 60, 16, 1e-2, 0)
        model = a_model(train(settings, features(400)))
        others = features(300, seed=1)
        probabilities = model.head(others.features)
        assert sample_f_score(others.targets, model.predicted(probabilities)) > 0.9 * others.targets.any(axis=1).mean()
        assert probabilities[:, 2].max() < 0.35

    def test_tells_how_each_epoch_went(self):
        history = train(CONFIG, features()).fitted.history
        assert [entry.epoch for entry in history] == [1, 2, 3, 4, 5, 6]
        assert history[-1].train["loss"] < history[0].train["loss"]
        assert history[-1].validation["loss"] < history[0].validation["loss"]
        rates = [entry.learning_rate for entry in history]
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] == pytest.approx(1e-4)

    def test_says_the_same_in_numpy_as_in_torch(self):
        examples = features()
        trained = train(CONFIG, examples)
        model = a_model(trained)
        places = examples.split.validation
        probabilities = model.head(examples.features[places])
        true = examples.targets[places]
        assert sample_f_score(true, probabilities > 0.35) == trained.fitted.history[-1].validation["sample_f1"]
        loss = -np.where(true, np.log(probabilities), np.log1p(-probabilities)).mean()
        assert loss == pytest.approx(trained.fitted.history[-1].validation["loss"], rel=1e-4)

    def test_is_the_same_each_time_and_another_with_another_seed(self):
        first, again = numbers(train(CONFIG, features())), numbers(train(CONFIG, features()))
        other = config((16, 8), (0.2, 0.5), 6, 8, 1e-2, 1)
        assert first == again != numbers(train(other, features()))

    def test_leaves_the_random_numbers_of_the_process_alone(self):
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        train(CONFIG, features())
        assert torch.equal(torch.rand(3), expected)

    def test_takes_a_last_batch_of_one_chip_into_the_one_before_it(self):
        examples = features(47)
        assert len(examples.split.train) % CONFIG.training.batch_size == 1
        assert np.isfinite(train(CONFIG, examples).head.layers[-1].weights).all()
        assert [len(rows) for rows in CONFIG.training.batches(np.arange(17), 1)] == [8, 9]

    def test_that_diverges_says_so(self):
        settings = config((16, 8), (0.2, 0.5), 2, 8, 1e30, 0)
        with pytest.raises(TrainingLabelsError, match="The training diverges: take a smaller learning_rate"):
            train(settings, features())


class TestOptimizers:
    @pytest.mark.parametrize(("optimizer", "rate"), [("adam", 1e-2), ("sgd", 0.1)])
    def test_each_learns_and_ends_with_the_same_bits_where_it_is_broken_off(self, optimizer, rate):
        settings = config((16, 8), (0.1, 0.1), 12, 16, rate, 0, optimizer=optimizer)
        examples = features(200)
        unbroken = train(settings, examples)
        first, *_, last = unbroken.fitted.history
        assert last.validation["loss"] < 0.8 * first.validation["loss"]
        assert numbers(train(settings, examples, None, broken_off(settings, examples, None, 5))) == numbers(unbroken)

    def test_momentum_and_the_optimizer_make_another_model(self):
        found = [
            numbers(train(config((8,), (0.1,), 2, 16, 1e-2, 0, **fields), features()))
            for fields in ({}, {"optimizer": "adam"}, {"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0.0})
        ]
        assert len(set(found)) == 4

    def test_without_momentum_nothing_is_kept_and_it_goes_on_all_the_same(self):
        settings = config((8,), (0.1,), 4, 16, 0.05, 0, optimizer="sgd", momentum=0.0)
        kept = broken_off(settings, features(), None, 2)
        resumed = train(settings, features(), None, kept)
        assert resumed.fitted.resumed_from == 2
        assert numbers(resumed) == numbers(train(settings, features()))


class TestBrokenOff:
    @pytest.mark.parametrize("after", [1, 4])
    def test_between_epochs_of_a_head_it_ends_with_the_same_bits(self, after):
        examples = features()
        kept = broken_off(CONFIG, examples, None, after)
        resumed, unbroken = train(CONFIG, examples, None, kept), train(CONFIG, examples)
        assert (resumed.fitted.resumed_from, unbroken.fitted.resumed_from) == (after, 0)
        assert numbers(resumed) == numbers(unbroken)
        assert resumed.fitted.history == unbroken.fitted.history

    def test_between_epochs_of_a_network_it_ends_with_the_same_bits(self):
        settings = config((8,), (0.2,), 4, 16, 1e-2, 0, learns_from_start=True)
        examples = pictures()
        kept = broken_off(settings, examples, a_network, 2)
        resumed, unbroken = train(settings, examples, a_network(), kept), train(settings, examples, a_network())
        assert numbers(resumed) == numbers(unbroken)

    def test_where_a_stage_begins_to_learn_it_ends_with_the_same_bits(self):
        settings = config((8,), (0.2,), 4, 16, 1e-2, 0, unfreeze_epochs=(3,))
        examples = pictures()
        made = np.random.default_rng(0).normal(size=(64, 256)).astype(np.float32)
        examples = Examples(examples.targets, examples.split, made, examples.pixels)
        kept = broken_off(settings, examples, a_network, 2)
        resumed, unbroken = train(settings, examples, a_network(), kept), train(settings, examples, a_network())
        assert numbers(resumed) == numbers(unbroken)
        assert [entry.facts["n_stages"] for entry in resumed.fitted.history] == [0, 0, 1, 1]

    def test_after_its_end_there_is_nothing_left_to_do(self):
        kept = Kept()
        first = train(CONFIG, features(), None, kept, snapshot_epochs=4)
        assert kept.epochs == [4, 6]
        again = train(CONFIG, features(), None, kept)
        assert (again.fitted.resumed_from, kept.epochs) == (6, [4, 6])
        assert numbers(again) == numbers(first)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: b"",
            lambda data: data[:-50],
            lambda data: b"\xff" * 99,
            lambda data: data.replace(b'"F32"', b'"I32"'),
        ],
        ids=["empty", "cut short", "no file", "other kinds"],
    )
    def test_with_a_damaged_snapshot_it_begins_anew_and_says_so(self, spoil, caplog):
        kept = broken_off(CONFIG, features(), None, 2)
        kept.found = {name: spoil(data) for name, data in kept.found.items()}
        trained = train(CONFIG, features(), None, kept)
        assert trained.fitted.resumed_from == 0
        assert numbers(trained) == numbers(train(CONFIG, features()))
        assert "A snapshot cannot be restored" in caplog.text

    def test_a_snapshot_of_another_training_is_not_looked_at(self):
        kept = broken_off(CONFIG, features(), None, 2)
        assert train(CONFIG, features(seed=9), None, kept).fitted.resumed_from == 0
        renamed = Kept()
        renamed.latest = lambda fingerprint: next(iter(kept.found.values()))
        assert train(config((16, 8), (0.2, 0.5), 6, 8, 1e-3, 0), features(), None, renamed).fitted.resumed_from == 0


class TestANetwork:
    def test_learns_from_pixels(self):
        settings = config((16,), (0.1,), 8, 16, 3e-3, 0, learns_from_start=True)
        model = a_model(train(settings, pictures(160), a_network()), "small")
        others = pictures(60, seed=1)
        given = model.predicted(model.probabilities(others.pixels))
        assert sample_f_score(others.targets, given) > 0.9 * others.targets.any(axis=1).mean()

    def test_learns_in_those_stages_that_may(self):
        name, network = a_network()
        before = state_arrays(network)
        settings = config((8,), (0.0,), 2, 16, 1e-2, 0, unfreeze_epochs=(1, 2))
        after = train(settings, pictures(), (name, network)).state
        changed = {key.split(".")[0] for key in before if not np.array_equal(before[key], after[key])}
        assert changed == {"layer4", "layer3"}

    def test_has_stages_from_the_last_to_the_first(self):
        _, network = a_network()
        for number in range(len(STAGES) + 1):
            unfreeze(network, number)
            learning = {name.split(".")[0] for name, value in network.named_parameters() if value.requires_grad}
            assert learning == {
                part for name in STAGES[:number] for part in (["conv1", "bn1"] if name == "stem" else [name])
            }
