"""The trainings: what comes out, what is refused, and that a killed one ends with the same bits."""

import json
import random
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from spacer_like.exceptions import MessageError, TrainingLabelsError
from spacer_like.learning import training_loop
from spacer_like.location import DataLocation
from spacer_like.messages import JobMsg, TrainGoodBadMsg, TrainRegressorMsg
from spacer_like.regression.networks import network
from spacer_like.regression.predicting import predicted
from spacer_like.regression.regressor import REGRESSOR
from spacer_like.regression.training import precision_here
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tasks import train_good_bad, train_regressor

from .shaded import SIZE, pool, written

N_FILES = 3


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batches")
    batches = [written(folder, f"{SIZE}x{SIZE}_train_aug_{b:02d}.npz", pool(96, b + 1)) for b in range(N_FILES)]
    return {"batch_locs": batches, "validation_locs": [written(folder, "c_test.npz", pool(40, 9))]}


def at(folder, name):
    return DataLocation("filesystem", str(folder / name))


def message(folder, files, kind=TrainRegressorMsg, **fields):
    own = {"network": "small_cnn", "minibatch": 16, "learning_rate": 3e-3, "model_loc": at(folder, "net.safetensors")}
    return kind(**files | own | fields)


def model_of(msg):
    return REGRESSOR.from_bytes(read_bytes(msg.model_loc), "net")


def test_a_network_learns_inclinations(tmp_path, files):
    msg = message(tmp_path, files, passes=10, keeps="best")
    answer = train_regressor(msg)
    assert answer.rms < 8
    assert answer.mae <= answer.rms
    assert (answer.steps, answer.resumed_from, answer.n_validation) == (30, 0, 40)
    model = model_of(msg)
    assert answer.n_parameters == sum(one.numel() for one in network("small_cnn", SIZE).parameters())
    held = pool(40, 9)
    errors = predicted(model, held.images, views=1)[:, 0] - held.inclinations
    # What validated was computed in fewer digits.
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(answer.rms, abs=0.2)
    assert model.domain.filters == ("c", "g", "i", "r")
    assert model.metrics["validation_mae"] * 22.5 == answer.mae


def test_a_network_learns_which_galaxies_have_an_inclination(tmp_path):
    codes = (0, 1, 50, 80)
    files = {
        "batch_locs": [written(tmp_path, "b.npz", pool(96, 1, codes))],
        "validation_locs": [written(tmp_path, "v.npz", pool(40, 2, codes))],
    }
    msg = message(tmp_path, files, TrainGoodBadMsg, passes=6, metrics_loc=at(tmp_path, "m.json"))
    assert train_good_bad(msg).accuracy > 0.9
    assert set(json.loads(read_bytes(msg.metrics_loc))["5"]) >= {"loss", "accuracy", "val_loss", "val_accuracy"}
    model = model_of(msg)
    assert model.n_classes == 2
    bad = predicted(model, pool(40, 2, codes).images, views=1)[:, 0]
    assert bad[pool(40, 2, codes).inclinations < 10].mean() > bad[pool(40, 2, codes).inclinations > 10].mean()


def test_metrics_are_as_inclinets_and_the_figure_has_two_panels(tmp_path, files):
    metrics, figure = at(tmp_path, "evalDict.json"), at(tmp_path, "evalFig.jpg")
    train_regressor(message(tmp_path, files, original=True, metrics_loc=metrics, figure_loc=figure))
    found = json.loads(read_bytes(metrics))
    assert list(found) == ["0", "1", "2"]
    numbers = {"loss", "mse", "mae", "val_loss", "val_mse", "val_mae"}
    assert set(found["0"]) == {*numbers, "batchNo", "batchFile"}
    assert found["0"]["mse"] == pytest.approx(found["0"]["loss"], rel=1e-5)
    assert [found[step]["batchFile"] for step in found] == [
        f"{SIZE}x{SIZE}_train_aug_{found[step]['batchNo']:02d}.npz" for step in found
    ]
    with Image.open(figure.key) as image:
        assert image.size == (1100, 550)


def test_batches_are_made_of_samples_while_it_learns(tmp_path, files):
    samples = {"sample_locs": files["batch_locs"], "batch_locs": [], "n_batches": 2, "per_bin": 2}
    msg = message(tmp_path, files, **samples)
    answer = train_regressor(msg)
    assert answer.steps == 2
    first = read_bytes(msg.model_loc)
    train_regressor(msg)
    assert read_bytes(msg.model_loc) == first
    train_regressor(message(tmp_path, files, **samples, seed=1))
    assert read_bytes(msg.model_loc) != first


def test_it_stops_where_the_validation_becomes_no_better(tmp_path, files):
    answer = train_regressor(message(tmp_path, files, passes=20, learning_rate=0.3, stop_patience=2, keeps="best"))
    assert answer.steps < 60
    assert answer.best_step <= answer.steps - 2


def test_without_a_validation_nothing_is_said_of_it(tmp_path, files):
    answer = train_regressor(message(tmp_path, files, validation_locs=[]))
    assert (answer.rms, answer.mae, answer.validation_loss, answer.n_validation) == (None, None, None, 0)


