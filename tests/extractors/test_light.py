"""An extractor that is only described, compared and sent costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"numpy", "PIL", "torch", "torchvision", "onnxruntime", "onnx", "efficientnet_pytorch"}


def loaded_after(code: str) -> set[str]:
    code += "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout)) & HEAVY


@pytest.mark.parametrize(
    "made",
    [
        "EfficientNetExtractor(data_locations={'weights': where})",
        "EfficientNetLite0Extractor()",
        "EfficientNetLite2Extractor()",
        "DenseLite0Extractor()",
        "VGG16CaffeExtractor(data_locations={'definition': where, 'weights': where}, data_hashes={'weights': 'ab'})",
        "DummyExtractor(feature_dim=7)",
        "BandStatisticsExtractor(bands=6)",
        "RandomFeaturesExtractor(seed=3)",
        "ResNet50Extractor(data_locations={'weights': where})",
    ],
)
def test_making_comparing_and_serialising_loads_nothing_heavy(made):
    code = f"""
from spacer_like.data_classes import DataLocation
from spacer_like.extractors import *
where = DataLocation('s3', 'weights.pt', 'bucket')
extractor, other = {made}, {made}
assert extractor == other and hash(extractor) == hash(other) and str(extractor) == repr(other)
assert FeatureExtractor.deserialize(extractor.serialize()) == extractor
assert extractor.feature_dim > 0
"""
    assert loaded_after(code) == set()
