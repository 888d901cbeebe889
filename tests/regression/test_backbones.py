"""Extractors as the first part of a network, frozen and fine-tuned."""

import numpy as np
import pytest

from spacer_like import config
from spacer_like.exceptions import ExtractorMismatchError, MessageError, SpacerInputError
from spacer_like.extractors.efficientnet_lite import EfficientNetLite0Extractor
from spacer_like.location import DataLocation
from spacer_like.messages import TrainGoodBadMsg, TrainRegressorMsg
from spacer_like.regression.backbones import squares
from spacer_like.regression.onnx_model import onnx_bytes
from spacer_like.regression.predicting import predicted
from spacer_like.regression.regressor import BACKBONE, REGRESSOR
from spacer_like.storage import read_bytes
from spacer_like.tasks import train_good_bad, train_regressor
from spacer_like.testing.extractors import MeanColour

from .shaded import pool, written


@pytest.fixture(autouse=True)
def _allowed():
    with config.override(allowed_class_prefixes=("spacer_like.testing",)):
        yield


def trained(folder, kind, n_train=4, codes=(45, 60, 75, 90), **fields):
    loc = DataLocation("filesystem", str(folder / "net.safetensors"))
    files = {
        "batch_locs": [written(folder, "b.npz", pool(n_train, 1, codes))],
        "validation_locs": [written(folder, "v.npz", pool(6, 2, codes))],
    }
    msg = kind(**files, network="extractor", model_loc=loc, **fields)
    answer = (train_regressor if kind is TrainRegressorMsg else train_good_bad)(msg)
    return answer, REGRESSOR.from_bytes(read_bytes(loc), "net")


def test_layers_learn_from_the_features_of_a_frozen_extractor(tmp_path):
    answer, model = trained(
        tmp_path, TrainRegressorMsg, 96, extractor=MeanColour(), passes=30, minibatch=8, learning_rate=2e-2
    )
    assert answer.rms < 8
    assert (model.extractor_id, model.units) == (MeanColour().extractor_id, (64,))
    images = pool(6, 2, (45, 60, 75, 90))
    found = predicted(model, images.images, views=4, extractor=MeanColour())
    assert found[:, 0] == pytest.approx(found[:, 1], abs=0.05)
    assert np.abs(found[:, 0] - images.inclinations).mean() == pytest.approx(answer.mae, abs=0.3)


def test_classes_are_learnt_from_features_too(tmp_path):
    answer, model = trained(
        tmp_path, TrainGoodBadMsg, 96, (0, 1, 50, 80), extractor=MeanColour(), passes=20, minibatch=8
    )
    assert answer.accuracy > 0.8
    assert predicted(model, pool(4, 3).images, extractor=MeanColour()).shape == (4, 2)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_a_network_with_real_weights_is_a_backbone(tmp_path, fine_tune):
    extractor = EfficientNetLite0Extractor()
    answer, model = trained(
        tmp_path, TrainRegressorMsg, extractor=extractor, fine_tune=fine_tune, minibatch=4, precision="float32"
    )
    assert any(name.startswith(BACKBONE) for name in model.weights) is fine_tune
    assert model.extractor_id == extractor.extractor_id
    # Its weights come with a package: it need not be named.
    held = pool(6, 2, (45, 60, 75, 90))
    errors = predicted(model, held.images, views=1)[:, 0] - held.inclinations
    assert np.abs(errors).mean() == pytest.approx(answer.mae, abs=0.05)
    if fine_tune:
        frozen = extractor.build_module().state_dict()
        learnt = model.weights[f"{BACKBONE}_conv_stem.weight"]
        assert not np.array_equal(learnt, frozen["_conv_stem.weight"].numpy())
        mean = "_bn0.running_mean"
        assert np.array_equal(model.weights[f"{BACKBONE}{mean}"], frozen[mean].numpy())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "needs an extractor"),
        ({"network": "model4", "extractor": MeanColour()}, "needs an extractor"),
        ({"network": "model4", "fine_tune": True}, "needs an extractor"),
        ({"extractor": MeanColour(), "fine_tune": True}, "MeanColour has no network that could learn"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(tmp_path, fields, words):
    given = {"network": "extractor", "batch_locs": [written(tmp_path, "b.npz", pool(8, 1))]} | fields
    msg = TrainRegressorMsg(**given, model_loc=DataLocation("memory", "net"))
    with pytest.raises(MessageError, match=rf"{words}.*\.$"):
        train_regressor(msg)


def test_another_extractor_or_an_onnx_model_is_refused(tmp_path):
    _, model = trained(tmp_path, TrainRegressorMsg, extractor=MeanColour())
    images = pool(2, 3).images
    with pytest.raises(ExtractorMismatchError, match="no package has: name it"):
        predicted(model, images)
    with pytest.raises(ExtractorMismatchError, match="is given"):
        predicted(model, images, extractor=EfficientNetLite0Extractor())
    with pytest.raises(SpacerInputError, match="this one has an extractor"):
        onnx_bytes(model)


def test_images_are_resized_to_the_extractors_square():
    images = pool(2, 1).images
    assert squares(images, 20) is images
    assert squares(images, 32).shape == (2, 32, 32, 3)
