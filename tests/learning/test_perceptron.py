import numpy as np
import pytest
from numpy.random import RandomState
from sklearn.neural_network import MLPClassifier

from spacer_like import config
from spacer_like.learning.perceptron import Perceptron


def data(classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, 450)
    features = random.normal(size=(classes, 8))[labels] + random.normal(size=(450, 8))
    targets = labels[:, None] == (np.arange(classes) if classes > 2 else np.array([1]))
    return features, labels, targets


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("hidden", [(6,), (7, 5)])
def test_the_same_stream_gives_the_network_of_scikit_learn(classes: int, hidden: tuple[int, ...]) -> None:
    features, labels, targets = data(classes)
    theirs = MLPClassifier(hidden, learning_rate_init=0.01, random_state=(stream := RandomState(1)))
    for _ in range(3):
        theirs.partial_fit(features, labels, classes=np.arange(classes))

    random = RandomState(1)
    ours = Perceptron((8, *hidden, targets.shape[1]), 0.01, random, np.float64)
    for _ in range(3):
        ours.learn(features, np.arange(450), targets, random)

    for weights, bias, (our_weights, our_bias) in zip(theirs.coefs_, theirs.intercepts_, ours.layers, strict=True):
        np.testing.assert_allclose(our_weights, weights, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(our_bias, bias, rtol=1e-10, atol=1e-12)
    assert random.randint(2**31) == stream.randint(2**31), "as many numbers were drawn"


def test_single_precision_stays_close_to_double() -> None:
    features, _, targets = data(4)
    outputs = []
    for dtype in (np.float32, np.float64):
        random = RandomState(1)
        network = Perceptron((8, 20, 4), 1e-3, random, dtype)
        for _ in range(5):
            network.learn(features.astype(dtype), np.arange(450), targets, random)
        outputs.append(network.outputs(features.astype(dtype)))
    assert outputs[0].dtype == np.float32
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-4)


def test_rows_choose_samples() -> None:
    features, _, targets = data(4)
    rows = np.random.default_rng(3).permutation(450)[:70]
    networks = []
    for matrix, chosen in ((features, rows), (features[rows], np.arange(70))):
        random = RandomState(1)
        network = Perceptron((8, 5, 4), 1e-3, random, np.float64)
        network.learn(matrix, chosen, targets[rows], random)
        networks.append(network.layers[0][0])
    np.testing.assert_array_equal(*networks)


class TestHalves:
    """Large networks compute the two halves of a step at once."""

    def trained(self, in_halves: bool, threads: int | None = None) -> Perceptron:
        random = np.random.default_rng(0)
        features, classes = random.normal(size=(450, 20)).astype(np.float32), random.integers(0, 4, 450)
        with config.override(torch_threads=threads):
            network = Perceptron((20, 30, 10, 4), 0.01, RandomState(1), in_halves=in_halves)
            for epoch in range(3):
                targets = classes[:, None] == np.arange(4)
                network.learn(features, np.arange(449), targets[:449], RandomState(epoch), random.random(449))
        return network

    def test_the_numbers_differ_by_rounding_and_not_by_cores(self) -> None:
        whole, one, two = self.trained(False), self.trained(True, 1), self.trained(True, 2)
        for of_whole, of_one, of_two in zip(whole.layers, one.layers, two.layers, strict=True):
            np.testing.assert_array_equal(of_one[0], of_two[0])
            np.testing.assert_allclose(of_one[0], of_whole[0], atol=1e-3)
