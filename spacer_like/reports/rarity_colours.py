"""Which colours are common in a collection and which are rare: bars in their own colours, and the cube of all colours.

The colours are the 1,000 bins of the histogram (10 per channel); each is drawn as the centre of its bin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacer_like.drawing.charts import DPI, bare, chart, headed_figure, heading, name_axes
from spacer_like.drawing.class_style import GREY, INK
from spacer_like.drawing.figures import Destination, write_figure
from spacer_like.exceptions import SpacerInputError
from spacer_like.rarity.bins import BINS, COLOURS, bin_centres, hex_colour
from spacer_like.reports.evaluation import count_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 100
OUTLINE = "#9CA3AF"
"""Around every colour: white ones are seen on white."""
LARGEST_BALL = 1600.0
SMALLEST_BALL = 5.0
"""Areas of balls in the cube, in square points."""


class ColourCount(NamedTuple):
    """A colour of the histogram.

    Attributes:
        rank: 1 is the first of its picture.
        number: of its bin, 100 * red + 10 * green + blue, each 0 to 9.
        colour: the centre of the bin, ``#rrggbb``.
        pixels: how many have it.
        share: of all.
    """

    rank: int
    number: int
    colour: str
    pixels: float
    share: float


def commonest_colours_picture(
    counts: ArrayLike, path: Destination, *, shown: int = SHOWN, title: str = ""
) -> list[ColourCount]:
    """Draw the commonest colours as bars in their own colour, the commonest first.

    Args:
        counts: [1000] how often each colour occurs: a histogram summed over its positions.
        path: a file's path or a location; its ending sets the format.
        shown: how many at most.
        title: the collection's name, for the headline.

    Returns:
        What was drawn, a row for each bar.

    Raises:
        SpacerInputError: `counts` are not 1,000 numbers of which none is negative and one is above 0, or the picture's
            name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    return _bars(counts, path, shown, title, "commonest")


def rarest_colours_picture(
    counts: ArrayLike, path: Destination, *, shown: int = SHOWN, title: str = ""
) -> list[ColourCount]:
    """Draw the rarest of the colours that occur, the rarest first; otherwise as `commonest_colours_picture`."""
    return _bars(counts, path, shown, title, "rarest")


def colour_cube_picture(counts: ArrayLike, path: Destination, *, title: str = "") -> list[ColourCount]:
    """Draw every colour that occurs as a ball in the cube of red, green and blue; its volume is its count.

    Arguments and errors as `commonest_colours_picture`. Returns all colours that occur, the commonest first.
    """
    table = _table(_checked(counts), "commonest")
    headline = f"{count_of(len(table), 'colour', 'colours')} of {COLOURS:,} occur"
    figure = headed_figure(9.6, 8.4, headline, "a ball's volume is its colour's share of all pixels", title)
    axes: Any = figure.add_axes((0.0, 0.0, 0.83, 0.93), projection="3d")
    _draw_cube(axes, table)
    _ball_legend(figure, table)
    write_figure(figure, path, DPI)
    return table


