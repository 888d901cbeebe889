"""Intervals of cover: photographs count and not points, a machine narrows them, and they hold as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacer_like.points.cover.intervals import (
    cover_of_photographs,
    cover_with_machine,
    points_quantile,
    predicted_photographs,
    wilson,
)

COVER = np.array([0.45, 0.3, 0.15, 0.07, 0.03])
ACCURACY = np.array([0.9, 0.75, 0.8, 0.6, 0.7])
POINTS, PHOTOGRAPHS, CHECKED = 50, 100, 20


def reef(resamples, seed=0):
    """Shares by people and by a machine of patchy photographs: most of a photograph is one class."""
    random = np.random.default_rng(seed)
    there = random.dirichlet(COVER * 1.2, (resamples, PHOTOGRAPHS))
    people = random.multinomial(POINTS, there)
    confusion = ((1 - ACCURACY) / (len(COVER) - 1))[:, None] * np.ones((1, len(COVER)))
    np.fill_diagonal(confusion, ACCURACY)
    machine = sum(random.multinomial(people[..., k], confusion[k]) for k in range(len(COVER)))
    return people / POINTS, machine / POINTS, there


def holds(found):
    return ((found.low <= COVER) & (found.high >= COVER)).mean(axis=0)


def test_intervals_hold_about_as_often_as_they_say():
    people, machine, _ = reef(1000)
    checked, seen = people[:, :CHECKED], machine[:, :CHECKED]
    for found in (cover_of_photographs(checked), cover_with_machine(checked, seen, machine)):
        assert holds(found).min() > 0.91
        assert holds(found).max() < 0.985
    for_eighty = holds(cover_with_machine(checked, seen, machine, coverage=0.8))
    assert 0.72 < for_eighty.min() <= for_eighty.max() < 0.89


def test_points_as_if_they_were_independent_hold_far_less():
    people, _, _ = reef(300)
    low, high = wilson(people.mean(axis=1), np.float64(POINTS * PHOTOGRAPHS), points_quantile(0.95))
    assert ((low <= COVER) & (high >= COVER)).mean() < 0.6


def test_a_machine_narrows_the_interval_of_the_checked_photographs():
    people, machine, _ = reef(300)
    alone = cover_of_photographs(people[:, :CHECKED])
    together = cover_with_machine(people[:, :CHECKED], machine[:, :CHECKED], machine)
    assert ((together.high - together.low).mean(axis=0) < 0.6 * (alone.high - alone.low).mean(axis=0)).all()
    assert np.allclose(together.share.mean(axis=0), COVER, atol=0.01)


def test_a_machine_that_knows_nothing_changes_little():
    people, machine, _ = reef(200)
    shuffled = machine[:, np.random.default_rng(1).permutation(PHOTOGRAPHS)]
    alone = cover_of_photographs(people[:, :CHECKED])
    together = cover_with_machine(people[:, :CHECKED], shuffled[:, :CHECKED], shuffled)
    assert abs((together.high - together.low).mean() / (alone.high - alone.low).mean() - 1) < 0.15


def test_a_single_point_in_twenty_photographs_gives_no_narrow_interval():
    people = np.zeros((20, 2))
    people[:, 0] = 1
    people[:10] = [0, 1]
    people = np.column_stack([people, np.zeros(20)])
    people[0] = [0, 0.98, 0.02]
    found = cover_of_photographs(people)
    assert found.share[2] == pytest.approx(0.001)
    assert found.high[2] > 0.05
    assert found.too_few.tolist() == [False, False, True]
    assert found.n_with_class.tolist() == [10, 10, 1]


def test_what_nobody_saw_may_still_be_there():
    found = cover_of_photographs(np.tile([0.7, 0.3, 0.0], (10, 1)) + np.linspace(-0.1, 0.1, 10)[:, None] * [1, -1, 0])
    assert found.low[2] == 0 < found.high[2]
    assert found.too_few[2]


def test_photographs_by_themselves_are_predicted_from_the_machine():
    people, machine, there = reef(100)
    checked, seen = people[:, :CHECKED], machine[:, :CHECKED]
    together = cover_with_machine(checked, seen, machine)
    n_points = np.full(machine.shape[:2], float(POINTS))
    share, low, high = predicted_photographs(together, checked, seen, machine, n_points)
    others = slice(CHECKED, None)
    held = (low[:, others] <= there[:, others]) & (there[:, others] <= high[:, others])
    assert held.mean(axis=(0, 1)).min() > 0.93
    assert np.abs(share - there).mean() < np.abs(machine - there).mean()


shares = arrays(np.float64, (12, 3), elements=st.floats(0, 1).map(lambda x: round(x, 2)))


@settings(max_examples=60, deadline=None)
@given(shares, shares)
def test_laws_of_any_shares(one, other):
    people, machine = (x / np.maximum(x.sum(axis=1, keepdims=True), 1) for x in (one, other))
    for found in (cover_of_photographs(people), cover_with_machine(people[:6], machine[:6], machine)):
        assert (found.low >= 0).all()
        assert (found.low <= found.share).all()
        assert (found.share <= found.high).all()
        assert (found.high <= 1).all()
    wide, narrow = cover_of_photographs(people, 0.99), cover_of_photographs(people, 0.9)
    assert (wide.high - wide.low >= narrow.high - narrow.low - 1e-12).all()
    order = [2, 0, 1]
    assert np.allclose(cover_of_photographs(people[:, order]).low, cover_of_photographs(people).low[order])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(1, 40))
def test_wilson_holds_the_share_and_mirrors(hits, n):
    share = np.float64(min(hits, n) / n)
    low, high = wilson(share, np.float64(n), 1.96)
    assert 0 <= low <= share <= high <= 1
    other_low, other_high = wilson(1 - share, np.float64(n), 1.96)
    assert np.allclose([1 - other_high, 1 - other_low], [low, high])
