"""Which colours are common and which rare: every colour that occurs, in its own colour, in order, and the table."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from PIL import Image

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import SpacerInputError
from spacer_like.reports import rarity_colours
from spacer_like.reports.rarity_colours import (
    colour_cube_picture,
    commonest_colours_picture,
    rarest_colours_picture,
)
from spacer_like.storage import read_bytes

WHITE, BLACK, RED = 999, 0, 900


def counts_of(**cells: int) -> np.ndarray:
    counts = np.zeros(1000, np.int64)
    for name, number in cells.items():
        counts[globals()[name.upper()]] = number
    return counts


@pytest.fixture
def figures(monkeypatch):
    """The figures that were written, in place of files."""
    written = []
    monkeypatch.setattr(rarity_colours, "write_figure", lambda figure, *_: written.append(figure))
    return written


@pytest.fixture
def many():
    return np.random.default_rng(3).permutation(1000) // 2


def bars(axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_the_table_tells_what_was_drawn(tmp_path):
    table = commonest_colours_picture(counts_of(white=60, black=30, red=10), tmp_path / "colours.png")
    assert [(row.rank, row.number, row.colour, row.pixels, row.share) for row in table] == [
        (1, WHITE, "#f2f2f2", 60, 0.6),
        (2, BLACK, "#0c0c0c", 30, 0.3),
        (3, RED, "#f20c0c", 10, 0.1),
    ]
    with Image.open(tmp_path / "colours.png") as picture:
        assert picture.format == "PNG"


def test_the_rarest_come_from_the_other_end_and_never_include_colours_that_do_not_occur(figures, many):
    table = rarest_colours_picture(many, "x.png")
    expected = np.sort(many[many > 0])[:100]
    assert [row.pixels for row in table] == expected.tolist()
    assert [row.rank for row in table] == list(range(1, 101))


@pytest.mark.parametrize(
    ("draw", "first"), [(commonest_colours_picture, "commonest"), (rarest_colours_picture, "rarest")]
)
def test_the_headline_names_the_title_and_which_colours_come_first(figures, many, draw, first):
    some = counts_of(white=60, black=30)
    for counts, headline in ((many, f"the 5 {first} colours"), (some, f"all colours that occur, the {first} first")):
        draw(counts, "x.png", shown=5, title="Apes")
        assert figures[-1].texts[0].get_text() == f"Apes: {headline}"


def test_equal_counts_stand_in_the_order_of_their_bins(figures):
    assert [row.number for row in commonest_colours_picture(np.ones(1000), "x.png", shown=5)] == [0, 1, 2, 3, 4]


def test_each_bar_has_its_own_colour_and_an_outline_that_is_seen_on_white(figures, many):
    table = commonest_colours_picture(many, "x.png")
    for axes in figures[0].axes:
        assert [to_hex(bar.get_facecolor()) for bar in bars(axes)] == [row.colour for row in table]
        assert {to_hex(bar.get_edgecolor()) for bar in bars(axes)} == {"#9ca3af"}


def test_every_colour_has_its_name_below_it(figures, many):
    table = commonest_colours_picture(many, "x.png")
    assert [label.get_text() for label in figures[0].axes[1].get_xticklabels()] == [row.colour for row in table]


@pytest.mark.parametrize(("white", "scale"), [(2, "linear"), (10_000, "log")])
def test_counts_of_unlike_size_are_drawn_on_a_logarithmic_axis(figures, white, scale):
    commonest_colours_picture(counts_of(white=white, black=1), "x.png")
    axes = figures[0].axes[0]
    assert axes.get_yscale() == scale
    assert min(bar.get_y() + bar.get_height() for bar in bars(axes)) > axes.get_ylim()[0]


def test_the_cube_shows_each_colour_once_at_its_place(figures):
    table = colour_cube_picture(counts_of(white=1, red=999), "x.png")
    balls = figures[0].axes[0].collections[0]
    assert [row.colour for row in table] == ["#f20c0c", "#f2f2f2"]
    places = np.transpose([np.asarray(axis) for axis in balls._offsets3d])
    assert places.tolist() == [[242.25, 12.75, 12.75], [242.25, 242.25, 242.25]]
    figures[0].draw_without_rendering()
    assert {to_hex(colour) for colour in balls.get_facecolors()} == {"#f20c0c", "#f2f2f2"}


def test_a_share_eight_times_as_large_has_a_ball_of_twice_the_width(figures):
    colour_cube_picture(counts_of(white=8, red=1), "x.png")
    large, small = figures[0].axes[0].collections[0].get_sizes()
    assert large / small == pytest.approx(4)


@pytest.mark.parametrize(
    ("counts", "said"),
    [(np.ones(999), "1000 numbers"), (-np.ones(1000), "none below 0"), (np.full(1000, np.nan), "1000 numbers")],
)
def test_counts_that_are_none_are_refused(counts, said):
    with pytest.raises(SpacerInputError, match=said):
        commonest_colours_picture(counts, "x.png")


def test_an_empty_histogram_is_refused():
    with pytest.raises(SpacerInputError, match="empty"):
        colour_cube_picture(np.zeros(1000), "x.png")


@pytest.mark.parametrize("draw", [commonest_colours_picture, rarest_colours_picture, colour_cube_picture])
def test_a_single_colour_and_a_hostile_title_are_drawn_and_the_bytes_are_the_same_each_time(draw):
    first, second = (DataLocation("memory", f"{number}.png") for number in (1, 2))
    for place in (first, second):
        assert len(draw(counts_of(white=7), place, title="$\\frac{1<\u202e日" + "x" * 300)) == 1
    assert read_bytes(first) == read_bytes(second)
