"""How scores spread: histogram, buckets, and the function that turns shares into scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacer_like.drawing.charts import BAR, DPI, chart, headed_figure, known_scores, name_axes
from spacer_like.drawing.class_style import BLUE, GREY, INK, VERMILLION, shorten
from spacer_like.drawing.figures import Destination, drawable, name_style, write_figure
from spacer_like.exceptions import SpacerInputError
from spacer_like.reports.evaluation import count_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 100
LONGEST_NAME = 24
MOST_COLLECTIONS = 40


class ScoreBin(NamedTuple):
    """How many images have a score in [low, high), in the last bin also at `high`."""

    low: float
    high: float
    images: int


class BucketShare(NamedTuple):
    """A bucket's number, its name, how many images it holds, and what share they are of all."""

    bucket: int
    name: str
    images: int
    share: float


class LogValue(NamedTuple):
    """A share p and f(p) = -ln(1 + p)."""

    p: float
    value: float


def score_histogram_picture(
    scores: ArrayLike, path: Destination, *, bins: int = BINS, score_name: str = "pixelScore", title: str = ""
) -> list[ScoreBin]:
    """Draw how many images have which score, in bins of equal width.

    Args:
        scores: [n]; missing ones (NaN) are left out.
        path: a file's path or a location; its ending sets the format.
        bins: how many.
        score_name: what the axis is called.
        title: the collection's name, for the headline.

    Returns:
        The bins.

    Raises:
        SpacerInputError: no score, an infinite one, or the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    values = known_scores(scores)
    counts, edges = _histogram(values, bins)
    median = float(np.median(values))
    spread = f"from {values.min():.4g} to {values.max():.4g}, median {median:.4g}"
    detail = f"{count_of(len(values), 'score', 'scores')} {spread}"
    figure = headed_figure(9, 5, "How the scores spread", detail, title)
    axes = chart(figure, 0.95, 7.8)
    widths = np.diff(edges)
    axes.bar(edges[:-1], counts, width=widths, align="edge", color=BAR, edgecolor="white", linewidth=0.4)
    axes.axvline(median, color=VERMILLION, linewidth=1.3, linestyle=(0, (4, 3)))
    axes.annotate(
        "median", (median, 1), xycoords=("data", "axes fraction"), xytext=(4, -2), textcoords="offset points",
        color=VERMILLION, fontsize=9, va="top",
    )  # fmt: skip
    is_log = _draw_counts_axis(axes, counts)
    name_axes(axes, f"{score_name} (rare on the right)", "images (log axis)" if is_log else "images")
    write_figure(figure, path, DPI)
    return [ScoreBin(*row) for row in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)]


def collection_histograms_picture(
    scores: Mapping[str, ArrayLike], path: Destination, *, bins: int = 60, score_name: str = "pixelScore"
) -> dict[str, list[int]]:
    """Draw a histogram of the scores of each collection, one below the other on one axis, the rarest on average first.

    Args:
        scores: [n] of each collection, by its id; missing ones (NaN) are left out, and so is a collection of these.
        path: a file's path or a location; its ending sets the format.
        bins: how many, of equal width and the same for all.
        score_name: what the axis is called.

    Returns:
        The counts of each collection that was drawn: no more than `MOST_COLLECTIONS`.

    Raises:
        SpacerInputError: no score, an infinite one, or the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    every = known_scores(np.concatenate([np.asarray(one, np.float64) for one in scores.values()] or [np.empty(0)]))
    _, edges = _histogram(every, bins)
    known = {name: values[~np.isnan(values)] for name, one in scores.items() if len(values := np.asarray(one, float))}
    ranked = sorted((name for name in known if len(known[name])), key=lambda name: (-known[name].mean(), name))
    counts = {name: np.histogram(known[name], edges)[0].tolist() for name in ranked[:MOST_COLLECTIONS]}
    of_all = f"the rarest {len(counts)} of {len(ranked)}" if len(counts) < len(ranked) else f"all {len(ranked)}"
    detail = f"{of_all} collections by their mean {score_name}; each row is scaled to its highest bar"
    labels = [drawable(shorten(name, LONGEST_NAME)) for name in counts]
    figure = headed_figure(9, 1.75 + 0.5 * len(counts), "How the scores spread in each collection", detail)
    left = 0.5 + 0.085 * max(map(len, labels))
    axes = chart(figure, left, 9 - left - 1.2)
    for index, (name, row) in enumerate(counts.items()):
        heights = np.array(row) / max(row)
        axes.bar(edges[:-1], -0.85 * heights, np.diff(edges), index + 0.42, align="edge", color=BAR)
        median = float(np.median(known[name]))
        axes.plot([median] * 2, [index + 0.42, index - 0.43], color=VERMILLION, linewidth=1.3)
        axes.annotate(
            f"{len(known[name]):,}", (1, index), xycoords=("axes fraction", "data"), xytext=(6, 0),
            textcoords="offset points", va="center", fontsize=9, color=INK, annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(labels)), labels, **name_style(fontsize=9.5))
    axes.set_ylim(len(labels) - 0.5, -0.6)
    axes.grid(False, axis="y")
    name_axes(axes, f"{score_name} (rare on the right; red: the median; on the right: images)", "")
    write_figure(figure, path, DPI)
    return counts


