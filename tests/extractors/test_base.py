"""What every extractor promises: its files, their hashes, its description, and what users may override."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spacer_like.config import override
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import (
    ConfigError,
    DataNotFoundError,
    HashMismatchError,
    MessageError,
    RowColumnInvalidError,
)
from spacer_like.extractors import (
    DummyExtractor,
    EfficientNetExtractor,
    EfficientNetLite0Extractor,
    FeatureExtractor,
    VGG16CaffeExtractor,
)
from spacer_like.registry import register
from spacer_like.storage import write_bytes


@register
class MeanColour(FeatureExtractor):
    """What a user writes: three numbers for each crop."""

    DATA_LOCATION_KEYS = ["palette"]  # noqa: RUF012
    CROP_SIZE = 20

    @property
    def feature_dim(self) -> int:
        return 3

    def patches_to_features(self, patch_list: Sequence[np.ndarray]) -> tuple[list[list[float]], bool]:
        _, loaded_remotely = self.load_datastream("palette")
        return [patch.mean((0, 1)).tolist() for patch in patch_list], loaded_remotely


@pytest.fixture
def palette() -> DataLocation:
    location = DataLocation("memory", "palette.bin")
    write_bytes(location, b"colours")
    return location


COLOURS_SHA256 = hashlib.sha256(b"colours").hexdigest()


class TestAUsersExtractor:
    def test_gives_a_vector_for_each_point(self, palette, photo):
        features, message = MeanColour({"palette": palette})(im=Image.fromarray(photo), rowcols=[(50, 60), (0, 0)])
        assert features.rowcols == [(50, 60), (0, 0)]
        assert features[50, 60] == pytest.approx(photo[40:60, 50:70].mean((0, 1)))
        assert features.feature_dim == 3
        assert message.extractor_loaded_remotely is False
        assert 0 < message.runtime < 60

    def test_accepts_pixels_that_are_decoded_already(self, palette, photo):
        extractor = MeanColour({"palette": palette})
        from_image, _ = extractor(Image.fromarray(photo), [(50, 60)])
        from_pixels, _ = extractor(photo, [(50, 60)])
        assert from_image == from_pixels

    def test_travels_in_json(self, palette):
        extractor = MeanColour({"palette": palette}, {"palette": COLOURS_SHA256})
        copy = FeatureExtractor.deserialize(json.loads(json.dumps(extractor.serialize())))
        assert copy == extractor
        assert type(copy) is MeanColour
        assert copy.data_locations["palette"] == palette

    def test_marks_the_features_with_its_id(self, palette, photo):
        extractor = MeanColour({"palette": palette})
        features, _ = extractor(photo, [(50, 60)])
        assert features.extractor_id == extractor.extractor_id

    def test_needs_its_locations(self):
        with pytest.raises(ValueError, match="palette must be present in data_locations for MeanColour"):
            MeanColour({})

    @pytest.mark.parametrize("missing", ["definition", "weights"])
    def test_needs_every_one_of_its_locations(self, missing):
        locations = {key: DataLocation("memory", key) for key in ("definition", "weights")}
        del locations[missing]
        with pytest.raises(ValueError, match=f"{missing} must be present in data_locations for VGG16CaffeExtractor"):
            VGG16CaffeExtractor(locations)

    def test_needs_a_point(self, palette, photo):
        with pytest.raises(RowColumnInvalidError, match="at least one point"):
            MeanColour({"palette": palette})(photo, [])

    def test_is_begun_when_its_answer_is_asked_for(self, palette, photo):
        extractor, rowcols = MeanColour({"palette": palette}), [(50, 60), (0, 0)]
        assert extractor.begin(photo, rowcols)()[0] == extractor(photo, rowcols)[0]

    def test_with_a_call_of_its_own_is_asked_by_that(self, photo):
        class Constant(DummyExtractor):
            def __call__(self, im, rowcols):
                return "my own answer"

        assert Constant().begin(photo, [(5, 5)])() == "my own answer"


class TestTheDescription:
    def test_has_pyspacers_layout(self):
        location = DataLocation("s3", "b0.pt", "weights")
        extractor = EfficientNetExtractor(data_locations={"weights": location}, data_hashes={"weights": "abc"})
        assert extractor.serialize() == {
            "class_path": "spacer_like.extractors.efficientnet.EfficientNetExtractor",
            "data_locations": {"weights": {"storage_type": "s3", "key": "b0.pt", "bucket_name": "weights"}},
            "data_hashes": {"weights": "abc"},
        }

    @pytest.mark.parametrize("prefix", ["spacer", "spacer_like"])
    @pytest.mark.parametrize("module", ["extractors", "extractors.efficientnet"])
    def test_is_known_by_old_and_new_paths(self, prefix, module):
        data = EfficientNetExtractor({"weights": DataLocation.example()}).serialize()
        data["class_path"] = f"{prefix}.{module}.EfficientNetExtractor"
        assert isinstance(FeatureExtractor.deserialize(data), EfficientNetExtractor)

    def test_names_only_extractors(self):
        with pytest.raises(MessageError, match="unknown"):
            FeatureExtractor.deserialize({"class_path": "collections.OrderedDict", "data_locations": {}})

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"data_locations": []}, "weights must be present in data_locations"),
            ({"data_locations": {}}, "weights must be present in data_locations"),
            ({"data_locations": {"weights": 3}}, "A location consists of storage_type, key and bucket_name"),
            (
                {"data_locations": {"weights": DataLocation.example().serialize()}, "data_hashes": {"weights": 3}},
                "data_hashes must be texts",
            ),
            (
                {"data_locations": {"weights": DataLocation.example().serialize()}, "surprise": 1},
                "does not accept the argument 'surprise'",
            ),
        ],
    )
    def test_with_arguments_of_another_kind_is_refused(self, arguments, sentence):
        with pytest.raises(MessageError, match=sentence):
            FeatureExtractor.deserialize({"class_path": "spacer_like.extractors.EfficientNetExtractor", **arguments})

    def test_differs_where_locations_hashes_or_classes_differ(self):
        here, there = DataLocation("memory", "a"), DataLocation("memory", "b")
        extractors = [
            EfficientNetExtractor({"weights": here}),
            EfficientNetExtractor({"weights": there}),
            EfficientNetExtractor({"weights": here}, {"weights": "abc"}),
            VGG16CaffeExtractor({"weights": here, "definition": there}),
            EfficientNetLite0Extractor(),
            DummyExtractor(),
            DummyExtractor(feature_dim=5),
        ]
        assert len(set(extractors)) == len(extractors)
        assert extractors[0] != "no extractor"


class TestFiles:
    @pytest.mark.parametrize("storage_type", ["memory", "filesystem"])
    def test_are_read_as_a_stream_at_its_start(self, tmp_path, storage_type):
        location = DataLocation(storage_type, str(tmp_path / "palette.bin"))
        write_bytes(location, b"colours")
        stream, loaded_remotely = MeanColour({"palette": location}).load_datastream("palette")
        assert stream.read() == b"colours"
        assert loaded_remotely is False

    def test_of_the_filesystem_stay_where_they_are(self, tmp_path):
        location = DataLocation("filesystem", str(tmp_path / "palette.bin"))
        write_bytes(location, b"colours")
        assert MeanColour({"palette": location}).load_data_into_filesystem("palette") == (location.key, False)

    def test_of_the_memory_are_copied_into_the_cache(self, palette):
        extractor = MeanColour({"palette": palette})
        path, loaded_remotely = extractor.load_data_into_filesystem("palette")
        assert Path(path).read_bytes() == b"colours"
        assert path == str(extractor.data_filepath_for_cache("palette"))
        assert loaded_remotely is False

    def test_need_a_cache_folder_for_that(self, palette):
        with (
            override(extractors_cache_dir=None),
            pytest.raises(ConfigError, match="Must define EXTRACTORS_CACHE_DIR to load extractor files"),
        ):
            MeanColour({"palette": palette}).load_data_into_filesystem("palette")

    @pytest.mark.parametrize("load", ["load_datastream", "load_data_into_filesystem"])
    @pytest.mark.parametrize("storage_type", ["memory", "filesystem"])
    def test_that_are_missing_are_named(self, tmp_path, storage_type, load):
        extractor = MeanColour({"palette": DataLocation(storage_type, str(tmp_path / "nowhere.bin"))})
        with pytest.raises(DataNotFoundError, match=r"nowhere\.bin"):
            getattr(extractor, load)("palette")

    @pytest.mark.parametrize("load", ["load_datastream", "load_data_into_filesystem"])
    @pytest.mark.parametrize("storage_type", ["memory", "filesystem"])
    def test_must_have_the_announced_hash(self, tmp_path, storage_type, load):
        location = DataLocation(storage_type, str(tmp_path / "palette.bin"))
        write_bytes(location, b"colours")
        getattr(MeanColour({"palette": location}, {"palette": COLOURS_SHA256.upper()}), load)("palette")
        with pytest.raises(HashMismatchError) as caught:
            getattr(MeanColour({"palette": location}, {"palette": "0" * 64}), load)("palette")
        assert str(caught.value) == "Hash doesn't match for extractor's 'palette' file/blob."

    def test_that_change_are_hashed_again(self, tmp_path):
        location = DataLocation("filesystem", str(tmp_path / "palette.bin"))
        write_bytes(location, b"colours")
        extractor = MeanColour({"palette": location}, {"palette": COLOURS_SHA256})
        extractor.load_data_into_filesystem("palette")
        write_bytes(location, b"flavour")
        with pytest.raises(HashMismatchError):
            extractor.load_data_into_filesystem("palette")


class TestTheId:
    def test_is_that_of_the_contents_not_of_the_place(self, palette):
        other_place = DataLocation("memory", "other.bin")
        write_bytes(other_place, b"colours")
        ids = {
            MeanColour({"palette": palette}).extractor_id,
            MeanColour({"palette": other_place}).extractor_id,
            MeanColour({"palette": palette}, {"palette": COLOURS_SHA256}).extractor_id,
        }
        assert len(ids) == 1

    def test_differs_with_the_contents(self, palette):
        other_place = DataLocation("memory", "other.bin")
        write_bytes(other_place, b"flavour")
        assert MeanColour({"palette": palette}).extractor_id != MeanColour({"palette": other_place}).extractor_id

    def test_does_not_depend_on_the_order_in_which_hashes_are_given(self):
        nowhere = dict.fromkeys(("definition", "weights"), DataLocation("memory", "nowhere"))
        hashes = {"definition": "1" * 64, "weights": "2" * 64}
        backwards = dict(reversed(hashes.items()))
        given = VGG16CaffeExtractor(data_locations=nowhere, data_hashes=hashes).extractor_id
        assert VGG16CaffeExtractor(data_locations=nowhere, data_hashes=backwards).extractor_id == given

    def test_of_an_announced_hash_needs_no_file(self):
        extractor = MeanColour({"palette": DataLocation("memory", "nowhere")}, {"palette": COLOURS_SHA256})
        assert len(extractor.extractor_id) == 40


class TestTheDummy:
    def test_gives_vectors_of_any_length_without_looking_at_the_image(self):
        features, message = DummyExtractor(feature_dim=12)(None, [(3, 4), (5, 6)])
        assert features.features.shape == (2, 12)
        assert features.rowcols == [(3, 4), (5, 6)]
        assert message.extractor_loaded_remotely is False
        assert message.runtime < 1

    def test_gives_the_same_points_the_same_vectors_and_others_other_ones(self):
        one, again, other = (DummyExtractor(feature_dim=3)(None, [point])[0] for point in [(1, 2), (1, 2), (2, 1)])
        assert one == again
        assert one.features.tolist() != other.features.tolist()

    def test_travels_with_its_length(self):
        assert FeatureExtractor.deserialize(DummyExtractor(feature_dim=12).serialize()).feature_dim == 12

    @pytest.mark.parametrize("length", [0, -1, "12", 1.5, True])
    def test_refuses_a_length_that_is_none(self, length):
        with pytest.raises(MessageError, match="feature_dim"):
            DummyExtractor(feature_dim=length)
