"""The rarest and the commonest images on one sheet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.drawing import contact_sheet
from spacer_like.exceptions import SpacerInputError
from spacer_like.reports.rarity_contact_sheet import contact_sheet_picture, sheet_entries


def square(shade: int, size: int = 8) -> np.ndarray:
    return np.full((size, size, 3), shade, np.uint8)


def test_the_rarest_come_first_and_the_commonest_last():
    rarest, commonest = sheet_entries(list("abcdef"), [1, 6, np.nan, 3, 5, 4], shown=2)
    assert rarest == [("b", 1, 6.0), ("e", 2, 5.0)]
    assert commonest == [("d", 4, 3.0), ("a", 5, 1.0)]


def test_equal_scores_share_the_better_rank_in_the_order_of_the_tokens():
    rarest, _ = sheet_entries(list("abcd"), [2, 7, 7, 1], shown=3)
    assert [(entry.token_id, entry.rank) for entry in rarest] == [("b", 1), ("c", 1), ("a", 3)]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(1, 20))
def test_no_image_is_shown_twice_and_none_of_the_two_ends_is_missing(scores, shown):
    tokens = [str(number) for number in range(len(scores))]
    rarest, commonest = sheet_entries(tokens, scores, shown)
    everyone = rarest + commonest
    assert len({entry.token_id for entry in everyone}) == len(everyone) == min(2 * shown, len(scores))
    assert rarest[0].score == max(scores)
    assert everyone[-1].score == min(scores)


@pytest.mark.parametrize(
    ("tokens", "scores", "said"), [(["a"], [1, 2], "one each"), ([], [], "no score"), (["a"], [np.nan], "no score")]
)
def test_scores_that_do_not_fit_are_refused(tokens, scores, said):
    with pytest.raises(SpacerInputError, match=said):
        sheet_entries(tokens, scores)


def test_each_image_stands_above_its_token_rank_and_score(monkeypatch):
    figures = []
    monkeypatch.setattr(contact_sheet, "write_figure", lambda figure, *_: figures.append(figure))
    images = {name: square(40 * number) for number, name in enumerate("abc")}
    contact_sheet_picture(list("abc"), [1, 3, 2], images, "x.png", shown=1, title="punks")
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figures[0].axes]
    assert [int(pixels.max()) for pixels in drawn] == [40, 0]
    words = [text.get_text() for text in figures[0].texts]
    assert {"b", "1.   3.000", "a", "3.   1.000", "3 images ranked; below each: token, rank, score"} <= set(words)
    assert words.index("The rarest") < words.index("b") < words.index("The commonest") < words.index("a")


def test_a_sheet_is_written_even_where_images_are_missing_or_of_odd_sizes(tmp_path):
    images = {"0": square(9, 300), "1": np.zeros((3, 9, 3), np.uint8)}
    tokens = [str(number) for number in range(30)]
    rarest, commonest = contact_sheet_picture(tokens, np.arange(30), images, tmp_path / "sheet.png", shown=10)
    assert len(rarest) == len(commonest) == 10
    assert (tmp_path / "sheet.png").stat().st_size > 5000


def test_one_image_has_a_sheet(tmp_path):
    assert contact_sheet_picture(["only"], [0.0], {"only": square(1)}, tmp_path / "one.png") == ([("only", 1, 0.0)], [])
