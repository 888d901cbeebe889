"""Our extractors pass the suite that is shipped."""

import pytest

from spacer_like.config import override
from spacer_like.extractors import EfficientNetExtractor, EfficientNetLite0Extractor
from spacer_like.testing.extractor import ExtractorContract
from spacer_like.testing.extractors import MeanColour


class TestLite0(ExtractorContract):
    @pytest.fixture
    def extractor(self):
        return EfficientNetLite0Extractor()


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