def _checked(counts: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(counts, dtype=np.float64)
    if values.shape != (COLOURS,) or not np.isfinite(values).all() or values.min() < 0:
        raise SpacerInputError(
            f"The colours' counts must be {COLOURS} numbers, none below 0, and are an array of shape {values.shape}."
        )
    if not values.any():
        raise SpacerInputError("No colour occurs: the histogram is empty.")
    return values


def _table(counts: NDArray[np.float64], first: Literal["commonest", "rarest"]) -> list[ColourCount]:
    """All colours that occur, in order; equal ones by the number of the bin."""
    order = np.argsort(-counts if first == "commonest" else counts, kind="stable")
    total = float(counts.sum())
    return [
        ColourCount(rank, number, hex_colour(number), float(counts[number]), float(counts[number]) / total)
        for rank, number in enumerate(order[counts[order] > 0].tolist(), 1)
    ]


def _bars(
    counts: ArrayLike, path: Destination, shown: int, title: str, which: Literal["commonest", "rarest"]
) -> list[ColourCount]:
    values = _checked(counts)
    everything = _table(values, which)
    table = everything[: max(shown, 1)]
    share = 100 * sum(row.share for row in table)
    if len(table) < len(everything):
        headline = f"The {len(table)} {which} colours"
        # Never rounded to all of them.
        covered = f"{min(share, 99.99):.2f}" if share >= 1 else f"{share:.2g}"
        detail = f"of {len(everything)} colours that occur; they cover {covered} % of {_number(values.sum())} pixels"
    else:
        headline = f"All colours that occur, the {which} first"
        detail = f"{count_of(len(everything), 'colour', 'colours')} of {COLOURS:,}; {_number(values.sum())} pixels"
    width = max(7.0, 1.5 + 0.145 * len(table))
    figure = headed_figure(width, 6.2, headline, detail, title)
    axes = chart(figure, 1.15, width - 1.4, foot=1.45)
    _draw_bars(axes, table)
    swatches = chart(figure, 1.15, width - 1.4, foot=1.02, head=6.2 - 1.36)
    _draw_swatches(swatches, table)
    swatches.set_xlim(axes.get_xlim())
    write_figure(figure, path, DPI)
    return table


def _draw_bars(axes: Axes, table: list[ColourCount]) -> None:
    counts = np.array([row.pixels for row in table])
    bottom = 0.0
    if counts.max() >= 30 * counts.min():
        axes.set_yscale("log")
        # A bar that ends at the axis would not be seen.
        bottom = float(counts.min()) / 2
        axes.set_ylim(bottom, counts.max() * 1.3)
    axes.bar(
        [row.rank for row in table], counts - bottom, bottom=bottom, width=0.86, color=[row.colour for row in table],
        edgecolor=OUTLINE, linewidth=0.7,
    )  # fmt: skip
    axes.set_xlim(0.3, max(len(table), 10) + 0.7)
    axes.yaxis.set_major_formatter(lambda value, _: _number(value))
    axes.set_xticks([])
    name_axes(axes, "", "pixels (log axis)" if bottom else "pixels")


def _draw_swatches(axes: Axes, table: list[ColourCount]) -> None:
    """The colours again at one size, however short a bar is, with their names."""
    ranks = [row.rank for row in table]
    axes.bar(ranks, 1, width=0.86, color=[row.colour for row in table], edgecolor=OUTLINE, linewidth=0.7)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([])
    axes.set_xticks(ranks, [row.colour for row in table], rotation=90, fontsize=7, family="monospace")
    name_axes(axes, "colour (centre of its bin)", "")


def _draw_cube(axes: Any, table: list[ColourCount]) -> None:
    numbers = np.array([row.number for row in table])
    channels = np.stack([numbers // BINS**2, numbers // BINS % BINS, numbers % BINS]) * (255 / BINS) + 255 / BINS / 2
    # The largest first, so that small ones before them are not covered.
    axes.scatter(
        *channels, s=_areas(np.array([row.share for row in table])), c=bin_centres()[numbers] / 255,
        edgecolors=OUTLINE, linewidths=0.5, depthshade=False,
    )  # fmt: skip
    for which, name in (("x", "red"), ("y", "green"), ("z", "blue")):
        getattr(axes, f"set_{which}lim")(0, 255)
        getattr(axes, f"set_{which}ticks")([0, 51, 102, 153, 204, 255])
        getattr(axes, f"set_{which}label")(name, fontsize=11, color=INK, labelpad=6)
        axis = getattr(axes, f"{which}axis")
        axis.set_pane_color((0.93, 0.94, 0.95, 1.0))
        axis.line.set_color(GREY)
    axes.tick_params(labelsize=8.5, colors=INK)
    axes.view_init(elev=22, azim=-58)
    axes.set_box_aspect((1, 1, 1), zoom=0.92)


def _areas(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas, in square points, of balls whose volumes are as the shares."""
    return np.maximum(LARGEST_BALL * shares ** (2 / 3), SMALLEST_BALL)


def _ball_legend(figure: Figure, table: list[ColourCount]) -> None:
    largest, smallest = table[0].share, table[-1].share
    shares = [share for share in (0.3, 0.1, 0.03, 0.01, 0.001, 0.0001) if smallest < share < 2 * largest]
    if not shares:
        return
    axes = figure.add_axes((0.84, 0.3, 0.15, 0.4))
    bare(axes)
    rows = -np.arange(len(shares), dtype=np.float64)
    axes.scatter(np.zeros(len(shares)), rows, s=_areas(np.array(shares)), color="white", edgecolors=GREY)
    for row, share in zip(rows.tolist(), shares, strict=True):
        axes.text(0.55, row, f"{100 * share:g} %", va="center", fontsize=10, color=INK)
    axes.set(xlim=(-0.6, 1.6), ylim=(-len(shares) + 0.3, 0.7), xticks=[], yticks=[])
    heading(axes, "Share of pixels")


def _number(value: float) -> str:
    """A count as people read it; whole numbers with thousands' commas."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"
