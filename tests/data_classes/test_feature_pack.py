"""Feature files as one: the same vectors, mapped, and the same classifier of them."""

import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from spacer_like import config
from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, TrainingTaskLabels
from spacer_like.data_classes.feature_pack import FeaturePack, feature_pack, write_pack
from spacer_like.data_classes.feature_reading import FeatureReader
from spacer_like.exceptions import (
    DataNotFoundError,
    ExtractorMismatchError,
    FeatureFileError,
    MessageError,
    RowColumnMismatchError,
    RowColumnMissingError,
)
from spacer_like.messages import PackFeaturesMsg, TrainClassifierMsg
from spacer_like.storage import clear_memory_storage, read_bytes, write_bytes
from spacer_like.tasks import pack_features, train_classifier
from spacer_like.train_classifier import MiniBatchTrainer

ID = "ab" * 20


@pytest.fixture
def folder(tmp_path):
    return DataLocation("filesystem", str(tmp_path / "features"))


@pytest.fixture
def labels(folder):
    """Twelve images of ten points, whose features are stored, in folders, and their labels."""
    random, found = np.random.default_rng(0), ImageLabels()
    for number in range(12):
        points = [(row, 2 * row) for row in random.permutation(99)[:10].tolist()]
        classes = [int(point) % 3 for point in range(10)]
        vectors = (np.eye(3)[classes] @ np.ones((3, 6)) + random.normal(size=(10, 6))).astype(np.float32)
        loc = folder.below(f"site {number % 2}", f"{number:02}.features")
        ImageFeatures.from_arrays(points, vectors, ID).store(loc)
        found.add_image(loc, [(row, col, label) for (row, col), label in zip(points, classes, strict=True)])
    return found


def packed(folder, dtype="float32"):
    pack_loc = replace(folder, key=f"{folder.key}-{dtype}.safetensors")
    answer = pack_features(PackFeaturesMsg(folder, pack_loc, dtype))
    return pack_loc, answer


def in_pack(labels, folder, pack_loc):
    return ImageLabels({pack_loc.below(loc.key.removeprefix(f"{folder.key}/")): labels[loc] for loc in labels})


def test_a_pack_holds_the_vectors_of_its_files(labels, folder):
    pack_loc, answer = packed(folder)
    assert (answer.n_files, answer.n_points, answer.dimension, answer.extractor_id) == (12, 120, 6, ID)
    pack = feature_pack(pack_loc)
    assert pack.names == sorted(loc.key.removeprefix(f"{folder.key}/") for loc in labels)
    for loc, other in zip(labels, in_pack(labels, folder, pack_loc), strict=True):
        assert pack.features(other) == ImageFeatures.load(loc)
        assert pack.features(other).extractor_id == ID
    assert pack_loc.below("none.features") not in pack


def test_the_same_files_give_the_same_bytes(labels, folder):
    first = read_bytes(packed(folder)[0])
    assert read_bytes(packed(folder)[0]) == first


@pytest.mark.parametrize("memory", [2**31, 0])
def test_a_training_from_a_pack_is_that_from_the_files(labels, folder, tmp_path, memory):
    pack_loc, _ = packed(folder)
    parts = [list(labels)[part] for part in (slice(8), slice(8, 10), slice(10, 12))]
    sets = [ImageLabels({loc: labels[loc] for loc in part}) for part in parts]

    def trained(pack, labels):
        answers = {name: DataLocation("memory", name) for name in ("model.safetensors", "results", "report")}
        snapshots = DataLocation("memory", f"snapshots {pack is None}")
        trainer = MiniBatchTrainer(batch_size=16, patience=5, stopping_share=0.2)
        message = TrainClassifierMsg(
            "1", trainer, 4, "MLP", TrainingTaskLabels(*labels), [], *list(answers.values())[:2],
            report_loc=answers["report"], pack_loc=pack, snapshots_loc=snapshots,
        )  # fmt: skip
        with config.override(training_memory_bytes=memory):
            train_classifier(message)
        return [read_bytes(loc) for loc in answers.values()]

    from_files = trained(None, sets)
    assert trained(pack_loc, [in_pack(one, folder, pack_loc) for one in sets]) == from_files


