"""Pictures of an evaluation: errors against labels, errors by five degrees, how often intervals hold, odd labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.drawing.charts import BAR, DPI, bare, chart, headed_figure, heading, name_axes
from spacer_like.drawing.class_style import FAINT, GREY, INK
from spacer_like.drawing.contact_sheet import SheetImage, SheetSection, contact_sheet
from spacer_like.drawing.figures import Destination, drawable, write_figure
from spacer_like.regression.calibration import EDGES
from spacer_like.regression.evaluation import OUTLIER_DEGREES
from spacer_like.regression.evaluation_report import BASELINE, BEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spacer_like.regression.evaluation_report import Evaluated

MOST_PANELS = 20
MOST_ON_SHEET = 48
_COLUMNS = 4
_PANEL_WIDTH, _PANEL_HEIGHT = 3.2, 2.6
_LABELS, _GAPS = (42.0, 95.0), (-25.0, 25.0)
_MOST_POINTS = 20_000
_ORANGE = "#D98B4A"
_NAMES = [f"{low:.0f}-{high:.0f}" for low, high in pairwise(EDGES)]


def draw_errors(evaluated: Evaluated, path: Destination) -> None:
    """A panel for each of the predictions, `MOST_PANELS` at most: label minus prediction against the label."""
    entries = list(evaluated.report["predictions"].items())[:MOST_PANELS]
    columns = min(_COLUMNS, len(entries))
    rows = -(-len(entries) // columns)
    width, height = max(columns * _PANEL_WIDTH + 0.6, 6.5), rows * _PANEL_HEIGHT + 1.3
    best = evaluated.report["predictions"][BEST]["errors"]
    figure = headed_figure(
        width,
        height,
        f"{best['rms']:.2f} degrees RMS, {best['mae']:.2f} mean error",
        f"Label minus prediction of {best['count']} images, degrees; median of all networks first",
    )
    # Evenly many of the rows: more points than this no picture shows.
    step = -(-len(evaluated.table.labels) // _MOST_POINTS)
    for number, (name, entry) in enumerate(entries):
        row, column = divmod(number, columns)
        bottom = height - 1.15 - (row + 1) * _PANEL_HEIGHT + 0.75
        left = 0.6 + column * _PANEL_WIDTH
        axes = figure.add_axes((left / width, bottom / height, (_PANEL_WIDTH - 0.5) / width, 1.65 / height))
        _panel(axes, name, entry["errors"], evaluated.table.labels[::step], evaluated.series[name][::step])
        if row == rows - 1 or number + columns >= len(entries):
            axes.set_xlabel("label, degrees", fontsize=9, color=GREY)
    write_figure(figure, path, DPI)


def _panel(
    axes: Axes, name: str, errors: Mapping[str, Any], labels: NDArray[np.float64], predictions: NDArray[np.float64]
) -> None:
    bare(axes)
    axes.grid(color=FAINT)
    axes.set_axisbelow(True)
    for edge in (-OUTLIER_DEGREES, OUTLIER_DEGREES):
        axes.axhline(edge, color=_ORANGE, linewidth=0.8, linestyle="--")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.plot(labels, labels - predictions, ".", color="#2F6690", markersize=2.5, alpha=0.5, markeredgewidth=0)
    axes.set_xlim(_LABELS)
    axes.set_ylim(_GAPS)
    axes.set_title(drawable(name[:30]), loc="left", fontsize=10, color=INK, parse_math=False, pad=3)
    text = f"RMS {errors['rms']:.2f}   MAE {errors['mae']:.2f}"
    axes.text(0.02, 0.03, text, transform=axes.transAxes, fontsize=8, color=INK)


def draw_bins(report: Mapping[str, Any], path: Destination) -> None:
    """Bars of the RMS in every five degrees of the label, of the median of all networks and of the baseline."""
    shown = [(name, report["predictions"][name]) for name in (BEST, BASELINE) if name in report["predictions"]]
    figure = headed_figure(7.5, 4.2, "Errors by inclination", "RMS in degrees, and images in each five degrees")
    axes = chart(figure, 0.8, 6.4, foot=0.85)
    share = 0.8 / len(shown)
    for number, (name, entry) in enumerate(shown):
        bins = [EDGES.index(one["low"]) for one in entry["by_bin"]]
        places = np.array(bins) - 0.4 + (number + 0.5) * share
        colour = BAR if name == BEST else _ORANGE
        bars = axes.bar(places, [one["rms"] for one in entry["by_bin"]], share * 0.92, color=colour, label=name)
        axes.bar_label(bars, [f"{one['rms']:.1f}" for one in entry["by_bin"]], fontsize=8, color=INK, padding=2)
    counts = {one["low"]: one["count"] for one in shown[0][1]["by_bin"]}
    names = [f"{name}\n{counts.get(low, 0)}" for name, low in zip(_NAMES, EDGES, strict=False)]
    axes.set_xticks(range(len(_NAMES)), names)
    name_axes(axes, "label, degrees; images", "RMS, degrees")
    if len(shown) > 1:
        axes.legend(frameon=False, fontsize=9, loc="upper center", ncols=2)
        axes.set_ylim(top=axes.get_ylim()[1] * 1.2)
    write_figure(figure, path, DPI)


def draw_intervals(intervals: Mapping[str, Any], path: Destination) -> None:
    """How often intervals hold the label, in every five degrees of the prediction and of the label."""
    coverage, held = intervals["coverage"], intervals["holding"]
    figure = headed_figure(
        9.6,
        4.0,
        f"Intervals hold {held['share']:.1%} of the labels",
        f"They are to hold {coverage:.0%}, green two per cent more or less; lines: where chance alone puts 95 %",
    )
    titles = (("by_prediction", "by prediction"), ("by_label", "by label"))
    for number, (key, title) in enumerate(titles):
        axes = chart(figure, 0.8 + number * 4.5, 4.0, foot=0.65, head=1.25)
        heading(axes, title)
        axes.axhspan(coverage - 0.02, coverage + 0.02, color="#DCE9DC", zorder=0)
        axes.axhline(coverage, color=GREY, linewidth=1)
        known = [(at, count, share) for at, (count, share) in enumerate(held[key]) if share is not None]
        # Binomial, about the coverage: what a group of so many rows shows where its intervals are right.
        spread = [1.96 * (coverage * (1 - coverage) / count) ** 0.5 for _, count, _ in known]
        places, shares = [at for at, *_ in known], [share for *_, share in known]
        axes.errorbar(places, shares, spread, fmt="o", color="#2F6690", elinewidth=1, markersize=5)
        axes.set_xticks(range(len(_NAMES)), _NAMES)
        axes.tick_params(axis="x", labelsize=8)
        axes.set_xlim(-0.5, len(_NAMES) - 0.5)
        lowest = min([share - width for share, width in zip(shares, spread, strict=True)] + [coverage - 0.1])
        axes.set_ylim(max(lowest - 0.02, 0.0), 1.02)
        name_axes(axes, "degrees", "share held" if not number else "")
    write_figure(figure, path, DPI)


def draw_suspicious(evaluated: Evaluated, pictures: Sequence[NDArray[np.uint8] | None], path: Destination) -> None:
    """A sheet of the first suspicious labels, a picture for each: id, band, label and prediction below it."""
    table, predictions = evaluated.table, evaluated.series[BEST]
    images = []
    for one, pixels in zip(evaluated.suspicious, pictures, strict=False):
        name = f"{table.ids[one.row]} {table.bands[one.row]}".strip()
        detail = f"label {table.labels[one.row]:.0f}, said {predictions[one.row]:.0f}"
        images.append(SheetImage(pixels, name, detail))
    count = len(evaluated.suspicious)
    contact_sheet(
        [SheetSection("Farthest from the predictions first", images)],
        path,
        headline=f"{count} suspicious label{'s' if count > 1 else ''}",
        detail="Number of the galaxy and band; the label, and what networks say that have not learnt it, degrees",
    )
