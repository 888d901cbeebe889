"""What charts share: a figure with a headline and one line below it, bare axes, headings, and checked scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacer_like.drawing.class_style import FAINT, GREY, INK, shorten
from spacer_like.drawing.figures import drawable, new_figure
from spacer_like.exceptions import SpacerInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
BAR = "#7FA8C9"
LONGEST_TITLE = 40
_EDGE, _HEAD, _FOOT = 0.3, 1.05, 0.62
"""Inches left of the headline, above the charts, and below them."""


DARK = 0.55
"""Share of a row from which a cell is so dark that its count is written in white."""


def headed_figure(width: float, height: float, headline: str, detail: str, title: str = "") -> Figure:
    """A figure of `width` x `height` inches with a headline, before which `title` names what it is about, and a line of
    detail."""
    figure = new_figure(width, height)
    named = f"{shorten(title, LONGEST_TITLE)}: {headline[0].lower()}{headline[1:]}" if title else headline
    figure.text(
        _EDGE / width, 1 - 0.3 / height, drawable(named), fontsize=15, fontweight="bold", color=INK, va="center",
        parse_math=False,
    )  # fmt: skip
    figure.text(_EDGE / width, 1 - 0.66 / height, detail, fontsize=10, color=GREY, va="center", parse_math=False)
    return figure


def chart(figure: Figure, left: float, width: float, foot: float = _FOOT, head: float = _HEAD) -> Axes:
    """Bare axes below the figure's head, `left` and `width` in inches."""
    total_width, total_height = figure.get_size_inches()
    axes = figure.add_axes(
        (left / total_width, foot / total_height, width / total_width, 1 - (head + foot) / total_height)
    )
    bare(axes)
    axes.grid(axis="y", color=FAINT)
    axes.set_axisbelow(True)
    return axes


def compact(number: int) -> str:
    """A count in at most four characters.

    >>> compact(950), compact(9500), compact(12345), compact(2345678)
    ('950', '9500', '12k', '2.3M')
    """
    if number < 10_000:
        return str(number)
    return f"{number / 1000:.0f}k" if number < 999_500 else f"{number / 1e6:.1f}M"


def bare(axes: Axes) -> None:
    """Remove the frame of axes, and make their ticks faint."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", length=0, colors=INK, labelsize=9)


def heading(axes: Axes, text: str, pad: float = 6) -> None:
    axes.set_title(text, loc="left", fontsize=12, fontweight="bold", color=INK, pad=pad)


def subheading(axes: Axes, text: str) -> None:
    axes.annotate(
        text, (0, 1), xytext=(0, 7), xycoords="axes fraction", textcoords="offset points", fontsize=9.5, color=GREY,
        va="bottom",
    )  # fmt: skip


def name_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=10, color=GREY)
    axes.set_ylabel(y, fontsize=10, color=GREY)


def known_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """The scores that are numbers.

    Raises:
        SpacerInputError: there is none, or one is infinite.
    """
    values = np.asarray(scores, dtype=np.float64).ravel()
    values = values[~np.isnan(values)]
    if not len(values):
        raise SpacerInputError("There is no score to draw.")
    if np.isinf(values).any():
        raise SpacerInputError("A score is infinite: scores to draw must be finite.")
    return values
