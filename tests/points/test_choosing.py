"""The choice of points to label: what always holds of it, and what it prefers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.points.choosing import (
    FARTHEST,
    Candidates,
    Pool,
    farthest_first,
    most_uncertain,
    uncertainties,
)


def candidates_of(images, seed, dimension=4):
    random = np.random.default_rng(seed)
    n = len(images)
    # Some points are the same, and some are certain.
    vectors = random.integers(-2, 3, (n, dimension)).astype(np.float32)
    uncertainty = np.round(random.random(n), 1)
    return Candidates(np.array(images, np.int64), np.arange(n), uncertainty, vectors)


IMAGES = st.lists(st.integers(0, 4), min_size=1, max_size=30)


@settings(max_examples=100)
@given(IMAGES, st.integers(1, 40), st.none() | st.integers(1, 4), st.integers(0, 9), st.booleans())
def test_a_choice_repeats_nothing_keeps_to_the_most_of_an_image_and_is_as_long_as_it_can_be(
    images, count, most, seed, with_known
):
    candidates = candidates_of(images, seed)
    known = candidates_of([0, 0], seed + 1).vectors if with_known else None
    for choose in (
        lambda: most_uncertain(candidates, count, most),
        lambda: farthest_first(candidates, known, count, most)[0],
    ):
        found = choose()
        assert found == choose()
        assert len(set(found)) == len(found)
        taken = np.bincount(candidates.image[found], minlength=5)
        there = np.bincount(candidates.image, minlength=5)
        can_be = there if most is None else np.minimum(there, most)
        assert (taken <= can_be).all()
        assert len(found) == min(count, can_be.sum())


class TestFarthestFirst:
    def test_begins_with_the_least_usual_direction_from_what_is_known_and_goes_on_so(self):
        vectors = np.array([[9, 0], [10, 0], [0, 9], [-9, 1], [1, 10]], np.float32)
        candidates = Candidates(np.zeros(5, np.int64), np.arange(5), np.ones(5), vectors)
        known = vectors[:1]
        found, distances = farthest_first(candidates, known, 5, None)
        assert found[:2] == [2, 3]
        assert distances == sorted(distances, reverse=True)
        assert max(distances) <= FARTHEST

    def test_prefers_the_uncertain_of_two_that_are_equally_far(self):
        vectors = np.array([[1, 0], [0, 1], [0, -1], [-1, 0]], np.float32)
        candidates = Candidates(np.zeros(4, np.int64), np.arange(4), np.array([0.1, 0.2, 0.9, 0.3]), vectors)
        assert farthest_first(candidates, None, 1, None) == ([2], [FARTHEST])
        assert farthest_first(candidates, vectors[:1], 1, None)[0] == [2]

    def test_without_anything_known_begins_in_the_middle(self):
        vectors = np.array([[5, 0], [-5, 0], [0, 5], [0, -5], [0.5, 0]], np.float32)
        candidates = Candidates(np.zeros(5, np.int64), np.arange(5), np.ones(5), vectors)
        assert farthest_first(candidates, None, 1, None)[0] == [4]


class TestUncertainties:
    @settings(max_examples=50)
    @given(st.integers(1, 6), st.integers(0, 99))
    def test_lie_between_0_and_1(self, classes, seed):
        probabilities = np.random.default_rng(seed).dirichlet(np.ones(classes) / 3, 20)
        for kind in ("margin", "entropy"):
            found = uncertainties(probabilities, kind)
            assert ((found >= 0) & (found <= 1)).all()

    def test_are_largest_where_classes_are_equally_likely(self):
        probabilities = np.array([[1.0, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0], [0.5, 0.3, 0.2]])
        assert uncertainties(probabilities, "margin") == pytest.approx([0, 1, 1, 0.8])
        assert uncertainties(probabilities, "entropy")[:2] == pytest.approx([0, 1])


class TestPool:
    @settings(max_examples=50)
    @given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 10), st.integers(0, 99))
    def test_keeps_the_highest_ranks_of_all_parts(self, sizes, size, seed):
        random = np.random.default_rng(seed)
        pool, ranks = Pool(size), []
        for number, count in enumerate(sizes):
            part = candidates_of([number] * count, seed)
            # The uncertainty stands for the rank here.
            ranks.append(np.round(random.random(count), 1))
            pool.add(ranks[-1], part._replace(uncertainty=ranks[-1]))
        kept = pool.candidates()
        every = np.concatenate(ranks)
        assert sorted(kept.uncertainty) == sorted(every)[-size:]
        assert (np.diff(kept.image) >= 0).all()
        assert len(kept.vectors) == len(kept.point) == min(size, len(every))

    def test_of_nothing_is_none(self):
        assert Pool(3).candidates() is None
