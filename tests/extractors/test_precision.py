"""Extractors that compute in whole numbers of eight bits, and the calibrations that they do it by."""

import json

import numpy as np
import onnx
import pytest

from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import ConfigError, MessageError, SpacerInputError, WeightsError
from spacer_like.extractors import (
    DenseLite0Extractor,
    EfficientNetLite0Extractor,
    EfficientNetLite2Extractor,
    FeatureExtractor,
    onnx_session,
)
from spacer_like.extractors.calibration import Calibration
from spacer_like.extractors.networks import network_cache
from spacer_like.extractors.onnx_quantised import quantised
from spacer_like.extractors.onnx_session import OnnxNetwork
from spacer_like.images.crop import Patches
from spacer_like.storage import write_bytes

CALIBRATION = DataLocation("memory", "calibration")
LITE0 = EfficientNetLite0Extractor()


@pytest.fixture(scope="module")
def crops(photo):
    return list(Patches(photo, [(row, col) for row in range(40, 427, 150) for col in range(40, 640, 150)]))


@pytest.fixture(scope="module")
def calibration(crops):
    with override(onnx_cache_dir="", device="cpu", torch_threads=1):
        return LITE0.calibration_of(crops)


@pytest.fixture
def int8(calibration):
    write_bytes(CALIBRATION, calibration)
    return LITE0.at_int8(CALIBRATION)


def cosines(features, expected):
    lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(expected, axis=1)
    return (features * expected).sum(1) / lengths


class TestFeatures:
    def test_are_nearly_those_of_float32(self, int8, photo, points, crops):
        found, _ = int8.patches_to_features([*crops, *Patches(photo, points)])
        expected, _ = LITE0.patches_to_features([*crops, *Patches(photo, points)])
        similar = cosines(found, expected)
        assert similar.mean() > 0.99
        assert similar.min() > 0.95
        assert not np.array_equal(found, expected)

    def test_are_the_same_bytes_from_the_same_calibration(self, int8, calibration, crops, own_caches):
        first, _ = int8.patches_to_features(crops[:3])
        assert LITE0.calibration_of(crops) == calibration
        with override(onnx_cache_dir=str(own_caches / "another")):
            again, _ = LITE0.at_int8(CALIBRATION).patches_to_features(crops[:3])
        np.testing.assert_array_equal(again, first)

    def test_of_lite2_are_nearly_those_of_float32(self, photo, points):
        lite2 = EfficientNetLite2Extractor()
        crops = list(Patches(photo, points, 260))
        write_bytes(CALIBRATION, lite2.calibration_of(crops))
        found, expected = (one.patches_to_features(crops)[0] for one in (lite2.at_int8(CALIBRATION), lite2))
        assert cosines(found, expected).mean() > 0.98

    def test_hold_where_all_calibrating_images_are_alike(self, photo, points):
        write_bytes(CALIBRATION, LITE0.calibration_of([np.zeros((224, 224, 3), np.uint8)] * 8))
        found, expected = (one(photo, points).features.features for one in (LITE0.at_int8(CALIBRATION), LITE0))
        assert cosines(found, expected).mean() > 0.97


class TestModel:
    def test_computes_all_convolutions_in_whole_numbers(self, calibration):
        exact_model = LITE0._model_at_fp32()
        model = quantised(exact_model, Calibration.from_bytes(calibration, "c"))
        float32 = {weight.name: onnx.numpy_helper.to_array(weight) for weight in exact_model.graph.initializer}
        onnx.checker.check_model(model)
        weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}
        producers = {node.output[0]: node for node in model.graph.node}
        for node in model.graph.node:
            if node.op_type == "Conv":
                read = [producers[name] for name in node.input]
                assert [one.op_type for one in read] == ["DequantizeLinear"] * 3
                assert [weights[one.input[0]].dtype for one in read[1:]] == [np.int8, np.int32]
                stored, scale = (weights[name] for name in read[1].input[:2])
                exact = float32[read[1].input[0].removesuffix(".stored")]
                step = scale[:, None, None, None]
                assert (np.abs(stored * step - exact) <= 0.5001 * step).all()
        # Pixels are what they are: (p - 127) / 128 without any rounding.
        first = next(node for node in model.graph.node if node.op_type == "DequantizeLinear")
        assert [float(weights[name]) for name in first.input[1:]] == [1 / 128, 127]

    def test_is_kept_for_a_process_without_torch(self, int8, monkeypatch, crops):
        first, _ = int8.patches_to_features(crops[:2])
        network_cache.clear()
        monkeypatch.setattr(EfficientNetLite0Extractor, "build_module", None)
        np.testing.assert_array_equal(int8.patches_to_features(crops[:2])[0], first)
        assert type(int8._network(takes_pixels=True)[0]) is OnnxNetwork

    @pytest.mark.skipif(not onnx_session.has_vnni(), reason="one of both overflows here")
    def test_gives_the_same_bytes_on_processors_of_other_instructions(self, int8, crops, monkeypatch):
        found = []
        for has_vnni in (True, False):
            network_cache.clear()
            monkeypatch.setattr(onnx_session, "has_vnni", lambda has_vnni=has_vnni: has_vnni)
            found.append(int8.patches_to_features(crops[:2])[0])
        np.testing.assert_array_equal(*found)


