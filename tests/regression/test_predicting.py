"""Predictions of networks, and their files."""

import numpy as np
import pytest

from spacer_like.exceptions import ModelFileError, SpacerInputError
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.networks import network, weights_of
from spacer_like.regression.predicting import networks, predicted, turned
from spacer_like.regression.regressor import REGRESSOR, UNIT_SCALE, Domain, Regressor

SIZE = 32


def regressor(name="small_cnn", n_classes=None, scale=UNIT_SCALE, seed=0):
    weights = weights_of(network(name, SIZE, n_classes, seed))
    domain = Domain(("c", "g"), 3, (90.0, 5.0), (20.0, 1.0))
    return Regressor(name, SIZE, n_classes, scale, weights, domain, None, {"mae": 0.1}, {"torch": "1"})


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)


def test_a_file_holds_a_network_and_equal_networks_give_equal_bytes():
    model = regressor()
    data = REGRESSOR.to_bytes(model)
    found = REGRESSOR.from_bytes(data, "net.safetensors")
    assert REGRESSOR.to_bytes(found) == data
    assert (found.digest, found.domain, found.metrics) == (model.digest, model.domain, model.metrics)
    assert found.input_scale == UNIT_SCALE
    assert found.units == (32,)


@pytest.mark.parametrize(
    "change",
    [{"size": 33, "network": "model4"}, {"size": 10**6}, {"network": "model9"}, {"n_classes": 3}, {"input_scale": 2.0}],
)
def test_a_file_whose_parts_do_not_fit_is_refused(change):
    model = Regressor(**{**vars(regressor()), **change})
    with pytest.raises(ModelFileError, match=r"^net: the file holds no network of inclinations"):
        REGRESSOR.from_bytes(REGRESSOR.to_bytes(model), "net")


def test_a_weight_that_is_not_finite_is_refused():
    model = regressor()
    weights = {**model.weights, "out.bias": np.array([np.nan], np.float32)}
    with pytest.raises(ModelFileError, match=r"out\.bias"):
        REGRESSOR.from_bytes(REGRESSOR.to_bytes(Regressor(**{**vars(model), "weights": weights})), "net")


def test_a_domain_is_of_the_images(images):
    ids, filters = np.array([7, 7, 8, 9, 9], np.int32), np.array(["g", "c", "c", "c", "c"])
    pool = Pool(images, np.full(5, 60, np.int32), ids, filters)
    parts = [Pool(*(values[part] for values in vars(pool).values())) for part in (slice(2), slice(2, 5))]
    domain = Domain.of([pool])
    assert Domain.of(parts) == domain
    assert (domain.filters, domain.n_ids) == (("c", "g"), 3)
    assert domain.means[0] == pytest.approx(images.mean())
    assert domain.deviations[1] == pytest.approx(images.reshape(5, -1).std(axis=1).std())


def test_inclinations_lie_between_45_and_90_degrees(images):
    found = predicted(regressor(), images)
    assert found.shape == (5, 2)
    assert found.dtype == np.float64
    assert ((found >= 45) & (found <= 90)).all()


def test_two_classes_give_the_probability_of_the_second(images):
    found = predicted(regressor("model4", 2), images, views=1)
    assert ((found > 0) & (found < 1)).all()


def test_views_are_turned_images(images):
    model = regressor("model4")
    found = predicted(model, images, views=4)
    for view in range(4):
        assert predicted(model, turned(images, view), views=1)[:, 0] == pytest.approx(found[:, view])
    assert predicted(model, images, views=2) == pytest.approx(found[:, [0, 2]])


def test_images_are_not_changed_and_may_be_read_only(images):
    before = images.copy()
    images.flags.writeable = False
    predicted(regressor(), images)
    assert np.array_equal(images, before)


def test_an_input_scale_is_the_networks_own(images):
    raw, unit = (regressor("model4", scale=scale) for scale in (1.0, UNIT_SCALE))
    first = {**raw.weights, "conv0.weight": raw.weights["conv0.weight"] / np.float32(255)}
    same = Regressor(**{**vars(raw), "weights": first})
    assert predicted(same, images) == pytest.approx(predicted(unit, images), abs=1e-3)


def test_a_network_is_built_once(images):
    networks.clear()
    for _ in range(2):
        predicted(REGRESSOR.from_bytes(REGRESSOR.to_bytes(regressor(seed=5)), "net"), images)
    assert len(networks) == 1


@pytest.mark.parametrize(
    ("shape", "views"), [((2, 16, 16, 3), 2), ((2, SIZE, SIZE), 2), ((2, SIZE, SIZE, 3), 3), ((2, SIZE, SIZE, 4), 2)]
)
def test_images_and_views_that_cannot_be_are_one_sentence(shape, views):
    with pytest.raises(SpacerInputError, match=r"\.$"):
        predicted(regressor(), np.zeros(shape, np.uint8), views)


def test_no_images_have_no_predictions():
    assert predicted(regressor(), np.empty((0, SIZE, SIZE, 3), np.uint8)).shape == (0, 2)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_the_number_of_threads_makes_no_difference(count):
    images = np.random.default_rng(1).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
    found = [predicted(regressor(), images, threads=threads) for threads in (1, 2)]
    np.testing.assert_array_equal(*found)
