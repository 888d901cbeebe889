"""Probabilities out of fold, from features that come block by block."""

from contextlib import ExitStack

import numpy as np
import pytest
from scipy.sparse import csr_array

from spacer_like.config import override
from spacer_like.exceptions import DataLimitError, FeatureFileError, TrainingLabelsError
from spacer_like.learning import unseen_probabilities as module
from spacer_like.learning.unseen_probabilities import Examples, unseen_probabilities

N, K, D = 120, 3, 8


def made(n=N, seed=0, groups=None, one_label=True):
    random = np.random.default_rng(seed)
    labels = np.arange(n) % K
    features = (np.eye(K, D)[labels] * 4 + random.normal(size=(n, D)) + 7).astype(np.float32)
    return features, labels, np.arange(n) // 2 if groups is None else groups, one_label


def found(features, labels, groups, one_label=True, block=50, folds=5):
    targets = csr_array(np.eye(K, dtype=bool)[labels])
    examples = Examples(
        lambda: (features[begin : begin + block] for begin in range(0, len(features), block)),
        targets,
        groups,
        one_label,
    )
    with ExitStack() as resources:
        return unseen_probabilities(examples, folds, 0, resources)


def test_they_tell_classes_and_sum_to_1():
    features, labels, groups, _ = made()
    unseen = found(features, labels, groups)
    assert unseen.probabilities.dtype == np.float32
    assert (unseen.probabilities.argmax(axis=1) == labels).mean() > 0.9
    assert unseen.probabilities.sum(axis=1) == pytest.approx(np.ones(N), abs=1e-5)
    assert unseen.learnt.all()


def test_no_group_is_in_two_folds():
    features, labels, groups, _ = made()
    fold = found(features, labels, groups).fold
    assert set(fold) == set(range(5))
    assert all(len(set(fold[groups == group])) == 1 for group in np.unique(groups))


def test_blocks_and_the_scale_of_features_do_not_matter():
    features, labels, groups, _ = made()
    whole = found(features, labels, groups, block=N).probabilities
    assert (found(features, labels, groups, block=7).probabilities == whole).all()
    assert found(features * 100, labels, groups).probabilities == pytest.approx(whole, abs=1e-3)


def test_an_example_says_nothing_of_its_own_label():
    features, labels, groups, _ = made()
    before = found(features, labels, groups)
    changed = labels.copy()
    changed[:2] = (labels[:2] + 1) % K
    after = found(features, changed, groups)
    alike = before.fold == after.fold
    assert (before.probabilities.argmax(axis=1) == after.probabilities.argmax(axis=1))[alike].mean() > 0.95
    assert after.probabilities[0].argmax() == labels[0]


def test_what_only_one_fold_has_is_not_learnt_there():
    features, labels, _, _ = made()
    groups = np.where(labels == 2, 1000, np.arange(N) // 2)
    unseen = found(features, labels, groups)
    (fold,) = set(unseen.fold[labels == 2])
    assert unseen.learnt[fold].tolist() == [True, True, False]
    assert (unseen.probabilities[unseen.fold == fold, 2] == 0).all()


def test_tags_are_each_a_question_of_their_own():
    features, labels, groups, _ = made()
    sums = found(features, labels, groups, one_label=False).probabilities.sum(axis=1)
    assert not np.allclose(sums, 1, atol=1e-2)


def test_of_many_examples_some_are_learnt_from_and_rare_labels_first(monkeypatch):
    monkeypatch.setattr(module, "MOST_LEARNT", 60)
    random = np.random.default_rng(0)
    features, labels, groups, _ = made(600)
    labels = np.where(random.random(600) < 0.02, 2, labels % 2)
    features = (np.eye(K, D)[labels] * 4 + random.normal(size=(600, D))).astype(np.float32)
    unseen = found(features, labels, groups)
    assert (unseen.probabilities.argmax(axis=1) == labels).mean() > 0.9
    assert unseen.learnt.all()


def test_many_probabilities_are_in_a_file():
    features, labels, groups, _ = made()
    in_memory = found(features, labels, groups).probabilities
    examples = Examples(lambda: [features], csr_array(np.eye(K, dtype=bool)[labels]), groups, True)
    with override(training_memory_bytes=100), ExitStack() as resources:
        unseen = unseen_probabilities(examples, 5, 0, resources)
        assert isinstance(unseen.probabilities, np.memmap)
        assert (unseen.probabilities == in_memory).all()


class TestRefused:
    def test_one_group(self):
        features, labels, _, _ = made()
        with pytest.raises(TrainingLabelsError, match="all are of one"):
            found(features, labels, np.zeros(N, int))

    def test_nothing_to_learn(self):
        features, labels, _, _ = made()
        with pytest.raises(TrainingLabelsError, match="Nothing can be learnt"):
            found(features, labels % 2, labels % 2)

    def test_more_labels_or_probabilities_than_can_be_kept(self):
        for shape in ((10, 2001), (2**31 - 1, 9)):
            with pytest.raises(DataLimitError, match="Leave rare labels out"):
                unseen_probabilities(Examples(list, csr_array(shape, dtype=bool), np.zeros(1), True), 5, 0, ExitStack())

    def test_features_that_are_not_finite(self):
        features, labels, groups, _ = made()
        features[3, 3] = np.nan
        with pytest.raises(FeatureFileError, match="not finite"):
            found(features, labels, groups)
