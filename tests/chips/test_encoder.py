"""What makes vectors of chips."""

import numpy as np
import pytest

from spacer_like.chips.models.multilabel_model import HiddenLayer, MultilabelModel
from spacer_like.chips.search.encoder import Encoder, open_encoder, scaled_to_one
from spacer_like.exceptions import ExtractorMismatchError, MessageError
from spacer_like.extractors import DummyExtractor
from spacer_like.extractors.base import FeatureExtractor


class MeanOfHalves(FeatureExtractor):
    """The mean of each channel over the upper and the lower half."""

    CROP_SIZE = 8

    @property
    def feature_dim(self):
        return 6

    def patches_to_features(self, patch_list):
        return np.asarray(patch_list).reshape(-1, 2, 32, 3).mean(axis=2).reshape(-1, 6), False


class MeanOfOthers(MeanOfHalves):
    pass


def some_chips(n: int = 5) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 8, 8, 3), np.uint8)


def model_of(units: int = 4) -> MultilabelModel:
    random = np.random.default_rng(1)
    offsets, scales, shifts = (np.full(units, value, np.float32) for value in (10, 1, 0))
    hidden = HiddenLayer(random.normal(size=(6, units)).astype(np.float32), offsets, scales, shifts)
    last = np.ones((units, 2), np.float32), np.zeros(2, np.float32)
    extractor_id = MeanOfHalves().extractor_id
    return MultilabelModel(("a", "b"), np.array([0.5, 0.5]), (hidden,), *last, size=8, extractor_id=extractor_id)


def test_an_extractor_encodes_by_its_features():
    extractor = MeanOfHalves()
    encoder = open_encoder(extractor, None)
    assert (encoder.encoder_id, encoder.dimension, encoder.size) == (extractor.extractor_id, 6, 8)
    features = extractor.patches_to_features(some_chips())[0]
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(some_chips()), expected, rtol=1e-6)


def test_a_model_encodes_by_its_last_hidden_layer():
    model = model_of()
    encoder = open_encoder(MeanOfHalves(), model)
    assert (encoder.encoder_id, encoder.dimension, encoder.size) == (model.encoder_id, 4, 8)
    activations = model.encode(some_chips(), MeanOfHalves())
    expected = activations / np.linalg.norm(activations, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(some_chips()), expected, rtol=1e-6)


def test_encoders_that_make_other_vectors_have_other_ids():
    encoders = [
        open_encoder(MeanOfHalves(), None),
        open_encoder(MeanOfOthers(), None),
        open_encoder(MeanOfHalves(), model_of()),
        open_encoder(MeanOfHalves(), model_of(units=5)),
    ]
    assert len({encoder.encoder_id for encoder in encoders}) == 4


def test_a_model_takes_the_extractor_it_was_trained_with():
    with pytest.raises(ExtractorMismatchError, match="my model: the model was trained on features of the extractor"):
        open_encoder(MeanOfOthers(), model_of(), "my model")
    with pytest.raises(ExtractorMismatchError, match=r"my model: .* name that one"):
        open_encoder(None, model_of(), "my model")


def test_nothing_encodes_nothing():
    with pytest.raises(MessageError, match="by an extractor, by a model, or by both"):
        open_encoder(None, None)


def test_an_extractor_that_does_not_look_at_chips_is_refused():
    with pytest.raises(MessageError, match="DummyExtractor does not look at images"):
        open_encoder(DummyExtractor(), None).encode(np.zeros((1, 224, 224, 3), np.uint8))


@pytest.mark.parametrize("made", [np.ones((5, 3)), np.ones((4, 2)), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_vectors_of_another_kind_than_announced_are_refused(made):
    encoder = Encoder("e", 2, 8, lambda pixels: made)
    with pytest.raises(ExtractorMismatchError, match="a vector of 2 finite numbers"):
        encoder.encode(some_chips())


def test_no_chip_gives_no_vector():
    assert open_encoder(MeanOfHalves(), None).encode(some_chips(0)).shape == (0, 6)


def test_vectors_of_any_length_become_as_long_as_one_except_nothing():
    vectors = np.array([[3, 4], [3e30, 4e30], [3e-30, 4e-30], [0, 0]], np.float32)
    expected = [[0.6, 0.8], [0.6, 0.8], [0.6, 0.8], [0, 0]]
    np.testing.assert_allclose(scaled_to_one(vectors), expected, rtol=1e-6)
