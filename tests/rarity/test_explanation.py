"""Where an image is rare, by which colours, and the picture of it."""

import io

import numpy as np
import pytest
from PIL import Image

from spacer_like.rarity.bins import colours_of
from spacer_like.rarity.explanation import LEAST_WIDTH, overlay, rarest_colours, rarest_positions

RED, GREY = (255, 0, 0), (40, 40, 40)
IMAGE = np.array([[GREY, RED], [RED, GREY]], np.uint8)
COLOURS = colours_of(IMAGE)
COUNTS = np.array([[4, 1], [2, 4]])
SURPRISAL = -np.log2(COUNTS / 4)  # 0 2 / 1 0


def picture_of(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_positions_come_by_their_surprisal():
    first, second, third, fourth = rarest_positions(COLOURS, COUNTS, SURPRISAL, 9)

    assert (first.row, first.col, first.colour, first.count) == (0, 1, "#f20c0c", 1)
    assert (first.surprisal, first.share) == (2, pytest.approx(2 / 3))
    assert (second.row, second.col, second.count, second.surprisal) == (1, 0, 2, 1)
    # Equals from the top left on.
    assert [(one.row, one.col) for one in (third, fourth)] == [(0, 0), (1, 1)]


def test_no_more_positions_are_named_than_were_asked_for():
    assert len(rarest_positions(COLOURS, COUNTS, SURPRISAL, 1)) == 1
    assert rarest_positions(COLOURS, COUNTS, SURPRISAL, 0) == []


def test_colours_are_added_up_over_their_positions():
    red, grey = rarest_colours(COLOURS, SURPRISAL)

    assert (red.colour, red.n_positions, red.mean_surprisal, red.share) == ("#f20c0c", 2, 1.5, 1)
    assert (grey.colour, grey.n_positions, grey.mean_surprisal, grey.share) == ("#262626", 2, 0, 0)


def test_where_nothing_is_rare_nothing_has_a_share():
    nothing = np.zeros((2, 2))

    assert {one.share for one in rarest_positions(COLOURS, COUNTS, nothing, 4)} == {0}
    assert {colour.share for colour in rarest_colours(COLOURS, nothing)} == {0}


@pytest.mark.parametrize("size", [1, 2, 24, 224, 500])
def test_a_picture_is_large_enough_to_be_looked_at(size):
    picture = picture_of(overlay(np.zeros((size, size, 3), np.uint8), np.zeros((size, size)), 13.0))

    height, width, _ = picture.shape
    assert height >= max(LEAST_WIDTH, size)
    assert width > height


def test_the_rarer_the_brighter():
    surprisal = np.linspace(0, 14, 16).reshape(4, 4)
    picture = picture_of(overlay(np.full((4, 4, 3), 128, np.uint8), surprisal, 14.0))
    margin = 16
    side = LEAST_WIDTH // 4
    middles = margin + side // 2 + side * np.arange(4)
    luminance = picture[np.ix_(middles, LEAST_WIDTH + margin + middles)] @ [0.299, 0.587, 0.114]

    assert np.all(picture[np.ix_(middles, middles)] == 128), "the image itself, on the left"
    assert np.all(np.diff(luminance.ravel()[3:]) > 0)
    assert luminance.argmax() == 15


def test_the_scale_goes_from_dark_to_light():
    picture = picture_of(overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), 14.0))
    bar = picture[60:LEAST_WIDTH, 2 * LEAST_WIDTH + 56] @ [0.299, 0.587, 0.114]

    assert np.all(np.diff(bar) <= 1)
    assert bar[0] > 200 > 30 > bar[-1]


def test_the_same_image_gives_the_same_picture():
    assert overlay(IMAGE, SURPRISAL, 3.0) == overlay(IMAGE, SURPRISAL, 3.0)


def test_a_scale_without_a_length_does_no_harm():
    """One image counted, unseen colours counted as one: nothing can be rare."""
    assert picture_of(overlay(IMAGE, np.zeros((2, 2)), 0.0)).shape[0] > LEAST_WIDTH
