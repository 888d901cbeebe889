"""The regression family's measures: galaxies are the same each time, and peers train the same network."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import gpu
from benchmarks.__main__ import take_all
from benchmarks.regression import classical, curve, learn, learning, train_by_keras, train_ours, train_plainly, transfer
from benchmarks.regression.coverage import coverages
from benchmarks.regression.folders import Folders
from benchmarks.regression.made import read
from benchmarks.regression.make_galaxies import drawn, main
from benchmarks.regression.measures import KERAS, RegressionMeasures
from benchmarks.regression.pictures import Picture
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.networks import network
from spacer_like.regression.training_data import batch_order

pytest.importorskip("galsim")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixteen galaxies, of which networks can learn little."""
    path = tmp_path_factory.mktemp("galaxies")
    main(path, 16, 32, "plain", 1)
    return path


def answer_of(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("kind", ["plain", "randomised"])
def test_galaxies_are_the_same_each_time_whichever_are_drawn_with_them(kind):
    images, inclinations = drawn(kind, 5, 32, range(3))
    again, inclination = drawn(kind, 5, 32, range(2, 3))
    assert np.array_equal(images[2], again[0])
    assert inclinations[2] == inclination[0]


def test_labels_are_whole_degrees_and_inclinations_as_they_were_drawn(folder, capsys):
    made = read(folder)
    assert made.pool.images.shape == (16, 32, 32, 3)
    assert np.array_equal(made.pool.inclinations, np.rint(made.inclinations))
    assert (made.inclinations % 1 != 0).any()


def test_all_who_train_learn_from_the_same_batches_with_the_same_first_weights():
    assert train_by_keras.order(5, 3) == batch_order(5, 3, 0)
    assert (train_by_keras.NETWORK, train_by_keras.MINIBATCH, train_by_keras.RATE) == (
        train_ours.NETWORK,
        train_ours.MINIBATCH,
        train_ours.RATE,
    )
    pixels = torch.rand(3, 3, 32, 32)
    own, other = network("model4", 32, None, 0).eval(), train_plainly.plain(32).eval()
    assert torch.allclose(torch.tanh(own(pixels)), other(pixels), atol=1e-5)


def test_targets_are_read_alike(folder):
    pixels, targets = train_by_keras.read(folder / "batch_00.npz")
    ours = learning.examples_of(read(folder).pool, None)
    assert np.array_equal(ours.targets, targets)
    assert np.array_equal(ours.inputs, np.rint(pixels * 255).astype(np.uint8))


@pytest.mark.parametrize("side", [train_ours, train_plainly])
def test_training_gives_its_rate_and_its_loss(side, folder, capsys):
    side.main(folder, 2)
    answer = answer_of(capsys)
    assert answer["images"] == 16
    assert answer["cpu_seconds_each"] * answer["images_per_cpu_second"] == pytest.approx(1)
    assert 0 < answer["loss"] < 2


def test_the_first_step_is_not_counted_and_the_last_fourth_gives_the_loss():
    clock = curve.Clock([0.0, 5.0, 6.0, 7.0], [10, 20, 20])
    answer = clock.answer([4.0, 3.0, 2.0, 1.0, 0.5, 0.5, 0.3, 0.1])
    assert answer["images_per_cpu_second"] == 20
    assert answer["loss"] == pytest.approx(0.2)


def test_a_galaxy_is_turned_mirrored_and_shifted_and_loses_no_pixel():
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    zeros = np.zeros(5, np.int32)
    moved = learning.moved(Pool(images, zeros, zeros, np.full(5, "c")), 1, 0).images
    assert not np.array_equal(moved, images)
    assert np.array_equal(np.sort(moved, axis=None), np.sort(images, axis=None))


def test_a_network_learns_within_its_budget_and_tells_errors_and_intervals(folder, capsys):
    learn.main("small_cnn", folder, folder, 0.1, 1)
    answer = answer_of(capsys)
    assert answer["seeds"] == 1
    assert 0 < answer["mae"] <= answer["rms"]
    assert answer["passes"] >= 1


def test_axis_ratios_are_told_by_formula_and_calibrated(folder, capsys):
    classical.main(folder, folder)
    answer = answer_of(capsys)
    assert answer["calibrated_rms"] < answer["rms"]


def test_intervals_of_errors_that_are_alike_hold_as_often_as_they_say():
    random = np.random.default_rng(2)
    predictions = random.uniform(45, 90, 4000)
    found = coverages(predictions + random.normal(0, 1, 4000), predictions)
    assert found["covered"] == pytest.approx(0.9, abs=0.01)
    assert 0.88 <= found["least_covered"] <= found["most_covered"] <= 0.92
    assert found["half_width"] == pytest.approx(1.64, abs=0.1)


def test_a_picture_of_the_sky_is_made_as_small_as_the_network_takes():
    picture = Picture("m1.png", np.full((90, 90, 3), 7, np.uint8), 0.5, 60.0, 45.0)
    assert (transfer.small(picture, 32) == np.full((32, 32, 3), 7)).all()


@pytest.mark.parametrize("tensorflow", [None, Path("other")])
def test_every_measure_has_a_name_of_the_family_and_sides_for_its_figures(tensorflow, tmp_path):
    all_measures = RegressionMeasures(Folders(tmp_path), Path("ours"), tensorflow=tensorflow).all()
    assert len({measure.name for measure in all_measures}) == len(all_measures)
    assert all(measure.name.startswith("regression-") and measure.family == "regression" for measure in all_measures)
    for measure in all_measures:
        sides = {figure.ours for figure in measure.figures} | {figure.other for figure in measure.figures}
        assert sides - {None} <= set(measure.sides)
    assert (KERAS in all_measures[0].sides) == (tensorflow is not None)


def test_without_pictures_of_the_sky_they_are_left_out_and_the_run_says_how_to_get_them(tmp_path, capsys):
    (sky,) = (one for one in RegressionMeasures(Folders(tmp_path), Path("ours")).all() if one.name == "regression-sky")
    assert take_all([sky], 1) == ([], [])
    assert "there are no pictures of the sky at no named place" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_compared(capsys):
    assert gpu.main(is_dry=False) == 0
    assert capsys.readouterr().out.startswith("There is no GPU here")


def test_the_galaxies_of_the_gpu_are_the_flatter_the_higher_their_targets():
    images, targets = gpu.galaxies(6)
    across = (images[..., 0] > 100).any(axis=2).sum(axis=1)
    assert (np.argsort(targets) == np.argsort(-across)).all()
