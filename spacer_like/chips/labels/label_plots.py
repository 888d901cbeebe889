"""Pictures of a label table: how many chips have each label, which labels go together, and where the chips are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacer_like.chips.labels.chip_positions import ChipPositions, Mosaic
from spacer_like.drawing.charts import BAR, DARK, DPI, bare, chart, headed_figure, heading, name_axes, subheading
from spacer_like.drawing.class_style import FAINT, GREY, INK, shorten, shorten_all
from spacer_like.drawing.figures import Destination, drawable, name_style, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from spacer_like.tables.label_table import LabelTable

SHOWN = 40
"""Labels that a distribution shows at most: the most frequent ones."""
COMPARED = 30
"""Labels that a correlation shows at most."""
_WITH_NUMBERS = 16
_LONGEST = 26
_MOST_BARS = 12
_HEAD, _TALLEST = 1.5, 3.6
"""Inches above the charts of a distribution, and of the tallest bar in the right one."""
_LETTER = 0.078
"""Width of a letter of a label, in inches, about."""


def distribution_picture(table: LabelTable, path: Destination) -> None:
    """Draw how many chips have each label, and how many labels a chip has.

    Args:
        path: a file's path or a location; its ending sets the format.

    Raises:
        SpacerInputError: the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    counts = table.targets.sum(axis=0)
    order = np.argsort(-counts, kind="stable")[:SHOWN]
    names = _names(table, order)
    left = 0.5 + _LETTER * max(map(len, names))
    bars, gap, beside = 4.6, 0.9, 3.4
    width, height = left + bars + gap + beside + 0.4, max(2.2 + 0.26 * len(order), 4.2)
    n_chips, n_without = len(table.names), int(np.count_nonzero(~table.targets.any(axis=1)))
    detail = f"{n_chips:,} chips, {n_without:,} of them with no label; {_of_labels(len(order), len(table.labels))}"
    figure = headed_figure(width, height, "What the chips show", detail)
    of_labels = chart(figure, left, bars, head=_HEAD)
    _draw_counts(of_labels, counts[order], names, max(n_chips, 1))
    of_chips = chart(figure, left + bars + gap, beside, foot=max(height - _HEAD - _TALLEST, 0.62), head=_HEAD)
    _draw_labels_of_a_chip(of_chips, table.targets.sum(axis=1))
    write_figure(figure, path, DPI)


def correlation_picture(table: LabelTable, path: Destination) -> None:
    """Draw which labels go together: the phi coefficient of each pair, as `phi_coefficients` has it; arguments and
    errors as `distribution_picture`."""
    counts = table.targets.sum(axis=0)
    order = np.sort(np.argsort(-counts, kind="stable")[:COMPARED])
    names = _names(table, order)
    phi = phi_coefficients(table.targets[:, order])
    count = len(order)
    side = max(0.3 * count, 2.4) if count > _WITH_NUMBERS else max(0.46 * count, 2.4)
    edge = 0.5 + _LETTER * max(map(len, names))
    width, height = max(edge + side + 1.6, 6.6), edge + side + 1.2
    shown = "" if count == len(table.labels) else f"; {_of_labels(count, len(table.labels))}"
    detail = f"phi of each pair over {len(table.names):,} chips: 1 is always together, −1 never{shown}"
    figure = headed_figure(width, height, "Which labels go together", detail)
    axes = figure.add_axes((edge / width, edge / height, side / width, side / height))
    _draw_matrix(axes, phi, names)
    colours = figure.add_axes(((edge + side + 0.25) / width, edge / height, 0.16 / width, side / height))
    _draw_scale(figure, axes, colours, "phi")
    write_figure(figure, path, DPI)


def map_picture(table: LabelTable, path: Destination, label: str | None = None) -> None:
    """Draw the chips where they are, by how many labels they have, or by whether they have `label`.

    Chips of one zone lie in its grid's metres; those of several in longitude and latitude. Where there are more than
    fit, squares stand for several chips, by their mean.

    Raises:
        TileError: a chip's name has no cell.
        ValueError: the table has no such label.
    """
    values = table.targets.sum(axis=1) if label is None else table.targets[:, table.labels.index(label)]
    mosaic = ChipPositions.of(table.names).mosaic(values.astype(np.float64))
    plot_width, plot_height = _fitted(mosaic)
    left, foot, head, beside = 1.15, 0.85, 1.05, 1.5 if label is None else 2.0
    width, height = max(left + plot_width + beside, 7.0), foot + plot_height + head
    name = "" if label is None else shorten(label, _LONGEST)
    headline = f"Where {name} is" if name else "How many labels the chips have"
    figure = headed_figure(width, height, headline, _detail(table, mosaic, label))
    axes = figure.add_axes((left / width, foot / height, plot_width / width, plot_height / height))
    by_share = label is not None and mosaic.is_aggregated
    if label is not None and not by_share:
        _draw_mosaic(axes, mosaic, "Blues", -0.35, 1.15)
        _draw_legend(axes, int(values.sum()), len(values))
    else:
        _draw_mosaic(axes, mosaic, "viridis", 0, 1 if by_share else max(mosaic.largest, 1))
        at = ((left + plot_width + 0.25) / width, foot / height, 0.16 / width, plot_height / height)
        what = f"share of chips that have {name}" if name else "labels of a chip"
        _draw_scale(figure, axes, figure.add_axes(at), what, whole=not mosaic.is_aggregated)
    write_figure(figure, path, DPI)


