"""Our extractors pass the suite that is shipped."""

import pytest

from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.extractors import EfficientNetExtractor, EfficientNetLite0Extractor
from spacer_like.extractors.networks import network_cache
from spacer_like.extractors.onnx_conversion import natural_patches
from spacer_like.storage import write_bytes
from spacer_like.testing.extractor import ExtractorContract
from spacer_like.testing.extractors import MeanColour


@pytest.fixture(autouse=True, scope="module")
def own_caches(tmp_path_factory):
    """One folder of models for the suite: networks are made once, and gone afterwards."""
    network_cache.clear()
    folders = {name: str(tmp_path_factory.mktemp(name)) for name in ("onnx_cache_dir", "extractors_cache_dir")}
    with override(**folders, device="cpu", torch_threads=1):
        yield
    network_cache.clear()


@pytest.fixture(scope="module")
def b0_location(b0_weights, tmp_path_factory):
    location = DataLocation("filesystem", str(tmp_path_factory.mktemp("b0") / "b0.pt"))
    write_bytes(location, b0_weights)
    return location


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    location = DataLocation.local(tmp_path_factory.mktemp("int8") / "calibration.json")
    write_bytes(location, EfficientNetLite0Extractor().calibration_of(natural_patches(2, 224)))
    return location


class TestLite0(ExtractorContract):
    @pytest.fixture
    def extractor(self):
        return EfficientNetLite0Extractor()


class TestLite0AtInt8(ExtractorContract):
    @pytest.fixture
    def extractor(self, calibration):
        return EfficientNetLite0Extractor().at_int8(calibration)


class TestEfficientNet(ExtractorContract):
    @pytest.fixture
    def extractor(self, b0_location):
        return EfficientNetExtractor({"weights": b0_location})


class TestMeanColour(ExtractorContract):
    @pytest.fixture(autouse=True)
    def _is_allowed(self):
        with override(allowed_class_prefixes=("spacer_like.testing",)):
            yield

    @pytest.fixture
    def extractor(self):
        return MeanColour()
