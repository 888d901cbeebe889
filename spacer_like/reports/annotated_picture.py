"""A photograph with its points drawn on it: which class each was given, how sure, and which ones are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.drawing.class_style import GREY, INK, Mark, marks, plain_text, shorten, shorten_all
from spacer_like.drawing.figures import Destination, drawable, name_style, new_figure, write_figure
from spacer_like.location import DataLocation
from spacer_like.reports.evaluation import count_of, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from PIL.Image import Image

Point = tuple[int, int, object, float | None]
"""Row, column, label, and the label's score or None."""

DPI = 110
LONGEST_SIDE = 12.5
"""Of the photograph as drawn, in inches."""
LARGEST_ROW, SMALLEST_ROW = 0.235, 0.19
"""Height of a line of the legend, in inches."""
LONGEST_NAME = 34
MOST_TRUE_NAMES = 30
"""Wrong points up to which the true class is written beside each."""


@dataclass(frozen=True)
class _Drawn:
    """One point as it is drawn; `true_label` is None where it is right or nobody knows."""

    row: int
    column: int
    label: str
    decided: bool
    true_label: str | None


def annotated_picture(
    image: Image | np.ndarray[Any, Any],
    points: Iterable[Point],
    path: Destination,
    truth: Mapping[tuple[int, int], object] | None = None,
    *,
    threshold: float | None = None,
    title: str = "",
) -> DataLocation:
    """Draw points on a photograph, in colours and shapes that people with any colour vision tell apart, with a legend.

    Args:
        image: the photograph; an array is uint8 of shape [height, width, 3].
        points: (row, column, label, score or None) of each point.
        path: a file's path or a location; its ending sets the format (png, svg, pdf, jpg, webp).
        truth: the true label by (row, column). Points that differ from it get a ring and, where there is room, the
            true class beside them; points without an entry are only drawn.
        threshold: points whose score is lower are drawn hollow: a person should look at them.
        title: the headline; by default how many points are shown.

    Raises:
        SpacerInputError: the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    return write_figure(annotated_figure(image, points, truth, threshold=threshold, title=title), path, DPI)


def annotated_figure(
    image: Image | np.ndarray[Any, Any],
    points: Iterable[Point],
    truth: Mapping[tuple[int, int], object] | None = None,
    *,
    threshold: float | None = None,
    title: str = "",
) -> Figure:
    """The figure that `annotated_picture` writes, for a notebook or a document."""
    true_labels = {position: plain_text(label) for position, label in (truth or {}).items()}
    drawn = [_drawn(point, true_labels, threshold) for point in points]
    compared = sum((point.row, point.column) in true_labels for point in drawn)
    counts = Counter(point.label for point in drawn)
    ranked = [label for label, _ in counts.most_common()]
    style = dict(zip(ranked, marks(len(ranked)), strict=True))

    width, height = _size(image)
    scale = LONGEST_SIDE / max(width, height)
    legend = _Legend(len(ranked) + 3, max(height * scale, 4.0))
    figure = new_figure(width * scale + 0.5 + legend.width, max(height * scale, 4.0) + 0.9)
    photograph = _photograph_axes(figure, width * scale, height * scale, image, (width, height))
    _draw_points(photograph, drawn, style, _mark_size(len(drawn), width * height * scale * scale))
    headline = title or _headline(drawn, compared)
    figure.text(
        0.2 / figure.get_figwidth(), 1 - 0.12 / figure.get_figheight(), drawable(plain_text(headline)), va="top",
        fontsize=14, fontweight="bold", color=INK, parse_math=False,
    )  # fmt: skip
    legend.draw(figure, counts, style, drawn, threshold)
    return figure


def _drawn(point: Point, true_labels: Mapping[tuple[int, int], str], threshold: float | None) -> _Drawn:
    row, column, label, score = point
    name = plain_text(label)
    true = true_labels.get((row, column), name)
    decided = threshold is None or score is None or score >= threshold
    return _Drawn(row, column, name, decided, None if true == name else true)


def _headline(drawn: list[_Drawn], compared: int) -> str:
    text = count_of(len(drawn), "point")
    if compared:
        right = compared - sum(point.true_label is not None for point in drawn)
        text += f", {right} of {compared} right ({percent(right / compared)})"
    return text


def _size(image: Image | np.ndarray[Any, Any]) -> tuple[int, int]:
    """Width and height in pixels."""
    return (image.shape[1], image.shape[0]) if isinstance(image, np.ndarray) else image.size


def _photograph_axes(
    figure: Figure, width: float, height: float, image: Image | np.ndarray[Any, Any], size: tuple[int, int]
) -> Axes:
    total_width, total_height = figure.get_size_inches()
    bottom = total_height - 0.6 - height
    axes = figure.add_axes((0.2 / total_width, bottom / total_height, width / total_width, height / total_height))
    axes.set_axis_off()
    # The centre of the pixel (row, column) is at y = row, x = column, whatever size the pixels are drawn in.
    extent = (-0.5, size[0] - 0.5, size[1] - 0.5, -0.5)
    axes.imshow(_as_drawn(image), extent=extent, interpolation="antialiased", aspect="auto")
    axes.set_xlim(-0.5, size[0] - 0.5)
    axes.set_ylim(size[1] - 0.5, -0.5)
    return axes


def _as_drawn(image: Image | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The pixels, no more of them than the picture shows: matplotlib would hold a large photograph several times."""
    from PIL import Image as images

    from spacer_like.images.decode import to_rgb_array

    pixels = image if isinstance(image, np.ndarray) else to_rgb_array(image)
    most = LONGEST_SIDE * DPI
    if max(pixels.shape[:2]) <= most:
        return pixels
    factor = most / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return np.asarray(images.fromarray(pixels).resize(size, images.Resampling.BOX, reducing_gap=2.0))


