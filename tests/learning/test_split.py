"""Which examples validate: whole groups, about the share that is wanted, every target on both sides where that goes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.learning.split import (
    first_for_test,
    fold_numbers,
    names_of_groups,
    split_by_group,
    split_by_hash,
    split_by_ratio,
)


@st.composite
def chips(draw):
    n_cells = draw(st.integers(2, 12))
    cells = [f"Z33-{number:012d}" for number in range(n_cells) for _ in range(draw(st.integers(1, 9)))]
    seed = draw(st.integers(0, 2**16))
    targets = np.random.default_rng(seed).random((len(cells), draw(st.integers(0, 4)))) < 0.3
    return draw(st.permutations(range(len(cells)))), cells, targets


@settings(max_examples=40)
@given(chips(), st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_it_never_divides_a_cell_and_leaves_no_chip_out_and_no_side_empty(drawn, share, seed):
    order, cells, targets = drawn
    split = split_by_group(cells, targets, share, seed)
    sides = [{cells[place] for place in side} for side in (split.train, split.validation)]
    assert not sides[0] & sides[1]
    assert all(sides)
    assert sorted([*split.train, *split.validation]) == list(range(len(cells)))
    # In any other order the same cells validate.
    again = split_by_group([cells[place] for place in order], targets[list(order)], share, seed)
    assert {cells[order[place]] for place in again.validation} == sides[1]


def test_the_share_of_chips_is_met_as_closely_as_cells_allow():
    cells = [f"cell {number:02d}" for number in range(50) for _ in range(20)]
    split = split_by_group(cells, np.zeros((1000, 0), bool), 0.2, 0)
    assert len(split.validation) == 200


def test_a_rare_label_is_on_both_sides_where_two_cells_have_it():
    cells = [f"cell {number:02d}" for number in range(20) for _ in range(10)]
    targets = np.zeros((200, 1), bool)
    targets[[5, 105]] = True
    for seed in range(10):
        split = split_by_group(cells, targets, 0.2, seed)
        assert targets[split.train].sum() == targets[split.validation].sum() == 1


def test_a_label_of_one_cell_is_learnt_rather_than_validated():
    cells = [f"cell {number:02d}" for number in range(5) for _ in range(10)]
    targets = np.zeros((50, 1), bool)
    targets[20:30] = True
    for seed in range(10):
        assert targets[split_by_group(cells, targets, 0.2, seed).train].sum() == 10


def test_another_seed_gives_another_split():
    cells = [f"cell {number:02d}" for number in range(30)]
    drawn = {tuple(split_by_group(cells, np.zeros((30, 0), bool), 0.3, seed).validation) for seed in range(5)}
    assert len(drawn) == 5


@pytest.mark.parametrize("groups", [[], ["Z33-031111212322"] * 9])
def test_examples_of_one_group_cannot_be_divided(groups):
    with pytest.raises(TrainingLabelsError, match=r"at least two groups .* there (are 0|is 1): add examples"):
        split_by_group(groups, np.zeros((len(groups), 2), bool), 0.2, 0)


@settings(max_examples=60)
@given(st.integers(2, 300), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_a_ratio_holds_out_a_share_but_never_none_or_all(count, share, seed):
    indices = np.arange(10, 10 + count)
    split = split_by_ratio(indices, share, seed)
    assert len(split.validation) == min(max(round(share * count), 1), count - 1)
    assert sorted([*split.train, *split.validation]) == indices.tolist()
    again = split_by_ratio(indices, share, seed)
    assert again.validation.tolist() == split.validation.tolist()


def test_one_example_cannot_be_divided():
    with pytest.raises(TrainingLabelsError, match="at least two examples to learn from, and there are 1"):
        split_by_ratio(np.array([3]), 0.2, 0)


@settings(max_examples=60)
@given(
    st.lists(st.text(max_size=5), min_size=1, max_size=60),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.integers(0, 2**32 - 1),
    st.data(),
)
def test_by_hash_each_name_stays_in_its_set_whatever_others_come_or_go(names, validation, test, seed, data):
    split = split_by_hash(names, validation, test, seed)
    sides = [[names[index] for index in side] for side in (split.train, split.validation, split.test)]
    assert sorted(itertools.chain(*sides)) == sorted(names)
    assert sum(len(set(side)) for side in sides) == len(set(names))
    some = data.draw(st.lists(st.sampled_from(names)))
    again = split_by_hash(some, validation, test, seed)
    for own, side in zip(sides, (again.train, again.validation, again.test), strict=True):
        assert {some[index] for index in side} <= set(own)


def test_by_hash_the_shares_are_met_and_another_seed_gives_another_division():
    names = [str(number) for number in range(20_000)]
    split = split_by_hash(names, 0.2, 0.1)
    # Five standard deviations of a binomial distribution.
    assert abs(len(split.validation) - 4000) < 5 * np.sqrt(20_000 * 0.2 * 0.8)
    assert abs(len(split.test) - 2000) < 5 * np.sqrt(20_000 * 0.1 * 0.9)
    other = split_by_hash(names, 0.2, 0.1, seed=1)
    assert 500 < len(np.intersect1d(other.validation, split.validation)) < 1100
    assert len(split_by_hash(names, 0.0).train) == 20_000


@given(chips(), st.integers(2, 6), st.integers(0, 99))
def test_folds_keep_groups_whole_and_spread_each_target(drawn, folds, seed):
    _, cells, targets = drawn
    groups = np.unique(cells, return_inverse=True)[1]
    found = fold_numbers(groups, targets, folds, seed)
    assert all(len(set(found[groups == group])) == 1 for group in set(groups))
    sizes = [len(set(groups[found == fold])) for fold in range(folds)]
    assert max(sizes) - min(sizes) <= 1
    assert (found == fold_numbers(groups, targets, folds, seed)).all()


def test_a_rare_target_is_in_as_many_folds_as_it_can():
    targets = np.zeros((1000, 2), bool)
    targets[::2, 0] = True
    targets[[7, 70, 700], 1] = True
    for seed in range(20):
        found = fold_numbers(np.arange(1000), targets, 5, seed)
        assert len(set(found[[7, 70, 700]])) == 3
        assert abs(np.bincount(found[targets[:, 0]]) - 100).max() <= 2


def test_near_duplicates_are_split_under_one_name():
    names = names_of_groups(["d", "b", "c", "a"], np.array([0, 1, 0, 1]))
    assert names == ["c", "a", "c", "a"]


@pytest.mark.parametrize(
    ("n", "share", "train", "test"),
    [
        (14, 0.1, list(range(1, 14)), [0]),
        (20, 0.1, list(range(2, 20)), [0, 1]),
        (1, 0.1, [0], [0]),
        (3, 1.0, [0, 1, 2], [0, 1, 2]),
        (0, 0.1, [], []),
    ],
)
def test_the_first_of_a_list_are_for_the_test(n, share, train, test):
    assert [side.tolist() for side in first_for_test(n, share)] == [train, test]
