"""Models of many labels and their files: what they compute, that they come back, and what is refused."""

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from spacer_like.chips.models.multilabel_model import MULTILABEL_MODEL, MultilabelModel
from spacer_like.chips.models.multilabel_network import state_arrays
from spacer_like.config import override
from spacer_like.exceptions import ExtractorMismatchError, ModelFileError
from spacer_like.extractors import DummyExtractor, EfficientNetLite0Extractor
from spacer_like.extractors.resnet_network import random_resnet
from spacer_like.learning.heads import Head, Layer

GOLDEN = Path(__file__).parent / "golden" / "multilabel-model-v1.safetensors"


@pytest.fixture(autouse=True)
def one_thread():
    with override(torch_threads=1):
        yield


def layer(*numbers) -> np.ndarray:
    return np.array(numbers, np.float32)


HIDDEN = Layer(layer([1, 0, 2], [-1, 1, 0]), layer(0, 0.5, -1), layer(1, 2, 1), layer(0.25, 0, -1))
OUTPUT = Layer(layer([1, 0], [0, 1], [0, -1]), layer(0, -2))


def a_model(**changes) -> MultilabelModel:
    """A head on two features, small enough to compute by hand."""
    fields = {
        "labels": ("forest", "Straße, 道路"),
        "thresholds": np.array([0.35, 0.5]),
        "head": Head((HIDDEN, OUTPUT), "sigmoid"),
        "size": 224,
        "extractor_id": "ab" * 20,
        "metrics": {"sample_f1": 0.5, "f1": {"forest": 0.25}},
        "versions": {"numpy": "2"},
    }
    return MultilabelModel(**(fields | changes))


def with_network(seed=0) -> MultilabelModel:
    random = np.random.default_rng(seed)
    state = state_arrays(random_resnet("small", torch.Generator().manual_seed(seed)))
    hidden = Layer(*(random.normal(size=shape).astype(np.float32) for shape in ((256, 3), 3, 3, 3)))
    return a_model(head=Head((hidden, OUTPUT), "sigmoid"), size=32, extractor_id=None, network="small", state=state)


def pixels(count=3, size=32) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


class TestWhatItComputes:
    def test_is_a_rectified_layer_a_batch_norm_and_a_logistic_function(self):
        model = a_model()
        encodings = model.head.encode(layer([3, 1], [0, -2]))
        # max([2, 1, 5]) and max([2, -2, -1], 0), times the scales, plus the shifts.
        assert encodings.tolist() == [[2.25, 3.0, 4.0], [2.25, 0.0, -1.0]]
        probabilities = model.head.outputs_of(encodings)
        assert probabilities == pytest.approx(1 / (1 + np.exp([[-2.25, 3.0], [-2.25, 1.0]])))
        assert model.predicted(probabilities).tolist() == [[True, False], [True, False]]
        assert (model.dimension, encodings.dtype, probabilities.dtype) == (3, np.float32, np.float64)

    def test_does_not_overflow(self):
        assert a_model().head.outputs_of(layer([1e5, 1e5, 0], [-1e5, -1e5, 0])).tolist() == [[1, 1], [0, 0]]

    def test_is_the_same_for_any_number_of_chips_at_once(self):
        model = with_network()
        together = model.encode(pixels(20))
        assert together == pytest.approx(np.concatenate([model.encode(one[None]) for one in pixels(20)]), rel=1e-4)

    def test_leaves_pixels_that_cannot_be_written_to_alone(self):
        given = pixels()
        given.flags.writeable = False
        assert with_network().probabilities(given).shape == (3, 2)

    def test_of_features_of_another_length_is_refused(self):
        with pytest.raises(ExtractorMismatchError, match="vectors of 2 numbers, and these have the shape"):
            a_model().head.encode(np.ones((4, 3), np.float32))

    def test_without_the_extractor_is_refused(self):
        with pytest.raises(ExtractorMismatchError, match="features of an extractor, and none is named"):
            a_model().encode(pixels())


