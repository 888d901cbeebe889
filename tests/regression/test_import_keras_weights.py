"""A model of weights of Keras predicts what Keras predicts."""

from pathlib import Path

import numpy as np
import pytest

from spacer_like.exceptions import DataNotFoundError, MessageError, WeightsError
from spacer_like.location import DataLocation
from spacer_like.messages import ImportKerasWeightsMsg
from spacer_like.regression.labels import from_target
from spacer_like.regression.predicting import predicted
from spacer_like.regression.regressor import REGRESSOR
from spacer_like.tasks import import_keras_weights

from .bundles import expected, golden

CHECKPOINTS = ("keras2-trained.ckpt", "keras3.ckpt", "keras3-trained.ckpt")
FILES = ("keras2.h5", "keras2-trained.h5", "keras3.weights.h5", "keras3.keras")


@pytest.fixture
def folder(tmp_path):
    for name, data in golden().items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def at(path: Path) -> DataLocation:
    return DataLocation("filesystem", str(path))


def request(folder: Path, name: str, **other) -> ImportKerasWeightsMsg:
    field = "checkpoint_loc" if name.partition(".index")[0].endswith(".ckpt") else "file_loc"
    given = {field: at(folder / name), "input_scale": "unit", "model_loc": at(folder / "model.safetensors"), "size": 28}
    return ImportKerasWeightsMsg(**given | other)


@pytest.mark.parametrize("name", [*CHECKPOINTS, *FILES, "keras3.ckpt.index"])
def test_a_model_predicts_what_keras_predicts(folder, name):
    msg = request(folder, name)
    answer = import_keras_weights(msg)
    assert (answer.network, answer.size, answer.n_classes, answer.n_weights) == ("model4", 28, None, 58305)
    model = REGRESSOR.from_bytes(Path(msg.model_loc.key).read_bytes(), "model")
    degrees = predicted(model, expected()["images"], views=1)[:, 0]
    np.testing.assert_allclose(degrees, from_target(expected()["outputs"][:, 0].astype(float)), atol=22.5e-5)


def test_the_size_is_that_of_a_file_with_a_whole_model_and_else_the_usual_one(folder):
    assert import_keras_weights(request(folder, "keras3.keras", size=None)).size == 28
    assert import_keras_weights(request(folder, "keras3.weights.h5", size=None)).size == 32


def test_a_model_says_what_pixels_it_takes(folder):
    models = []
    for scale in ("unit", "raw"):
        msg = request(folder, "keras3.ckpt", input_scale=scale)
        import_keras_weights(msg)
        models.append(REGRESSOR.from_bytes(Path(msg.model_loc.key).read_bytes(), "model"))
    assert [model.input_scale for model in models] == [1 / 255, 1.0]
    assert models[0].digest != models[1].digest


@pytest.mark.parametrize("given", [{}, {"checkpoint_loc": "a.ckpt", "file_loc": "a.h5"}])
def test_exactly_one_source_is_named(folder, given):
    msg = ImportKerasWeightsMsg(
        input_scale="raw", model_loc=at(folder / "m"), **{field: at(folder / name) for field, name in given.items()}
    )
    with pytest.raises(MessageError, match=r"checkpoint_loc or else file_loc: name one of the two\.$"):
        import_keras_weights(msg)


@pytest.mark.parametrize(("ending", "words"), [("index", "index"), ("data-00000-of-00001", "data")])
def test_a_model_never_replaces_the_checkpoint(folder, ending, words):
    part = folder / f"keras3.ckpt.{ending}"
    before = part.read_bytes()
    with pytest.raises(MessageError, match=f"model_loc would overwrite the checkpoint's {words}, both are"):
        import_keras_weights(request(folder, "keras3.ckpt", model_loc=at(part)))
    assert part.read_bytes() == before


def test_a_shard_that_is_missing_is_named_and_no_model_is_left(folder):
    (folder / "keras3.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(DataNotFoundError, match=r"keras3\.ckpt\.data-00000-of-00001"):
        import_keras_weights(request(folder, "keras3.ckpt"))
    assert not (folder / "model.safetensors").exists()


def test_weights_of_another_network_are_a_sentence(folder):
    with pytest.raises(WeightsError, match=r"keras3\.ckpt: it has 4 convolutions.* and model5 has 6 convolutions"):
        import_keras_weights(request(folder, "keras3.ckpt", network="model5", size=96))
