"""Quantile classes: ten of equal number, fewer where scores are equal."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.rarity.metadata import deciles_of


def test_distinct_scores_fall_into_ten_classes_of_equal_number():
    scores = np.random.default_rng(0).permutation(1000) / 7
    labels = deciles_of(scores).labels(scores)
    assert np.bincount(labels).tolist() == [100] * 10
    assert all(scores[labels == k].max() < scores[labels == k + 1].min() for k in range(9))


def test_where_quantiles_coincide_there_are_fewer_classes():
    scores = np.array([0.0] * 50 + list(range(1, 51)))
    deciles = deciles_of(scores)
    assert deciles.edges == pytest.approx([0, 0.5, 10.4, 20.3, 30.2, 40.1, 50])
    assert np.bincount(deciles.labels(scores)).tolist() == [50, 10, 10, 10, 10, 10]


def test_a_score_without_value_has_no_class_and_moves_no_edge():
    scores = np.arange(20.0)
    with_gaps = np.insert(scores, [3, 9], np.nan)
    assert deciles_of(with_gaps).edges.tolist() == deciles_of(scores).edges.tolist()
    assert np.flatnonzero(deciles_of(with_gaps).labels(with_gaps) == -1).tolist() == [3, 10]


def test_scores_that_were_not_there_go_to_the_class_at_their_end():
    deciles = deciles_of(np.arange(100.0))
    assert deciles.labels(np.array([-5.0, 500.0])).tolist() == [0, 9]


@pytest.mark.parametrize("scores", [[], [np.nan], [3.0], [2.0, 2.0, 2.0], [0.0] * 95 + [1.0, 2.0]])
def test_scores_that_do_not_differ_are_refused(scores):
    with pytest.raises(TrainingLabelsError, match="fewer than two classes"):
        deciles_of(np.array(scores))


@given(st.lists(st.integers(0, 30), min_size=3, max_size=60))
def test_each_score_lies_between_its_edges_as_by_looking_through_the_intervals(numbers):
    scores = np.array(numbers, np.float64)
    assume(len(np.unique(np.quantile(scores, np.arange(11) / 10))) > 2)
    deciles = deciles_of(scores)
    edges = deciles.edges

    def slow(score: float) -> int:
        return next(k for k in range(len(edges) - 1) if (edges[k] < score or k == 0) and score <= edges[k + 1])

    assert deciles.labels(scores).tolist() == [slow(score) for score in scores]
