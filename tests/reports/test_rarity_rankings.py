"""Who is rare: collections by their mean, and scores by their position."""

import numpy as np
import pytest

from spacer_like.exceptions import SpacerInputError
from spacer_like.reports import rarity_rankings
from spacer_like.reports.rarity_rankings import rarest_collections_picture, sorted_scores_picture


@pytest.fixture
def figures(monkeypatch):
    """The figures that were written, in place of files."""
    written = []
    monkeypatch.setattr(rarity_rankings, "write_figure", lambda figure, *_: written.append(figure))
    return written


def words(axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


def test_collections_stand_by_their_mean_the_rarest_first(tmp_path):
    table = rarest_collections_picture({"apes": 1.0, "punks": 3.0, "birds": 3.0, "none": np.nan}, tmp_path / "c.png")
    assert table == [(1, "birds", 3.0), (2, "punks", 3.0), (3, "apes", 1.0)]
    assert (tmp_path / "c.png").stat().st_size > 5000


def test_no_more_than_a_hundred_collections_are_drawn(figures):
    table = rarest_collections_picture([(f"c{number}", number) for number in range(250)], "x.png")
    assert [row.mean for row in table] == list(range(249, 149, -1))
    assert len(figures[0].axes[0].patches) == 100
    assert "The 100 rarest of 250 collections" in [text.get_text() for text in figures[0].texts]


def test_long_ids_are_shortened_and_stay_distinct(figures):
    rarest_collections_picture([("0x" + "ab" * 30, 1), ("0x" + "ab" * 31, 2), ("$x_{", 0)], "x.png")
    names = words(figures[0].axes[0])
    assert len(set(names)) == 3
    assert max(map(len, names)) <= 30


def test_without_a_mean_there_is_nothing_to_draw():
    with pytest.raises(SpacerInputError, match="no collection"):
        rarest_collections_picture({"a": np.nan}, "x.png")


def test_position_one_is_the_rarest(tmp_path):
    table = sorted_scores_picture([1.0, np.nan, 3.0, 2.0], tmp_path / "s.png")
    assert table == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert (tmp_path / "s.png").stat().st_size > 5000


def test_both_curves_show_the_same_points_and_one_spreads_out_the_first(figures):
    table = sorted_scores_picture(np.random.default_rng(0).random(300), "x.png")
    everything, head = figures[0].axes
    for axes in (everything, head):
        assert axes.lines[0].get_xydata().tolist() == [list(row) for row in table]
    assert (everything.get_xscale(), head.get_xscale()) == ("linear", "log")
    assert {"1", "10", "100"} <= set(words(head))


def test_of_very_many_scores_some_thousand_positions_are_drawn_with_both_ends(figures):
    scores = np.random.default_rng(0).random(200_000)
    table = sorted_scores_picture(scores, "x.png")
    ordered = np.sort(scores)[::-1]
    assert len(table) < 5000
    assert (table[0].position, table[-1].position) == (1, 200_000)
    assert [row.position for row in table[:100]] == list(range(1, 101))
    assert all(row.score == ordered[row.position - 1] for row in table)


def test_only_the_rarest_million_or_fewer_are_drawn(figures):
    assert [row.score for row in sorted_scores_picture(range(10), "x.png", most=3)] == [9, 8, 7]


@pytest.mark.parametrize(("scores", "said"), [([], "no score"), ([np.nan], "no score"), ([1, np.inf], "infinite")])
def test_scores_that_cannot_be_drawn_are_refused(scores, said):
    with pytest.raises(SpacerInputError, match=said):
        sorted_scores_picture(scores, "x.png")
