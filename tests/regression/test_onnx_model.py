"""Networks as ONNX models: they predict as torch does, without torch, and no other model is run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from spacer_like.exceptions import ModelFileError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.messages import CalibrateRegressorMsg, ExportOnnxMsg, PredictRegressorMsg
from spacer_like.regression.model_sets import model_set, regressor_at
from spacer_like.regression.networks import network as module_of
from spacer_like.regression.networks import weights_of
from spacer_like.regression.onnx_model import begins_as_onnx, onnx_bytes, read_onnx
from spacer_like.regression.predicting import predicted
from spacer_like.regression.regressor import EXTRACTOR, REGRESSOR, UNIT_SCALE, Regressor
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tasks import calibrate_regressor, export_onnx, predict_regressor

from .small_networks import DOMAIN, galaxy, network, store


def at(folder, name):
    return DataLocation("filesystem", str(folder / name))


def trained(name, size, n_classes=None, scale=UNIT_SCALE):
    """A network whose norms and biases are no first ones."""
    random = np.random.default_rng(5)
    weights = {key: value.copy() for key, value in weights_of(module_of(name, size, n_classes, 3)).items()}
    for value in weights.values():
        if value.ndim == 1:
            value += random.uniform(0, 0.2, value.shape).astype(np.float32)
    if scale == 1.0:
        weights["conv0.weight"] /= np.float32(255)
    return Regressor(name, size, n_classes, scale, weights, DOMAIN, None, {"mae": 0.1}, {"torch": "2"})


@pytest.mark.parametrize("n_classes", [None, 2])
@pytest.mark.parametrize(
    ("name", "size", "scale"),
    [("model4", 33, 1.0), ("model5", 76, UNIT_SCALE), ("model6", 40, UNIT_SCALE), ("small_cnn", 31, 1.0)],
)
def test_a_model_predicts_as_torch_does(name, size, scale, n_classes):
    model = trained(name, size, n_classes, scale)
    data = onnx_bytes(model)
    found = read_onnx(data, "net.onnx")
    images = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
    expected = predicted(model, images, views=4)
    assert predicted(found, images, views=4) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert np.ptp(expected) > 0
    assert (found.digest, found.domain, found.metrics) == (model.digest, model.domain, model.metrics)
    assert REGRESSOR.to_bytes(found) == REGRESSOR.to_bytes(model)


@pytest.mark.parametrize(("n_classes", "output"), [(None, "inclinations"), (2, "probabilities")])
def test_other_programs_can_run_it(n_classes, output):
    model = trained("model4", 32, n_classes)
    data = onnx_bytes(model)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    found = session.run([output], {"pixels": images})[0]
    assert found[:, -1] == pytest.approx(predicted(model, images, views=1)[:, 0], rel=1e-5)
    header = json.loads(session.get_modelmeta().custom_metadata_map["header"])
    assert (header["size"], header["n_classes"], header["domain"]["filters"]) == (32, n_classes, ["c", "g"])


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_the_number_of_threads_and_of_images_makes_no_difference(count):
    model = read_onnx(onnx_bytes(network(1)), "net.onnx")
    images = np.random.default_rng(1).integers(0, 256, (9, 16, 16, 3), np.uint8)
    found = [predicted(model, images[:count], threads=threads) for threads in (1, 2)]
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(found[0], predicted(model, images)[:count])


def changed(change):
    """An exported model in which something is changed."""
    model = onnx.load_from_string(onnx_bytes(network(2)))
    change(model)
    return model.SerializeToString()


def external_data(model):
    tensor = model.graph.initializer[1]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    tensor.ClearField("raw_data")


def another_operator(model):
    model.opset_import.add(domain="com.evil", version=1)
    model.graph.node[3].domain = "com.evil"


def another_shape(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "height"


def a_border_of_millions(model):
    next(node for node in model.graph.node if node.op_type == "Conv").attribute[0].ints[0] = 10**7


def another_constant(model):
    model.graph.initializer[0].raw_data = np.float32(1).tobytes()


def another_weight(model):
    model.graph.initializer[-1].name = "dense9.weight"


def a_weight_that_is_not_finite(model):
    weight = next(one for one in model.graph.initializer if one.name == "out.bias")
    weight.raw_data = np.float32(np.nan).tobytes()


def a_size_too_large(model):
    entry = model.metadata_props[0]
    entry.value = entry.value.replace('"size": 16', '"size": 100000')


def another_size(model):
    entry = model.metadata_props[0]
    entry.value = entry.value.replace('"size": 16', '"size": 32')


def a_function(model):
    model.functions.add(name="f", domain="d")


def weights_too_many(model):
    model.graph.initializer.add(name="more", data_type=1, dims=[10**6], raw_data=bytes(4 * 10**6))


def no_header(model):
    del model.metadata_props[:]


def two_headers(model):
    model.metadata_props.add(key="header", value="{}")


CHANGES = [
    external_data,
    another_operator,
    another_shape,
    a_border_of_millions,
    another_constant,
    another_weight,
    a_weight_that_is_not_finite,
    a_size_too_large,
    another_size,
    a_function,
    weights_too_many,
    no_header,
    two_headers,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
def test_a_changed_model_is_refused_in_a_sentence(change):
    data = changed(change)
    assert begins_as_onnx(data)
    with pytest.raises(ModelFileError, match=r"^net\.onnx: the file holds no network of inclinations: [^\n]+\.$"):
        read_onnx(data, "net.onnx")


def test_a_model_of_another_program_is_refused_before_anything_runs_it():
    graph = helper.make_graph(
        [helper.make_node("Expand", ["x", "shape"], ["y"])],
        "bomb",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [helper.make_tensor("shape", TensorProto.INT64, [1], [2**40])],
    )
    with pytest.raises(ModelFileError, match="not exported by this package"):
        read_onnx(helper.make_model(graph).SerializeToString(), "bomb.onnx")


def test_a_model_of_millions_of_parts_is_refused_at_once():
    with pytest.raises(ModelFileError, match="more parts"):
        read_onnx(b"\x08\x08" * 5_000_000, "net.onnx")


def test_a_network_with_an_extractor_cannot_be_one():
    model = replace(network(0), network=EXTRACTOR, extractor_id="e")
    with pytest.raises(SpacerInputError, match="has an extractor"):
        onnx_bytes(model)


def test_it_takes_the_networks_place_and_the_networks_calibration(tmp_path):
    model_loc = store(at(tmp_path, "net.safetensors"), network(1))
    answer = export_onnx(ExportOnnxMsg(model_loc=model_loc, onnx_loc=at(tmp_path, "onnx/net.onnx")))
    assert (answer.network, answer.size, answer.n_classes) == ("small_cnn", 16, None)
    assert answer.n_bytes == len(read_bytes(at(tmp_path, "onnx/net.onnx")))
    assert regressor_at(at(tmp_path, "onnx/net.onnx")).is_onnx
    rows = "".join(f"{number},c,{45 + number % 45},{45 + (number + number % 3) % 45}\n" for number in range(1, 91))
    write_bytes(at(tmp_path, "table.csv"), f"pgc,filter,inc_m,small_cnn_0\n{rows}".encode())
    calibration = at(tmp_path, "calibration.json")
    calibrate_regressor(
        CalibrateRegressorMsg(
            table_loc=at(tmp_path, "table.csv"),
            prediction_columns=["small_cnn_0"],
            out_loc=calibration,
            model_locs={"small_cnn": [model_loc]},
        )
    )
    write_bytes(at(tmp_path, "galaxies/a.png"), galaxy(1))
    answers = []
    for number, loc in enumerate([model_loc, at(tmp_path, "onnx/net.onnx")]):
        msg = PredictRegressorMsg(
            images_locs=[at(tmp_path, "galaxies")],
            model_locs={"small_cnn": [loc]},
            out_loc=at(tmp_path, f"{number}.json"),
            calibration_loc=calibration,
        )
        predict_regressor(msg)
        answers.append(json.loads(read_bytes(msg.out_loc)))
    assert answers[0] == answers[1]
    assert "interval" in answers[0][0]


def test_a_folder_with_both_files_of_a_network_has_one_network(tmp_path):
    first = store(at(tmp_path, "a.safetensors"), network(1))
    for name in ("a.onnx", "b.onnx"):
        write_bytes(at(tmp_path, name), onnx_bytes(network(1)))
    assert model_set([at(tmp_path, "")]).groups == {"small_cnn": [first, at(tmp_path, "b.onnx")]}


def test_neither_predicting_nor_serving_imports_torch(tmp_path):
    write_bytes(at(tmp_path, "net.onnx"), onnx_bytes(network(1)))
    write_bytes(at(tmp_path, "a.png"), galaxy(1))
    code = f"""
import sys
sys.modules["torch"] = sys.modules["onnx"] = None
from pathlib import Path
from spacer_like.cli import main
from spacer_like.location import DataLocation
from spacer_like.regression.server.serving import ServerOptions, loaded
loaded(ServerOptions([DataLocation("filesystem", {str(tmp_path / "net.onnx")!r})]))
sys.argv = ["spacer-like", "regression", "predict", "a.png", "--models", "net.onnx", "--views", "4"]
sys.exit(main())
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "inclinations.json").read_text())[0]["status"] == "success"
