"""Names by the million are looked up as in a sorted list of texts."""

from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.embeddings.names import NameList
from spacer_like.exceptions import FeatureFileError

short_texts = st.text(st.sampled_from("ab_0Ωé\U0001f600"), min_size=1, max_size=4)
sorted_names = st.sets(short_texts).map(sorted)


@given(sorted_names, short_texts)
def test_a_name_is_found_where_it_is(names, wanted):
    names_of = NameList.of(names)
    assert list(names_of) == names
    assert names_of.find(wanted) == (names.index(wanted) if wanted in names else None)
    assert [names_of.find(name) for name in names] == list(range(len(names)))


@given(sorted_names, short_texts)
def test_names_that_begin_alike_are_side_by_side(names, prefix):
    assert NameList.of(names).with_prefix(prefix) == (
        range(
            bisect_left(names, prefix),
            bisect_left(names, prefix) + sum(name.startswith(prefix) for name in names),
        )
    )


@given(sorted_names, short_texts)
def test_names_near_another_are_around_its_place(names, wanted):
    near = NameList.of(names).near(wanted, 3)
    assert len(near) == min(3, len(names))
    if wanted in names:
        assert wanted in near


@given(sorted_names)
def test_arrow_sees_the_same_names(names):
    array = NameList.of(names).to_arrow()
    assert [name.decode() for name in array.to_pylist()] == names
    assert list(NameList.from_arrow(array)) == names


def test_parts_of_a_list_of_arrow_are_lists_as_well():
    array = NameList.of(["a", "bb", "ccc", "d"]).to_arrow()
    assert list(NameList.from_arrow(array.take([3, 1]))) == ["d", "bb"]


def test_slices_and_places_from_the_end():
    names = NameList.of(["a", "bb", "ccc"])
    assert names[1:] == ["bb", "ccc"]
    assert names[-1] == "ccc"
    with pytest.raises(IndexError):
        names[3]


@pytest.mark.parametrize("ends", [[3, 2, 4], [1, 1, 4], [1, 2, 3], [1, 2, 5], [-1, 4], []])
def test_ends_that_are_none_are_refused(ends):
    with pytest.raises(FeatureFileError, match="'the file' is damaged: the names"):
        NameList(np.frombuffer(b"abcd", np.uint8), np.array(ends, np.int64), "the file")


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(FeatureFileError, match="damaged"):
        NameList(np.zeros(2000, np.uint8), np.array([2000]))


def test_a_name_that_is_no_text_is_noticed_when_it_is_asked_for():
    names = NameList(np.frombuffer(b"ab\xff", np.uint8), np.array([1, 3]), "the file")
    assert names[0] == "a"
    with pytest.raises(FeatureFileError, match="the name of an image is no text"):
        names[1]
