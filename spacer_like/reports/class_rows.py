"""The upper half of the evaluation picture: one row per class through confusion matrix, scores and support."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spacer_like.drawing.charts import DARK, bare, compact, heading, subheading
from spacer_like.drawing.class_style import BLUE, FAINT, GREEN, GREY, INK, VERMILLION
from spacer_like.drawing.figures import name_style
from spacer_like.reports.evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_confusion(
    axes: Axes, evaluation: Evaluation, names: list[str], size: float, square: float, *, upright: bool
) -> None:
    """Counts by true class (row) and given class (column), shaded by their share of the row; `square` in inches."""
    count = len(names)
    totals = evaluation.confusion.sum(axis=1, keepdims=True)
    shares = evaluation.confusion / np.maximum(totals, 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    bare(axes)
    axes.set_xticks(np.arange(count), names, rotation=90 if upright else 0, **name_style(fontsize=size))
    axes.set_yticks(np.arange(count), names, **name_style(fontsize=size))
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT, linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("predicted class", fontsize=10, color=GREY)
    axes.set_ylabel("true class", fontsize=10, color=GREY, labelpad=8)
    heading(axes, "Confusion matrix", pad=22)
    subheading(axes, "points; shade: share of the row")
    _write_counts(axes, evaluation, shares, square)


def _write_counts(
    axes: Axes, evaluation: Evaluation, shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]], square: float
) -> None:
    roomy = square >= 0.7
    size = float(np.clip(square * 22, 6.2, 12))
    for row, column in zip(*np.nonzero(evaluation.confusion), strict=True):
        share = shares[row, column]
        text = compact(int(evaluation.confusion[row, column])) + (f"\n{100 * share:.0f} %" if roomy else "")
        axes.text(
            column, row, text, ha="center", va="center", fontsize=size, color="white" if share > DARK else INK,
            fontweight="bold" if row == column else "normal",
        )  # fmt: skip


def draw_scores(axes: Axes, evaluation: Evaluation) -> None:
    """Precision, recall and F1 of each row's class as three marks on a line from 0 to 100 %."""
    bare(axes)
    rows = np.arange(len(evaluation.classes))
    scores = np.stack([evaluation.precision, evaluation.recall, evaluation.f1])
    known = ~np.isnan(scores).all(axis=0)
    if known.any():
        low, high = np.nanmin(scores[:, known], axis=0), np.nanmax(scores[:, known], axis=0)
        axes.hlines(rows[known], 100 * low, 100 * high, color="#9CA3AF", linewidth=2, zorder=1)
    for values, name, colour, shape, size in (
        (evaluation.precision, "precision", VERMILLION, "<", 38),
        (evaluation.recall, "recall", BLUE, ">", 38),
        (evaluation.f1, "F1", GREEN, "o", 46),
    ):
        axes.scatter(
            100 * values,
            rows,
            s=size,
            color=colour,
            marker=shape,
            label=name,
            zorder=2,
            edgecolor="white",
            linewidth=0.6,
        )
    for row in rows[~known].tolist():
        axes.text(50, row, "no scores", ha="center", va="center", fontsize=8, color=GREY)
    axes.set_xlim(-3, 103)
    axes.set_xticks(range(0, 101, 20), [f"{value} %" for value in range(0, 101, 20)])
    axes.grid(axis="x", color=FAINT)
    axes.hlines(rows, 0, 100, color=FAINT, linewidth=0.7, zorder=0)
    axes.tick_params(labelleft=False)
    heading(axes, "Scores of each class", pad=22)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, frameon=False, fontsize=9.5, handletextpad=0.1,
        columnspacing=1.2, borderaxespad=0.1,
    )  # fmt: skip


def draw_support(axes: Axes, evaluation: Evaluation) -> None:
    """Points of each row's class in the truth, as bars with their numbers."""
    bare(axes)
    rows = np.arange(len(evaluation.classes))
    largest = max(int(evaluation.support.max(initial=0)), 1)
    axes.barh(rows, evaluation.support, height=0.62, color="#CBD5E1")
    for row, count in enumerate(evaluation.support.tolist()):
        axes.text(count + largest * 0.03, row, f"{count:,}", va="center", fontsize=9, color=INK)
    axes.set_xlim(0, largest * 1.45)
    axes.set_xticks([])
    axes.tick_params(labelleft=False)
    heading(axes, "Support", pad=22)
    subheading(axes, "true points")
