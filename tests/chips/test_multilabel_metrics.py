"""Figures of many labels are scikit-learn's, and thresholds are the best there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.metrics import f1_score, fbeta_score, precision_recall_fscore_support

from spacer_like.chips.models.multilabel_metrics import (
    best_thresholds,
    majority_labels,
    multilabel_metrics,
    sample_f_score,
)

ANSWERS = array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


@settings(max_examples=60)
@given(ANSWERS)
def test_they_are_those_of_scikit_learn(answers):
    true, said = answers
    labels = [f"label {number}" for number in range(true.shape[1])]
    figures = multilabel_metrics(true, said, labels)
    precision, recall, f1, support = precision_recall_fscore_support(true, said, average=None, zero_division=0)
    for ours, theirs in ((figures.precision, precision), (figures.recall, recall), (figures.f1, f1)):
        assert list(ours) == labels
        assert list(ours.values()) == pytest.approx(theirs)
    assert list(figures.support.values()) == list(support)
    for ours, average in ((figures.sample_f1, "samples"), (figures.micro_f1, "micro"), (figures.macro_f1, "macro")):
        assert ours == pytest.approx(f1_score(true, said, average=average, zero_division=0))
    assert figures.sample_f2 == pytest.approx(fbeta_score(true, said, beta=2, average="samples", zero_division=0))


def test_a_chip_without_a_label_counts_as_0_even_if_none_is_given():
    nothing = np.zeros((1, 2), bool)
    assert sample_f_score(nothing, nothing) == 0
    assert sample_f_score(np.array([[True, False], [False, False]]), np.array([[True, False], [False, False]])) == 0.5


@settings(max_examples=60)
@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            arrays(bool, (n, 1)), arrays(np.float64, (n, 1), elements=st.sampled_from(np.arange(9) / 8))
        )
    )
)
def test_no_other_threshold_has_a_better_f1(answers):
    true, probabilities = answers
    [threshold] = best_thresholds(true, probabilities)
    assert 0 <= threshold < 1

    def f1(above):
        return f1_score(true, probabilities > above, zero_division=0)

    assert f1(threshold) == pytest.approx(max(f1(above) for above in np.arange(-1, 16) / 16 if above >= 0))


def test_a_threshold_is_the_usual_one_where_that_is_as_good_as_any():
    true = np.array([[0, 0, 1], [1, 0, 1], [1, 0, 0]], bool)
    probabilities = np.array([[0.2, 0.9, 0.6], [0.5, 0.8, 0.9], [0.4, 0.1, 0.5]])
    assert best_thresholds(true, probabilities).tolist() == [0.35, 0.35, 0.55]


def test_the_majority_is_more_than_half_or_else_the_most_frequent_one():
    targets = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]], bool)
    assert majority_labels(targets).tolist() == [True, False, False]
    assert majority_labels(np.array([[1, 1], [1, 1], [1, 0], [0, 1], [0, 0]], bool)).tolist() == [True, True]
    assert majority_labels(np.array([[0, 1], [0, 0], [1, 0], [0, 1], [0, 0]], bool)).tolist() == [False, True]