def _histogram(values: NDArray[np.float64], bins: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        # Equal scores, or such as differ by rounding only, have no width to divide.
        room = max(abs(low), 1.0) * 0.5
        low, high = low - room, high + room
    counts, edges = np.histogram(values, bins=max(bins, 1), range=(low, high))
    return counts.astype(np.int64), edges


def _draw_counts_axis(axes: Axes, counts: NDArray[np.int64]) -> bool:
    """Whether the axis is logarithmic: where single images would vanish beside the highest bar."""
    is_log = bool(counts.max() >= 300 * counts[counts > 0].min())
    if is_log:
        axes.set_yscale("log")
        axes.set_ylim(0.6, counts.max() * 1.6)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value == int(value) else "")
    return is_log


def bucket_shares_picture(
    buckets: ArrayLike,
    names: Mapping[int, str],
    path: Destination,
    *,
    score_name: str = "pixelScore",
    title: str = "",
) -> list[BucketShare]:
    """Draw what share of the scores lies in each bucket, the rarest bucket on the right.

    Args:
        buckets: [n] the bucket of each score; missing ones (NaN, or numbers below 1) are left out.
        names: each bucket's number and its name in words; buckets without a score are shown as empty.
        path: a file's path or a location; its ending sets the format.
        score_name: which score was sorted into them.
        title: the collection's name, for the headline.

    Returns:
        A row for each bucket.

    Raises:
        SpacerInputError: no bucket, one that has no name, or the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    values = known_scores(buckets)
    values = values[values >= 1].astype(np.int64)
    unnamed = sorted(set(values.tolist()) - set(names))
    if not len(values) or unnamed:
        raise SpacerInputError(
            f"The bucket {unnamed[0]} has no name to draw it with." if unnamed else "There is no bucket to draw."
        )
    found, found_counts = np.unique(values, return_counts=True)
    counts = dict(zip(found.tolist(), found_counts.tolist(), strict=True))
    table = [
        BucketShare(bucket, names[bucket], counts.get(bucket, 0), counts.get(bucket, 0) / len(values))
        for bucket in sorted(names)
    ]
    _draw_buckets(table, len(values), path, score_name, title)
    return table


def _draw_buckets(table: list[BucketShare], count: int, path: Destination, score_name: str, title: str) -> None:
    labels = [drawable(f"{row.bucket}   {shorten(row.name, LONGEST_NAME)}") for row in table]
    # Names lie beside their bars: none has to be turned.
    height = 1.75 + 0.42 * len(table)
    detail = f"{score_name}: what share of {count_of(count, 'score', 'scores')} lies in each bucket"
    figure = headed_figure(8.6, height, "Scores by bucket", detail, title)
    names_width = 0.5 + 0.085 * max(map(len, labels))
    axes = chart(figure, names_width, 8.6 - names_width - 0.4)
    shares = [100 * row.share for row in table]
    axes.barh(range(len(table)), shares, height=0.66, color=BAR)
    for index, row in enumerate(table):
        axes.annotate(
            f"{100 * row.share:.1f} %  ({row.images:,})", (100 * row.share, index), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=9, color=INK,
        )  # fmt: skip
    axes.set_yticks(range(len(table)), labels, **name_style(fontsize=9.5))
    axes.set_xlim(0, max(shares) * 1.22)
    axes.grid(False, axis="y")
    axes.grid(axis="x", color="#E5E7EB")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    name_axes(axes, "share of all scores", "")
    write_figure(figure, path, DPI)


def log_function_picture(path: Destination) -> list[LogValue]:
    """Draw f(p) = -ln(1 + p), by which the log score weighs the share p of images with a colour.

    Args:
        path: a file's path or a location; its ending sets the format.

    Returns:
        The function at p = 0, 0.01, ..., 0.99.

    Raises:
        SpacerInputError: the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    shares = np.arange(100) / 100
    values = -np.log1p(shares)
    detail = "p: share of images that have a pixel's colour at its position; nearly a straight line"
    figure = headed_figure(7.6, 5, "The log score's function, f(p) = -ln(1 + p)".replace("-", "\N{MINUS SIGN}"), detail)
    axes = chart(figure, 0.95, 6.35)
    axes.plot([0, 1], [0, -np.log(2)], color=GREY, linestyle=(0, (4, 3)), linewidth=1.2, label="straight line")
    axes.plot(shares, values, color=BLUE, linewidth=2.4, label="f(p)")
    axes.set_xlim(0, 1)
    axes.grid(axis="x", color="#F3F4F6")
    axes.legend(frameon=False, fontsize=10)
    name_axes(axes, "p", "f(p)")
    write_figure(figure, path, DPI)
    return [LogValue(*pair) for pair in zip(shares.tolist(), values.tolist(), strict=True)]
