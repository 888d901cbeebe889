"""What TensorFlow and Keras write is read, and gives what they give."""

import numpy as np
import pytest
import tensorflow as tf

from spacer_like.location import DataLocation
from spacer_like.messages import ImportKerasWeightsMsg
from spacer_like.regression.keras_training import keras_network
from spacer_like.regression.networks import network, set_weights
from spacer_like.regression.regressor import REGRESSOR, Regressor
from spacer_like.storage import read_bytes
from spacer_like.tasks import import_keras_weights

pytestmark = pytest.mark.filterwarnings("ignore")
SIZES = [("model4", 64), ("model4", 128), ("model5", 96), ("model5", 128), ("model6", 96), ("model6", 128)]


def with_weights(model, seed: int = 0):
    """The model with random weights, those that are added and the moments of norms among them."""
    random = np.random.default_rng(seed)
    weights = []
    for array in model.get_weights():
        scale = np.sqrt(2 / np.prod(array.shape[:-1])) if array.ndim > 1 else 0.1
        weights.append(random.normal(0, scale, array.shape).astype(np.float32))
    position = 0
    for layer in model.layers:
        if len(layer.weights) == 4:
            weights[position] += 1
            weights[position + 3] = np.abs(weights[position + 3]) + 0.5
        position += len(layer.weights)
    model.set_weights(weights)
    return model


def images(size: int, n_images: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n_images, size, size, 3), np.uint8)


def imported(tmp_path, field: str, name: str, **other) -> Regressor:
    msg = ImportKerasWeightsMsg(
        input_scale="unit",
        model_loc=DataLocation("filesystem", str(tmp_path / "model.safetensors")),
        **{field: DataLocation("filesystem", str(tmp_path / name)), **other},
    )
    import_keras_weights(msg)
    return REGRESSOR.from_bytes(read_bytes(msg.model_loc), "model")


def outputs(model: Regressor, pixels: np.ndarray) -> np.ndarray:
    torch = pytest.importorskip("torch")
    module = network(model.network, model.size, model.n_classes).eval()
    set_weights(module, model.weights)
    with torch.inference_mode():
        scaled = pixels.transpose(0, 3, 1, 2) * np.float32(model.input_scale)
        found = module(torch.from_numpy(scaled))
        return (found.softmax(1) if model.n_classes else found.tanh()).numpy()


def kerass(model, pixels: np.ndarray) -> np.ndarray:
    return model.predict(pixels / np.float32(255), verbose=0)


def assert_same(model: Regressor, original, size: int) -> None:
    pixels = images(size)
    np.testing.assert_allclose(outputs(model, pixels), kerass(original, pixels), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "size"), SIZES)
class TestEveryArchitectureAndSize:
    def test_as_a_checkpoint_of_keras_2(self, name, size, keras2, tmp_path):
        model = with_weights(keras_network(keras2, name, size, None))
        model.save_weights(str(tmp_path / "7.ckpt"))
        found = imported(tmp_path, "checkpoint_loc", "7.ckpt")
        assert (found.network, found.size, found.n_classes) == (name, size, None)
        assert_same(found, model, size)

    def test_as_hdf5_and_as_an_archive_of_keras_3(self, name, size, keras3, tmp_path):
        model = with_weights(keras_network(keras3, name, size, 2))
        model.save(tmp_path / "model.keras")
        model.save_weights(tmp_path / "model.weights.h5")
        for file in ("model.keras", "model.weights.h5"):
            found = imported(tmp_path, "file_loc", file)
            assert (found.network, found.size, found.n_classes) == (name, size, 2)
            assert_same(found, model, size)

    def test_as_a_checkpoint_of_keras_3(self, name, size, keras3, tmp_path):
        model = with_weights(keras_network(keras3, name, size, None))
        tf.train.Checkpoint(model=model).write(str(tmp_path / "7.ckpt"))
        assert_same(imported(tmp_path, "checkpoint_loc", "7.ckpt.index"), model, size)


class TestATrainedModel:
    """With the slots of its optimizer, which are left out."""

    def trained(self, keras, optimizer):
        model = keras_network(keras, "model4", 64, None)
        model.compile(optimizer, "mse", metrics=["mse", "mae"])
        pixels = images(64, 32)
        targets = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
        model.fit(pixels / np.float32(255), targets, batch_size=8, epochs=2, verbose=0)
        return model

    @pytest.mark.parametrize("legacy", [True, False])
    def test_of_keras_2(self, keras2, tmp_path, legacy):
        optimizers = keras2.optimizers
        model = self.trained(keras2, optimizers.legacy.Adam() if legacy else optimizers.Adam())
        model.save_weights(str(tmp_path / "7.ckpt"))
        model.save(tmp_path / "model.h5")
        assert_same(imported(tmp_path, "checkpoint_loc", "7.ckpt"), model, 64)
        assert_same(imported(tmp_path, "file_loc", "model.h5"), model, 64)

    def test_of_keras_3(self, keras3, tmp_path):
        model = self.trained(keras3, keras3.optimizers.Adam())
        tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(tmp_path / "7.ckpt"))
        model.save(tmp_path / "model.keras")
        model.save(tmp_path / "model.h5")
        assert_same(imported(tmp_path, "checkpoint_loc", "7.ckpt"), model, 64)
        assert_same(imported(tmp_path, "file_loc", "model.keras"), model, 64)
        assert_same(imported(tmp_path, "file_loc", "model.h5"), model, 64)


def test_parameters_are_as_many_as_inclinets(keras3):
    counts = {"model4": 1_631_105, "model5": 2_521_681, "model6": 1_680_241}
    for name, count in counts.items():
        model = keras_network(keras3, name, 128, None)
        assert sum(int(np.prod(one.shape)) for one in model.trainable_variables) == count
