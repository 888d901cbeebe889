"""One picture of how good a classifier is: where it errs, class by class, and how far its confidence may be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.drawing.class_style import GREY, INK, shorten_all
from spacer_like.drawing.figures import Destination, drawable, new_figure, write_figure
from spacer_like.location import DataLocation
from spacer_like.reports.class_rows import draw_confusion, draw_scores, draw_support
from spacer_like.reports.curves import draw_calibration, draw_epochs, draw_thresholds
from spacer_like.reports.evaluation import DEFAULT_THRESHOLD, Evaluation, count_of, read_evaluation
from spacer_like.reports.image_evaluation import sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST_MATRIX = 40
LONGEST_NAME = 30
DPI = 110


@dataclass(frozen=True)
class _Layout:
    """The picture's measures, in inches; `names` is the room that the classes' names need."""

    classes: int
    names: float
    charts: int

    @property
    def square(self) -> float:
        return float(np.clip(7.2 / self.classes, 0.27, 1.2))

    @property
    def side(self) -> float:
        return self.square * self.classes

    @property
    def left(self) -> float:
        return self.names + 0.7

    @property
    def scores_width(self) -> float:
        return max(3.6, 10.6 - self.left - self.side)

    @property
    def width(self) -> float:
        return self.left + self.side + 0.3 + self.scores_width + 0.25 + 1.5 + 0.3

    @property
    def names_lie(self) -> bool:
        """Whether the columns' names fit below their columns without being turned."""
        return self.names < self.square

    @property
    def below(self) -> float:
        """From the picture's bottom edge to the matrix: the charts and the columns' names."""
        return 5.15 + (0.3 if self.names_lie else self.names)

    @property
    def height(self) -> float:
        return self.below + self.side + 1.7


def evaluation_picture(
    report: Mapping[str, Any], path: Destination, *, title: str = "", threshold: float = DEFAULT_THRESHOLD
) -> DataLocation:
    """Draw an evaluation report into one picture (png, svg, pdf, jpg or webp by the name's ending).

    It holds the confusion matrix (rows normalised, with counts), precision, recall, F1 and support of each class, a
    reliability diagram with counts, accuracy and coverage over the confidence threshold, and the accuracies on the
    reference set after each epoch. Classes stand in order of their points; beyond 40, the rarest are drawn as one.

    Args:
        report: what `train_classifier` writes at its message's `report_loc`, parsed.
        path: a file's path or a location.
        title: a line above the headline, such as the model's name.
        threshold: the confidence that the sentence speaks about.

    Raises:
        SpacerInputError: the report is no evaluation report, or the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    return write_figure(evaluation_figure(report, title=title, threshold=threshold), path, DPI)


def evaluation_figure(report: Mapping[str, Any], *, title: str = "", threshold: float = DEFAULT_THRESHOLD) -> Figure:
    """The figure that `evaluation_picture` writes, for a notebook or a document."""
    whole = read_evaluation(report)
    shown = _with_rarest_merged(_by_support(whole), LARGEST_MATRIX)
    names = [drawable(name) for name in shorten_all(shown.classes, LONGEST_NAME)]
    size = 10 if len(names) <= 12 else 8.5
    layout = _Layout(len(names), 0.0072 * size * max(map(len, names)) * 1.15 + 0.1, 3 if whole.epoch_accuracies else 2)
    figure = new_figure(layout.width, layout.height)
    _head(figure, whole, title, layout)
    _class_rows(figure, shown, names, size, layout)
    _charts(figure, whole, threshold, layout)
    return figure


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float, **options: Any) -> Axes:
    """Axes at a position given in inches."""
    total_width, total_height = figure.get_size_inches()
    return figure.add_axes(
        (left / total_width, bottom / total_height, width / total_width, height / total_height), **options
    )


def _head(figure: Figure, evaluation: Evaluation, title: str, layout: _Layout) -> None:
    def line(text: str, from_top: float, **style: Any) -> None:
        figure.text(0.3 / layout.width, 1 - from_top / layout.height, text, va="top", parse_math=False, **style)

    line(evaluation.headline(), 0.2, fontsize=19, fontweight="bold", color=INK)
    details = [drawable(title)] if title else []
    if evaluation.previous_accuracies:
        shares = ", ".join(f"{100 * share:.1f} %" for share in evaluation.previous_accuracies)
        details.append(f"previous models on the same points: {shares}")
    if evaluation.left_out:
        details.append(evaluation.warning())
    line("   ·   ".join(details), 0.62, fontsize=11.5, color=GREY)
    if evaluation.by_image is not None:
        said = sentences(evaluation.by_image, len(evaluation.epoch_accuracies))[:2]
        line("   ".join(map(drawable, said)), 0.88, fontsize=11.5, color=GREY)


def _class_rows(figure: Figure, shown: Evaluation, names: list[str], size: float, layout: _Layout) -> None:
    matrix = _axes(figure, layout.left, layout.below, layout.side, layout.side)
    draw_confusion(matrix, shown, names, size, layout.square, upright=not layout.names_lie)
    left = layout.left + layout.side + 0.3
    scores = _axes(figure, left, layout.below, layout.scores_width, layout.side, sharey=matrix)
    draw_scores(scores, shown)
    support = _axes(figure, left + layout.scores_width + 0.25, layout.below, 1.5, layout.side, sharey=matrix)
    draw_support(support, shown)


def _charts(figure: Figure, evaluation: Evaluation, threshold: float, layout: _Layout) -> None:
    gap, edge, bottom, height = 0.95, 0.85, 0.65, 3.2
    width = (layout.width - 2 * edge + 0.5 - gap * (layout.charts - 1)) / layout.charts
    upper = _axes(figure, edge, bottom + 1.05, width, height - 1.05)
    lower = _axes(figure, edge, bottom, width, 0.85, sharex=upper)
    draw_calibration(upper, lower, evaluation)
    draw_thresholds(_axes(figure, edge + width + gap, bottom, width, height), evaluation, threshold)
    if layout.charts == 3:
        draw_epochs(_axes(figure, edge + 2 * (width + gap), bottom, width, height), evaluation)


def _by_support(evaluation: Evaluation) -> Evaluation:
    order = np.argsort(-evaluation.support, kind="stable")
    return replace(
        evaluation,
        classes=[evaluation.classes[index] for index in order],
        precision=evaluation.precision[order],
        recall=evaluation.recall[order],
        f1=evaluation.f1[order],
        support=evaluation.support[order],
        confusion=evaluation.confusion[np.ix_(order, order)],
    )


def _with_rarest_merged(evaluation: Evaluation, limit: int) -> Evaluation:
    """The first `limit` - 1 classes as they are, all others as one, which has no scores."""
    count = len(evaluation.classes)
    if count <= limit:
        return evaluation
    kept = limit - 1
    group = np.minimum(np.arange(count), kept)
    merged = np.zeros((limit, limit), dtype=np.int64)
    np.add.at(merged, (group[:, None], group[None, :]), evaluation.confusion)
    no_score = [float("nan")]
    return replace(
        evaluation,
        classes=[*evaluation.classes[:kept], count_of(count - kept, "rarer class", "rarer classes")],
        precision=np.append(evaluation.precision[:kept], no_score),
        recall=np.append(evaluation.recall[:kept], no_score),
        f1=np.append(evaluation.f1[:kept], no_score),
        support=np.append(evaluation.support[:kept], evaluation.support[kept:].sum()),
        confusion=merged,
    )
