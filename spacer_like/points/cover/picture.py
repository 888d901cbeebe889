"""A picture of cover: a stacked bar of all photographs and of each group, and the intervals of each label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spacer_like.drawing.charts import DPI, bare, chart, headed_figure, heading
from spacer_like.drawing.class_style import COLOURS, FAINT, GREY, INK, plain_text, shorten
from spacer_like.drawing.figures import Destination, drawable, name_style, write_figure
from spacer_like.points.cover.estimates import ALL, GROUP, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spacer_like.location import DataLocation

MOST_LABELS, MOST_BARS = 12, 40
_LIGHTER, _OTHER = 0.45, "#D1D5DB"
_BARS, _INTERVALS, _NAMES, _LEFT = 6.2, 3.4, 2.0, 1.6
"""Inches that the bars, the intervals, the names of labels and those of bars are wide."""


def cover_picture(rows: Sequence[Row], path: Destination) -> DataLocation:
    """Draw the last level of the rows, its `MOST_LABELS` largest labels, and the first `MOST_BARS` groups.

    Left, a bar of all photographs and of each group, whose parts are the labels; right, the intervals of all.
    """
    level = [row.level for row in rows if row.scope == ALL][-1]
    of_level = [row for row in rows if row.level == level]
    of_all = [row for row in of_level if row.scope == ALL]
    shown = of_all[:MOST_LABELS]
    colour_of = {row.label: _colour(number) for number, row in enumerate(shown)}
    groups = list(dict.fromkeys(row.name for row in of_level if row.scope == GROUP))
    bars = [("all", of_all)] + [
        (name, [row for row in of_level if row.scope == GROUP and row.name == name]) for name in groups[:MOST_BARS]
    ]
    height = 1.9 + 0.42 * max(len(bars), len(shown))
    first = of_all[0]
    photographs = f"{first.n_photographs:,} photographs, {first.n_checked:,} labelled by people"
    more = f"; {len(groups) - MOST_BARS} more groups" if len(groups) > MOST_BARS else ""
    detail = f"{photographs}; by {shorten(level, 40)}{more}"
    figure = headed_figure(_LEFT + _BARS + _NAMES + _INTERVALS + 0.5, height, "Cover", drawable(detail))
    _draw_bars(chart(figure, _LEFT, _BARS), bars, colour_of)
    _draw_intervals(chart(figure, _LEFT + _BARS + _NAMES, _INTERVALS), shown, colour_of)
    return write_figure(figure, path, DPI)


def _colour(number: int) -> str:
    """The colours of classes, then lighter ones."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = to_rgb(COLOURS[number % len(COLOURS)])
    lighter = _LIGHTER if number >= len(COLOURS) else 0.0
    return str(to_hex((red + (1 - red) * lighter, green + (1 - green) * lighter, blue + (1 - blue) * lighter)))


def _draw_bars(axes: Axes, bars: Sequence[tuple[str, list[Row]]], colour_of: dict[str, str]) -> None:
    for place, (_, rows) in enumerate(bars):
        # Each label is estimated by itself, so that shares add up to nearly one.
        whole, left = sum(row.share for row in rows), 0.0
        for row in rows:
            width = row.share / whole
            axes.barh(place, width, left=left, height=0.72, color=colour_of.get(row.label, _OTHER), edgecolor="white")
            left += width
    _rows_of(axes, [name for name, _ in bars], 1.0)
    heading(axes, "Share of each, and of all others in grey")


def _draw_intervals(axes: Axes, rows: Sequence[Row], colour_of: dict[str, str]) -> None:
    for place, row in enumerate(rows):
        axes.plot(row.share, place, "o", color=colour_of[row.label], markeredgecolor=INK, markersize=8, zorder=3)
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [place, place], color=GREY if row.too_few else INK, linewidth=1.6,
                      linestyle=":" if row.too_few else "-", zorder=2)  # fmt: skip
    farthest = max((row.high if row.high is not None else row.share for row in rows), default=1.0)
    _rows_of(axes, [row.label for row in rows], min(1.04 * farthest, 1.0) or 1.0)
    has_intervals = any(row.low is not None for row in rows)
    heading(axes, "Of all; dotted: in too few photographs" if has_intervals else "No intervals: nobody checked")


def _rows_of(axes: Axes, names: Sequence[str], end: float) -> None:
    from matplotlib.ticker import PercentFormatter

    bare(axes)
    axes.set_yticks(range(len(names)), [drawable(shorten(plain_text(name), 22)) for name in names], **name_style())
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, end)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0 if end > 0.1 else 1))
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=FAINT)