def test_the_last_snapshots_are_kept_and_a_damaged_one_is_passed_over(tmp_path, files):
    msg = message(tmp_path, files, snapshots_loc=at(tmp_path, "snapshots/"), n_snapshots=2)
    train_regressor(msg)
    whole = read_bytes(msg.model_loc)
    kept = sorted((tmp_path / "snapshots").iterdir())
    assert [path.name[-17:] for path in kept] == ["00002.safetensors", "00003.safetensors"]
    write_bytes(DataLocation("filesystem", str(kept[-1])), kept[-1].read_bytes()[:-50])
    assert train_regressor(msg).resumed_from == 2
    assert read_bytes(msg.model_loc) == whole
    assert train_regressor(message(tmp_path, files, snapshots_loc=msg.snapshots_loc, seed=1)).resumed_from == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_killed_at_any_step_and_sent_again_it_ends_with_the_same_bits(tmp_path, files, threads, session_killing):
    def request(name):
        folder = tmp_path / name
        places = {"snapshots_loc": at(folder, "snapshots/"), "metrics_loc": at(folder, "metrics.json")}
        own = {"model_loc": at(folder, "net.safetensors"), "network": "model4", "passes": 2, "minibatch": 32}
        return folder, message(folder, files, **places | own)

    numbers = random.Random(threads)
    folder, unbroken = request("unbroken")
    assert session_killing.run(JobMsg("train_regressor", [unbroken]), str(folder), 0, threads).code == 0
    folder, killed = request("killed")
    job, n_kept = JobMsg("train_regressor", [killed]), 0
    for n_more in (numbers.randrange(1, 4), numbers.randrange(1, 3)):
        # While the snapshot after so many more steps is written.
        assert session_killing.run(job, str(folder), n_more + 1, threads).code == -signal.SIGKILL
        n_kept += n_more
    ended = session_killing.run(job, str(folder), 0, threads)
    assert ended.code == 0
    assert ended.outcome["result"]["resumed_from"] == n_kept
    for name in ("net.safetensors", "metrics.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"batch_locs": []}, MessageError, "give one of them"),
        ({"network": "model5"}, MessageError, "model5 takes images of at least 76 pixels"),
        ({"validation_locs": [DataLocation("memory", "r_20x20_test_000.npz")]}, MessageError, "held out for the test"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path, files, fields, error, words):
    with pytest.raises(error, match=rf"{words}.*\.$"):
        train_regressor(message(tmp_path, files, **fields))


def test_batches_of_several_sizes_or_without_inclinations_are_one_sentence(tmp_path, files):
    larger = written(tmp_path, "larger.npz", pool(20, 1, size=24))
    with pytest.raises(TrainingLabelsError, match=r"20 and 24 pixels|24 pixels.*20"):
        train_regressor(message(tmp_path, files, batch_locs=[files["batch_locs"][0], larger]))
    rejected = written(tmp_path, "rejected.npz", pool(20, 1, codes=(0, 1)))
    with pytest.raises(TrainingLabelsError, match=r"'?rejected\.npz'? has no two images to learn from"):
        train_regressor(message(tmp_path, files, batch_locs=[rejected]))


def test_the_precision_is_what_the_processor_is_made_for():
    assert precision_here("float32") == "float32"
    able = torch.cpu.get_capabilities()
    fast = able.get("avx512_bf16") or able.get("amx_bf16")
    assert precision_here("auto") == ("bfloat16" if fast else "float32")


def test_classes_are_not_learnt_of_one_class_alone(tmp_path, files):
    with pytest.raises(TrainingLabelsError, match="All galaxies to learn from are of one class: of split_dataset, set"):
        train_good_bad(message(tmp_path, files, TrainGoodBadMsg))


def test_metrics_are_written_after_each_step(tmp_path, files, monkeypatch):
    msg = message(tmp_path, files, metrics_loc=at(tmp_path, "metrics.json"))
    seen, fit = [], training_loop._Training._epoch

    def look_and_fit(self, epoch):
        seen.append(json.loads(read_bytes(msg.metrics_loc)) if epoch > 1 else {})
        fit(self, epoch)

    monkeypatch.setattr(training_loop._Training, "_epoch", look_and_fit)
    train_regressor(msg)
    whole = json.loads(read_bytes(msg.metrics_loc))
    assert [list(one) for one in seen] == [[], ["0"], ["0", "1"]]
    assert all(whole[step] == seen[2][step] for step in seen[2])
    assert list(whole) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"keeps": "best"}, "keeps best goes by the validation"),
        ({"stop_patience": 3}, "stop_patience 3 goes by the validation"),
        ({"schedule": "plateau"}, "schedule plateau goes by the validation"),
    ],
)
def test_what_goes_by_a_validation_needs_galaxies_to_validate_with(tmp_path, files, fields, words):
    faceless = written(tmp_path, "face_on_test.npz", pool(8, 1, codes=(0, 1)))
    for held in ([], [faceless]):
        with pytest.raises(MessageError, match=rf"{words}.*\.$"):
            train_regressor(message(tmp_path, files, validation_locs=held, **fields))


def test_a_network_that_says_the_same_of_all_images_is_told(tmp_path, files, caplog):
    answer = train_regressor(message(tmp_path, files, learning_rate=1.0, network="model4", passes=2))
    [warning] = answer.warnings
    assert "the same of all images of the validation: it has learnt nothing" in warning
    assert warning in caplog.text
    assert train_regressor(message(tmp_path, files)).warnings == []


def test_the_rate_rises_at_the_beginning_unless_it_is_as_inclinets(tmp_path, files, monkeypatch):
    rates, step = [], training_loop.TrainingConfig.rate
    monkeypatch.setattr(
        training_loop.TrainingConfig, "rate", lambda *given: rates.append(step(*given)) or rates[-1], raising=True
    )

    def begun(**fields):
        rates.clear()
        train_regressor(message(tmp_path, files, passes=1, learning_rate=0.01, **fields))
        return rates

    rising = begun()
    half = len(rising) // 2
    assert rising[:half] == pytest.approx([0.01 * number / half for number in range(1, half + 1)])
    assert set(rising[half:]) == {0.01}
    assert set(begun(warm_up=0)) == set(begun(original=True)) == {0.01}
