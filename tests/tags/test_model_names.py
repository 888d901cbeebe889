"""Names of models' files: tags and types come back from them, whatever they are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.storage.base import check_key
from spacer_like.tags.model_names import model_file_name, parsed_model_name, report_file_name

PARTS = ["-tag-", "-tag", "tag-", "-", "model-", "%", "%7", "%41", "%~", "/", ".pkl", "ü", "道", "\ud800", '"']
TEXTS = st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=30) | st.lists(
    st.sampled_from(PARTS), min_size=1, max_size=8
).map("".join)


@given(TEXTS, TEXTS)
def test_tags_and_types_come_back(model_type, tag):
    name = model_file_name(model_type, tag)
    if "%~" not in name:
        assert parsed_model_name(name) == (model_type, tag)


@given(TEXTS | st.text(min_size=200, max_size=600), TEXTS | st.text(min_size=200, max_size=600))
def test_every_name_can_be_a_files(model_type, tag):
    for name in (model_file_name(model_type, tag), report_file_name(model_type, tag, ".json")):
        assert len(name.encode()) <= 255
        assert not re.search(r"""[\x00-\x1f\x7f-\x9f/\\:*?"<>|]""", name)
        check_key(name)


@given(st.lists(TEXTS | st.text("ab-%", min_size=250, max_size=255), min_size=2, max_size=5, unique=True))
def test_no_two_tags_have_one_name(tags):
    assert len({model_file_name("ovr-svm", tag) for tag in tags}) == len(tags)


def test_a_long_tag_keeps_its_beginning():
    name = model_file_name("ovr-svm", "道" * 100)
    assert len(name.encode()) in range(250, 256)
    model_type, tag = parsed_model_name(name)
    assert (model_type, tag) == ("ovr-svm", "道" * len(tag))
    assert len(tag) > 50


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model-ovr-svm-tag-pixel-art.pkl", ("ovr-svm", "pixel-art")),
        ("model-ovr-logistic-regression-tag-price-tag-red.pkl", ("ovr-logistic-regression", "price-tag-red")),
        ('my-model-mine-tag-it\'s "50%25".pkl', ("mine", 'it\'s "50%25"')),
        ("model-ovr-svm-tag-50%25.safetensors", ("ovr-svm", "50%")),
        ("model-ovr-svm-tag-50%FF.safetensors", ("ovr-svm", "50%FF")),
        ("model-a-tag-\n.pkl", ("a", "\n")),
        ("model-ovr-svm-tag-.pkl", None),
        ("model-ovr-svm.pkl", None),
        ("model-a-tag-b.txt", None),
        ("model-a-tag-b.pkl.bak", None),
        ("notes.pkl", None),
    ],
)
def test_names_of_files_that_others_gave(name, said):
    assert parsed_model_name(name) == said
