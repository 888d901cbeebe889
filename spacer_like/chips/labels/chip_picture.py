"""A picture of a chip with its labels, and the outlines of what lies in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spacer_like.drawing.charts import DPI, headed_figure
from spacer_like.drawing.class_style import INK, Mark, marks, shorten
from spacer_like.drawing.figures import Destination, drawable, name_style, write_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MOST_LABELS = 24
_SIDE, _EDGE, _HEAD, _LABELS = 5.0, 0.3, 0.95, 2.4
"""Inches of the chip, left of it, above it, and beside it for the labels."""
_LINE = 0.2
_LONGEST = 26


def visualize_chip(
    name: str,
    pixels: NDArray[np.uint8],
    labels: Mapping[str, float],
    outlines: Mapping[str, Sequence[Any]],
    path: Destination,
) -> None:
    """Draw a chip and the list of its labels, each in a colour of its own as its outlines.

    Args:
        name: the chip's.
        pixels: uint8 [height, width, 3].
        labels: with their values, 1 or probabilities; those beyond `MOST_LABELS` are counted.
        outlines: polygons in pixels of the chip, by label.
        path: a file's path or a location; its ending sets the format.

    Raises:
        SpacerInputError: the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    width, height = _EDGE + _SIDE + _LABELS, _HEAD + _SIDE + _EDGE
    count = f"{len(labels)} labels" if len(labels) != 1 else "1 label"
    figure = headed_figure(width, height, shorten(name, 46), f"{pixels.shape[1]} x {pixels.shape[0]} pixels, {count}")
    axes = figure.add_axes((_EDGE / width, _EDGE / height, _SIDE / width, _SIDE / height))
    axes.imshow(pixels, interpolation="nearest")
    axes.set_axis_off()
    names = sorted({*labels, *outlines})
    colours = dict(zip(names, marks(len(names)), strict=True))
    for label, shapes in outlines.items():
        for shape in shapes:
            _outline(axes, shape, colours[label])
    left = (_EDGE + _SIDE + 0.2) / width
    for line, (label, value) in enumerate(list(labels.items())[:MOST_LABELS]):
        text = shorten(label, _LONGEST) if value == 1 else f"{shorten(label, _LONGEST - 5)} {value:.2f}"
        top = (height - _HEAD - _LINE * (line + 0.5)) / height
        figure.text(left, top, "\u25a0", color=colours[label].colour, fontsize=10, va="center")
        figure.text(
            left + 0.18 / width, top, drawable(text), **name_style(fontsize=9, color=INK, va="center", parse_math=False)
        )
    if len(labels) > MOST_LABELS:
        more = f"and {len(labels) - MOST_LABELS} more"
        figure.text(left, (height - _HEAD - _LINE * (MOST_LABELS + 0.5)) / height, more, fontsize=9, color=INK)
    write_figure(figure, path, DPI)


def _outline(axes: Axes, shape: Any, mark: Mark) -> None:
    import shapely

    for polygon in shapely.get_parts(shape):
        for ring in shapely.get_parts(shapely.boundary(polygon)):
            # In pixels, whose middles matplotlib counts from.
            x, y = (shapely.get_coordinates(ring) - 0.5).T
            axes.plot(x, y, color="white", linewidth=2.4)
            axes.plot(x, y, color=mark.colour, linewidth=1.4)
