"""Points set in images that have none: a grid, a random sample, or a sample of each field of a grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from spacer_like.exceptions import SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.points.point_table import Point

RowCols = list[tuple[int, int]]


@dataclass(frozen=True)
class Sampling:
    """How points are set in images: by exactly one of a grid and a random sample."""

    grid: str | None = None
    random: int | None = None
    seed: int = 0

    def check(self) -> None:
        """Refuse a malformed grid before any image is opened."""
        if self.grid is not None:
            parse_grid(self.grid)

    def points(self, name: str, image: DataLocation) -> list[Point]:
        from spacer_like.images.decode import load_image

        width, height = load_image(image).size
        if self.grid is not None:
            positions = grid_points(height, width, *parse_grid(self.grid))
        else:
            # Each image its own points, whatever other images are asked for beside it.
            positions = random_points(height, width, self.random or 0, f"{self.seed} {name}")
        return [(row, col, None) for row, col in positions]


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
