"""Which chips validate: whole cells, about the share that is wanted, and every label on both sides where that goes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.chips.models.split import split_by_cell
from spacer_like.exceptions import TrainingLabelsError


@st.composite
def chips(draw):
    n_cells = draw(st.integers(2, 12))
    cells = [f"Z33-{number:012d}" for number in range(n_cells) for _ in range(draw(st.integers(1, 9)))]
    seed = draw(st.integers(0, 2**16))
    borne = np.random.default_rng(seed).random((len(cells), draw(st.integers(0, 4)))) < 0.3
    return draw(st.permutations(range(len(cells)))), cells, borne


@settings(max_examples=40, deadline=None)
@given(chips(), st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_it_never_divides_a_cell_and_leaves_no_chip_out_and_no_side_empty(drawn, share, seed):
    order, cells, borne = drawn
    split = split_by_cell(cells, borne, share, seed)
    sides = [{cells[place] for place in side} for side in (split.train, split.validation)]
    assert not sides[0] & sides[1]
    assert all(sides)
    assert sorted([*split.train, *split.validation]) == list(range(len(cells)))
    # In any other order the same cells validate.
    again = split_by_cell([cells[place] for place in order], borne[list(order)], share, seed)
    assert {cells[order[place]] for place in again.validation} == sides[1]


def test_the_share_of_chips_is_met_as_closely_as_cells_allow():
    cells = [f"cell {number:02d}" for number in range(50) for _ in range(20)]
    split = split_by_cell(cells, np.zeros((1000, 0), bool), 0.2, 0)
    assert len(split.validation) == 200


def test_a_rare_label_is_on_both_sides_where_two_cells_have_it():
    cells = [f"cell {number:02d}" for number in range(20) for _ in range(10)]
    borne = np.zeros((200, 1), bool)
    borne[[5, 105]] = True
    for seed in range(10):
        split = split_by_cell(cells, borne, 0.2, seed)
        assert borne[split.train].sum() == borne[split.validation].sum() == 1


def test_a_label_of_one_cell_is_learnt_rather_than_validated():
    cells = [f"cell {number:02d}" for number in range(5) for _ in range(10)]
    borne = np.zeros((50, 1), bool)
    borne[20:30] = True
    for seed in range(10):
        assert borne[split_by_cell(cells, borne, 0.2, seed).train].sum() == 10


def test_another_seed_gives_another_split():
    cells = [f"cell {number:02d}" for number in range(30)]
    drawn = {tuple(split_by_cell(cells, np.zeros((30, 0), bool), 0.3, seed).validation) for seed in range(5)}
    assert len(drawn) == 5


@pytest.mark.parametrize(("cells", "why"), [([], "there are none"), (["Z33-031111212322"] * 9, "all lie in Z33-03111")])
def test_chips_of_one_cell_cannot_be_divided(cells, why):
    with pytest.raises(TrainingLabelsError, match=rf"at least two cells .* {why}.*: add chips of another tile\.$"):
        split_by_cell(cells, np.zeros((len(cells), 2), bool), 0.2, 0)
