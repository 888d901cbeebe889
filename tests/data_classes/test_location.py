"""Paths of persons become locations; keys of strangers keep their guard."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from spacer_like import storage
from spacer_like.data_classes import DataLocation, ImageLabels
from spacer_like.exceptions import InvalidKeyError, MessageError
from spacer_like.messages import (
    BucketizeScoresMsg,
    CheckCollectionMsg,
    ExtractFeaturesMsg,
    TrainMultilabelMsg,
)


class TestLocal:
    @pytest.fixture(autouse=True)
    def folders(self, tmp_path, monkeypatch):
        """home, work/deep, link -> work/deep; the working folder is work."""
        (tmp_path / "home").mkdir()
        (tmp_path / "work" / "deep").mkdir(parents=True)
        (tmp_path / "link").symlink_to("work/deep")
        monkeypatch.chdir(tmp_path / "work")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        self.root = tmp_path

    @pytest.mark.parametrize(
        ("path", "key"),
        [
            ("x.jpg", "work/x.jpg"),
            ("./x.jpg", "work/x.jpg"),
            (".", "work"),
            ("..", ""),
            ("../photos/x.jpg", "photos/x.jpg"),
            ("deep/../../x.jpg", "x.jpg"),
            ("~/x.jpg", "home/x.jpg"),
            ("~", "home"),
            ("~/../x.jpg", "x.jpg"),
            ("deep//x.jpg", "work/deep/x.jpg"),
            ("not/there/../x.jpg", "work/not/x.jpg"),
            ("x..jpg", "work/x..jpg"),
            ("...", "work/..."),
            (Path("../x.jpg"), "x.jpg"),
            (Path("~/x.jpg"), "home/x.jpg"),
        ],
    )
    def test_is_absolute_and_normal(self, path, key):
        assert DataLocation.local(path) == DataLocation("filesystem", str(self.root / key).rstrip("/"))

    def test_leads_behind_a_link_where_the_system_leads(self):
        (self.root / "work" / "x.jpg").write_bytes(b"the system's")
        (self.root / "x.jpg").write_bytes(b"by text alone")
        found = DataLocation.local("../link/../x.jpg")
        assert storage.read_bytes(found) == Path("../link/../x.jpg").read_bytes() == b"the system's"

    def test_keeps_the_names_of_links_that_nothing_climbs_out_of(self):
        assert DataLocation.local("../link/x.jpg").key == str(self.root / "link" / "x.jpg")

    @pytest.mark.parametrize(
        ("path", "sentence"), [("", "An empty text names no file"), (3, "must be a text or a path")]
    )
    def test_needs_a_path(self, path, sentence):
        with pytest.raises(MessageError, match=sentence):
            DataLocation.local(path)

    def test_leaves_the_guard_of_keys_as_it_is(self):
        for location in (DataLocation("filesystem", "../x.jpg"), DataLocation.from_uri("file:///a/../x.jpg")):
            with pytest.raises(InvalidKeyError, match=r"'\.\.' among its parts"):
                storage.read_bytes(location)


class TestFileUri:
    @pytest.mark.parametrize(
        ("uri", "key"),
        [
            ("file:///a/b%20c.jpg", "/a/b c.jpg"),
            ("FILE://localhost/a", "/a"),
            ("file://~/a", "~/a"),
            ("file://./a", "./a"),
            ("file://../a", "../a"),
        ],
    )
    def test_names_a_path(self, uri, key):
        assert DataLocation.from_uri(uri) == DataLocation("filesystem", key)

    def test_of_another_host_is_refused(self):
        with pytest.raises(MessageError, match=r"names the host 'photos': a file of this machine is written file:///"):
            DataLocation.from_uri("file://photos/x.jpg")


class TestWhatPythonUsersHave:
    def test_a_path_is_a_key(self):
        location = DataLocation("filesystem", Path("photos") / "x.jpg")
        assert location == DataLocation("filesystem", "photos/x.jpg")
        assert (location.filename, json.loads(location.json_text)["key"]) == ("x.jpg", "photos/x.jpg")
        assert DataLocation.deserialize({"storage_type": "filesystem", "key": Path("a")}).key == "a"

    @pytest.mark.parametrize("key", [None, 3, b"a", ["a"]])
    def test_nothing_else_is_a_key(self, key):
        with pytest.raises(MessageError, match="must be a text or a path, and is"):
            DataLocation("memory", key)

    def test_a_path_in_a_message_is_a_key(self):
        fields = ExtractFeaturesMsg.example().serialize()
        for image in (
            DataLocation("filesystem", Path("a.jpg")),
            {"storage_type": "filesystem", "key": Path("a.jpg"), "bucket_name": None},
        ):
            message = ExtractFeaturesMsg(**fields | {"image_loc": image})
            assert message.image_loc == DataLocation("filesystem", "a.jpg")
            json.dumps(message.serialize())

    @pytest.mark.parametrize(
        "rowcols",
        [
            np.array([[1, 2], [3, 4]]),
            np.array([[1, 2], [3, 4]], np.uint16),
            [(np.int64(1), np.int32(2)), (3, np.uint8(4))],
            list(np.array([[1, 2], [3, 4]])),
            [np.array([1, 2]), (3, 4)],
        ],
    )
    def test_numpy_integers_are_positions(self, rowcols):
        message = ExtractFeaturesMsg(**ExtractFeaturesMsg.example().serialize() | {"rowcols": rowcols})
        assert message.rowcols == [(1, 2), (3, 4)]
        assert {type(number) for position in message.rowcols for number in position} == {int}
        json.dumps(message.serialize())

    @pytest.mark.parametrize(
        "rowcols",
        [
            [(1.0, 2)], [(True, 2)], [(np.float64(1), 2)], [(np.bool_(True), 2)], np.array([[1.0, 2.0]]),
            np.array([[True, False]]), np.array([1, 2]), np.array([["1", "2"]]),
        ],
    )  # fmt: skip
    def test_other_numbers_are_none(self, rowcols):
        with pytest.raises(MessageError, match=r"ExtractFeaturesMsg does not validate: rowcols\.0"):
            ExtractFeaturesMsg(**ExtractFeaturesMsg.example().serialize() | {"rowcols": rowcols})

    def test_numpy_integers_are_sizes_seeds_layers_and_shares(self):
        values = {"size": np.int64(64), "seed": np.uint32(7), "sample_size": np.int16(9), "threshold": np.float32(0.5)}
        message = CheckCollectionMsg(collection_id="a", images_loc=DataLocation("memory", "a/"), **values)
        assert (message.size, message.seed, message.sample_size, message.threshold) == (64, 7, 9, 0.5)
        layers = TrainMultilabelMsg(**TrainMultilabelMsg.example().serialize() | {"layers": np.array([8, 4])}).layers
        probabilities = np.linspace(0, 1, 3)
        edges = BucketizeScoresMsg(**BucketizeScoresMsg.example().serialize() | {"probabilities": probabilities})
        assert (layers, edges.probabilities) == ([8, 4], [0, 0.5, 1])
        json.dumps([message.serialize(), edges.serialize()])

    def test_numpy_integers_are_labels_and_their_positions(self):
        location = DataLocation("memory", "a")
        for annotations in ([(np.int64(1), 2, np.int64(7))], np.array([[1, 2, 7]])):
            labels = ImageLabels({location: annotations})
            assert labels.serialize() == {location.json_text: [(1, 2, 7)]}
            assert ImageLabels.deserialize(json.loads(json.dumps(labels.serialize()))) == labels

    def test_a_message_with_a_key_of_pythons_own_is_refused_as_any_other(self):
        with pytest.raises(MessageError, match="self: there is no such field"):
            ExtractFeaturesMsg.deserialize(ExtractFeaturesMsg.example().serialize() | {"self": 1})


def test_the_home_folder_is_not_asked_for_where_it_is_not_named(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    assert DataLocation.local("x").key == os.path.abspath("x")
