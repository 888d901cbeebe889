"""Bins of scores: an image goes to the bin whose value is nearest, as image-tagging-tools sorts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.tags.score_bins import bin_values, nearest_bins


@pytest.mark.parametrize(
    ("n_bins", "values"),
    [(1, [1.0]), (3, [0.333, 0.667, 1.0]), (5, [0.2, 0.4, 0.6, 0.8, 1.0])],
)
def test_values(n_bins, values):
    assert bin_values(n_bins).tolist() == values


@pytest.mark.parametrize("n_bins", [1, 7, 10, 49, 1000])
def test_there_are_as_many_bins_as_asked_for_and_the_last_is_one(n_bins):
    values = bin_values(n_bins)

    assert len(values) == n_bins
    assert values[-1] == 1
    assert (np.diff(values) > 0).all()


@pytest.mark.parametrize(
    ("score", "value"), [(0, 0.1), (0.04, 0.1), (0.14, 0.1), (0.1501, 0.2), (0.93, 0.9), (0.951, 1.0), (1, 1.0)]
)
def test_nearest_of_ten(score, value):
    assert bin_values(10)[nearest_bins(np.array([score]), 10)] == [value]


@given(st.integers(1, 200), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_no_bin_is_nearer_and_the_first_of_equals_counts(n_bins, scores):
    values = bin_values(n_bins)
    by_definition = [int(np.abs(values - score).argmin()) for score in scores]

    assert nearest_bins(np.array(scores), n_bins).tolist() == by_definition


def test_a_table_of_scores_keeps_its_shape():
    assert nearest_bins(np.zeros((3, 2)), 10).shape == (3, 2)