class TestTheExtractor:
    def test_must_be_the_one_that_it_was_trained_with(self):
        lite0 = EfficientNetLite0Extractor()
        model = a_model(extractor_id=lite0.extractor_id)
        model.check_extractor(lite0, "m")
        with pytest.raises(ExtractorMismatchError, match=r"^m: .* and the message's is"):
            model.check_extractor(DummyExtractor(), "m")
        with pytest.raises(ExtractorMismatchError, match=r"^m: .*: name that one\.$"):
            model.check_extractor(None, "m")

    def test_must_not_be_there_with_a_network_of_its_own(self):
        with_network().check_extractor(None, "m")
        with pytest.raises(ExtractorMismatchError, match=r"^m: the model has a network of its own"):
            with_network().check_extractor(DummyExtractor(), "m")


class TestTheEncodersId:
    def test_depends_on_everything_that_encodings_depend_on(self):
        model = a_model()
        hidden = model.head.layers[0]
        other_hidden = Layer(*(array + 1 for array in hidden.arrays.values()))
        more = Layer(np.eye(3, dtype=np.float32), *[np.zeros(3, np.float32)] * 3)
        others = [
            a_model(extractor_id="cd" * 20),
            a_model(size=225),
            a_model(head=Head((other_hidden, OUTPUT), "sigmoid")),
            a_model(head=Head((hidden, more, OUTPUT), "sigmoid")),
            with_network(0),
            with_network(1),
        ]
        ids = {model.encoder_id, *(other.encoder_id for other in others)}
        assert len(ids) == 7
        assert all(len(one) == 40 for one in ids)

    def test_does_not_depend_on_what_is_said_of_encodings(self):
        other = Layer(OUTPUT.weights, layer(1, 1))
        other = a_model(
            labels=("a", "b"), thresholds=np.array([0.1, 0.2]), head=Head((HIDDEN, other), "sigmoid"), metrics={}
        )
        assert other.encoder_id == a_model().encoder_id

    def test_does_not_depend_on_the_order_of_the_networks_arrays(self):
        model = with_network()
        turned = replace(model, state=dict(reversed(model.state.items())))
        assert turned.encoder_id == model.encoder_id


class TestTheFile:
    @pytest.mark.parametrize("make", [a_model, with_network])
    def test_gives_the_model_back(self, make):
        model = make()
        found = MULTILABEL_MODEL.from_bytes(MULTILABEL_MODEL.to_bytes(model), "m")
        assert MULTILABEL_MODEL.to_bytes(found) == MULTILABEL_MODEL.to_bytes(model)
        assert found.encoder_id == model.encoder_id
        for name in ("labels", "size", "extractor_id", "network", "metrics", "versions"):
            assert getattr(found, name) == getattr(model, name)
        assert found.thresholds.tolist() == [0.35, 0.5]

    def test_computes_the_same_afterwards(self):
        model = with_network()
        found = MULTILABEL_MODEL.from_bytes(MULTILABEL_MODEL.to_bytes(model), "m")
        assert (found.probabilities(pixels()) == model.probabilities(pixels())).all()

    def test_of_version_1_is_read(self):
        model = MULTILABEL_MODEL.from_bytes(GOLDEN.read_bytes(), "golden")
        assert MULTILABEL_MODEL.to_bytes(model) == GOLDEN.read_bytes()
        assert model.labels == ("forest", "Straße, 道路")
        assert model.head.encode(layer([3, 1])).tolist() == [[2.25, 3.0, 4.0]]
        assert model.encoder_id == a_model().encoder_id == "880b4b331b59b9ebebcf297c71e3242de204aa6f"

    def test_says_what_it_is(self):
        data = MULTILABEL_MODEL.to_bytes(a_model())
        outer = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        header = json.loads(outer["__metadata__"]["header"])
        assert (header["format"], header["format_version"]) == ("spacer_like.multilabel_model", 1)
        assert (header["layers"], header["activation"], header["network"]) == ([3], "relu", None)


def changed(header=None, model=None, **tensors) -> bytes:
    """A model's file with other tensors (None removes one), or other entries in its header."""
    data = MULTILABEL_MODEL.to_bytes(model or a_model())
    own = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["header"])
    names = {name.replace("_", "."): value for name, value in tensors.items()}
    found = {name: value for name, value in (load(data) | names).items() if value is not None}
    return save(found, {"header": json.dumps(own | (header or {}))})