def test_half_the_space_is_less_exact(labels, folder):
    pack_loc, _ = packed(folder, "float16")
    assert len(read_bytes(pack_loc)) < len(read_bytes(packed(folder)[0]))
    loc, other = next(iter(labels)), next(iter(in_pack(labels, folder, pack_loc)))
    found = in_pack(labels, folder, pack_loc)
    found.pack = feature_pack(pack_loc)
    ((_, vectors),) = FeatureReader(found).read([other])
    assert vectors.dtype == np.float32
    exact = ImageFeatures.load(loc).vectors_at(labels[loc])
    np.testing.assert_allclose(vectors, exact, rtol=1e-3, atol=1e-3)
    assert not np.array_equal(vectors, exact)


def test_a_point_that_a_pack_lacks_is_named(labels, folder):
    pack_loc, _ = packed(folder)
    loc = pack_loc.below("site 0/00.features")
    found = ImageLabels({loc: [(1000, 1000, 1)]})
    found.pack = feature_pack(pack_loc)
    with pytest.raises(RowColumnMismatchError, match=r"site 0/00\.features: The labels"):
        list(FeatureReader(found).read([loc]))


def test_a_pack_that_is_replaced_is_opened_again(labels, folder):
    pack_loc, _ = packed(folder)
    before = feature_pack(pack_loc)
    assert feature_pack(pack_loc) is before
    ImageFeatures.from_arrays([(1, 1)], np.ones((1, 6), np.float32), ID).store(folder.below("new.features"))
    packed(folder)
    assert len(feature_pack(pack_loc).names) == 13


def test_a_pack_elsewhere_is_read_too(labels, folder):
    pack_loc, _ = packed(folder)
    elsewhere = DataLocation("memory", "pack.safetensors")
    write_bytes(elsewhere, read_bytes(pack_loc))
    assert feature_pack(elsewhere).names == feature_pack(pack_loc).names
    clear_memory_storage()


@pytest.mark.parametrize(
    ("features", "error", "sentence"),
    [
        (ImageFeatures.from_arrays(None, np.ones((2, 6))), RowColumnMissingError, "b.features: Features without"),
        (ImageFeatures.from_arrays([(1, 1)], np.ones((1, 5))), ExtractorMismatchError, "b.features: its features are"),
        (ImageFeatures.from_arrays([(1, 1)], np.ones((1, 6)), "other"), ExtractorMismatchError, "of another extractor"),
        (ImageFeatures.from_arrays([(1, 1)], np.full((1, 6), np.nan)), FeatureFileError, "not finite as float16"),
        (ImageFeatures.from_arrays([(1, 1)], np.full((1, 6), 1e6)), FeatureFileError, "not finite as float16"),
    ],
)
def test_what_cannot_be_learned_from_is_not_packed(features, error, sentence):
    first = ImageFeatures.from_arrays([(1, 2)], np.ones((1, 6)), ID)
    with pytest.raises(error, match=sentence):
        write_pack(BytesIO(), [("a.features", first), ("b.features", features)], "float16")


def test_a_folder_without_feature_files_is_said(tmp_path):
    folder = DataLocation("filesystem", str(tmp_path))
    with pytest.raises(DataNotFoundError, match="There are no feature files in"):
        pack_features(PackFeaturesMsg(folder, folder.below("pack.safetensors")))
    with pytest.raises(MessageError, match=r"must end with \.safetensors, and is 'pack\.csv'"):
        pack_features(PackFeaturesMsg(folder, folder.below("pack.csv")))


@pytest.mark.parametrize(
    ("array", "value", "sentence"),
    [
        ("begins", [0, 2, 2, 3], "a file of it holds no points"),
        ("begins", [0, 2, 1, 3], "a file of it holds no points"),
        ("begins", [0, 1, 2, 4], "do not begin and end"),
        ("begins", [0, 3], "do not begin and end"),
        ("names", list(b"a\0a\0b"), "not each its own"),
        ("names", list(b"a\0\0b"), "not each its own"),
        ("positions", [[1, 2]], "do not agree"),
    ],
)
def test_a_pack_that_contradicts_itself_is_refused(array, value, sentence):
    from safetensors.numpy import load, save

    file, loc = BytesIO(), DataLocation("memory", "pack.safetensors")
    one = ImageFeatures.from_arrays([(1, 2)], np.ones((1, 6)), ID)
    write_pack(file, [(name, one) for name in "abc"])
    arrays = load(file.getvalue())
    arrays[array] = np.array(value, arrays[array].dtype)
    header = json.dumps({"format": "spacer_like.feature_pack", "format_version": 1, "extractor_id": ID})
    write_bytes(loc, save(arrays, {"header": header}))
    with pytest.raises(FeatureFileError, match=sentence):
        FeaturePack(loc, "")
