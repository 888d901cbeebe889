"""Models of tags read from folders and files, and what is refused there."""

import os
import pickle

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from spacer_like.exceptions import DataNotFoundError, ExtractorMismatchError, ModelFileError
from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes
from spacer_like.tags.model_folder import check_models_encoder, read_tag_models, tag_model_location
from spacer_like.tags.tag_model import TAG_MODEL, LinearScorer, TagModel, tag_scores


def model(tag="cat", model_type="ovr-svm", extractor_id="ab" * 20) -> TagModel:
    return TagModel(tag, model_type, LinearScorer(np.array([1.0, 2.0]), 0.0), extractor_id)


@pytest.fixture
def folder(tmp_path) -> DataLocation:
    return DataLocation("filesystem", str(tmp_path))


def stored(folder, *models):
    for one in models:
        write_bytes(tag_model_location(folder, one.model_type, one.tag), TAG_MODEL.to_bytes(one))


def said(models):
    return [(one.model_type, one.tag) for one in models]


TAGS = ["b", "a-tag-b", "it's / 道", "道" * 200, "\n"]


class TestAFolder:
    def test_gives_its_models_by_type_and_tag(self, folder, tmp_path):
        stored(folder, *(model(tag, kind) for tag in TAGS for kind in ("ovr-svm", "ovr-logistic-regression")))
        (tmp_path / "notes.txt").write_text("no model")
        (tmp_path / "old").mkdir()
        stored(DataLocation("filesystem", str(tmp_path / "old")), model("old"))
        expected = [(kind, tag) for kind in ("ovr-logistic-regression", "ovr-svm") for tag in sorted(TAGS)]
        assert said(read_tag_models(folder)) == expected

    def test_gives_those_of_some_tags_or_types(self, folder):
        stored(folder, *(model(tag, kind) for tag in TAGS for kind in ("ovr-svm", "mine")))
        assert said(read_tag_models(folder, tags=TAGS[3:])) == [
            (t, k) for t in ("mine", "ovr-svm") for k in ("\n", TAGS[3])
        ]
        assert said(read_tag_models(folder, model_types=["mine"], tags=["b"])) == [("mine", "b")]

    def test_without_models_is_refused(self, folder):
        with pytest.raises(ModelFileError, match=rf"^There is no model in '{folder.key}': .* train_tags makes it\.$"):
            read_tag_models(folder)
        stored(folder, model())
        with pytest.raises(ModelFileError, match=r"^There is no model of 'dog' in "):
            read_tag_models(folder, tags=["dog"])

    def test_of_others_says_which_there_are(self, folder):
        for tag in ("a", "b", "c", "d"):
            stored(folder, model(tag))
        with pytest.raises(ModelFileError) as error:
            read_tag_models(folder, model_types=["ovr-logistic-regression"])
        assert str(error.value) == (
            f"There is no model of the type ovr-logistic-regression in '{folder.key}': there are those of the type "
            "ovr-svm and the tags 'a', 'b', 'c' and 1 more."
        )

    def test_with_two_models_of_one_tag_is_refused(self, folder, tmp_path):
        stored(folder, model())
        (tmp_path / "model-mine-tag-dog.safetensors").write_bytes(TAG_MODEL.to_bytes(model()))
        with pytest.raises(ModelFileError, match=r"are both models of the tag 'cat' and the type ovr-svm: remove one"):
            read_tag_models(folder)


class TestAFile:
    def test_gives_its_model(self, folder):
        stored(folder, model("a/b"))
        (found,) = read_tag_models(tag_model_location(folder, "ovr-svm", "a/b"))
        assert (found.tag, found.extractor_id) == ("a/b", "ab" * 20)

    def test_that_does_not_exist_is_refused(self, folder):
        with pytest.raises(DataNotFoundError):
            read_tag_models(tag_model_location(folder, "ovr-svm", "none"))


class TestAPickleOfAnotherProgram:
    @pytest.mark.parametrize("make", [LogisticRegression, lambda: SVC(probability=True, random_state=0)])
    @pytest.mark.filterwarnings("ignore:The `probability` parameter was deprecated:FutureWarning")
    def test_scores_as_it_did(self, folder, tmp_path, make):
        vectors = np.random.default_rng(0).normal(size=(40, 6))
        estimator = make().fit(vectors, (vectors[:, 0] < 0).astype(int))
        joblib.dump(estimator, tmp_path / "model-ovr-mine-tag-price-tag-50%.pkl")
        (found,) = read_tag_models(folder)
        assert (found.model_type, found.tag, found.extractor_id) == ("ovr-mine", "price-tag-50%", None)
        assert tag_scores([found], vectors)[:, 0] == pytest.approx(estimator.predict_proba(vectors)[:, 0])

    def test_that_would_run_something_is_refused(self, folder, tmp_path):
        class Hostile:
            def __reduce__(self):
                return (open, (str(tmp_path / "made"), "w"))

        (tmp_path / "model-ovr-svm-tag-cat.pkl").write_bytes(pickle.dumps(Hostile()))
        with pytest.raises(ModelFileError, match=r"model-ovr-svm-tag-cat\.pkl': .*open"):
            read_tag_models(folder)
        assert not (tmp_path / "made").exists()

    @pytest.mark.parametrize(
        "thing", [LogisticRegression(), {"a": 1}, LogisticRegression().fit([[0], [1], [2]], [0, 1, 2])]
    )
    def test_of_something_else_is_refused(self, folder, tmp_path, thing):
        (tmp_path / "model-ovr-svm-tag-cat.pkl").write_bytes(pickle.dumps(thing))
        with pytest.raises(ModelFileError, match=r"^'.*model-ovr-svm-tag-cat\.pkl': [^\n]+\.$"):
            read_tag_models(folder)

    def test_whose_name_says_no_tag_is_refused(self, folder, tmp_path):
        (tmp_path / "mine.pkl").write_bytes(b"\x80\x04}.")
        with pytest.raises(ModelFileError, match=r"mine.pkl' does not say of which tag its model is: call it model-"):
            read_tag_models(DataLocation("filesystem", str(tmp_path / "mine.pkl")))

    def test_whose_name_is_no_text_is_refused(self, folder, tmp_path):
        (tmp_path / os.fsdecode(b"model-ovr-svm-tag-caf\xe9.pkl")).write_bytes(b"\x80\x04}.")
        with pytest.raises(ModelFileError, match=r"is no text in UTF-8: give it another one\.$"):
            read_tag_models(folder)


class TestTheEncoder:
    def test_must_be_the_one_that_the_models_were_trained_with(self):
        check_models_encoder([model(), model(extractor_id=None)], "ab" * 20)
        sentence = (
            r"^The ovr-svm model of the tag 'cat' was trained on vectors of the encoder abababababababab, and these "
            r"are of cdcdcdcdcdcdcdcd: name the extractor"
        )
        with pytest.raises(ExtractorMismatchError, match=sentence):
            check_models_encoder([model(extractor_id=None), model()], "cd" * 20)
