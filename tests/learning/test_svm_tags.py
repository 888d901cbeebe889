"""Support vector machines of tags: scikit-learn's decision values, and probabilities that are the same each time."""

import numpy as np
import pytest
from sklearn.svm import SVC

from spacer_like.exceptions import ExtractorMismatchError, TrainingLabelsError
from spacer_like.learning import svm_tags
from spacer_like.learning.linear_tags import NOT_USED
from spacer_like.learning.split import fold_numbers
from spacer_like.learning.svm_tags import fit_svm_tags, svm_decisions, svm_scores


def tagged(n=240, seed=0):
    random = np.random.default_rng(seed)
    group = random.integers(0, 4, n)
    features = (random.normal(size=(4, 16))[group] * 2 + random.normal(size=(n, 16)) * 1.5 + 3).astype(np.float32)
    targets = (group[:, None] == np.arange(3)).astype(np.int8)
    targets[(group != 1) & (group != 3), 1] = NOT_USED
    return features, targets, fold_numbers(np.arange(n), targets > 0, 5, seed=0)


@pytest.mark.parametrize("kernel_bytes", [2**12, 2**25])
def test_decision_values_are_those_of_scikit_learn(kernel_bytes, monkeypatch):
    monkeypatch.setattr(svm_tags, "_KERNEL_BYTES", kernel_bytes)
    features, targets, folds = tagged()
    model, _ = fit_svm_tags(features, targets, folds)
    new = tagged(2000, seed=1)[0]
    found = svm_decisions(new, model)
    for tag in range(3):
        used = targets[:, tag] != NOT_USED
        theirs = SVC(C=1, gamma="scale").fit(features[used].astype(float), targets[used, tag])
        np.testing.assert_allclose(found[:, tag], theirs.decision_function(new.astype(float)), atol=1e-5, rtol=0)


def test_tags_share_their_support_vectors():
    features, targets, folds = tagged()
    model, _ = fit_svm_tags(features, targets, folds)
    assert len(np.unique(model.vectors, axis=0)) == len(model.vectors)
    assert (model.coefficients != 0).any(axis=0).all()


def test_probabilities_rise_with_the_decision_and_are_fitted_out_of_fold():
    features, targets, folds = tagged()
    model, held = fit_svm_tags(features, targets, folds)
    scores, decisions = svm_scores(features, model), svm_decisions(features, model)
    assert (model.slopes < 0).all()
    for tag in range(3):
        assert scores[targets[:, tag] == 1, tag].mean() > 0.8 > 0.2 > scores[targets[:, tag] == 0, tag].mean()
        order = np.argsort(decisions[:, tag])
        assert (np.diff(scores[order, tag]) >= 0).all()
    assert (np.isnan(held) == (targets == NOT_USED)).all()
    kept, used = folds != 2, targets[:, 0] != NOT_USED
    theirs = SVC(C=1, gamma="scale").fit(features[kept & used].astype(float), targets[kept & used, 0])
    values = theirs.decision_function(features[~kept].astype(float))
    np.testing.assert_allclose(held[~kept, 0], 1 / (1 + np.exp(model.slopes[0] * values + model.bias[0])), atol=1e-6)


def test_the_same_data_give_the_same_bytes():
    first, again = (fit_svm_tags(*tagged()) for _ in range(2))
    for name, value in vars(first[0]).items():
        np.testing.assert_array_equal(value, getattr(again[0], name), strict=True, err_msg=name)
    assert first[1].tobytes() == again[1].tobytes()


def test_a_tag_with_one_positive_example_is_calibrated_on_what_it_was_trained_on():
    features, targets, folds = tagged()
    one = np.zeros((len(targets), 1), np.int8)
    one[5] = 1
    model, held = fit_svm_tags(features, one, folds)
    assert np.isfinite(svm_scores(features, model)).all()
    assert np.isnan(held[folds == folds[5]]).all()


def test_what_cannot_be_learnt_and_another_extractor():
    features, targets, folds = tagged()
    with pytest.raises(TrainingLabelsError, match=r"^The tag 'a' has no positive example"):
        fit_svm_tags(features, np.zeros_like(targets), folds, names=["a", "b", "c"])
    model, _ = fit_svm_tags(features, targets, folds)
    with pytest.raises(ExtractorMismatchError, match=r"expects feature vectors of 16 numbers"):
        svm_scores(features[:, :9], model)


@pytest.mark.parametrize("seed", range(8))
def test_a_high_score_never_stands_for_a_low_decision(seed):
    """Where all positive examples are in one fold, what is said out of fold is of negative ones alone."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(60, 8)).astype(np.float32)
    targets = np.zeros((60, 1), np.int8)
    folds = np.arange(60) % 5
    targets[:12], folds[:12] = 1, 0
    features[:12] += 2
    model, _ = fit_svm_tags(features, targets, folds)

    decisions, scores = svm_decisions(features, model)[:, 0], svm_scores(features, model)[:, 0]

    assert (np.diff(scores[np.argsort(decisions)]) >= 0).all()
    assert scores[targets[:, 0] == 1].min() > 0.5
