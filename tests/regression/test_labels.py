"""Inclinations as targets, labels, codes and names of files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.regression.labels import (
    BANDS,
    StampName,
    band_of,
    code_of,
    filter_of,
    from_target,
    label_of,
    to_target,
)


@given(st.floats(0, 90))
def test_a_target_gives_its_inclination_back(inclination):
    assert from_target(to_target(inclination)) == pytest.approx(inclination, abs=1e-9)


def test_targets_of_the_learned_range_lie_between_minus_one_and_one():
    np.testing.assert_allclose(to_target(np.array([45.0, 56.25, 90.0])), [-1, -0.5, 1])


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ((0, 1, "F", ""), "F"),
        ((0, 3, "", "[bad_TF] [face_on]"), "F"),
        ((0, 2, "", "[merger]"), "0"),
        ((71.9, 0, "", ""), "71"),
        ((60, 0, "F", "[face_on]"), "60"),
    ],
)
def test_the_first_rule_that_fits_decides_the_label(row, label):
    assert label_of(*row) == label


@pytest.mark.parametrize("label", ["", "J", "-5", "91", "100", "4.5", "٤٥"])
def test_other_texts_are_no_labels(label):
    with pytest.raises(TrainingLabelsError, match=r"neither F nor whole degrees from 0 to 90"):
        code_of(label)


def test_colour_has_three_names():
    assert [band_of(name) for name in ("gri", "RGB", "c")] == ["RGB"] * 3
    assert [filter_of(band) for band in BANDS] == ["g", "r", "i", "c"]


def test_an_unknown_band_is_refused():
    with pytest.raises(TrainingLabelsError, match=r"There is no band 'z': give g, r, i, or gri for colour\."):
        band_of("z")


@given(
    st.integers(0, 2**31 - 1),
    st.integers(1, 99999),
    st.sampled_from(["F", "0", "45", "90"]),
    st.sampled_from(BANDS),
    st.sampled_from(["jpg", "png", "npy"]),
    st.sampled_from(["", "a_b/128x128_RGB/", "C:\\pgc1_2\\"]),
)
def test_a_name_is_parsed_to_what_it_was_made_of_in_any_folder(number, size, label, band, ending, folder):
    name = StampName(number, size, label, band, ending)
    assert StampName.parse(f"{folder}{name}") == name


@pytest.mark.parametrize(
    "name",
    [
        "pgc1_128x64_50.g.jpg",
        "pgc1_128x128_50.z.jpg",
        "pgc_128x128_50.g.jpg",
        "pgc1_128x128_99.g.jpg",
        "pgc9999999999_128x128_50.g.jpg",
        "pgc1_128x128_50.g.jpg.exe",
        "readme.md",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(TrainingLabelsError, match="does not give a galaxy and its label"):
        StampName.parse(name)
