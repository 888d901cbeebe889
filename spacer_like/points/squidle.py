"""Exports of annotations from Squidle+, whose positions are shares of a photograph's width and height.

The columns are those that public programs ask of its API for data frames, and read in them: point.media.key, point.x
and point.y from 0 to 1, label.name; the API itself is described at https://squidle.org/api/help.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from spacer_like.exceptions import SpacerInputError

SQUIDLE = {
    "image": ("pointmediakey",),
    "row": ("pointy",),
    "col": ("pointx",),
    "label": ("labelname", "labeltranslatedname"),
}
"""Headings of exports, without their dots: shares of a photograph's width and height, from its upper left corner."""
ImageSize = Callable[[str], tuple[str, int, int] | None]
"""Takes the name of a photograph in a table to its own name, its height and its width; None: it is not there."""


def is_of_squidle(heading: list[str]) -> bool:
    """Whether a table's heading is that of an export."""
    found = {re.sub(r"[\s_.-]", "", cell.lower()) for cell in heading}
    return {*SQUIDLE["row"], *SQUIDLE["col"], *SQUIDLE["image"]} <= found


def placed_point(
    cells: list[str], columns: dict[str, int], where: str, size_of: ImageSize
) -> tuple[str, tuple[int, int, str | None]] | str:
    """An image with a point of Squidle+ at the pixel that holds it.

    Of a whole photograph, which has no position, an empty text; the photograph's name where it is not there.

    Raises:
        SpacerInputError: a position that is none, or a photograph that cannot be read; the sentence begins with
            `where`.
    """

    def cell(meaning: str) -> str:
        at = columns.get(meaning, len(cells))
        return cells[at] if at < len(cells) else ""

    if not cell("image"):
        raise SpacerInputError(f"{where}: the image is empty.")
    if not cell("row") and not cell("col"):
        return ""
    try:
        size = size_of(cell("image"))
    except SpacerInputError as error:
        # Of the photograph, and not of the table.
        raise type(error)(f"{where}: {error}") from error
    if size is None:
        return cell("image")
    image, height, width = size
    row, col = (_share_of(cell(one), length, where) for one, length in (("row", height), ("col", width)))
    return image, (row, col, cell("label") or None)


def _share_of(text: str, length: int, where: str) -> int:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SpacerInputError(f"{where}: the position '{text[:40]}' is no share of a photograph, from 0 to 1.")
    return min(int(share * length), length - 1)
