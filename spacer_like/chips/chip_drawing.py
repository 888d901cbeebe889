"""Chips as pictures that people look at, arrays of any number of bands too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from spacer_like.chips.band_chips import band_image
from spacer_like.chips.chip_source import ARRAY_ENDINGS, ChipSource
from spacer_like.chips.cutting.tile_picture import value_range
from spacer_like.chips.messages.tiles import UnreadableChip
from spacer_like.exceptions import SpacerInputError
from spacer_like.extractors.band_extractors import BandImage
from spacer_like.images.square import FILTERS, decoded, squared

if TYPE_CHECKING:
    from numpy.typing import NDArray


def drawn_chips(chips: ChipSource, names: Sequence[str], size: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Names and pixels uint8 [size, size, 3] of chips, pictures first; one that cannot be read is left out, and is in
    `ChipSource.unreadable`.

    Raises:
        DataNotFoundError: there is no chip of one of the names.
        SpacerError: an error that is not the fault of a single chip.
    """
    arrays = [name for name in names if name.lower().endswith(ARRAY_ENDINGS)]
    for some, pixels in chips.pixels([name for name in names if name not in arrays], size):
        yield from zip(some, pixels, strict=True)
    for name in arrays:
        try:
            yield name, drawn(chips.read(name), name, size, chips.nodata_of(name))
        except SpacerInputError as error:
            chips.add_unreadable(UnreadableChip.of(name, str(error)))


def drawn(data: bytes, name: str, size: int | None = None, nodata: float | None = None) -> NDArray[np.uint8]:
    """The picture of a chip's file: uint8 [size, size, 3], or where `size` is None as large as it is.

    Of an array its first three bands are red, green and blue, or its first one is grey where there are fewer. Their
    values are stretched from the lowest to the highest, but for half a percent at either end, all bands alike. Pixels
    without data are black.

    Args:
        name: what errors call it, with the ending that says whether it is an array.
        nodata: the value of pixels without data, of an array.

    Raises:
        ImageError, TileError, DataLimitError, MissingExtraError: as `band_image`.
    """
    if not name.lower().endswith(ARRAY_ENDINGS):
        return decoded(data, name) if size is None else squared(data, name, size)
    pixels = _stretched(band_image(data, name, nodata))
    if size is None:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size, size), FILTERS["bicubic"]))


def _stretched(image: BandImage) -> NDArray[np.uint8]:
    n_shown = 3 if image.pixels.shape[2] >= 3 else 1
    values = image.pixels[:, :, :n_shown].astype(np.float64)
    valid = np.ones(values.shape[:2], np.bool_) if image.valid is None else image.valid
    low, high = value_range(values[valid].ravel())
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.nan_to_num((values - low) * (255 / (high - low)), nan=0.0)
    scaled = np.clip(np.rint(scaled), 0, 255)
    scaled[~valid] = 0
    return np.ascontiguousarray(np.broadcast_to(scaled, (*valid.shape, 3)).astype(np.uint8))
