"""The chips of a cell while they are being made: how much of each is data, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.chips.chip_name import ENDING
from spacer_like.chips.cutting.block_reading import Band
from spacer_like.chips.cutting.manifest import ALL_DATA, CLASSES, NO_DATA, chip_table
from spacer_like.chips.grid import TILE_PIXELS, Cell, chip_pixels
from spacer_like.extras import import_extra

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

Buffer = bytes | memoryview

DEFAULT_QUALITY = 75
"""Of chips that are encoded anew; GDAL's own for tiles."""


class MadeChip(NamedTuple):
    """A chip that was made.

    Fields:
        row, column: of the chip among those of its cell, from the north-west.
        n_bytes: of the JPEG file.
        parts: its bytes, one after the other; none where they are left in the tile.
        span: offset and length of its block in the tile; None: it is no block of it.
    """

    row: int
    column: int
    n_bytes: int
    parts: tuple[Buffer, ...]
    span: tuple[int, int] | None = None


class CellChips:
    """The chips of a cell.

    Args:
        acquisition: of the tile.
        wanted: the least no-data class of chips that are made.

    Attributes:
        names: of the files, row by row.
        stretch: the values that became 0 and 255, where the tile has not 8 bits.
        n_made, n_bytes: chips that were added, and their bytes.
    """

    def __init__(self, cell: Cell, zoom: int, acquisition: str, wanted: str) -> None:
        self.cell = cell
        self.zoom = zoom
        self.wide = int(TILE_PIXELS // chip_pixels(zoom))
        self.stretch: tuple[float, float] | None = None
        self.n_made = 0
        self.n_bytes = 0
        self._quadkeys = [child.quadkey for child in cell.children(zoom)]
        begin, end = f"Z{cell.zone:02d}-", f"_{acquisition}{ENDING}"
        self.names = [f"{begin}{quadkey}{end}" for quadkey in self._quadkeys]
        shape = (self.wide, self.wide)
        self._valid = np.zeros(shape, np.int64)
        self._bytes = np.full(shape, -1, np.int64)
        self._spans = np.full((*shape, 2), -1, np.int64)
        self._least = {ALL_DATA: chip_pixels(zoom) ** 2, NO_DATA: 0}.get(wanted, 1)

    def set_valid(self, band: Band, counts: NDArray[np.int64]) -> None:
        """Set how many pixels with data the chips of a band have: int64 [rows, chips in a row]."""
        self._valid[band.begin : band.end] = counts

    def wanted_in(self, band: Band) -> Iterator[tuple[int, int]]:
        """Row and column of each chip of a band that is to be made, column by column."""
        columns, rows = np.nonzero(self._least <= self._valid[band.begin : band.end].T)
        return zip((rows + band.begin).tolist(), columns.tolist(), strict=True)

    def add(self, chip: MadeChip) -> str:
        """Note that a chip was made; its name."""
        self._bytes[chip.row, chip.column] = chip.n_bytes
        if chip.span is not None:
            self._spans[chip.row, chip.column] = chip.span
        self.n_made += 1
        self.n_bytes += chip.n_bytes
        return self.names[chip.row * self.wide + chip.column]

    def not_made(self) -> set[str]:
        """The names of chips that were not made."""
        return {name for name, n_bytes in zip(self.names, self._bytes.ravel().tolist(), strict=True) if n_bytes < 0}

    def counts(self) -> dict[str, int]:
        """How many chips are of which no-data class, made or not."""
        found = np.bincount(self._classes(), minlength=len(CLASSES))
        return dict(zip(CLASSES, found.tolist(), strict=True))

    def _classes(self) -> NDArray[np.int64]:
        """The index of each chip's class in `CLASSES`: int64 [chips]."""
        valid = self._valid.ravel()
        return np.where(valid == chip_pixels(self.zoom) ** 2, 0, np.where(valid > 0, 1, 2))

    def table(self, way: str, corner: tuple[int, int] | None) -> pa.Table:
        """The rows of the manifest.

        Args:
            way: how chips were made.
            corner: column and row of the cell's corner in the raster; None: its pixels are not those of the grid.
        """
        pixels, n_chips = chip_pixels(self.zoom), self.wide**2
        west, _, _, north = self.cell.bounds
        side = self.cell.side / self.wide
        rows, columns = (spans.ravel() for spans in np.indices((self.wide, self.wide)))
        valid, n_bytes, spans = self._valid.ravel(), self._bytes.ravel(), self._spans.reshape(-1, 2)
        found: dict[str, Any] = {
            "chip": self.names,
            "zone": np.full(n_chips, self.cell.zone),
            "quadkey": self._quadkeys,
            "west": west + columns * side,
            "south": north - (rows + 1) * side,
            "east": west + (columns + 1) * side,
            "north": north - rows * side,
            "epsg": np.full(n_chips, self.cell.epsg),
            "nodata_class": np.array(CLASSES)[self._classes()],
            "valid_fraction": valid / pixels**2,
            "way": [None if size < 0 else way for size in n_bytes.tolist()],
            "n_bytes": _with_gaps(n_bytes),
            "offset": _with_gaps(spans[:, 0]),
            "length": _with_gaps(spans[:, 1]),
            "column": None if corner is None else corner[0] + columns * pixels,
            "row": None if corner is None else corner[1] + rows * pixels,
        }
        return chip_table({name: [None] * n_chips if values is None else values for name, values in found.items()})


def _with_gaps(values: NDArray[np.int64]) -> Any:
    """Numbers with gaps for those that are negative."""
    return np.ma.masked_less(values, 0)


@cache
def simplejpeg() -> Any:
    """The package that decodes and encodes JPEG.

    Raises:
        MissingExtraError: it is not installed.
    """
    return import_extra("simplejpeg", "Making chips anew", "geo")


def encoded(pixels: NDArray[np.uint8], size: int, quality: int | None) -> bytes:
    """The JPEG file of a chip, 4:2:0 where it has colours.

    Args:
        pixels: uint8 [height, width, 1 or 3]; of another size they are resized, by Pillow's bicubic filter.
        quality: 1 to 100; None: `DEFAULT_QUALITY`.
    """
    pixels = resized(pixels, size)
    is_grey = pixels.shape[2] == 1
    data: bytes = simplejpeg().encode_jpeg(
        np.ascontiguousarray(pixels),
        quality or DEFAULT_QUALITY,
        "GRAY" if is_grey else "RGB",
        "Gray" if is_grey else "420",
    )
    return data


def resized(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Pixels uint8 [size, size, bands] of a square of another size."""
    if pixels.shape[:2] == (size, size):
        return pixels
    from PIL import Image

    is_grey = pixels.shape[2] == 1
    image = Image.fromarray(pixels[..., 0] if is_grey else pixels)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)).reshape(size, size, -1)
