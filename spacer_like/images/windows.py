"""Windows over a photograph: overlapping squares, out of whose feature maps the features of many points are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from spacer_like.images.crop import RowCol, square_at


class Windows(Sequence[NDArray[np.uint8]]):
    """Squares that a network sees in place of crops around points, uint8 [size, size, 3], cut when they are asked for.

    A network that makes one cell of every `stride` pixels gives a map of `cells` x `cells` for each. The outermost
    cells of a map, which saw the window's edge, are left out; the others of all windows together cover the photograph.
    The windows lie alike whatever points are asked for; those that no point needs are left out.

    Args:
        pixels: uint8 [height, width, 3].
        rowcols: positions in the image.
        square: width and height in pixels of the square around a point that its feature is of, a multiple of `stride`.
        stride: of the network, in pixels.
        cells: of a window, in each direction.
        margin: how many cells are left out at each edge of a window.
    """

    def __init__(
        self, pixels: NDArray[np.uint8], rowcols: Sequence[RowCol], square: int, stride: int, cells: int, margin: int
    ) -> None:
        self._pixels, self._stride, self._cells, self._margin = pixels, stride, cells, margin
        self._kept = cells - 2 * margin
        self._square_cells = square // stride
        # Of the first cell that is kept of the first window: there the square of the point (0, 0) begins.
        self._origin = -(square // 2)
        self._rowcols = [(int(row), int(col)) for row, col in rowcols]
        pairs = {
            (row, col) for point in self._rowcols for row in self._reached(point[0]) for col in self._reached(point[1])
        }
        self._windows = sorted(pairs)

    def __len__(self) -> int:
        return len(self._windows)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        top, left = (self._origin + (at * self._kept - self._margin) * self._stride for at in self._windows[index])
        return square_at(self._pixels, top, left, self._cells * self._stride)

    def features(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean over the square of each point, float32 [points, dimension].

        A square begins between cells: those at its edges count by the share of them that lies in it.

        Args:
            maps: of the windows in their order, [windows, dimension, cells, cells].
        """
        number_of = {window: number for number, window in enumerate(self._windows)}
        features = np.zeros((len(self._rowcols), maps.shape[1]), np.float32)
        for feature, (row, col) in zip(features, self._rowcols, strict=True):
            for window_row in self._reached(row):
                for window_col in self._reached(col):
                    rows, row_weights = self._weights(row, window_row)
                    cols, col_weights = self._weights(col, window_col)
                    feature += (maps[number_of[window_row, window_col]][:, rows, cols] @ col_weights) @ row_weights
        return features

    def _reached(self, position: int) -> Iterable[int]:
        """The windows that a point's square reaches, in one direction."""
        first, rest = divmod(position, self._stride)
        last = first + self._square_cells - (rest == 0)
        return range(first // self._kept, last // self._kept + 1)

    def _weights(self, position: int, window: int) -> tuple[slice, NDArray[np.float32]]:
        """The cells of a window that a point's square reaches, in one direction, and what each counts."""
        first, rest = divmod(position, self._stride)
        weights = np.full(self._square_cells + 1, 1 / self._square_cells, np.float32)
        weights[0] *= 1 - rest / self._stride
        weights[-1] *= rest / self._stride
        start = first - window * self._kept
        kept = slice(max(start, 0), min(start + len(weights), self._kept))
        cells = slice(kept.start + self._margin, kept.stop + self._margin)
        return cells, weights[kept.start - start : kept.stop - start]
