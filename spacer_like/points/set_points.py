"""Points set in images that have none: a grid, a random sample, or a random sample of each field of a grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from spacer_like.exceptions import SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.points.point_table import Point

RowCols = list[tuple[int, int]]
_LENGTH = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(%?)")


class Area(NamedTuple):
    """The part of an image that points are set in, in pixels; `bottom` and `right` are the first ones outside."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Sampling:
    """How points are set in images.

    Attributes:
        grid: rows and columns of a grid; None: they are random.
        random: how many random points, in each field where there are fields; None: one in each.
        seed: of the random points.
        stratified: rows and columns of fields that have random points each; None: the area is one field.
        margin: pixels or percent at each side that have no points.
        area: top, left, bottom, right of the area, each in pixels or percent, from the upper left corner.
    """

    grid: str | None = None
    random: int | None = None
    seed: int = 0
    stratified: str | None = None
    margin: str | None = None
    area: str | None = None

    def check(self) -> None:
        """Refuse malformed texts before any image is opened."""
        for text in filter(None, (self.grid, self.stratified)):
            parse_grid(text)
        if self.margin is not None and self.area is not None:
            raise SpacerInputError("Choose between a margin and an area.")
        for side in (self.margin or "0", *_sides(self.area)):
            _length(side, 0)

    def points(self, name: str, image: DataLocation) -> list[Point]:
        """The points of an image, each without a label; each image has its own, whatever others are asked for."""
        from spacer_like.images.decode import load_image

        width, height = load_image(image).size
        area = parse_area(self.margin, self.area, height, width)
        positions = self._positions(area.bottom - area.top, area.right - area.left, f"{self.seed} {name}")
        return [(area.top + row, area.left + col, None) for row, col in positions]

    def _positions(self, height: int, width: int, seed: str) -> RowCols:
        if self.grid is not None:
            return grid_points(height, width, *parse_grid(self.grid))
        if self.stratified is not None:
            return stratified_points(height, width, *parse_grid(self.stratified), self.random or 1, seed)
        return random_points(height, width, self.random or 0, seed)


def grid_points(height: int, width: int, rows: int, columns: int) -> RowCols:
    """The centres of `rows` x `columns` equal fields, row by row, in pixels.

    Raises:
        SpacerInputError: a grid finer than the pixels.

    >>> grid_points(100, 200, 1, 2)
    [(50, 50), (50, 150)]
    """
    if rows > height or columns > width:
        raise SpacerInputError(
            f"A grid of {rows} x {columns} points is finer than an image of {height} x {width} pixels."
        )
    return [
        (int((row + 0.5) * height / rows), int((column + 0.5) * width / columns))
        for row in range(rows)
        for column in range(columns)
    ]


def random_points(height: int, width: int, count: int, seed: str) -> RowCols:
    """`count` different points, each pixel as likely as any other; the same seed gives the same points.

    Raises:
        SpacerInputError: more points than pixels.

    >>> random_points(10, 10, 3, "reef") == random_points(10, 10, 3, "reef")
    True
    """
    if count > height * width:
        raise SpacerInputError(f"{count} different points are more than an image of {height} x {width} pixels has.")
    return sorted(divmod(pixel, width) for pixel in Random(seed).sample(range(height * width), count))


def parse_grid(text: str) -> tuple[int, int]:
    """Rows and columns of a grid.

    >>> parse_grid("10"), parse_grid("8x12")
    ((10, 10), (8, 12))
    """
    match = re.fullmatch(r"([1-9]\d{0,3})(?:[x×]([1-9]\d{0,3}))?", text.strip().lower(), re.ASCII)
    if not match:
        raise SpacerInputError(f"'{text}' is no grid: write the points along each side (10), or rows x columns (8x12).")
    return int(match[1]), int(match[2] or match[1])


def stratified_points(height: int, width: int, rows: int, columns: int, count: int, seed: str) -> RowCols:
    """`count` different random points in each of `rows` x `columns` fields, field by field.

    Raises:
        SpacerInputError: fields finer than the pixels, or more points than a field has pixels.

    >>> [(row // 5, col // 10) for row, col in stratified_points(10, 20, 2, 2, 1, "reef")]
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    if rows > height or columns > width:
        raise SpacerInputError(f"{rows} x {columns} fields are finer than an image of {height} x {width} pixels.")
    found: RowCols = []
    for row in range(rows):
        top, bottom = row * height // rows, (row + 1) * height // rows
        for column in range(columns):
            left, right = column * width // columns, (column + 1) * width // columns
            inside = random_points(bottom - top, right - left, count, f"{seed} {row} {column}")
            found += [(top + one, left + other) for one, other in inside]
    return found


def parse_area(margin: str | None, area: str | None, height: int, width: int) -> Area:
    """The area of an image of so many pixels, that a margin or the four sides leave.

    Raises:
        SpacerInputError: a malformed text, or nothing is left.

    >>> parse_area("10%", None, 100, 200), parse_area(None, "0,50%,100,200", 100, 200)
    (Area(top=10, left=20, bottom=90, right=180), Area(top=0, left=100, bottom=100, right=200))
    """
    if margin is not None:
        vertical, horizontal = _length(margin, height), _length(margin, width)
        found = Area(vertical, horizontal, height - vertical, width - horizontal)
    elif area is not None:
        wholes = (height, width, height, width)
        found = Area(*(_length(part, whole) for part, whole in zip(_sides(area), wholes, strict=True)))
    else:
        return Area(0, 0, height, width)
    if not (found.top < found.bottom <= height and found.left < found.right <= width):
        raise SpacerInputError(
            f"'{margin or area}' leaves nothing of an image of {height} x {width} pixels, or more than there is."
        )
    return found


def _sides(area: str | None) -> list[str]:
    sides = [] if area is None else area.split(",")
    if area is not None and len(sides) != 4:
        raise SpacerInputError(f"'{area}' is no area: write top,left,bottom,right in pixels or percent.")
    return sides


def _length(text: str, whole: int) -> int:
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise SpacerInputError(f"'{text}' is no length: write pixels (50) or percent of the image (5%).")
    return round(float(found[1]) / 100 * whole) if found[2] else round(float(found[1]))
