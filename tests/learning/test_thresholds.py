"""Thresholds of tags: chosen on what was not trained on, and a promise of precision that is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.learning.linear_tags import NOT_USED, fit_linear_tags, tag_scores
from spacer_like.learning.split import fold_numbers
from spacer_like.learning.thresholds import f1_thresholds, lower_bound, out_of_fold, precision_threshold


class TestOutOfFold:
    def test_each_fold_is_scored_by_what_was_trained_on_the_others(self):
        random = np.random.default_rng(0)
        features = random.normal(size=(200, 6)).astype(np.float32)
        targets = (features[:, :3] + random.normal(size=(200, 3)) > 0.5).astype(np.int8)
        targets[random.random((200, 3)) < 0.1] = NOT_USED
        importance = random.uniform(0.5, 2, 200)
        folds = fold_numbers(np.arange(200), targets > 0, 4, seed=1)
        found = out_of_fold(features, targets, folds, importance=importance, start=fit_linear_tags(features, targets))
        for fold in range(4):
            kept = folds != fold
            model = fit_linear_tags(features[kept], targets[kept], importance=importance[kept])
            np.testing.assert_allclose(
                found[~kept], tag_scores(features[~kept], model.weights, model.bias), atol=1e-3, rtol=0
            )

    def test_it_is_not_known_where_a_fold_has_all_examples_of_a_kind(self):
        features = np.random.default_rng(0).normal(size=(20, 3))
        folds = np.arange(20) % 2
        targets = np.stack([folds, np.arange(20) < 9], axis=1).astype(np.int8)
        found = out_of_fold(features, targets, folds)
        assert np.isnan(found[:, 0]).all()
        assert np.isfinite(found[:, 1]).all()
        assert np.isnan(out_of_fold(features, targets[:, :1], folds)).all()


class TestF1:
    @given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=30))
    def test_no_other_threshold_has_a_greater_f1(self, examples):
        values, targets = (np.array(column, float) for column in zip(*examples, strict=True))
        threshold = f1_thresholds(values[:, None] / 10, targets[:, None].astype(int))[0]
        if not targets.any():
            assert threshold == 0.5
            return
        f1s = {value: f1_score(targets, values / 10 >= value) for value in set(values / 10)}
        best = max(f1s.values())
        assert f1_score(targets, values / 10 >= threshold) == pytest.approx(best)
        highest = max(value for value, f1 in f1s.items() if f1 >= best - 1e-12)
        assert ((values / 10 >= threshold) == (values / 10 >= highest)).all()

    def test_it_lies_between_images(self):
        probabilities = np.array([[0.9], [0.8], [0.4], [np.nan], [0.99]])
        targets = np.array([[1], [1], [0], [1], [NOT_USED]])
        assert f1_thresholds(probabilities, targets)[0] == pytest.approx(0.6)


class TestPrecision:
    @pytest.mark.parametrize("steepness", [0.5, 1.0])
    def test_the_promise_is_kept_in_new_draws(self, steepness):
        random = np.random.default_rng(3)

        def draw(n):
            logits = steepness * (4 * random.normal(size=n) - 1)
            # Probabilities that promise too much.
            return 1 / (1 + np.exp(-1.5 * logits)), 1 / (1 + np.exp(-logits))

        given_all, true_all = draw(200_000)
        order = np.argsort(-given_all)
        precisions = np.cumsum(true_all[order]) / np.arange(1, 200_001)
        kept = found = 0
        for _ in range(300):
            values, true = draw(1500)
            threshold = precision_threshold(values, (random.random(1500) < true).astype(int), 0.9)
            found += threshold is not None
            above = np.searchsorted(-given_all[order], -(threshold or 0), side="right")
            kept += threshold is None or precisions[above - 1] >= 0.9
        assert kept / 300 >= 0.95 - 0.025
        assert found / 300 > 0.5

    def test_a_perfect_classifier_of_enough_images_has_a_threshold_and_one_of_few_has_none(self):
        values = np.linspace(1, 0, 200)
        assert precision_threshold(values, (np.arange(200) < 73).astype(int), 0.95) == pytest.approx(
            values[72], abs=0.01
        )
        assert precision_threshold(values, (np.arange(200) < 60).astype(int), 0.95) is None
        assert precision_threshold(values[:0], np.zeros(0, int), 0.95) is None
        assert precision_threshold(np.full(200, np.nan), np.ones(200, int), 0.95) is None

    def test_copies_are_no_evidence(self):
        values, targets = np.full(300, 0.9), np.ones(300, int)
        assert precision_threshold(values, targets, 0.95) == 0.9
        assert precision_threshold(values, targets, 0.95, groups=np.arange(300) // 10) is None

    def test_equal_probabilities_are_above_a_threshold_together(self):
        values = np.repeat([0.9, 0.5], [100, 100])
        assert precision_threshold(values, np.repeat([1, 0], 100), 0.9) == 0.9
        assert precision_threshold(np.full(200, 0.9), np.repeat([1, 0], 100), 0.9) is None

    @given(st.integers(1, 300), st.floats(0, 1), st.floats(0.01, 0.2))
    def test_the_bound_is_that_of_the_exact_test(self, count, share, risk):
        hits = round(share * count)
        wanted = binomtest(hits, count, alternative="greater").proportion_ci(1 - risk, method="exact").low
        assert lower_bound(hits, count, risk) == pytest.approx(wanted, abs=1e-9)

    def test_a_precision_that_is_no_share(self):
        with pytest.raises(TrainingLabelsError, match=r"^The precision and the confidence must be between 0 and 1,"):
            precision_threshold(np.ones(3), np.ones(3, int), 1.0)
