"""Rankings: collections by their mean score, and all scores in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacer_like.drawing.charts import BAR, DPI, chart, headed_figure, heading, known_scores, name_axes
from spacer_like.drawing.class_style import BLUE, INK, shorten_all
from spacer_like.drawing.figures import Destination, drawable, name_style, write_figure
from spacer_like.exceptions import SpacerInputError
from spacer_like.reports.evaluation import count_of

SHOWN = 100
LONGEST_NAME = 24
MOST_SCORES = 1_000_000
POINTS_OF_A_CURVE = 2000


class RankedCollection(NamedTuple):
    """A collection and the mean of its scores; rank 1 is the rarest."""

    rank: int
    collection_id: str
    mean: float


class RankedScore(NamedTuple):
    """A score and its position among all; position 1 is the rarest."""

    position: int
    score: float


def rarest_collections_picture(
    means: Mapping[str, float] | Sequence[tuple[str, float]],
    path: Destination,
    *,
    shown: int = SHOWN,
    score_name: str = "pixelScore",
) -> list[RankedCollection]:
    """Draw the mean score of the rarest collections as bars, the rarest first.

    Args:
        means: of each collection, by its id.
        path: a file's path or a location; its ending sets the format.
        shown: how many at most.
        score_name: what the axis is called.

    Returns:
        What was drawn, a row for each bar; equal means in the order of the ids.

    Raises:
        SpacerInputError: no collection has a finite mean, or the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    pairs = means.items() if isinstance(means, Mapping) else means
    finite = [(str(name), float(mean)) for name, mean in pairs if np.isfinite(mean)]
    if not finite:
        raise SpacerInputError("There is no collection with a mean score to draw.")
    ranked = sorted(finite, key=lambda pair: (-pair[1], pair[0]))
    table = [RankedCollection(rank, *pair) for rank, pair in enumerate(ranked[: max(shown, 1)], 1)]
    _draw_collections(table, len(finite), path, score_name)
    return table


def _draw_collections(table: list[RankedCollection], count: int, path: Destination, score_name: str) -> None:
    names = [drawable(name) for name in shorten_all([row.collection_id for row in table], LONGEST_NAME)]
    foot = 0.5 + 0.07 * max(map(len, names))
    width = max(7.5, 1.2 + 0.155 * len(table))
    headline = f"The {len(table)} rarest of {count:,} collections" if len(table) < count else "Collections by rarity"
    figure = headed_figure(width, 4.6 + foot, headline, f"mean {score_name} of each; the rarest is on the left")
    axes = chart(figure, 0.85, width - 1.1, foot)
    ranks = [row.rank for row in table]
    values = np.array([row.mean for row in table])
    axes.bar(ranks, values, width=0.8, color=BAR)
    axes.set_xlim(0.3, max(len(table), 4) + 0.7)
    if values.min() >= 0:
        axes.set_ylim(0, max(values.max() * 1.08, 1e-12))
    axes.set_xticks(ranks, names, rotation=90, **name_style(fontsize=7.5))
    name_axes(axes, f"collection, rank 1 to {len(table)}", f"mean {score_name}")
    if len(table) <= 25:
        for row in table:
            axes.text(row.rank, row.mean, f"{row.mean:.3g}", ha="center", va="bottom", fontsize=8, color=INK)
    write_figure(figure, path, DPI)


def sorted_scores_picture(
    scores: ArrayLike,
    path: Destination,
    *,
    most: int = MOST_SCORES,
    score_name: str = "pixelScore",
    title: str = "",
) -> list[RankedScore]:
    """Draw scores against their position, the rarest first: all on one axis, and the head on a logarithmic one.

    Args:
        scores: [n]; missing ones (NaN) are left out.
        path: a file's path or a location; its ending sets the format.
        most: how many of the rarest are drawn at most.
        score_name: what the axis is called.
        title: the collection's name, for the headline.

    Returns:
        The points of the curves: some thousands of positions, the first hundreds one by one.

    Raises:
        SpacerInputError: no score, an infinite one, or the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    values = known_scores(scores)
    ordered = np.sort(values)[::-1][: max(most, 1)]
    positions = _positions(len(ordered))
    drawn = ordered[positions - 1]
    what = count_of(len(values), "score", "scores")
    if len(ordered) < len(values):
        what = f"the {len(ordered):,} rarest of {what}"
    detail = f"{what}; position 1 is the rarest"
    figure = headed_figure(12, 5.2, "Scores in order", detail, title)
    everything, head = chart(figure, 0.85, 5.0, head=1.35), chart(figure, 6.75, 5.0, head=1.35)
    head.set_xscale("log")
    for axes in (everything, head):
        axes.plot(positions, drawn, color=BLUE, linewidth=1.8, marker="o" if len(ordered) < 60 else "", markersize=4)
        axes.grid(axis="x", color="#F3F4F6")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        name_axes(axes, "position", score_name)
    head.set_xlim(0.9, max(len(ordered), 2) * 1.1)
    name_axes(head, "position (log axis)", score_name)
    heading(everything, "All" if len(ordered) == len(values) else "The rarest")
    heading(head, "The same, the first positions spread out")
    write_figure(figure, path, DPI)
    return [RankedScore(*pair) for pair in zip(positions.tolist(), drawn.tolist(), strict=True)]


def _positions(count: int) -> NDArray[np.int64]:
    """Positions 1 to `count`, all if they are few, else evenly spread ones and, towards the front, denser ones."""
    if count <= 2 * POINTS_OF_A_CURVE:
        return np.arange(1, count + 1)
    even = np.linspace(1, count, POINTS_OF_A_CURVE)
    dense = np.geomspace(1, count, POINTS_OF_A_CURVE)
    return np.unique(np.concatenate([even, dense]).round().astype(np.int64))
