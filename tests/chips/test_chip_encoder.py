"""What makes vectors of chips: an extractor, or a model that was trained on one's features."""

import numpy as np
import pytest

from spacer_like.chips.models.multilabel_model import MultilabelModel
from spacer_like.chips.tasks.search import chip_encoder
from spacer_like.exceptions import ExtractorMismatchError, MessageError
from spacer_like.learning.heads import Head, Layer

from ..embeddings.test_encoder import MeanOfHalves, MeanOfOthers, some_images


def model_of(units: int = 4) -> MultilabelModel:
    random = np.random.default_rng(1)
    offsets, scales, shifts = (np.full(units, value, np.float32) for value in (10, 1, 0))
    hidden = Layer(random.normal(size=(6, units)).astype(np.float32), offsets, scales, shifts)
    last = Layer(np.ones((units, 2), np.float32), np.zeros(2, np.float32))
    extractor_id = MeanOfHalves().extractor_id
    return MultilabelModel(("a", "b"), np.array([0.5, 0.5]), Head((hidden, last), "sigmoid"), 8, extractor_id)


def test_a_model_encodes_by_its_last_hidden_layer():
    model = model_of()
    encoder = chip_encoder(MeanOfHalves(), model)
    assert (encoder.encoder_id, encoder.dimension, encoder.size) == (model.encoder_id, 4, 8)
    activations = model.encode(some_images(), MeanOfHalves())
    expected = activations / np.linalg.norm(activations, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(some_images()), expected, rtol=1e-6)


def test_encoders_that_make_other_vectors_have_other_ids():
    encoders = [
        chip_encoder(MeanOfHalves(), None),
        chip_encoder(MeanOfOthers(), None),
        chip_encoder(MeanOfHalves(), model_of()),
        chip_encoder(MeanOfHalves(), model_of(units=5)),
    ]
    assert len({encoder.encoder_id for encoder in encoders}) == 4


def test_a_model_takes_the_extractor_it_was_trained_with():
    with pytest.raises(ExtractorMismatchError, match="my model: the model was trained on features of the extractor"):
        chip_encoder(MeanOfOthers(), model_of(), "my model")
    with pytest.raises(ExtractorMismatchError, match=r"my model: .* name that one"):
        chip_encoder(None, model_of(), "my model")


def test_nothing_encodes_nothing():
    with pytest.raises(MessageError, match="by an extractor, by a model, or by both"):
        chip_encoder(None, None)
