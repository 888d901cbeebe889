"""Caffe's VGG16 without Caffe: the same network at every width, its weights out of Caffe's own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import HashMismatchError, WeightsError
from spacer_like.extractors import VGG16CaffeExtractor
from spacer_like.extractors.onnx_conversion import relative_difference
from spacer_like.extractors.prototxt import parse
from spacer_like.extractors.vgg16_definition import read_definition
from spacer_like.images.crop import Patches
from spacer_like.storage import write_bytes

from .caffe_files import CONVOLUTIONS, STAGES, caffemodel, definition, random_layers

SIZE = 224


class NarrowVgg(VGG16CaffeExtractor):
    """VGG16 with four channels where it has 64 to 512."""

    ONNX_VERSION = 1

    @property
    def feature_dim(self) -> int:
        return 24


@pytest.fixture(scope="module")
def layers() -> dict[str, list[np.ndarray]]:
    return random_layers(width=4, hidden=16, score=24, image_size=SIZE)


def extractor_of(
    text: str, weights: bytes, storage_type: str = "memory", folder: Path = Path(), **options
) -> NarrowVgg:
    locations = {
        "definition": DataLocation(storage_type, str(folder / "deploy.prototxt")),
        "weights": DataLocation(storage_type, str(folder / "vgg.caffemodel")),
    }
    write_bytes(locations["definition"], text.encode())
    write_bytes(locations["weights"], weights)
    return NarrowVgg(locations, **options)


def caffes_features(layers, photo, points, rectified: bool) -> np.ndarray:
    """What Caffe computes, step by step on its own order of colours."""
    pixels = np.stack(Patches(photo, points)).astype(np.float32)[..., ::-1] - 128
    x = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    weights = {name: [torch.from_numpy(array) for array in arrays] for name, arrays in layers.items()}
    for stage in STAGES:
        for name in stage:
            x = functional.conv2d(x, *weights[name], padding=1).relu()
        x = functional.max_pool2d(x, 2)
    x = functional.linear(x.flatten(1), *weights["fc6"]).relu()
    x = functional.linear(x, *weights["fc7"])
    return (x.relu() if rectified else x).numpy()


class TestFeatures:
    @pytest.mark.parametrize("use_onnx", [True, False])
    @pytest.mark.parametrize("dialect", ["new", "old"])
    def test_are_caffes(self, layers, photo, points, dialect, use_onnx):
        extractor = extractor_of(definition(layers, SIZE, dialect), caffemodel(layers, dialect))
        with override(use_onnx=use_onnx):
            features, message = extractor(photo, points)
        expected = caffes_features(layers, photo, points, rectified=True)
        assert expected.std(0).mean() > 0.01
        assert relative_difference(features.features, expected) < 1e-4
        assert message.extractor_loaded_remotely is False

    def test_are_not_cut_at_zero_where_the_definition_does_not(self, layers, photo, points):
        extractor = extractor_of(definition(layers, SIZE, rectified=False), caffemodel(layers))
        features, _ = extractor(photo, points)
        assert features.features.min() < 0
        assert relative_difference(features.features, caffes_features(layers, photo, points, False)) < 1e-4

    def test_come_from_files_as_well(self, layers, photo, tmp_path):
        extractor = extractor_of(definition(layers, SIZE), caffemodel(layers), "filesystem", tmp_path)
        features, _ = extractor(photo, [(200, 300)])
        assert features.feature_dim == 24

    def test_of_other_files_than_announced_are_refused(self, layers, photo):
        extractor = extractor_of(definition(layers, SIZE), caffemodel(layers), data_hashes={"definition": "0" * 64})
        with pytest.raises(HashMismatchError, match="extractor's 'definition' file/blob"):
            extractor(photo, [(200, 300)])

    def test_of_the_real_network_are_4096_numbers(self):
        locations = dict.fromkeys(["definition", "weights"], DataLocation.example())
        assert VGG16CaffeExtractor(locations).feature_dim == 4096


class TestAnotherNetwork:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (lambda text: text.replace('name: "conv3_2"', 'name: "conv3_9"'), "there is a layer conv3_9"),
            (lambda text: text.replace("pool: MAX", "pool: AVE", 1), "the layer pool1 has pool AVE instead of MAX"),
            (
                lambda text: text.replace("kernel_size: 3", "kernel_size: 5", 1),
                "conv1_1 has kernel_size 5",
            ),
            (lambda text: text.replace("pad: 1", "pad: 1 stride: 2", 1), "conv1_1 has stride 2 instead of 1"),
            (lambda text: text.replace("pad: 1 ", "", 1), "conv1_1 has pad 0 instead of 1"),
            (lambda text: text.replace("num_output: 4 ", "", 1), "conv1_1 has no num_output"),
            (lambda text: text.replace('type: "ReLU"', 'type: "Sigmoid"', 1), "in place of relu"),
            (lambda text: text[: text.index('layer { bottom: "conv5_1"')], "ends before the layer fc7"),
            (lambda text: text.replace("dim: 224", "dim: 227"), "input is 10 x 3 x 227 x 227"),
            (lambda text: text.replace("num_output: 24", "num_output: 25"), "fc7 has 25 numbers instead of 24"),
            (lambda text: "", "ends before the layer fc7"),
            (lambda text: text + "}", "cannot be read"),
            (lambda text: text.replace("{", "", 1), "cannot be read"),
            (lambda text: text + 'name: "no end', "cannot be read"),
        ],
    )
    def test_in_the_definition_is_named(self, layers, photo, change, why):
        text = change(definition(layers, SIZE))
        with pytest.raises(WeightsError, match=why):
            extractor_of(text, caffemodel(layers))(photo, [(5, 5)])

    def test_in_the_weights_is_named(self, layers, photo):
        lacking = {name: arrays for name, arrays in layers.items() if name != "conv4_2"}
        with pytest.raises(WeightsError, match="lack those of the layer conv4_2"):
            extractor_of(definition(layers, SIZE), caffemodel(lacking))(photo, [(5, 5)])
        wider = {**layers, "conv2_1": [np.zeros((4, 4, 5, 5), np.float32), layers["conv2_1"][1]]}
        with pytest.raises(WeightsError, match=r"weight of the layer conv2_1 has the shape \(4, 4, 5, 5\) instead of"):
            extractor_of(definition(layers, SIZE), caffemodel(wider))(photo, [(5, 5)])


class TestDefinitions:
    def test_say_how_wide_layers_are(self, layers):
        found = read_definition(definition(layers, SIZE), SIZE)
        assert found.widths == {**dict.fromkeys(CONVOLUTIONS, 4), "fc6": 16, "fc7": 24}
        assert found.score_is_rectified

    def test_may_take_their_input_from_data_in_training(self, layers):
        text = definition(layers, SIZE, "old").replace("input", "# input")
        data = 'layers { name: "data" type: DATA include: { phase: TRAIN } data_param { source: "lmdb" } }\n'
        accuracy = 'layers { name: "only_here" type: CONVOLUTION include: { phase: TRAIN } }\n'
        assert read_definition(data + accuracy + text, SIZE).widths["conv5_3"] == 4

    def test_nested_a_hundred_thousand_deep_are_read_or_refused(self):
        with pytest.raises(WeightsError, match="is no network definition of Caffe: line 1 cannot be read"):
            read_definition("layer {" * 100_000, SIZE)
        with pytest.raises(WeightsError, match="is no network definition of Caffe: line 1 cannot be read"):
            read_definition("layer {" * 100_000 + "}" * 100_000, SIZE)


class TestTextsOfProtocolBuffers:
    def test_of_a_field_that_is_repeated_the_last_value_counts(self):
        message = parse("pad: 0 pad: 1 include { phase: TEST } include { phase: TRAIN }")
        assert message.texts("pad") == ["0", "1"]
        assert message.text("pad") == "1"
        assert message.message("include").text("phase") == "TRAIN"

    @pytest.mark.parametrize(
        "text",
        [
            "{ pad: 1 }",
            "layer { pad: }",
            "layer { pad }",
            "layer { pad } : 1",
            "layer { pad: : }",
            "pad: ;",
            ": pad",
            "layer { } }",
            "layer {",
            "pad:",
            "pad",
            "layer {" * 50 + "}" * 50,
        ],
    )
    def test_out_of_order_are_refused_with_the_line(self, text):
        with pytest.raises(WeightsError, match=r"is no network definition of Caffe: line 2 cannot be read\.$"):
            parse(f"# Caffe\n{text}")
