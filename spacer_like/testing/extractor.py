"""The contract suite of extractors.

>>> class TestMine(ExtractorContract):
...     @pytest.fixture
...     def extractor(self):
...         return MyExtractor()
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from spacer_like.data_classes import ImageFeatures
from spacer_like.exceptions import RowColumnInvalidError
from spacer_like.extractors.base import FeatureExtractor
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg
from spacer_like.storage import delete, write_bytes
from spacer_like.tasks import extract_features

POINTS = [(60, 80), (0, 0), (119, 159), (60, 80), (5, 150)]


class ExtractorContract:
    """Subclass it, and give by the fixture `extractor` an extractor whose files are there."""

    tolerance = 1e-4
    """How far numbers may differ of the same crop in another batch, as a share of the greatest."""

    @pytest.fixture
    def extractor(self) -> FeatureExtractor:
        """The extractor."""
        raise NotImplementedError("give an extractor")

    @pytest.fixture
    def pixels(self) -> Any:
        """An image of 120 x 160 pixels whose parts differ, uint8 [height, width, 3]."""
        import numpy as np

        noise = np.random.default_rng(3).integers(0, 80, (120, 160, 3))
        return (noise + np.linspace(0, 170, 160)[None, :, None].astype(int)).astype(np.uint8)

    def test_it_travels_in_json(self, extractor):
        copy = FeatureExtractor.deserialize(json.loads(json.dumps(extractor.serialize())))
        assert type(copy) is type(extractor)
        assert copy == extractor
        assert hash(copy) == hash(extractor)
        assert copy.feature_dim == extractor.feature_dim
        assert copy.data_locations == extractor.data_locations

    def test_its_id_is_that_of_its_copy(self, extractor):
        copy = FeatureExtractor.deserialize(extractor.serialize())
        assert copy.extractor_id == extractor.extractor_id
        assert len(extractor.extractor_id) == 40

    def test_it_gives_a_vector_for_each_point_in_their_order(self, extractor, pixels):
        import numpy as np

        features, *_ = extractor(pixels, POINTS)
        assert isinstance(features, ImageFeatures)
        assert features.rowcols == POINTS
        assert features.features.shape == (len(POINTS), extractor.feature_dim)
        assert np.isfinite(features.features).all()
        assert (features.features[0] == features.features[3]).all()

    def test_it_looks_at_the_image(self, extractor, pixels):
        one, *_ = extractor(pixels, POINTS)
        other, *_ = extractor(255 - pixels, POINTS)
        assert one.features.tolist() != other.features.tolist()
        assert one.features[1].tolist() != one.features[2].tolist()

    def test_its_features_bear_its_id(self, extractor, pixels):
        features, *_ = extractor(pixels, POINTS)
        assert features.extractor_id == extractor.extractor_id

    def test_the_same_image_gives_the_same_bytes(self, extractor, pixels):
        from PIL import Image

        first, again, of_image = (extractor(one, POINTS)[0] for one in (pixels, pixels, Image.fromarray(pixels)))
        assert first.to_bytes() == again.to_bytes() == of_image.to_bytes()

    def test_it_does_not_change_the_image(self, extractor, pixels):
        before = pixels.copy()
        extractor(pixels, POINTS)
        assert (pixels == before).all()

    def test_other_points_do_not_change_a_vector(self, extractor, pixels):
        import numpy as np

        together, *_ = extractor(pixels, POINTS)
        alone, *_ = extractor(pixels, POINTS[2:3])
        differences = np.abs(together.features[2] - alone.features[0])
        assert differences.max() <= self.tolerance * np.abs(together.features).max()

    def test_what_is_begun_gives_what_a_call_gives(self, extractor, pixels):
        begun = extractor.begin(pixels, POINTS)
        assert begun()[0] == extractor(pixels, POINTS)[0]

    @pytest.mark.parametrize("points", [[], [(120, 0)], [(0, 160)], [(-1, 0)]], ids=str)
    def test_it_refuses_points_that_are_none(self, extractor, pixels, points):
        with pytest.raises(RowColumnInvalidError):
            extractor(pixels, points)

    def test_a_message_carries_it_to_its_task(self, extractor, pixels):
        from PIL import Image

        image, stored = (DataLocation("memory", f"extractor contract/{name}") for name in ("image.png", "features"))
        stream = BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        write_bytes(image, stream.getvalue())
        try:
            message = ExtractFeaturesMsg("1", extractor, POINTS, image, stored)
            extract_features(ExtractFeaturesMsg.deserialize(json.loads(json.dumps(message.serialize()))))
            assert ImageFeatures.load(stored).features.tolist() == extractor(pixels, POINTS)[0].features.tolist()
        finally:
            delete(image)
            delete(stored)
