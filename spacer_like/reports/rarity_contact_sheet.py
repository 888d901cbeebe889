"""The rarest and the commonest images of a collection on one sheet, with rank and score below each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacer_like.exceptions import SpacerInputError
from spacer_like.reports.figures import Destination, drawable, name_style, write_figure
from spacer_like.reports.labels import shorten
from spacer_like.reports.palette import FAINT, GREY, INK
from spacer_like.reports.rarity_charts import DPI, headed_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 24
COLUMNS = 8
LONGEST_TOKEN = 14
_CELL_WIDTH, _CELL_HEIGHT, _PICTURE = 1.32, 1.66, 1.16
_HEAD, _SECTION = 0.95, 0.42


class SheetEntry(NamedTuple):
    """An image of the sheet; rank 1 is the rarest, and equal scores share the better rank."""

    token_id: str
    rank: int
    score: float


def sheet_entries(
    tokens: Sequence[str], scores: ArrayLike, shown: int = SHOWN
) -> tuple[list[SheetEntry], list[SheetEntry]]:
    """The `shown` rarest images, the rarest first, and the `shown` commonest, the commonest last.

    No image is in both lists. Images without a score (NaN) are in neither; equal scores keep the order of `tokens`.

    Raises:
        SpacerInputError: there is no score, or not one for each token.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(tokens),):
        raise SpacerInputError(
            f"There are {len(tokens)} tokens and scores of shape {values.shape}: one each is needed."
        )
    order = np.argsort(-values, kind="stable")
    order = order[~np.isnan(values[order])]
    if not len(order):
        raise SpacerInputError("There is no score to draw.")
    falling = -values[order]
    ranks = np.searchsorted(falling, falling, side="left") + 1
    entries = [
        SheetEntry(str(tokens[index]), int(rank), float(values[index]))
        for index, rank in zip(order.tolist(), ranks.tolist(), strict=True)
    ]
    shown = max(shown, 1)
    return entries[:shown], entries[max(shown, len(entries) - shown) :]


def contact_sheet_picture(
    tokens: Sequence[str],
    scores: ArrayLike,
    images: Mapping[str, NDArray[np.uint8]],
    path: Destination,
    *,
    shown: int = SHOWN,
    title: str = "",
) -> tuple[list[SheetEntry], list[SheetEntry]]:
    """Draw the rarest and the commonest images of a collection.

    Args:
        tokens: of all images of the collection.
        scores: [n] theirs.
        images: the pixels, uint8 [height, width, 3], by token; those of `sheet_entries` are needed only. One that is
            not there is drawn as an empty square.
        path: a file's path or a location; its ending tells the format.
        shown: how many of either.
        title: the collection's name, for the headline.

    Returns:
        What was drawn: the rarest, and the commonest.

    Raises:
        SpacerInputError: as `sheet_entries`, or the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    rarest, commonest = sheet_entries(tokens, scores, shown)
    columns = min(COLUMNS, len(rarest))
    sections = [("The rarest", rarest), ("The commonest", commonest)]
    sections = [(name, entries) for name, entries in sections if entries]
    rows = sum(-(-len(entries) // columns) for _, entries in sections)
    width = max(columns * _CELL_WIDTH + 0.4, 6.0)
    height = _HEAD + rows * _CELL_HEIGHT + len(sections) * _SECTION + 0.1
    count = int(np.count_nonzero(~np.isnan(np.asarray(scores, dtype=np.float64))))
    detail = f"{count:,} images ranked; below each: token, rank, score"
    figure = headed_figure(width, height, "What is rare and what is common", detail, title)
    top = _HEAD
    for name, entries in sections:
        top = _draw_section(figure, name, entries, images, top, columns)
    write_figure(figure, path, DPI)
    return rarest, commonest


def _draw_section(
    figure: Figure,
    name: str,
    entries: list[SheetEntry],
    images: Mapping[str, NDArray[np.uint8]],
    top: float,
    columns: int,
) -> float:
    """Draw a heading and rows of images from `top` inches below the sheet's upper edge; returns where they end."""
    width, height = figure.get_size_inches()
    figure.text(
        0.3 / width, 1 - (top + 0.16) / height, name, fontsize=12, fontweight="bold", color=INK, va="center"
    )  # fmt: skip
    top += _SECTION
    for number, entry in enumerate(entries):
        row, column = divmod(number, columns)
        left = 0.3 + column * _CELL_WIDTH
        upper = top + row * _CELL_HEIGHT
        axes = figure.add_axes(
            (left / width, 1 - (upper + _PICTURE) / height, _PICTURE / width, _PICTURE / height)
        )  # fmt: skip
        _draw_image(axes, images.get(entry.token_id))
        _caption(figure, entry, (left + _PICTURE / 2) / width, upper + _PICTURE, height)
    return top + -(-len(entries) // columns) * _CELL_HEIGHT


def _draw_image(axes: Axes, pixels: NDArray[np.uint8] | None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    if pixels is None:
        axes.text(0.5, 0.5, "no image", ha="center", va="center", fontsize=8, color=GREY, transform=axes.transAxes)
        return
    # Small drawings keep their pixels' edges; large photographs are smoothed.
    small = max(pixels.shape[:2]) < _PICTURE * DPI
    axes.imshow(pixels, interpolation="nearest" if small else "antialiased")


def _caption(figure: Figure, entry: SheetEntry, middle: float, below: float, height: float) -> None:
    style: dict[str, Any] = {"ha": "center", "va": "top", "color": INK}
    token = drawable(shorten(entry.token_id, LONGEST_TOKEN))
    figure.text(middle, 1 - (below + 0.05) / height, token, **name_style(fontsize=8.5, fontweight="bold", **style))
    figure.text(
        middle, 1 - (below + 0.22) / height, f"{entry.rank:,}.   {entry.score:#.4g}", fontsize=8.5, **style
    )  # fmt: skip
