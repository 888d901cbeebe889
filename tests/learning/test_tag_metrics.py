"""Metrics of a tag: scikit-learn's figures, with the tag as the positive class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

from spacer_like.learning.tag_metrics import (
    average_precision,
    mean_average_precision,
    probability_bins,
    roc_auc,
    tag_metrics,
)

examples = st.lists(st.tuples(st.integers(0, 12).map(lambda number: number / 12), st.booleans()), min_size=1)


@given(examples)
def test_figures_are_those_of_scikit_learn(drawn):
    probabilities, has_tag = (np.array(column) for column in zip(*drawn, strict=True))
    found = tag_metrics(probabilities, has_tag, 0.5)
    counts = found.true_negatives, found.false_positives, found.false_negatives, found.true_positives
    assert list(counts) == confusion_matrix(has_tag, probabilities >= 0.5, labels=[False, True]).ravel().tolist()
    assert found.accuracy == pytest.approx(100 * ((probabilities >= 0.5) == has_tag).mean())
    if has_tag.any():
        assert found.average_precision == pytest.approx(average_precision_score(has_tag, probabilities))
    if len(set(has_tag.tolist())) == 2:
        assert found.roc_auc == pytest.approx(roc_auc_score(has_tag, probabilities))


def test_rates_are_of_the_images_with_and_without_the_tag():
    probabilities = np.array([0.9, 0.8, 0.2, 0.7, 0.1, 0.3, 0.4, 0.2])
    found = tag_metrics(probabilities, np.arange(8) < 3)
    assert found.true_positive_rate == pytest.approx(2 / 3)
    assert found.false_negative_rate == pytest.approx(1 / 3)
    assert found.false_positive_rate == 0.2
    assert found.true_negative_rate == 0.8
    assert found.precision == pytest.approx(2 / 3)
    assert found.accuracy == 75.0


def test_what_no_image_says_is_none():
    found = tag_metrics(np.array([0.2, 0.9]), np.array([False, False]))
    assert (found.true_positive_rate, found.roc_auc, found.average_precision) == (None, None, None)
    assert roc_auc(np.ones(2), np.array([True, True])) is None
    assert average_precision(np.zeros(0), np.zeros(0, bool)) is None
    assert mean_average_precision([None, 0.5, 1.0]) == 0.75
    assert mean_average_precision([None]) is None
    assert tag_metrics(np.zeros(0), np.zeros(0, bool)).accuracy is None


def test_bins_begin_with_their_bounds_and_the_last_one_has_1():
    assert probability_bins(np.arange(11) / 10) == [1] * 9 + [2]
    assert probability_bins(np.array([0.25, 0.2999, 0.3])) == [0, 0, 2, 1, 0, 0, 0, 0, 0, 0]
    assert probability_bins(np.zeros(0)) == [0] * 10
    assert probability_bins(np.array([0.1, 0.6]), bins=2) == [1, 1]
