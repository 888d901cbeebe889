"""A head computes what scikit-learn and torch compute, whatever its layers, activation and output."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier, MLPRegressor

from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError
from spacer_like.learning.heads import (
    ACTIVATIONS,
    Head,
    Layer,
    check_head,
    feature_vectors,
    head_tensors,
    layers_in,
    output_width,
)
from spacer_like.learning.model_files import CLASSIFIER, classifier_from_bytes
from spacer_like.learning.torch_training import HeadModule
from spacer_like.rarity.rarity_network import RARITY_NETWORK

TESTS = Path(__file__).parents[1]
TORCH = {
    "relu": torch.relu, "tanh": torch.tanh, "logistic": torch.sigmoid, "identity": lambda values: values,
    "softmax": lambda values: values.softmax(1), "sigmoid": torch.sigmoid, "linear": lambda values: values,
}  # fmt: skip
SIZES = st.lists(st.integers(1, 9), min_size=2, max_size=4)


def a_layer(inputs: int, units: int, random: np.random.Generator, has_norm: bool = False, dtype=np.float32) -> Layer:
    arrays = [random.normal(size=units) for _ in range(3 if has_norm else 1)]
    return Layer(random.normal(size=(inputs, units)).astype(dtype), *(array.astype(dtype) for array in arrays))


def a_head(sizes, output="linear", activation="relu", has_norm=False, seed=0, dtype=np.float32) -> Head:
    random = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    hidden = [a_layer(*pair, random, has_norm, dtype) for pair in pairs[:-1]]
    return Head((*hidden, a_layer(*pairs[-1], random, dtype=dtype)), output, activation)


@settings(max_examples=80, deadline=None)
@given(
    SIZES,
    st.sampled_from(["softmax", "sigmoid", "tanh", "linear"]),
    st.sampled_from(ACTIVATIONS),
    st.booleans(),
    st.integers(0, 99),
)
def test_it_computes_what_torch_computes(sizes, output, activation, has_norm, seed):
    head = a_head(sizes, output, activation, has_norm, seed, np.float64)
    features = np.random.default_rng(seed).normal(size=(seed % 7, sizes[0]))
    values = torch.from_numpy(features)
    for layer in head.layers[:-1]:
        values = TORCH[activation](values @ torch.from_numpy(layer.weights) + torch.from_numpy(layer.bias))
        if has_norm:
            values = values * torch.from_numpy(layer.scales) + torch.from_numpy(layer.shifts)
    np.testing.assert_allclose(head.encode(features), values.numpy(), rtol=1e-10, atol=1e-12)
    last = head.layers[-1]
    values = TORCH[output](values @ torch.from_numpy(last.weights) + torch.from_numpy(last.bias))
    np.testing.assert_allclose(head(features), values.numpy(), rtol=1e-10, atol=1e-12)
    single = Head(tuple(Layer(**{k: v.astype(np.float32) for k, v in one.arrays.items()}) for one in head.layers))
    assert single.encode(features).dtype == np.float32
    assert single(features).dtype == single.exact.encode(features).dtype == np.float64


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("classes", [2, 4])
def test_it_computes_what_scikit_learn_computes(activation, classes):
    random = np.random.default_rng(0)
    features, labels = random.normal(size=(60, 5)), np.arange(60) % classes
    theirs = MLPClassifier(hidden_layer_sizes=(6, 4), activation=activation, random_state=0)
    theirs.partial_fit(features, labels, classes=np.arange(classes))
    layers = tuple(Layer(*arrays) for arrays in zip(theirs.coefs_, theirs.intercepts_, strict=True))
    found = Head(layers, "softmax" if classes > 2 else "sigmoid", activation)(features)
    np.testing.assert_allclose(found, theirs.predict_proba(features)[:, 0 if classes > 2 else 1 :], rtol=1e-12)
    regressor = MLPRegressor(hidden_layer_sizes=(6, 4), activation=activation, random_state=0).partial_fit(
        features, labels
    )
    layers = tuple(Layer(*arrays) for arrays in zip(regressor.coefs_, regressor.intercepts_, strict=True))
    np.testing.assert_allclose(Head(layers, "linear", activation)(features)[:, 0], regressor.predict(features))


@settings(max_examples=30, deadline=None)
@given(SIZES, st.booleans(), st.integers(0, 99))
def test_a_module_that_has_learnt_from_scaled_features_becomes_a_head_on_raw_ones(sizes, has_norm, seed):
    inputs, *layers, outputs = sizes
    module = HeadModule(
        inputs, layers, [0.5] * len(layers), outputs, torch.Generator().manual_seed(seed), has_norm
    ).double()  # fmt: skip
    random = np.random.default_rng(seed)
    mean, scale = random.normal(size=inputs), 1 + random.random()
    features = random.normal(size=(8, inputs))
    scaled = torch.from_numpy((features - mean) / scale)
    module(scaled)
    module.eval()
    with torch.inference_mode():
        expected = module(scaled).sigmoid().numpy()
    np.testing.assert_allclose(module.head("sigmoid", mean, scale)(features), expected, rtol=1e-3, atol=1e-4)


def test_many_rows_are_computed_as_few_are():
    head = a_head([6, 5, 3], "softmax")
    features = np.random.default_rng(1).normal(size=(9000, 6)).astype(np.float32)
    np.testing.assert_allclose(head(features)[::1000], head(features[::1000]), rtol=1e-5)
    assert head(features[:0]).shape == (0, 3)


def test_outputs_do_not_overflow():
    large = np.array([[1000.0], [-1000.0]])
    for output, expected in (("sigmoid", [[1], [0]]), ("softmax", [[1], [1]]), ("tanh", [[1], [-1]])):
        assert Head((Layer(np.eye(1), np.zeros(1)),), output)(large).tolist() == expected


@pytest.mark.parametrize("shape", [(4, 3), (2,), (2, 2, 2)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(ExtractorMismatchError, match=r"^The model expects feature vectors of 2 numbers, .* extractor"):
        a_head([2, 3, 1])(np.ones(shape))


def test_vectors_are_read_as_numbers_that_are_finite():
    assert feature_vectors(iter([[1, 2], (3, 4)]), 2, "The model").tolist() == [[1, 2], [3, 4]]
    with pytest.raises(FeatureFileError, match="numbers that are not finite"):
        feature_vectors(np.array([[1, np.inf]]), 2, "The model")


@settings(max_examples=40, deadline=None)
@given(SIZES, st.booleans(), st.sampled_from([("layer", None), ("hidden", "output")]))
def test_its_arrays_come_back_by_their_names(sizes, has_norm, names):
    head = a_head(sizes, has_norm=has_norm)
    layers = layers_in(head_tensors(head, *names), *names)
    assert [one.arrays.keys() for one in layers] == [one.arrays.keys() for one in head.layers]
    assert all(
        (array == other).all()
        for one, two in zip(layers, head.layers, strict=True)
        for array, other in zip(one.arrays.values(), two.arrays.values(), strict=True)
    )


def test_arrays_that_do_not_fit_together_are_refused():
    head = a_head([4, 3, 2], has_norm=True)
    check_head(head, 2, 4)
    hidden, last = head.layers
    spoilt = [
        (hidden,),
        (last, hidden),
        (Layer(hidden.weights, hidden.bias[:2]), last),
        (Layer(hidden.weights, hidden.bias, hidden.bias[:, None]), last),
        (Layer(hidden.weights.astype(np.float64), hidden.bias), last),
        (Layer(hidden.weights, hidden.bias.astype(int)), last),
        (Layer(hidden.weights, hidden.bias * np.float32(np.nan)), last),
        (hidden, Layer(last.weights[:, :0], last.bias[:0])),
        (),
    ]
    for layers in spoilt:
        with pytest.raises(ValueError, match="its arrays do not fit together"):
            check_head(Head(layers), 2)
    for outputs, inputs in ((3, 4), (2, 5)):
        with pytest.raises(ValueError, match="do not fit"):
            check_head(head, outputs, inputs)
    assert output_width([hidden] * 101) is None


class TestFilesOfVersion1:
    """As they were written before heads and files were one for all kinds of models."""

    FEATURES = np.array([[1.0, 2, 3], [-1, 0.5, 0]])

    @pytest.mark.parametrize(
        ("name", "probabilities"),
        [
            (
                "mlp",
                [
                    [0.4380370156972973, 0.2996169268964675, 0.2623460574062352],
                    [0.3933834456617604, 0.3355566675448194, 0.2710598867934201],
                ],
            ),
            ("lr", [[0.9149009549929797, 0.08509904500702024], [0.9579122720843811, 0.042087727915618836]]),
        ],
    )
    def test_of_classifiers(self, name, probabilities):
        data = (TESTS / "learning" / "golden" / f"classifier-{name}-v1.safetensors").read_bytes()
        classifier = classifier_from_bytes(data)
        np.testing.assert_allclose(classifier.predict_proba(self.FEATURES), probabilities, rtol=1e-14)
        assert CLASSIFIER.to_bytes(classifier) == data

    def test_of_rarity_networks(self):
        data = (TESTS / "rarity" / "golden" / "rarity-head-v1.safetensors").read_bytes()
        network = RARITY_NETWORK.from_bytes(data, "golden")
        embeddings = network.embeddings(np.array([[3, 1], [0, -2]], np.float32))
        assert embeddings.tolist() == [[2.0, 1.5, 5.0], [2.0, 0.0, 0.0]]
        expected = [[0.9994472213630764, 0.0005527786369235996], [0.9820137900379085, 0.017986209962091555]]
        np.testing.assert_allclose(network.head.outputs_of(embeddings), expected, rtol=1e-14)
        assert network.edges.tolist() == [0, 1.5, 7]
        assert network.metrics == {"accuracy": 0.5, "spearman": None}
        assert RARITY_NETWORK.to_bytes(network) == data