class TestId:
    def test_is_its_own_and_that_of_its_calibration(self, int8, crops):
        assert int8.extractor_id != LITE0.extractor_id
        other = DataLocation("memory", "other")
        write_bytes(other, LITE0.calibration_of(crops[:4]))
        assert LITE0.at_int8(other).extractor_id != int8.extractor_id

    def test_of_float32_is_what_it_was(self):
        assert LITE0.extractor_id == "89da984659dd1b4dd660d5a5d794de487dea9998"
        assert "precision" not in LITE0.serialize()

    def test_travels_in_messages(self, int8):
        arrived = FeatureExtractor.deserialize(json.loads(json.dumps(int8.serialize())))
        assert arrived == int8
        assert arrived.precision == "int8"
        assert arrived.extractor_id == int8.extractor_id
        assert arrived.at_fp32() == LITE0


class TestRefusals:
    def test_of_an_unknown_precision(self):
        with pytest.raises(MessageError, match="must be fp32 or int8, and is int4"):
            EfficientNetLite0Extractor(precision="int4")

    @pytest.mark.parametrize(("precision", "locations"), [("int8", {}), ("fp32", {"calibration": CALIBRATION})])
    def test_of_a_calibration_too_few_or_too_many(self, precision, locations):
        with pytest.raises(MessageError, match="takes the file calibration, in data_locations, at the precision int8"):
            EfficientNetLite0Extractor(locations, precision=precision)

    def test_of_files_that_it_has_no_use_for(self):
        with pytest.raises(MessageError, match="the files weights and calibration in data_locations, and no weight"):
            EfficientNetLite0Extractor({"weight": CALIBRATION})

    def test_of_dense_features(self):
        with pytest.raises(MessageError, match="must be fp32, and is int8"):
            DenseLite0Extractor().at_int8(CALIBRATION)

    def test_of_the_calibration_of_another_network(self, int8):
        with pytest.raises(WeightsError, match="calibration: this calibration is of the extractor"):
            EfficientNetLite2Extractor().at_int8(CALIBRATION).prepare()

    @pytest.mark.parametrize(
        ("damage", "why"),
        [
            (lambda c: c["tensors"].pop("Conv_8"), "lacks the tensor Conv_8"),
            (lambda c: c["tensors"]["Conv_8"].update(means=[0.0]), "has 1 channels of the tensor Conv_8"),
            (lambda c: c["tensors"]["Conv_8"].update(high=float("inf")), "holds no calibration"),
            (lambda c: c["tensors"]["Conv_8"].update(low=1.0), "holds no calibration"),
            (lambda c: c.update(nodes=[]), "holds no calibration"),
            (lambda c: c["tensors"].update({"\x1b\nA": 1}), r"holds no calibration: tensors\.\\x1b A: Input should"),
        ],
    )
    def test_of_a_calibration_that_does_not_fit(self, calibration, damage, why):
        changed = json.loads(calibration)
        damage(changed)
        write_bytes(CALIBRATION, json.dumps(changed).encode())
        with pytest.raises(WeightsError, match=why):
            LITE0.at_int8(CALIBRATION).prepare()

    def test_where_onnx_runtime_may_not_be_used(self, int8):
        with override(use_onnx=False), pytest.raises(ConfigError, match="Only ONNX Runtime computes"):
            int8.prepare()

    def test_of_crops_of_floats(self, int8):
        with pytest.raises(SpacerInputError, match="pixels of eight bits"):
            int8.patches_to_features([np.zeros((224, 224, 3), np.float32)])