def _mark_size(count: int, area: float) -> float:
    """The marks' diameter in typographic points: at most a third of their mean distance."""
    return float(np.clip(72 * 0.33 * np.sqrt(area / max(count, 1)), 5.0, 10.0))


def _draw_points(axes: Axes, drawn: list[_Drawn], style: Mapping[str, Mark], size: float) -> None:
    for label, mark in style.items():
        for decided in (True, False):
            mine = [point for point in drawn if point.label == label and point.decided is decided]
            _draw_marks(axes, [(point.column, point.row) for point in mine], mark, size, filled=decided)
    wrong = [point for point in drawn if point.true_label is not None]
    _draw_rings(axes, [(point.column, point.row) for point in wrong], size)
    if len(wrong) <= MOST_TRUE_NAMES:
        for point in wrong:
            _write_true_name(axes, point, size)


def _draw_marks(axes: Axes, points: list[tuple[float, float]], mark: Mark, size: float, *, filled: bool) -> None:
    if not points:
        return
    columns, rows = zip(*points, strict=True)
    common: dict[str, Any] = {"marker": mark.shape, "clip_on": False, "zorder": 3}
    if filled:
        axes.scatter(columns, rows, s=size**2, c=mark.colour, edgecolors="black", linewidths=1.1, **common)
    else:
        # The colour between two black lines: seen on light and on dark ground alike.
        axes.scatter(columns, rows, s=size**2, c="none", edgecolors="black", linewidths=3.2, **common)
        axes.scatter(columns, rows, s=size**2, c="none", edgecolors=mark.colour, linewidths=1.6, **common)


def _draw_rings(axes: Axes, points: list[tuple[float, float]], size: float) -> None:
    if not points:
        return
    columns, rows = zip(*points, strict=True)
    for colour, width in (("black", 4.0), ("white", 2.0)):
        axes.scatter(
            columns, rows, s=(2.1 * size) ** 2, c="none", edgecolors=colour, linewidths=width, marker="o",
            clip_on=False, zorder=4,
        )  # fmt: skip


def _write_true_name(axes: Axes, point: _Drawn, size: float) -> None:
    from matplotlib.patheffects import withStroke

    at_right = point.column > 0.85 * axes.get_xlim()[1]
    axes.annotate(
        drawable(shorten_all([point.true_label or ""], 18)[0]), (point.column, point.row),
        xytext=(-1.3 * size if at_right else 1.3 * size, 0), textcoords="offset points", va="center",
        ha="right" if at_right else "left", color="white", zorder=5,
        path_effects=[withStroke(linewidth=2.6, foreground="black")], **name_style(fontsize=9, fontweight="bold"),
    )  # fmt: skip


def _shrink(figure: Figure, text: Text, width: float) -> None:
    """Leave out characters until the text is `width` inches wide: those of some scripts are twice as wide as others."""
    characters = len(text.get_text())
    while characters > 6 and text.get_window_extent().width > width * figure.dpi:
        characters -= 2
        text.set_text(shorten(text.get_text(), characters))


class _Legend:
    """The list at the picture's right, in as many columns as its height asks for."""

    def __init__(self, rows: int, height: float) -> None:
        self.row_height = float(np.clip(height / rows, SMALLEST_ROW, LARGEST_ROW))
        self.rows_in_column = int(height / self.row_height + 1e-6)
        self.columns = ceil(rows / self.rows_in_column)
        self.column_width = 3.6
        self.width = self.columns * self.column_width

    def draw(
        self,
        figure: Figure,
        counts: Counter[str],
        style: Mapping[str, Mark],
        drawn: list[_Drawn],
        threshold: float | None,
    ) -> None:
        total_width, total_height = figure.get_size_inches()
        height = self.rows_in_column * self.row_height
        axes = figure.add_axes(
            (
                1 - self.width / total_width,
                1 - (0.6 + height) / total_height,
                self.width / total_width,
                height / total_height,
            )
        )
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.rows_in_column, 0)
        for index, (name, label) in enumerate(zip(shorten_all(list(style), LONGEST_NAME), style, strict=True)):
            x, y = self._position(index)
            _draw_marks(axes, [(x, y)], style[label], 9.5, filled=True)
            share = counts[label] / len(drawn)
            text = axes.text(x + 0.2, y, drawable(name), va="center", color=INK, **name_style(fontsize=10))
            _shrink(figure, text, 2.2)
            axes.text(
                x + 3.15, y, f"{counts[label]:,} ({percent(share)})", va="center", ha="right", color=GREY, fontsize=9
            )
        self._draw_explanations(axes, len(style), drawn, threshold)

    def _position(self, index: int) -> tuple[float, float]:
        return index // self.rows_in_column * self.column_width + 0.25, index % self.rows_in_column + 0.5

    def _draw_explanations(self, axes: Axes, start: int, drawn: list[_Drawn], threshold: float | None) -> None:
        wrong = sum(point.true_label is not None for point in drawn)
        undecided = sum(not point.decided for point in drawn)
        lines = []
        if wrong:
            beside = ", beside it the true class" if wrong <= MOST_TRUE_NAMES else ""
            lines.append((f"wrong: {wrong}{beside}", "ring"))
        if threshold is not None:
            lines.append((f"score below {threshold:.2f}: {undecided}", "hollow"))
        for index, (text, kind) in enumerate(lines, start + 1):
            x, y = self._position(index)
            if kind == "ring":
                _draw_rings(axes, [(x, y)], 5.5)
            else:
                _draw_marks(axes, [(x, y)], Mark("#D1D5DB", "s"), 9.5, filled=False)
            axes.text(x + 0.2, y, text, va="center", color=INK, fontsize=10)
