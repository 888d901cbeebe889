"""The dense network on frozen features: it learns, is the same each time, and comes back from its file."""

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from spacer_like.exceptions import ExtractorMismatchError, ModelFileError, TrainingLabelsError
from spacer_like.learning.heads import Head, Layer
from spacer_like.rarity.rarity_network import RARITY_NETWORK, RarityNetwork, train_head

PREPARATION = {"size": 224, "resample": "bicubic", "background": "drop"}


def samples(count=300, classes=5, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Features of which one column, far from 0, tells the class, among others that do not."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    features = rng.normal(size=(count, 12))
    features[:, 3] = 1000 + 5 * labels + rng.normal(size=count)
    features[:, 7] = 4.0
    return features.astype(np.float32), labels


def a_network(head=None) -> RarityNetwork:
    features, labels = samples(60)
    head = head or train_head(features, labels, 5, [6, 4], 2, 0)[0]
    return RarityNetwork(
        head, np.arange(6.0), "ab" * 20, PREPARATION, {"accuracy": 0.5, "spearman": None}, {"numpy": "2"}
    )


def test_it_learns_what_can_be_learnt_and_says_it_of_samples_that_it_has_not_seen():
    head, epochs = train_head(*samples(), 5, [32, 16], 200, 0)
    features, labels = samples(seed=1)
    probabilities = head(features)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.9
    assert epochs <= 200


def test_it_stops_when_more_passes_do_not_help():
    features, _ = samples(200)
    chance = np.random.default_rng(5).integers(0, 4, 200)
    _, epochs = train_head(features, chance, 4, [32], 1000, 0)
    assert epochs < 100


def test_the_same_seed_gives_the_same_network_and_another_one_another():
    features, labels = samples(100)
    first, again, other = (a_network(train_head(features, labels, 5, [8], 3, seed)[0]) for seed in (1, 1, 2))
    assert RARITY_NETWORK.to_bytes(first) == RARITY_NETWORK.to_bytes(again) != RARITY_NETWORK.to_bytes(other)


def test_the_embedding_is_what_the_last_hidden_layer_makes():
    first = Layer(np.array([[1.0, -1.0]], np.float32), np.array([0.5, 0.5], np.float32))
    last = Layer(np.ones((2, 3), np.float32), np.zeros(3, np.float32))
    embeddings = a_network(Head((first, last), "softmax")).embeddings(np.array([[2.0], [-3.0]], np.float32))
    assert embeddings.tolist() == [[2.5, 0.0], [0.0, 3.5]]
    assert embeddings.dtype == np.float32


def test_two_classes_are_enough_and_one_is_not():
    features, labels = samples(40)
    head, _ = train_head(features, (labels > 2).astype(int), 2, [4], 1, 0)
    assert head.layers[-1].weights.shape == (4, 2)
    with pytest.raises(TrainingLabelsError, match="same decile"):
        train_head(features, np.zeros(40, int), 2, [4], 1, 0)


def test_very_few_samples_are_all_learnt_from_for_as_many_passes_as_are_allowed():
    features, labels = samples(6)
    assert train_head(features, labels, 5, [4], 9, 0)[1] == 9


def test_it_comes_back_from_its_file():
    head = a_network()
    found = RARITY_NETWORK.from_bytes(RARITY_NETWORK.to_bytes(head), "m.safetensors")
    features, _ = samples(20)
    assert (found.embeddings(features) == head.embeddings(features)).all()
    assert found.edges.tolist() == head.edges.tolist()
    assert (found.extractor_id, found.preparation, found.metrics, found.versions) == (
        head.extractor_id,
        head.preparation,
        head.metrics,
        head.versions,
    )


def test_the_header_says_what_the_file_is():
    data = RARITY_NETWORK.to_bytes(a_network())
    outer = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    header = json.loads(outer["__metadata__"]["header"])
    assert (header["format"], header["format_version"], header["layers"]) == ("spacer_like.rarity_head", 1, [6, 4])
    assert header["extractor_id"] == "ab" * 20


def test_features_of_another_extractor_are_refused():
    head = a_network()
    head.check_features("ab" * 20, PREPARATION, "m.safetensors")
    with pytest.raises(ExtractorMismatchError, match=r"m\.safetensors: .* extractor abab"):
        head.check_features("cd" * 20, PREPARATION, "m.safetensors")
    with pytest.raises(ExtractorMismatchError, match="background is drop"):
        head.check_features("ab" * 20, PREPARATION | {"background": "#ffffff"}, "m.safetensors")
    with pytest.raises(ExtractorMismatchError, match="12 numbers"):
        head.embeddings(np.ones((2, 13), np.float32))


def changed(header=None, **tensors) -> bytes:
    """A head's file with other tensors (None removes one), or other entries in its header."""
    data = RARITY_NETWORK.to_bytes(a_network())
    own = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["header"])
    names = {name.replace("_", "."): value for name, value in tensors.items()}
    found = {name: value for name, value in (load(data) | names).items() if value is not None}
    return save(found, {"header": json.dumps(own | (header or {}))})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 64,
        b"\x02" + bytes(7) + b"{}",
        RARITY_NETWORK.to_bytes(a_network())[:-9],
        changed({"format": "spacer_like.classifier"}),
        changed({"format_version": 2}),
        changed({"activation": "tanh"}),
        changed({"preparation": 3}),
        changed(edges=None),
        changed(edges=np.array([0.0, 1, 2, 3, 3, 4])),
        changed(edges=np.full(6, np.nan)),
        changed(edges=np.arange(4.0)),
        changed(layer0_offsets=None),
        changed(layer1_weights=np.ones((7, 4), np.float32)),
        changed(layer1_weights=np.full((6, 4), np.nan, np.float32)),
        changed(layer1_weights=np.ones((6, 4), np.float64)),
        changed(layer1_weights=np.ones(24, np.float32)),
    ],
)
def test_files_that_hold_no_rarity_network_are_refused_in_a_sentence(data):
    with pytest.raises(ModelFileError, match=r"^m\.safetensors: the file holds no rarity network"):
        RARITY_NETWORK.from_bytes(data, "m.safetensors")
