"""Logistic regressions of many tags at once: scikit-learn's optimum for each, and the same bytes on any machine."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError, TrainingLabelsError
from spacer_like.learning.batched_logistic import conditioner_of
from spacer_like.learning.linear_tags import NEGATIVE, NOT_USED, POSITIVE, LinearTags, fit_linear_tags, tag_scores


def tagged(n=400, dimension=24, tags=5, seed=0, dtype=np.float32):
    """Features with a far-off mean and very different spreads, and tags of which some use a part of the images."""
    random = np.random.default_rng(seed)
    spread = 4.0 / np.arange(1, dimension + 1)
    group = random.integers(0, tags + 2, n)
    features = (random.normal(size=(tags + 2, dimension))[group] + random.normal(size=(n, dimension))) * spread
    features += random.normal(size=dimension) * 3
    targets = np.where(group[:, None] == np.arange(tags), POSITIVE, NEGATIVE).astype(np.int8)
    for tag in range(1, tags, 2):
        targets[(group < tags) & (targets[:, tag] == NEGATIVE), tag] = NOT_USED
    targets[0], targets[1] = POSITIVE, NEGATIVE
    return features.astype(dtype), targets


def scikit_learn(features, targets, importance=None):
    """Probabilities [n, tags] by one LogisticRegression after another."""
    found = []
    for tag in range(targets.shape[1]):
        used = targets[:, tag] != NOT_USED
        weights = None if importance is None else np.broadcast_to(importance.T, targets.T.shape)[tag][used]
        model = LogisticRegression(C=1, tol=1e-9, max_iter=10_000)
        model.fit(features[used].astype(np.float64), targets[used, tag], weights)
        found.append(model.predict_proba(features.astype(np.float64))[:, 1])
    return np.stack(found, axis=1)


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(2, 300),
    dimension=st.integers(1, 60),
    tags=st.integers(1, 4),
    seed=st.integers(0, 999),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_the_probabilities_are_those_of_scikit_learn(n, dimension, tags, seed, dtype):
    features, targets = tagged(n, dimension, tags, seed, dtype)
    found = fit_linear_tags(features, targets)
    assert found.weights.shape == (tags, dimension)
    scores = tag_scores(features, found.weights, found.bias)
    assert np.abs(scores - scikit_learn(features, targets)).max() < 1e-3


def test_what_is_minimised_has_no_slope_at_the_optimum():
    features, targets = tagged(dtype=np.float64)
    found = fit_linear_tags(features, targets, tolerance=1e-9)
    residuals = np.where(targets == NOT_USED, 0, tag_scores(features, found.weights, found.bias) - targets)
    np.testing.assert_allclose(residuals.T @ features + found.weights, 0, atol=1e-6)
    np.testing.assert_allclose(residuals.sum(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-38, 3e38])
def test_features_that_are_all_alike_give_the_share_of_the_positives(value):
    """Of images without any drawing, for instance."""
    features = np.full((10, 3), value, np.float32)
    targets = np.array([[POSITIVE]] * 3 + [[NEGATIVE]] * 7)
    fitted = fit_linear_tags(features, targets)
    assert tag_scores(features, fitted.weights, fitted.bias)[:, 0] == pytest.approx(np.full(10, 0.3), abs=1e-3)


def test_an_example_of_importance_two_counts_as_two_examples_do():
    features, targets = tagged()
    importance = np.where(np.arange(len(features)) % 3 == 0, 2.0, 1.0)
    weighted = fit_linear_tags(features, targets, importance=importance)
    twice = np.repeat(np.arange(len(features)), importance.astype(int))
    repeated = fit_linear_tags(features[twice], targets[twice])
    scores = [tag_scores(features, one.weights, one.bias) for one in (weighted, repeated)]
    assert np.abs(scores[0] - scores[1]).max() < 1e-3
    each = np.random.default_rng(0).uniform(0.1, 5, targets.shape)
    found = fit_linear_tags(features, targets, importance=each)
    assert np.abs(tag_scores(features, found.weights, found.bias) - scikit_learn(features, targets, each)).max() < 1e-3


def test_examples_of_no_importance_and_those_not_used_change_nothing():
    features, targets = tagged()
    found = fit_linear_tags(features, targets, importance=np.arange(len(features)) < 200)
    cut = fit_linear_tags(features[:200], targets[:200])
    scores = [tag_scores(features, one.weights, one.bias) for one in (found, cut)]
    assert np.abs(scores[0] - scores[1]).max() < 1e-3


@pytest.mark.parametrize("length", [1.0, 1e3])
def test_neither_a_start_nor_a_conditioner_changes_the_optimum(length):
    features, targets = tagged()
    random = np.random.default_rng(1)
    start = LinearTags(random.normal(size=(5, 24)) * length, random.normal(size=5))
    poor = conditioner_of(random.normal(size=(9, 24)))
    found = fit_linear_tags(features, targets, start=start, conditioner=poor)
    assert np.abs(tag_scores(features, found.weights, found.bias) - scikit_learn(features, targets)).max() < 1e-3


def test_more_tags_than_are_solved_at_once_are_solved_too():
    features, targets = tagged(200, 8, 4)
    many = fit_linear_tags(features, np.tile(targets, (1, 33)))
    few = fit_linear_tags(features, targets)
    np.testing.assert_allclose(many.weights, np.tile(few.weights, (33, 1)), atol=2e-3)
    one = many.of_tags([3])
    assert (one.weights.shape, one.bias.shape) == ((1, 8), (1,))


_DIGEST = """
import hashlib, numpy as np
from spacer_like.learning.linear_tags import fit_linear_tags, tag_scores
random = np.random.default_rng(0)
features = random.normal(size=(3000, 256)).astype(np.float32)
targets = (features[:, :12] + random.normal(size=(3000, 12)) > 1).astype(np.int8)
found = fit_linear_tags(features, targets)
arrays = found.weights, found.bias, tag_scores(features, found.weights, found.bias)
print(hashlib.sha256(b"".join(one.tobytes() for one in arrays)).hexdigest())
"""


def test_one_thread_and_two_give_the_same_bytes():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "SPACER_TORCH_THREADS": threads},
            capture_output=True,
            check=True,
            timeout=100,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().strip()) == hashlib.sha256().digest_size * 2


class TestErrors:
    def test_a_tag_without_examples_of_a_kind(self):
        features, targets = tagged()
        targets[:, 2] = np.where(targets[:, 2] == POSITIVE, NOT_USED, targets[:, 2])
        sentence = (
            r"^The tag 'cat' has no positive example, and nothing can be learnt of it: add one, or leave it out\.$"
        )
        with pytest.raises(TrainingLabelsError, match=sentence):
            fit_linear_tags(features, targets, names=["a", "b", "cat", "d", "e"])
        targets[:, 1] = POSITIVE
        targets[:, 2] = targets[:, 0]
        with pytest.raises(TrainingLabelsError, match=r"^The tag number 1 has no negative example"):
            fit_linear_tags(features, targets)

    def test_arrays_that_do_not_fit_together(self):
        features, targets = tagged()
        with pytest.raises(TrainingLabelsError, match=r"have the shapes \(400, 24\) and \(399, 5\)\.$"):
            fit_linear_tags(features, targets[1:])
        with pytest.raises(TrainingLabelsError, match=r"must be 1 \(positive\), 0 \(negative\) or -1 \(not used\)\.$"):
            fit_linear_tags(features, targets + 1)
        with pytest.raises(TrainingLabelsError, match=r"must be numbers of 0 or more, 400 or \[400, 5\] of them\.$"):
            fit_linear_tags(features, targets, importance=np.full(400, -1.0))

    def test_numbers_that_are_not_finite(self):
        features, targets = tagged()
        features[7, 3] = np.nan
        with pytest.raises(FeatureFileError, match=r"^The features hold numbers that are not finite\.$"):
            fit_linear_tags(features, targets)

    def test_another_extractor(self):
        features, targets = tagged()
        found = fit_linear_tags(features, targets)
        with pytest.raises(ExtractorMismatchError, match=r"expects feature vectors of 24 numbers"):
            tag_scores(features[:, 1:], found.weights, found.bias)
        with pytest.raises(ExtractorMismatchError, match=r"^The start has weights .* \(5, 24\), .* \(5, 23\)\.$"):
            fit_linear_tags(features[:, 1:], targets, start=found)
