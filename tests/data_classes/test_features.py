"""Feature vectors and the layouts of their file."""

import io
import json
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spacer_like import config
from spacer_like.data_classes import DataLocation, ImageFeatures, PointFeatures
from spacer_like.exceptions import (
    DataLimitError,
    DataNotFoundError,
    FeatureFileError,
    RowColumnMismatchError,
    RowColumnMissingError,
)

GOLDEN = Path(__file__).parent / "golden"
VECTORS = np.arange(6, dtype=np.float32).reshape(2, 3)
FEATURES = ImageFeatures.from_arrays([(3, 4), (5, 70_000)], VECTORS, extractor_id="abc")


def npz(**members):
    stream = io.BytesIO()
    np.savez(stream, **members)
    return stream.getvalue()


@given(
    vectors=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats(-9, 9, width=32)
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_file_gives_back_what_was_written(vectors, seed):
    rowcols = np.random.default_rng(seed).integers(0, 2**32, (len(vectors), 2))
    read = ImageFeatures.from_bytes(ImageFeatures.from_arrays(rowcols, vectors, "id").to_bytes())

    assert np.array_equal(read.features, vectors)
    assert read.rowcols == [tuple(rowcol) for rowcol in rowcols.tolist()]
    assert read.extractor_id == "id"


def test_the_file_is_an_archive_of_four_members_that_numpy_reads():
    members = np.load(io.BytesIO(FEATURES.to_bytes()))

    assert {name: (str(members[name].dtype), members[name].shape) for name in members} == {
        "meta": ("int64", (3,)),
        "rows": ("uint32", (2,)),
        "cols": ("uint32", (2,)),
        "feat": ("float32", (2, 3)),
    }
    assert members["meta"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "other",
    [
        ImageFeatures.from_arrays([(3, 4), (5, 70_000)], VECTORS + np.float32(0.5)),
        ImageFeatures.from_arrays([(3, 4), (5, 70_001)], VECTORS),
        ImageFeatures.from_arrays([(3, 4)], VECTORS[:1]),
        ImageFeatures.from_arrays([(3, 4), (5, 70_000)], VECTORS[:, :2]),
    ],
    ids=["vectors", "positions", "fewer points", "shorter vectors"],
)
def test_features_differ_where_vectors_positions_or_lengths_do(other):
    assert other != FEATURES
    assert ImageFeatures.from_arrays([(3, 4), (5, 70_000)], VECTORS.copy()) == FEATURES


def test_the_same_features_give_the_same_bytes():
    assert FEATURES.to_bytes() == FEATURES.to_bytes() == (GOLDEN / "features_float32.npz").read_bytes()


def test_a_setting_writes_pyspacers_layout():
    small = ImageFeatures.from_arrays([(3, 4), (5, 6)], VECTORS)
    with config.override(feature_file_format="pyspacer"):
        data = small.to_bytes()
    members = np.load(io.BytesIO(data))

    assert str(members["rows"].dtype) == "uint16"
    assert str(members["feat"].dtype) == "float64"
    assert zipfile.ZipFile(io.BytesIO(data)).infolist()[0].compress_type == zipfile.ZIP_DEFLATED
    assert ImageFeatures.from_bytes(data) == small


@pytest.mark.parametrize("name", ["features_pyspacer_0.14.npz", "features_legacy.json", "features_legacy.npz"])
def test_files_of_older_programs_are_read(name):
    read = ImageFeatures.from_bytes((GOLDEN / name).read_bytes())

    assert np.allclose(read.features, VECTORS)
    assert read.valid_rowcol == (name == "features_pyspacer_0.14.npz")
    if read.valid_rowcol:
        assert read.rowcols == [(3, 4), (5, 6)]
    else:
        assert (read.point_features[0].row, read.rows) == (None, None)


def test_features_are_found_by_position():
    assert FEATURES[(5, 70_000)].tolist() == [3, 4, 5]
    assert FEATURES.get_array((3, 4)).shape == (1, 3)
    with pytest.raises(KeyError):
        FEATURES[(0, 0)]


def test_of_a_position_given_twice_the_last_vector_wins():
    assert ImageFeatures.from_arrays([(1, 1), (1, 1)], VECTORS)[(1, 1)].tolist() == [3, 4, 5]


def test_points_one_by_one_as_pyspacer_has_them():
    points = [PointFeatures(row=3, col=4, data=[0, 1, 2]), PointFeatures(5, 70_000, [3, 4, 5])]
    built = ImageFeatures(point_features=points, valid_rowcol=True, feature_dim=3, npoints=2)

    assert built == FEATURES
    assert FEATURES.point_features == points
    assert FEATURES != "something else"


@pytest.mark.parametrize(
    ("count", "dimension", "sentence"),
    [
        (1, 3, "There must be 1 points, and at least one; there are 2"),
        (3, 3, "There must be 3 points, and at least one; there are 2"),
        (2, 4, "Every feature vector must have 4 numbers"),
        (0, 3, "There must be 0 points, and at least one; there are 0"),
    ],
)
def test_numbers_that_do_not_agree_are_refused(count, dimension, sentence):
    points = FEATURES.point_features if count else []
    with pytest.raises(FeatureFileError, match=sentence):
        ImageFeatures(points, True, dimension, count)


def test_vectors_come_in_the_order_of_the_annotations_and_as_often():
    pairs = list(FEATURES.match_with_annotations([(5, 70_000, "x"), (3, 4, "y"), (5, 70_000, "z")]))
    assert [(vector[0], label) for vector, label in pairs] == [(3, "x"), (0, "y"), (3, "z")]


def test_an_annotated_point_that_the_file_lacks_is_named():
    with pytest.raises(
        RowColumnMismatchError, match=r"don't match those of the feature vector \(example: \(9, 9\)\)\."
    ):
        FEATURES.match_with_annotations([(3, 4, "x"), (9, 9, "x")])


def test_legacy_features_have_no_positions_to_ask_for():
    legacy = ImageFeatures.from_arrays(None, VECTORS)
    with pytest.raises(RowColumnMissingError):
        legacy[(3, 4)]
    with pytest.raises(RowColumnMissingError):
        legacy.match_with_annotations([(3, 4, "x")])
    assert ImageFeatures.from_bytes(legacy.to_bytes()) == legacy


def test_random_features_depend_on_the_label_and_are_the_same_each_time():
    one, two = (ImageFeatures.make_random(["x", 7, 7], 50) for _ in range(2))

    assert one == two
    assert one.rowcols == [(0, 0), (1, 1), (2, 2)]
    assert abs(one.features[1].mean() - 7) < 1


META = np.array([1, 2, 3])
POSITIONS = np.array([1, 2], dtype=np.uint32)


class Bomb:
    def __reduce__(self):
        return print, ("it went off",)


def test_vectors_whose_numbers_lie_column_after_column_are_read():
    vectors = np.arange(6.0).reshape(2, 3)
    data = npz(meta=META, rows=POSITIONS, cols=POSITIONS, feat=np.asfortranarray(vectors))
    np.testing.assert_array_equal(
        np.stack([point.data for point in ImageFeatures.from_bytes(data).point_features]), vectors
    )


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"junk", "neither an archive of features nor JSON"),
        (b"[" * 100_000, "neither"),
        (b"[]", "Empty features file"),
        (b"{}", "only supported for legacy format"),
        (b"[[1, 2], [3]]", "all of the same length"),
        (b'[["a"]]', "vectors of numbers"),
        (npz(meta=META, rows=POSITIONS, cols=POSITIONS), "no item named"),
        (npz(meta=META, rows=POSITIONS, cols=POSITIONS, feat=np.zeros((2, 4))), "do not agree"),
        (npz(meta=META, rows=POSITIONS[:1], cols=POSITIONS, feat=np.zeros((2, 3))), "one row and one column"),
        (npz(meta=META, rows=POSITIONS, cols=POSITIONS, feat=np.array([["a"] * 3] * 2)), "no array of numbers"),
        (npz(meta=META, rows=POSITIONS, cols=POSITIONS, feat=np.full((2, 3), Bomb(), object)), "no array of numbers"),
        (FEATURES.to_bytes()[:-30], "damaged"),
        (FEATURES.to_bytes()[:200], "damaged"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_a_damaged_file_is_told_in_one_sentence_that_names_it(data, sentence, capsys):
    with pytest.raises(FeatureFileError, match=rf"^reef\.features: .*{sentence}"):
        ImageFeatures.from_bytes(data, "reef.features")
    assert capsys.readouterr().out == ""


def test_coralnet_catches_a_damaged_feature_file_as_an_assertion():
    with pytest.raises(AssertionError, match="only supported for legacy format: a list of vectors"):
        ImageFeatures.from_bytes(b"{}")


def test_an_archive_that_would_unpack_to_too_much_is_refused_before_it_does():
    stream = io.BytesIO()
    np.savez_compressed(stream, meta=META, rows=POSITIONS, cols=POSITIONS, feat=np.zeros((2, 500_000)))
    with config.override(max_download_bytes=1_000_000), pytest.raises(DataLimitError, match="unpack to 80"):
        ImageFeatures.from_bytes(stream.getvalue())


def test_features_are_stored_at_and_loaded_from_a_location(tmp_path):
    location = DataLocation("filesystem", str(tmp_path / "reef.features"))
    FEATURES.store(location)

    assert ImageFeatures.load(location) == FEATURES
    with pytest.raises(DataNotFoundError, match=r"nowhere\.features"):
        ImageFeatures.load(DataLocation("filesystem", str(tmp_path / "nowhere.features")))


def test_features_cannot_be_serialised_into_a_message():
    with pytest.raises(NotImplementedError):
        FEATURES.serialize()
    assert pickle.loads(pickle.dumps(FEATURES)) == FEATURES
    assert json.loads((GOLDEN / "features_legacy.json").read_text()) == VECTORS.tolist()


def test_storing_features_takes_little_more_memory_than_their_file(tmp_path):
    vectors = np.ones((4000, 1280), np.float32)
    features = ImageFeatures.from_arrays([(number, number) for number in range(4000)], vectors)
    tracemalloc.start()
    features.store(DataLocation("filesystem", str(tmp_path / "many.features")))
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 2 * vectors.nbytes
    assert ImageFeatures.load(DataLocation("filesystem", str(tmp_path / "many.features"))) == features
