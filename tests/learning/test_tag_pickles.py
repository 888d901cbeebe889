"""Files that joblib wrote of scikit-learn's classifiers: read as arrays, and nothing that they name is run."""

import os
import pickle
import warnings
import zlib

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from spacer_like.exceptions import DataLimitError, ModelFileError
from spacer_like.learning import tag_pickles
from spacer_like.learning.linear_tags import LinearTags, tag_scores
from spacer_like.learning.svm_tags import SvmTags, svm_scores
from spacer_like.learning.tag_pickles import read_tag_pickle

from ..readers.refusals import refused_by_name


def examples(n=150, dtype=np.float64):
    random = np.random.default_rng(0)
    features = random.normal(size=(n, 8)).astype(dtype)
    return features, (features[:, 0] + random.normal(size=n) > 0.3).astype(np.int64)


def machine(**options):
    with warnings.catch_warnings():
        # Of scikit-learn 1.9: probability=True goes away.
        warnings.simplefilter("ignore", FutureWarning)
        return SVC(probability=True, random_state=0, **options).fit(*examples())


@pytest.fixture(scope="module")
def fitted():
    return {"LR": LogisticRegression(random_state=0).fit(*examples()), "SVM": machine()}


def dumped(fitted, folder, **options):
    joblib.dump(fitted, folder / "model.pkl", **options)
    return (folder / "model.pkl").read_bytes()


def probabilities(found, features):
    if isinstance(found, LinearTags):
        return tag_scores(features, found.weights, found.bias)[:, 0]
    return svm_scores(features, found)[:, 0]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["LR", "SVM"])
def test_probabilities_are_those_of_class_0(kind, protocol, fitted, tmp_path):
    found = read_tag_pickle(dumped(fitted[kind], tmp_path, protocol=protocol), "a.pkl")
    assert isinstance(found, LinearTags if kind == "LR" else SvmTags)
    new = np.random.default_rng(1).normal(size=(500, 8)) * 2
    np.testing.assert_allclose(probabilities(found, new), fitted[kind].predict_proba(new)[:, 0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("compress", [("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_compressed_files_are_read(compress, fitted, tmp_path):
    found = read_tag_pickle(dumped(fitted["SVM"], tmp_path, compress=compress), "a.pkl")
    np.testing.assert_array_equal(found.vectors, fitted["SVM"].support_vectors_)


def test_a_plain_pickle_and_one_trained_in_single_precision_are_read(fitted, tmp_path):
    found = read_tag_pickle(pickle.dumps(fitted["LR"]), "a.pkl")
    np.testing.assert_array_equal(found.weights, -fitted["LR"].coef_)
    single = LogisticRegression().fit(*examples(dtype=np.float32))
    np.testing.assert_array_equal(read_tag_pickle(dumped(single, tmp_path), "a.pkl").bias, -single.intercept_)


def test_a_file_that_grows_without_end_is_not_unpacked(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(tag_pickles, "MAX_BYTES", 2**20)
    with pytest.raises(DataLimitError, match=r"^a\.pkl: The classifier's file has more than 256 MiB unpacked"):
        read_tag_pickle(zlib.compress(bytes(2**24)), "a.pkl")


class Calls:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder / "it ran"),)


def test_a_hostile_file_is_refused_and_runs_nothing(fitted, tmp_path):
    hostile = LogisticRegression().fit(*examples())
    hostile.extra_ = Calls(tmp_path)
    objects = LogisticRegression().fit(*examples())
    objects.coef_ = np.array([[Calls(tmp_path)]], dtype=object)
    for one in (Calls(tmp_path), hostile, objects):
        with pytest.raises(ModelFileError, match=r"^a\.pkl: "):
            read_tag_pickle(dumped(one, tmp_path), "a.pkl")
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: LinearRegression().fit(*examples()),
            r"names sklearn\.linear_model\._base\.LinearRegression, which no",
        ),
        (lambda: LogisticRegression(), r"the classifier was never fitted\.$"),
        (lambda: {"classes_": [0, 1]}, r"a LogisticRegression or an SVC is expected, and this is a dict\.$"),
        (lambda: SVC().fit(*examples()), r"The SVC gives no probabilities: train it with probability=True\.$"),
        (lambda: machine(kernel="linear"), r"Only an SVC with the kernel 'rbf', trained on arrays, can be read\.$"),
        (
            lambda: LogisticRegression().fit(examples()[0], examples()[1] + 1),
            r"the classes must be 0, the tag, and 1, other images\.$",
        ),
    ],
)
def test_another_classifier(make, sentence, tmp_path):
    with pytest.raises(ModelFileError, match=rf"^a\.pkl: .*{sentence}"):
        read_tag_pickle(dumped(make(), tmp_path), "a.pkl")


def test_lz4_is_refused_by_name():
    with pytest.raises(ModelFileError, match=r"by lz4, which is not read: write it again with compress=0\.$"):
        read_tag_pickle(b"\x04\x22\x4d\x18 and so on", "a.pkl")


@pytest.fixture(scope="module")
def whole(fitted, tmp_path_factory):
    return dumped(fitted["SVM"], tmp_path_factory.mktemp("whole"))


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.none() | st.integers(0, 255))
def test_a_damaged_file_is_refused_or_still_gives_a_classifier(place, byte, whole):
    cut = int(place * len(whole))
    broken = whole[:cut] if byte is None else whole[:cut] + bytes([byte]) + whole[cut + 1 :]
    with refused_by_name("a.pkl", ModelFileError, DataLimitError):
        read_tag_pickle(broken, "a.pkl")
