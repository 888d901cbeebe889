"""EfficientNet-Lite0 over whole photographs: what it gives at points, and what it refuses."""

import numpy as np
import pytest

from spacer_like import config
from spacer_like.exceptions import RowColumnInvalidError, SpacerInputError
from spacer_like.extractors import EfficientNetLite0Extractor
from spacer_like.extractors.dense import DenseLite0Extractor
from spacer_like.extractors.named import extractor_named
from spacer_like.extractors.onnx_conversion import natural_patches

PHOTO = natural_patches(1, 320)[0]
POINTS = [(0, 0), (100, 200), (319, 160)]


@pytest.fixture(scope="module")
def both():
    """The features of all points, and those of one."""
    extractor = DenseLite0Extractor()
    return extractor(PHOTO, POINTS).features, extractor(PHOTO, POINTS[1:2]).features


@pytest.fixture
def features(both):
    return both[0]


def test_features_have_their_own_id(features):
    assert features.features.shape == (3, 1280)
    assert features.rowcols == POINTS
    assert features.extractor_id == extractor_named("lite0-dense").extractor_id
    assert features.extractor_id != EfficientNetLite0Extractor().extractor_id


def test_a_point_alone_has_the_same_feature(both):
    features, alone = both
    np.testing.assert_array_equal(alone.features[0], features.features[1])


def test_torch_gives_the_same(features):
    with config.override(use_onnx=False):
        other = DenseLite0Extractor()(PHOTO, POINTS).features.features
    np.testing.assert_allclose(other, features.features, atol=1e-4 * features.features.max())


def test_squares_without_a_photograph_are_refused():
    with pytest.raises(SpacerInputError, match="takes no single squares: take lite0"):
        DenseLite0Extractor().patches_to_features([PHOTO[:224, :224]])


def test_a_photograph_needs_points():
    with pytest.raises(RowColumnInvalidError, match="at least one point"):
        DenseLite0Extractor()(PHOTO, [])
