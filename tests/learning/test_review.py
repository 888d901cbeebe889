"""Images to review: the uncertain and the likely ones, none twice, none known and no near duplicates."""

import numpy as np

from spacer_like.learning.review import suggest_review

PROBABILITIES = np.array([0.1, 0.45, 0.55, 0.9, 0.95, 0.5, np.nan, 0.52])
KNOWN = np.zeros(8, bool)


def test_the_uncertain_are_nearest_to_the_threshold_and_the_likely_highest():
    found = suggest_review(PROBABILITIES, 0.5, KNOWN, (2, 2))
    assert (found.uncertain, found.likely) == ([5, 7], [4, 3])
    found = suggest_review(PROBABILITIES, 0.94, KNOWN, (1, 3))
    assert (found.uncertain, found.likely) == ([4], [3, 2, 7])


def test_known_images_and_those_without_a_probability_are_left_out():
    known = np.isin(np.arange(8), [5, 4])
    found = suggest_review(PROBABILITIES, 0.5, known, (3, 9))
    assert (found.uncertain, found.likely) == ([7, 1, 2], [3, 0])


def test_near_duplicates_are_suggested_once():
    vectors = np.eye(8, dtype=np.float32)
    vectors[7] = 3 * vectors[5] + 0.1 * vectors[0]
    vectors[3] = vectors[4]
    vectors[4] = vectors[5]
    found = suggest_review(PROBABILITIES, 0.5, KNOWN, (2, 3), vectors)
    assert (found.uncertain, found.likely) == ([5, 1], [3, 2, 0])


def test_of_equally_good_images_the_first_is_taken():
    found = suggest_review(np.full(5, 0.5), 0.5, np.zeros(5, bool), (2, 2), np.zeros((5, 3)))
    assert (found.uncertain, found.likely) == ([0, 1], [2, 3])
