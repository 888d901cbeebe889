"""Ranks and correlations agree with SciPy, and say None where there is nothing to correlate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from spacer_like.rarity.ranking import agreement, descending_ranks, kendall, pearson, spearman, top_overlap

NAN = float("nan")
# Whole numbers: ties abound, and no two differ by less than a correlation can see.
COLUMN = st.integers(2, 30).flatmap(lambda n: arrays(float, n, elements=st.integers(-5, 5).map(float)))
PAIR = st.integers(2, 30).flatmap(
    lambda n: st.tuples(*[arrays(float, n, elements=st.integers(-5, 5).map(float)) for _ in range(2)])
)
CORRELATIONS = [
    (pearson, lambda first, second: stats.pearsonr(first, second).statistic),
    (spearman, lambda first, second: stats.spearmanr(first, second).statistic),
    (kendall, lambda first, second: stats.kendalltau(first, second).statistic),
]


def is_constant(values):
    return len(set(values.tolist())) < 2


@given(COLUMN)
def test_ranks_are_those_of_scipy_from_the_highest(scores):
    average, least = descending_ranks(scores)

    assert average.tolist() == stats.rankdata(-scores, method="average").tolist()
    assert least.tolist() == stats.rankdata(-scores, method="min").tolist()


def test_what_has_no_score_has_no_rank():
    average, least = descending_ranks(np.array([NAN, 5.0, 7.0, 7.0, NAN]))

    np.testing.assert_equal(average, [NAN, 3, 1.5, 1.5, NAN])
    np.testing.assert_equal(least, [NAN, 3, 1, 1, NAN])
    assert all(len(ranks) == 0 for ranks in descending_ranks(np.array([])))


@pytest.mark.parametrize(("correlation", "reference"), CORRELATIONS)
@given(pair=PAIR)
def test_a_correlation_is_that_of_scipy(correlation, reference, pair):
    if any(map(is_constant, pair)):
        assert correlation(*pair) is None
    else:
        assert correlation(*pair) == pytest.approx(reference(*pair), abs=1e-12)


@pytest.mark.parametrize(("correlation", "reference"), CORRELATIONS)
def test_a_pair_with_a_hole_does_not_count(correlation, reference):
    first = np.array([1.0, NAN, 2.0, 4.0, 3.0])
    second = np.array([5.0, 6.0, NAN, 1.0, 2.0])

    assert correlation(first, second) == pytest.approx(reference([1, 4, 3], [5, 1, 2]))


@pytest.mark.parametrize("correlation", [pearson, spearman, kendall, lambda *pair: top_overlap(*pair, 0.5)])
@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([1.0], [2.0]), ([3.0, 3.0], [1.0, 2.0]), ([1.0, NAN], [1.0, 2.0])]
)
def test_nothing_to_correlate_is_none(correlation, first, second):
    assert correlation(np.array(first), np.array(second)) is None


@pytest.mark.parametrize("factor", [1e-300, 1e300])
def test_numbers_as_large_or_small_as_they_come_correlate(factor):
    values = np.array([1.0, -2.0, 5.0, 7.5])

    assert pearson(values * factor, values) == pytest.approx(1)


@given(PAIR, st.randoms(use_true_random=False))
def test_an_agreement_does_not_depend_on_the_order_of_the_tokens_nor_of_the_two(pair, random):
    first, second = pair
    order = list(range(len(first)))
    random.shuffle(order)
    straight, shuffled, swapped = (
        agreement(one, other, 0.2) for one, other in [pair, (first[order], second[order]), (second, first)]
    )

    for name in ("n", "pearson", "spearman", "kendall", "top_overlap"):
        assert getattr(straight, name) == pytest.approx(getattr(shuffled, name), abs=1e-12)
        assert getattr(straight, name) == pytest.approx(getattr(swapped, name), abs=1e-12)


def test_the_overlap_of_two_tops_is_counted():
    first = np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    second = first[[0, 9, 1, 8, 2, 7, 3, 6, 4, 5]]  # 9 0 8 1 7 2 6 3 5 4

    assert top_overlap(first, first, 0.3) == 1
    assert top_overlap(first, -first, 0.5) == 0
    # The top of the one are the tokens 0 1 2, of the other 0 2 4.
    assert top_overlap(first, second, 0.3) == pytest.approx(2 / 3)
    assert top_overlap(first, second, 1.0) == 1


def test_equal_scores_at_the_end_of_the_top_share_its_room():
    ranking = np.array([3.0, 2.0, 1.0, 0.0])
    tied = np.array([5.0, 4.0, 4.0, 4.0])

    # Of the two places one goes to the first token, and a third of the other to the second.
    assert top_overlap(ranking, tied, 0.5) == pytest.approx((1 + 1 / 3) / 2)
    assert top_overlap(tied, tied, 0.5) == pytest.approx(1)


def test_a_share_that_floating_point_pushes_over_an_integer_is_that_integer():
    scores = np.arange(100.0)
    other = np.where(scores < 93, -scores, scores)

    assert 0.07 * 100 > 7
    assert top_overlap(scores, other, 0.07) == 1
