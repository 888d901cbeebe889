"""Confident learning: labels that look wrong by probabilities of classifiers that did not learn from them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.learning.confident import (
    UNKNOWN,
    calibrated,
    judge_labels,
    judge_tags,
    wrong_share,
)

# Six examples of two classes, worked out by hand.
GIVEN = np.array([0, 0, 0, 1, 1, 1])
OF_FIRST = np.array([0.9, 0.8, 0.1, 0.2, 0.3, 0.7])
TWO = np.stack([OF_FIRST, 1 - OF_FIRST], axis=1)


@st.composite
def judged_data(draw):
    n, k = draw(st.integers(2, 40)), draw(st.integers(2, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    probabilities = random.dirichlet(np.full(k, 0.5), n)
    labels = random.integers(0, k, n)
    labels[random.random(n) < 0.1] = UNKNOWN
    return probabilities, labels, random


class TestAnExampleByHand:
    def test_the_thresholds_are_the_mean_self_confidences(self):
        # (.9 + .8 + .1) / 3, and (.8 + .7 + .3) / 3
        assert judge_labels(TWO, GIVEN).thresholds == pytest.approx([0.6, 0.6])

    def test_each_example_is_of_the_class_that_it_reaches_the_threshold_of(self):
        assert judge_labels(TWO, GIVEN).confident.tolist() == [0, 0, 1, 1, 1, 0]

    def test_the_joint_counts_given_and_true_classes(self):
        assert judge_labels(TWO, GIVEN).joint == pytest.approx(np.array([[2, 1], [1, 2]]))

    @pytest.mark.parametrize("rule", ["confident_joint", "noise_rate"])
    def test_what_is_off_the_diagonal_looks_wrong(self, rule):
        found = judge_labels(TWO, GIVEN, rule)
        assert found.wrong.tolist() == [False, False, True, False, False, True]
        # Margins .1 - .9 and .3 - .7.
        assert found.score[found.wrong] == pytest.approx([0.1, 0.3])
        assert found.ranked().tolist() == [2, 5]
        assert found.likely[[2, 5]].tolist() == [1, 0]
        assert found.likely_probability[[2, 5]] == pytest.approx([0.9, 0.7])
        assert found.self_confidence[[2, 5]] == pytest.approx([0.1, 0.3])

    def test_the_share_is_that_of_the_joint(self):
        assert wrong_share([judge_labels(TWO, GIVEN)], np.arange(6)).share == pytest.approx(2 / 6)

    def test_a_row_of_the_joint_is_scaled_to_the_examples_of_its_class(self):
        # Of 10 examples of the first class 4 are confident, and one of these is of the second class.
        joint = calibrated(np.array([[3, 1], [0, 0]]), np.array([10, 5]))
        assert joint == pytest.approx(np.array([[7.5, 2.5], [0, 5]]))


class TestRules:
    def test_by_noise_rate_as_many_look_wrong_as_the_calibrated_joint_says(self):
        # Half of the first class's examples are confident, a half of them of the second class: two of four are wrong.
        probabilities = np.array([0.9, 0.5, 0.44, 0.0, 0.0, 0.0])
        found = judge_labels(
            np.stack([probabilities, 1 - probabilities], axis=1), np.array([0, 0, 0, 0, 1, 1]), "noise_rate"
        )
        assert found.joint[0] == pytest.approx([8 / 3, 4 / 3])
        assert found.ranked().tolist() == [3]

    @given(judged_data())
    def test_by_noise_rate_the_likely_class_is_more_probable(self, drawn):
        probabilities, labels, _ = drawn
        found = judge_labels(probabilities, labels, "noise_rate")
        assert (found.likely_probability > found.self_confidence)[found.wrong].all()


class TestLaws:
    @given(judged_data())
    def test_the_joint_sums_to_the_examples_of_each_class(self, drawn):
        probabilities, labels, _ = drawn
        found = judge_labels(probabilities, labels)
        counts = np.bincount(labels[labels != UNKNOWN], minlength=probabilities.shape[1])
        assert found.joint.sum(axis=1) == pytest.approx(counts)
        assert found.joint.sum() == pytest.approx(found.n_judged)

    @settings(max_examples=40)
    @given(judged_data(), st.sampled_from(["confident_joint", "noise_rate"]))
    def test_the_order_of_examples_does_not_matter(self, drawn, rule):
        probabilities, labels, random = drawn
        order = random.permutation(len(labels))
        one, other = judge_labels(probabilities, labels, rule), judge_labels(probabilities[order], labels[order], rule)
        assert (one.wrong[order] == other.wrong).all()
        assert (one.likely[order] == other.likely).all()
        assert one.score[order] == pytest.approx(other.score, nan_ok=True)

    @settings(max_examples=40)
    @given(judged_data(), st.sampled_from(["confident_joint", "noise_rate"]))
    def test_the_numbers_of_classes_do_not_matter(self, drawn, rule):
        probabilities, labels, random = drawn
        order = random.permutation(probabilities.shape[1])
        renamed = np.where(labels == UNKNOWN, UNKNOWN, np.argsort(order)[labels])
        one, other = judge_labels(probabilities, labels, rule), judge_labels(probabilities[:, order], renamed, rule)
        assert (one.wrong == other.wrong).all()
        assert one.joint[np.ix_(order, order)] == pytest.approx(other.joint)

    @given(judged_data())
    def test_what_is_not_judged_is_never_wrong_and_changes_nothing(self, drawn):
        probabilities, labels, _ = drawn
        found, judged = judge_labels(probabilities, labels), labels != UNKNOWN
        alone = judge_labels(probabilities[judged], labels[judged])
        assert not found.wrong[~judged].any()
        assert np.isnan(found.score[~judged]).all()
        assert (found.wrong[judged] == alone.wrong).all()
        assert found.joint == pytest.approx(alone.joint)

    @given(judged_data())
    def test_scores_are_margins_from_0_to_1(self, drawn):
        probabilities, labels, _ = drawn
        found = judge_labels(probabilities, labels)
        judged = labels != UNKNOWN
        assert ((found.score >= 0) & (found.score <= 1))[judged].all()
        highest = (probabilities.argmax(axis=1) == labels)[judged]
        assert (found.score[judged] >= 0.5)[highest].all()

    @settings(max_examples=20)
    @given(st.integers(2, 6), st.integers(2, 20))
    def test_without_noise_nothing_looks_wrong(self, k, n):
        labels = np.arange(n * k) % k
        probabilities = np.full((n * k, k), 0.1 / (k - 1))
        probabilities[np.arange(n * k), labels] = 0.9
        for rule in ("confident_joint", "noise_rate"):
            assert not judge_labels(probabilities, labels, rule).wrong.any()
        assert wrong_share([judge_labels(probabilities, labels)], np.arange(n * k) % 4).share == 0


def test_a_tag_is_a_question_of_yes_and_no():
    has = np.stack([GIVEN == 0, GIVEN == 0], axis=1).astype(np.int8)
    has[2, 1] = UNKNOWN
    first, second = judge_tags(np.stack([OF_FIRST, OF_FIRST], axis=1), has)
    assert np.flatnonzero(first.wrong).tolist() == [2, 5]
    assert first.likely[[2, 5]].tolist() == [0, 1]
    assert second.given[2] == UNKNOWN
    assert second.n_judged == 5
    both = wrong_share([first, second], np.arange(6))
    assert both.share == pytest.approx((2 + second.joint[0, 1] + second.joint[1, 0]) / 11)


class TestInterval:
    def test_it_holds_the_share_of_which_labels_were_changed(self):
        random = np.random.default_rng(0)
        true = random.integers(0, 3, 900)
        labels = np.where(random.random(900) < 0.1, (true + random.integers(1, 3, 900)) % 3, true)
        probabilities = np.full((900, 3), 0.05) + random.uniform(0, 0.02, (900, 3))
        probabilities[np.arange(900), true] = 0.9
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        found = wrong_share([judge_labels(probabilities, labels)], np.arange(900) // 9)
        low, high = found.interval
        assert low < (labels != true).mean() < high
        assert high - low < 0.06

    def test_few_groups_have_none(self):
        assert wrong_share([judge_labels(TWO, GIVEN)], np.arange(6) // 2).interval is None
