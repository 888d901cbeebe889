"""Damaged files as people have reported them: each is a sentence that names it, and never worth a retry."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from spacer_like.cli.app import main
from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.exceptions import (
    ArchiveError,
    CollectionError,
    DataLimitError,
    FeatureFileError,
    ImageError,
    TransientError,
    WeightsError,
    damage_as,
    reason_of,
    sentence_of,
)
from spacer_like.extractors import VGG16CaffeExtractor
from spacer_like.extractors.caffe_weights import read_caffemodel
from spacer_like.images.decode import load_image, to_rgb_array
from spacer_like.mailman import ExitCode, process_job
from spacer_like.messages import ExtractFeaturesMsg, JobMsg
from spacer_like.rarity.messages import PreparationMsg
from spacer_like.rarity.tasks.collections import open_collection
from spacer_like.tables.array_file import from_npz

from .rows import ids, picture

DAMAGED = Path(__file__).parents[1] / "data" / "damaged"


def at(name: str) -> DataLocation:
    return DataLocation("filesystem", str(DAMAGED / name))


@pytest.mark.parametrize("name", ["damaged_1.features", "damaged_2.features", "damaged_3.features"])
def test_features_are_named(name):
    with pytest.raises(FeatureFileError, match=rf"{name}: .+\.$"):
        ImageFeatures.load(at(name))


@pytest.mark.parametrize("name", ["damaged_1.zip", "damaged_2.zip", "damaged_stack.npz"])
def test_collections_are_named(tmp_path, name):
    shutil.copy(DAMAGED / name, tmp_path)
    (tmp_path / "ids.npz").write_bytes(ids())
    with (
        pytest.raises((ArchiveError, CollectionError), match=name),
        open_collection(DataLocation("filesystem", str(tmp_path / name)), PreparationMsg(size=4)) as collection,
    ):
        list(collection.batches())


def test_weights_are_named():
    with pytest.raises(WeightsError, match=r"reef\.caffemodel: .+\.$"):
        read_caffemodel((DAMAGED / "damaged.caffemodel").read_bytes(), {"conv1_1"}, "reef.caffemodel")


def test_weights_of_an_extractor_are_named_by_their_place(tmp_path):
    (tmp_path / "vgg.prototxt").write_text("layer { name: 'data")
    extractor = VGG16CaffeExtractor(
        {"definition": DataLocation("filesystem", str(tmp_path / "vgg.prototxt")), "weights": at("damaged.caffemodel")}
    )
    with pytest.raises(WeightsError, match=r"vgg\.prototxt"):
        extractor.build_module()


class TestAnImageThatItsDecoderHasNoMemoryFor:
    def test_is_an_image_error_with_a_reason(self):
        with pytest.raises(ImageError, match=r"wide\.png.*memory.*\.$") as caught:
            to_rgb_array(load_image(at("wide.png")))
        assert not isinstance(caught.value, TransientError)

    def test_is_a_permanent_failure_of_a_job(self, tmp_path):
        message = ExtractFeaturesMsg(
            job_token="wide",
            extractor={"class_path": "spacer_like.extractors.DummyExtractor"},
            rowcols=[(0, 0)],
            image_loc=at("wide.png"),
            feature_loc=DataLocation("filesystem", str(tmp_path / "wide.features")),
        )
        answer = process_job(JobMsg(task_name="extract_features", tasks=[message, message]))
        assert [(one.status, one.transient) for one in answer.outcomes] == [("failed", False)] * 2

    def test_is_one_unreadable_image_of_a_collection(self, tmp_path):
        shutil.copy(DAMAGED / "wide.png", tmp_path / "1.png")
        (tmp_path / "2.png").write_bytes(picture("PNG"))
        with open_collection(DataLocation("filesystem", f"{tmp_path}/"), PreparationMsg(size=4)) as collection:
            assert [tokens for tokens, _ in collection.batches()] == [["2"]]
            (unreadable,) = collection.unreadable
        assert unreadable.name == "1.png"
        assert "memory" in unreadable.reason


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_no_feature_file():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("feat.npy", bytes(2**26 + 1))
    with pytest.raises(DataLimitError, match=r"reef: The feature file would unpack to"):
        ImageFeatures.from_bytes(stream.getvalue(), "reef")


class TestASentence:
    def test_is_what_the_class_means_where_an_error_says_nothing(self):
        assert sentence_of(MemoryError()) == "MemoryError: Out of memory."
        assert sentence_of(ValueError(" \n")) == "ValueError: Inappropriate argument value (of correct type)."
        assert str(FeatureFileError()) == "A feature file that is empty or malformed."
        assert reason_of(OSError()) == "OSError: Base class for I/O related errors"

    def test_of_the_command_line_is_never_empty(self, monkeypatch, capsys):
        def fails(*_: object, **__: object) -> None:
            raise MemoryError

        monkeypatch.setattr("spacer_like.cli.options.required", fails)
        assert main(["train", "labels.csv", "--features", "f", "--model", "m.pkl"]) == ExitCode.TRANSIENT_FAILURE
        assert "Unexpected MemoryError: Out of memory. Run with --debug" in capsys.readouterr().err

    def test_has_no_letters_that_terminals_obey(self):
        assert str(ImageError("'\x1b[2J\u202egpj.\udce9' is\nno image.")) == r"'\x1b[2J\u202egpj.\udce9' is no image."
        assert str(ImageError("'récif 礁.jpg' is no image.")) == "'récif 礁.jpg' is no image."

    def test_of_a_reader_names_the_file_once(self):
        with pytest.raises(FeatureFileError, match=r"^reef: no numbers\.$"), damage_as(FeatureFileError, "reef", "bad"):
            raise FeatureFileError("no numbers.")
        with pytest.raises(FeatureFileError, match=r"^reef is bad\.$"), damage_as(FeatureFileError, "reef", "bad"):
            raise FeatureFileError("reef is bad.")
        with (
            pytest.raises(FeatureFileError, match=r"^reef: bad: it refers to something that it does not hold\.$"),
            damage_as(FeatureFileError, "reef", "bad"),
        ):
            raise KeyError(3)

    def test_of_another_matter_than_the_file_passes_a_reader(self):
        with pytest.raises(TransientError, match=r"^busy$"), damage_as(FeatureFileError, "reef", "bad"):
            raise TransientError("busy")


class TestABomb:
    """A small file that would unpack to a gigabyte is refused before it is."""

    def test_of_weights(self):
        # Torch takes seconds to import.
        from spacer_like.extractors.torch_weights import read_state_dict

        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02}.")
            archive.writestr("archive/data/0", bytes(2**27))
        with pytest.raises(DataLimitError, match=r"'bomb\.pth' has \d+ bytes and would unpack to 134217732"):
            read_state_dict(stream, "bomb.pth")

    def test_of_an_array(self):
        stream = io.BytesIO()
        np.savez_compressed(stream, np.zeros(2**28 // 8))
        with pytest.raises(DataLimitError, match=r"The array in 'bomb\.npz' would take"):
            from_npz(stream.getvalue(), "bomb.npz")