HOSTILE = [
    b"",
    b"\xff" * 64,
    b"\x02" + bytes(7) + b"{}",
    b"PK\x03\x04" + bytes(60),
    MULTILABEL_MODEL.to_bytes(a_model())[:-3],
    (2**62).to_bytes(8, "little") + b"{" * 50,
    (100).to_bytes(8, "little") + b"[" * 100,
    changed({"format": "spacer_like.classifier"}),
    changed({"format_version": 2}),
    changed({"activation": "tanh"}),
    changed({"labels": []}),
    changed({"labels": ["a"]}),
    changed({"labels": ["a", "a"]}),
    changed({"labels": ["a", ""]}),
    changed({"labels": ["a", 3]}),
    changed({"labels": 7}),
    changed({"labels": "ab"}),
    changed({"thresholds": [0.5]}),
    changed({"thresholds": [0.5, 2]}),
    changed({"thresholds": [0.5, float("nan")]}),
    changed({"thresholds": [[0.5, 0.5]]}),
    changed({"thresholds": "half"}),
    changed({"size": 0}),
    changed({"size": 10**9}),
    changed({"size": 224.0}),
    changed({"size": True}),
    changed({"extractor_id": None}),
    changed({"extractor_id": 7}),
    changed({"network": "small"}),
    changed({"metrics": 3}),
    changed({"versions": None}),
    changed(output_weights=None),
    changed(output_weights=np.ones((3, 5), np.float32)),
    changed(output_weights=np.ones((3, 2), np.float64)),
    changed(output_offsets=layer(np.nan, 0)),
    changed(hidden0_weights=None),
    changed(hidden0_weights=np.ones((2, 4), np.float32)),
    changed(hidden0_weights=np.ones((0, 3), np.float32)),
    changed(hidden0_scales=layer(np.inf, 0, 0)),
    changed(hidden0_shifts=np.ones((3, 1), np.float32)),
    changed(network_extra=np.ones(3, np.float32)),
    changed({"network": "small", "extractor_id": None}),
    changed({"network": "vgg", "extractor_id": None}),
    changed({"network": ["small"], "extractor_id": None}),
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_a_file_that_is_none_is_refused_in_one_sentence(data):
    with pytest.raises(ModelFileError, match=r"^m\.safetensors: the file holds no model of many labels: [^\n]+\.$"):
        MULTILABEL_MODEL.from_bytes(data, "m.safetensors")


@pytest.mark.parametrize(
    "spoil",
    [
        {"conv1.weight": None},
        {"conv1.weight": np.zeros((16, 3, 3, 3), np.float32)},
        {"more.weight": np.zeros(3, np.float32)},
        {"bn1.bias": np.zeros(16, np.int64)},
        {"bn1.bias": np.zeros(16, np.float64)},
        {"bn1.bias": np.full(16, np.nan, np.float32)},
    ],
    ids=["missing", "another shape", "too many", "integers", "long floats", "no numbers"],
)
def test_a_network_of_other_weights_is_refused(spoil):
    model = with_network()
    state = {name: value for name, value in (model.state | spoil).items() if value is not None}
    with pytest.raises(ModelFileError, match="m: the file holds no model of many labels: its network"):
        MULTILABEL_MODEL.from_bytes(
            MULTILABEL_MODEL.to_bytes(a_model(head=model.head, extractor_id=None, network="small", state=state)), "m"
        )


def test_damaged_bytes_are_refused_or_read_but_never_anything_else():
    data = bytearray(MULTILABEL_MODEL.to_bytes(a_model()))
    random = np.random.default_rng(0)
    sentences = []
    for _ in range(300):
        spoilt = bytearray(data)
        for place in random.integers(0, len(data), 3):
            spoilt[place] = random.integers(256)
        with suppress_model_errors(sentences):
            MULTILABEL_MODEL.from_bytes(bytes(spoilt), "m")
    assert len(sentences) > 100
    assert not any("\n" in sentence for sentence in sentences)


@contextmanager
def suppress_model_errors(sentences: list[str]):
    try:
        yield
    except ModelFileError as error:
        sentences.append(str(error))
