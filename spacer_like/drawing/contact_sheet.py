"""Many small images on one sheet, in sections, with two lines below each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.drawing.charts import DPI, headed_figure
from spacer_like.drawing.class_style import FAINT, GREY, INK, shorten
from spacer_like.drawing.figures import Destination, drawable, name_style, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 8
LONGEST_NAME = 14
_SLOT_WIDTH, _SLOT_HEIGHT, _PICTURE = 1.32, 1.66, 1.16
_EDGE, _HEAD, _SECTION = 0.3, 0.95, 0.42
"""Inches left of the images, above the first section, and of a section's heading."""


class SheetImage(NamedTuple):
    """An image of a sheet.

    Fields:
        pixels: uint8 [height, width, 3] of any size; None is drawn as an empty square.
        name: the upper line below it; one longer than `LONGEST_NAME` loses its middle.
        detail: the lower line.
    """

    pixels: NDArray[np.uint8] | None
    name: str
    detail: str


class SheetSection(NamedTuple):
    """A heading and the images below it."""

    heading: str
    images: Sequence[SheetImage]


def contact_sheet(
    sections: Sequence[SheetSection],
    path: Destination,
    *,
    headline: str,
    detail: str,
    title: str = "",
    columns: int = COLUMNS,
) -> None:
    """Draw sections of images one below the other; one without images is left out.

    Args:
        path: a file's path or a location; its ending sets the format.
        headline: above the sheet, and `detail` the line below it.
        title: what the sheet is about, before the headline.
        columns: images in a row at most; never more than `COLUMNS`.

    Raises:
        SpacerInputError: the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    sections = [section for section in sections if section.images]
    columns = min(max(columns, 1), COLUMNS, max((len(section.images) for section in sections), default=1))
    rows = sum(-(-len(section.images) // columns) for section in sections)
    width = max(columns * _SLOT_WIDTH + 0.4, 6.0)
    height = _HEAD + rows * _SLOT_HEIGHT + len(sections) * _SECTION + 0.1
    figure = headed_figure(width, height, headline, detail, title)
    top = _HEAD
    for section in sections:
        top = _draw_section(figure, section, top, columns)
    write_figure(figure, path, DPI)


def _draw_section(figure: Figure, section: SheetSection, top: float, columns: int) -> float:
    """Draw a section from `top` inches below the sheet's upper edge; returns where it ends."""
    width, height = figure.get_size_inches()
    style = name_style(fontsize=12, fontweight="bold", color=INK, va="center")
    figure.text(_EDGE / width, 1 - (top + 0.16) / height, drawable(section.heading), **style)
    top += _SECTION
    for number, image in enumerate(section.images):
        row, column = divmod(number, columns)
        left = _EDGE + column * _SLOT_WIDTH
        upper = top + row * _SLOT_HEIGHT
        axes = figure.add_axes((left / width, 1 - (upper + _PICTURE) / height, _PICTURE / width, _PICTURE / height))
        _draw_image(axes, image.pixels)
        _caption(figure, image, (left + _PICTURE / 2) / width, upper + _PICTURE, height)
    return top + -(-len(section.images) // columns) * _SLOT_HEIGHT


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


def _caption(figure: Figure, image: SheetImage, middle: float, below: float, height: float) -> None:
    style: dict[str, Any] = {"ha": "center", "va": "top", "color": INK}
    name = drawable(shorten(image.name, LONGEST_NAME))
    figure.text(middle, 1 - (below + 0.05) / height, name, **name_style(fontsize=8.5, fontweight="bold", **style))
    figure.text(
        middle, 1 - (below + 0.22) / height, drawable(image.detail), **name_style(fontsize=8.5, **style)
    )  # fmt: skip
