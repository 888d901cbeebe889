"""A picture of how the training of a model of many labels went."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.messages import MultilabelFigures
from spacer_like.drawing.charts import BAR, DPI, chart, headed_figure, heading, name_axes
from spacer_like.drawing.class_style import BLUE, FAINT, GREY, INK, VERMILLION, shorten
from spacer_like.drawing.figures import Destination, drawable, name_style, write_figure
from spacer_like.learning.training_loop import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELS = 25
"""With more of them only the most frequent ones are drawn."""
_LONGEST_NAME = 28
_HEAD, _FOOT = 1.35, 0.62
_WIDTH, _LEAST_HEIGHT, _ROW = 14.5, 4.8, 0.26


def training_picture(
    history: Sequence[Epoch], figures: MultilabelFigures, majority_sample_f1: float, path: Destination
) -> None:
    """Draw loss and sample-F1 over the epochs, and the F1 of each label in the end.

    Args:
        history: one epoch or more.
        figures: of the finished model on the validation set.
        majority_sample_f1: what always giving the most frequent labels reaches there.
        path: a file's path or a location; its ending decides the format.

    Raises:
        SpacerInputError: the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    labels = sorted(figures.support, key=lambda label: (-figures.support[label], label))[:MOST_LABELS]
    height = max(_LEAST_HEIGHT, _HEAD + _FOOT + _ROW * len(labels))
    detail = (
        f"{len(history)} epoch{'s' if len(history) > 1 else ''}; on the validation set in the end: sample-F1 "
        f"{figures.sample_f1:.2f}, always giving the most frequent labels {majority_sample_f1:.2f}"
    )
    figure = headed_figure(_WIDTH, height, "How the training went", detail)
    losses = chart(figure, 0.8, 3.7, _FOOT, _HEAD)
    _draw_epochs(losses, history, "loss", "mean binary cross entropy")
    losses.set_ylim(0, 1.08 * max(max(entry.train["loss"], entry.validation["loss"]) for entry in history))
    heading(losses, "Loss")
    scores = chart(figure, 5.3, 3.7, _FOOT, _HEAD)
    _draw_epochs(scores, history, "sample_f1", "sample-F1")
    scores.axhline(majority_sample_f1, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label="most frequent labels")
    scores.set_ylim(0, 1)
    scores.legend(loc="lower right", frameon=True, framealpha=0.85, edgecolor="none", fontsize=9)
    heading(scores, "Predictions, with the threshold .35")
    _draw_labels(chart(figure, 11.4, 2.8, _FOOT, _HEAD), labels, figures)
    write_figure(figure, path, DPI)


def _draw_epochs(axes: Axes, history: Sequence[Epoch], name: str, unit: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [entry.epoch for entry in history]
    for part, colour, style in (("train", VERMILLION, (0, (5, 2))), ("validation", BLUE, "-")):
        values = [getattr(entry, part)[name] for entry in history]
        mark = "o" if len(history) < 40 else ""
        axes.plot(epochs, values, color=colour, linestyle=style, marker=mark, markersize=4, label=part)
    for before, entry in pairwise(history):
        if entry.facts["n_stages"] > before.facts["n_stages"]:
            # From here on more of the network learns.
            axes.axvline(entry.epoch, color=GREY, linewidth=1, linestyle=":")
    axes.set_xlim(0.5, len(history) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    name_axes(axes, "epoch", unit)


def _draw_labels(axes: Axes, labels: Sequence[str], figures: MultilabelFigures) -> None:
    rows = np.arange(len(labels))[::-1]
    values = [figures.f1[label] for label in labels]
    axes.barh(rows, values, color=BAR, height=0.7)
    for row, label, value in zip(rows, labels, values, strict=True):
        axes.annotate(
            f"{value:.2f}",
            (value, row),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=9,
            color=INK,
            va="center",
        )
        name = drawable(shorten(f"{label} ({figures.support[label]})", _LONGEST_NAME))
        axes.annotate(
            name, (0, row), xytext=(-6, 0), textcoords="offset points", ha="right", va="center", color=INK,
            annotation_clip=False, **name_style(fontsize=9),
        )  # fmt: skip
    axes.set_yticks([])
    axes.set_xlim(0, 1.12)
    axes.set_xticks(np.arange(0, 1.01, 0.25))
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=FAINT)
    name_axes(axes, "F1 (behind each label: the chips that have it)", "")
    some = f" (the {len(labels)} most frequent of {len(figures.support)})" if len(labels) < len(figures.support) else ""
    axes.annotate(
        f"F1 by label{some}", (-2.2 / 2.8, 1), xytext=(0, 3), xycoords="axes fraction", textcoords="offset points",
        fontsize=12, fontweight="bold", color=INK, va="bottom", annotation_clip=False,
    )  # fmt: skip
