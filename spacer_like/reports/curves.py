"""The lower half of the evaluation picture: how far the confidence may be trusted, and how training went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from spacer_like.drawing.charts import bare, compact, heading, subheading
from spacer_like.drawing.class_style import BLUE, FAINT, GREEN, GREY, INK, VERMILLION
from spacer_like.reports.evaluation import Evaluation, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIFTHS = np.arange(0, 101, 20)


def _percent_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    ticks = [f"{value} %" for value in FIFTHS]
    (axes.set_xticks if which == "x" else axes.set_yticks)(FIFTHS, ticks)
    axes.tick_params(axis=which, pad=6)


def draw_calibration(upper: Axes, lower: Axes, evaluation: Evaluation) -> None:
    """Accuracy over confidence above, points per bin below; on the diagonal, confidence is what it says."""
    bare(upper)
    used = evaluation.bin_count > 0
    upper.plot([0, 100], [0, 100], color="#9CA3AF", linestyle=(0, (4, 3)), linewidth=1.2, zorder=1)
    upper.plot(
        100 * evaluation.bin_confidence[used], 100 * evaluation.bin_accuracy[used], "o-", color=BLUE, markersize=6,
        markeredgecolor="white", zorder=2,
    )  # fmt: skip
    upper.set_xlim(0, 100)
    upper.set_ylim(0, 105)
    _percent_axis(upper, "y")
    _percent_axis(upper, "x")
    upper.tick_params(labelbottom=False)
    upper.grid(color=FAINT)
    upper.set_ylabel("accuracy", fontsize=10, color=GREY)
    heading(upper, "Is it as right as it is confident?", pad=24)
    subheading(upper, f"expected calibration error {percent(evaluation.calibration_error(), 1)}; dashed: perfect")

    bare(lower)
    edges = 100 * evaluation.bin_edges
    centres, widths = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    lower.bar(centres, evaluation.bin_count, width=0.9 * widths, color="#CBD5E1")
    for centre, count in zip(centres, evaluation.bin_count, strict=True):
        if count:
            lower.text(centre, count, compact(int(count)), ha="center", va="bottom", fontsize=8, color=INK)
    lower.set_ylim(0, max(int(evaluation.bin_count.max(initial=0)), 1) * 1.35)
    lower.set_yticks([])
    lower.set_ylabel("points", fontsize=10, color=GREY)
    lower.set_xlabel("confidence", fontsize=10, color=GREY)


def draw_thresholds(axes: Axes, evaluation: Evaluation, threshold: float) -> None:
    """Accuracy over the points that the machine would decide, and their share, for every confidence threshold."""
    bare(axes)
    for values, name, colour, style in (
        (evaluation.threshold_accuracy, "accuracy", BLUE, "-"),
        (evaluation.threshold_coverage, "coverage (share decided)", VERMILLION, (0, (5, 2))),
    ):
        axes.plot(100 * evaluation.thresholds, 100 * values, color=colour, linestyle=style, linewidth=2.2, label=name)
    if len(evaluation.thresholds):
        _mark_threshold(axes, evaluation, threshold)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 105)
    _percent_axis(axes, "y")
    _percent_axis(axes, "x")
    axes.grid(color=FAINT)
    axes.set_xlabel("confidence threshold", fontsize=10, color=GREY)
    axes.legend(loc="lower left", frameon=True, framealpha=0.85, edgecolor="none", fontsize=9.5)
    heading(axes, "What may the machine decide alone?", pad=38)
    first, _, rest = evaluation.sentence(threshold).partition(" and ")
    subheading(axes, f"{first}\nand {rest}" if rest else first)


def _mark_threshold(axes: Axes, evaluation: Evaluation, threshold: float) -> None:
    at = int(np.abs(evaluation.thresholds - threshold).argmin())
    x = 100 * float(evaluation.thresholds[at])
    axes.axvline(x, color=GREY, linewidth=1, linestyle=":")
    for values, colour in ((evaluation.threshold_accuracy, BLUE), (evaluation.threshold_coverage, VERMILLION)):
        if not np.isnan(values[at]):
            axes.plot(x, 100 * values[at], "o", color=colour, markersize=8, markeredgecolor="white")
            axes.annotate(
                percent(float(values[at])), (x, 100 * float(values[at])), xytext=(7, -4 if values[at] > 0.2 else 5),
                textcoords="offset points", fontsize=10, fontweight="bold", color=colour,
                va="top" if values[at] > 0.2 else "bottom",
            )  # fmt: skip


def draw_epochs(axes: Axes, evaluation: Evaluation) -> None:
    """Accuracy on the reference set after each epoch, and the finished classifier's on the validation set."""
    from matplotlib.ticker import MaxNLocator

    bare(axes)
    shares = 100 * np.asarray(evaluation.epoch_accuracies)
    epochs = np.arange(1, len(shares) + 1)
    axes.plot(epochs, shares, "o-", color=GREEN, markersize=5, markeredgecolor="white", label="reference points")
    kept = evaluation.by_image.kept_epoch if evaluation.by_image is not None else None
    if kept is not None and kept < len(shares):
        axes.axvline(kept, color=GREY, linewidth=1, linestyle=":", label="the epoch that was kept")
    axes.axhline(
        100 * evaluation.accuracy,
        color=INK,
        linewidth=1.2,
        linestyle=(0, (4, 3)),
        label="validation points, at the end",
    )
    middle = [float(shares.min()), float(shares.max()), 100 * evaluation.accuracy]
    room = max(2.0, 0.25 * (max(middle) - min(middle)))
    axes.set_ylim(max(0.0, min(middle) - room), min(102.0, max(middle) + room))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f} %" if value == int(value) else f"{value:.1f} %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0.5, len(shares) + 0.5)
    axes.grid(color=FAINT)
    axes.set_xlabel("epoch", fontsize=10, color=GREY)
    axes.legend(loc="lower right", frameon=True, framealpha=0.85, edgecolor="none", fontsize=9.5)
    heading(axes, "How did training go?", pad=24)
    subheading(axes, "accuracy after each epoch")