def phi_coefficients(targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Pearson's correlation of each pair of columns of 0 and 1, float64 [labels, labels].

    NaN where no chip or every chip has a label: nothing can go together with it, or apart from it.
    """
    values = targets.astype(np.float64)
    together = values.T @ values
    count, of_label = len(values), values.sum(axis=0)
    spread = np.sqrt(of_label * (count - of_label))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((count * together - np.outer(of_label, of_label)) / np.outer(spread, spread))


def _names(table: LabelTable, order: NDArray[np.intp]) -> list[str]:
    return [drawable(name) for name in shorten_all([table.labels[index] for index in order.tolist()], _LONGEST)]


def _of_labels(shown: int, there: int) -> str:
    plural = "label" if there == 1 else "labels"
    return f"{there:,} {plural}" if shown == there else f"the {shown:,} most frequent of {there:,} {plural}"


def _detail(table: LabelTable, mosaic: Mosaic, label: str | None) -> str:
    cells = "cell" if mosaic.n_tiles == 1 else "cells"
    means = f", and shows the {'mean' if label is None else 'share'} of its chips" if mosaic.is_aggregated else ""
    chips = f"{len(table.names):,} chips in {mosaic.n_tiles:,} {cells} of zoom 12"
    return f"{chips}; a square is {mosaic.side:,g} m wide{means}"


def _draw_counts(axes: Axes, counts: NDArray[np.int64], names: list[str], n_chips: int) -> None:
    rows = np.arange(len(counts))
    axes.grid(visible=False)
    axes.barh(rows, counts, height=0.7, color=BAR)
    largest = max(int(counts.max(initial=0)), 1)
    for row, count in enumerate(counts.tolist()):
        axes.text(
            count + 0.015 * largest,
            row,
            f"{count:,}  {100 * count / n_chips:.3g} %",
            va="center",
            fontsize=8.5,
            color=INK,
        )
    axes.set_yticks(rows, names, **name_style(fontsize=9))
    axes.set_ylim(len(counts) - 0.4, -0.6)
    axes.set_xlim(0, largest * 1.32)
    axes.set_xticks([])
    heading(axes, "Chips that have each label", pad=22)
    subheading(axes, "number, and share of all chips")


def _draw_labels_of_a_chip(axes: Axes, numbers: NDArray[np.int64]) -> None:
    most = int(numbers.max(initial=0))
    counts = np.bincount(np.minimum(numbers, _MOST_BARS), minlength=min(most, _MOST_BARS) + 1)
    positions = np.arange(len(counts))
    axes.bar(positions, counts, width=0.8, color=BAR)
    names = [str(number) for number in positions]
    if most > _MOST_BARS:
        names[-1] = f"{_MOST_BARS}+"
    axes.set_xticks(positions, names)
    axes.set_ylim(0, max(int(counts.max()), 1) * 1.05)
    _whole_numbers(axes)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    name_axes(axes, "labels of a chip", "chips")
    heading(axes, "Labels of a chip", pad=22)
    subheading(axes, f"{numbers.mean() if len(numbers) else 0:.2f} on average")


def _draw_matrix(axes: Axes, phi: NDArray[np.float64], names: list[str]) -> None:
    count = len(names)
    axes.set_facecolor(FAINT)
    axes.imshow(np.ma.masked_invalid(phi), cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest", aspect="auto")
    bare(axes)
    axes.set_xticks(np.arange(count), names, rotation=90, **name_style(fontsize=9))
    axes.set_yticks(np.arange(count), names, **name_style(fontsize=9))
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.8)
    if count <= _WITH_NUMBERS:
        for row, column in np.ndindex(count, count):
            value = phi[row, column]
            text = "–" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
            colour = "white" if abs(value) > DARK + 0.1 else INK
            axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)


def _draw_scale(figure: Figure, axes: Axes, colours: Axes, name: str, whole: bool = False) -> None:
    drawn = axes.images[0] if axes.images else axes.collections[0]
    scale = figure.colorbar(drawn, cax=colours)
    scale.outline.set_visible(False)
    scale.set_label(drawable(name), fontsize=9, color=GREY, **name_style())
    colours.tick_params(length=0, labelsize=8.5, colors=INK)
    if whole:
        _whole_numbers(colours)


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def _fitted(mosaic: Mosaic) -> tuple[float, float]:
    """Width and height in inches in which a mosaic keeps its shape."""
    west, south, east, north = mosaic.bounds
    ratio = (east - west) / (north - south) * mosaic.squeeze
    width, height = (6.2, 6.2 / ratio) if ratio > 1 else (6.2 * ratio, 6.2)
    return max(width, 1.6), max(height, 1.6)


def _draw_mosaic(axes: Axes, mosaic: Mosaic, colours: str, least: float, most: float) -> None:
    west, south, east, north = mosaic.bounds
    bare(axes)
    axes.set_facecolor(FAINT)
    if mosaic.image is not None:
        axes.imshow(
            np.ma.masked_invalid(mosaic.image), extent=(west, east, south, north), cmap=colours, vmin=least,
            vmax=most, interpolation="nearest", aspect="auto",
        )  # fmt: skip
    else:
        axes.scatter(
            mosaic.points[:, 0], mosaic.points[:, 1], c=mosaic.values, cmap=colours, vmin=least, vmax=most, s=16,
            marker="s", linewidths=0,
        )  # fmt: skip
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.locator_params(nbins=6)
    axes.tick_params(pad=6)
    name_axes(axes, *mosaic.axes)
    axes.grid(color="white", linewidth=0.5, alpha=0.5)


def _draw_legend(axes: Axes, n_labelled: int, n_chips: int) -> None:
    from matplotlib.patches import Patch

    drawn = axes.images[0]
    entries = [
        Patch(color=drawn.to_rgba(value), label=f"{name} ({count:,})")  # type: ignore[arg-type]
        for value, name, count in ((1, "with the label", n_labelled), (0, "without it", n_chips - n_labelled))
    ]
    axes.legend(
        handles=entries, loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9, borderaxespad=0
    )  # fmt: skip
