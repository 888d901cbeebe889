"""Prepared images of one band with their labels, as one file.

The file is an ``.npz`` of the layout that InclinET writes: images [n, size, size, 3] and labels [2, n], ids above
codes. Its own numbers are big-endian of 32 bits; ours are uint8 and int32, and both are read. Images are sorted by id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from spacer_like.exceptions import TableError, TrainingLabelsError
from spacer_like.regression.labels import HIGHEST, MOST_ID, REJECTED, StampName
from spacer_like.tables.array_file import from_npz

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_VALUE = 255


@dataclass(frozen=True)
class PackedImages:
    """Images with their labels, each galaxy once, ascending by id.

    Fields:
        images: uint8 [n, size, size, 3]; grey ones have three equal channels.
        ids: of the galaxies, int32 [n].
        codes: of their labels, int32 [n].
    """

    images: NDArray[np.uint8] = field(repr=False)
    ids: NDArray[np.int32] = field(repr=False)
    codes: NDArray[np.int32] = field(repr=False)


def pack_images(stamps: Iterable[tuple[StampName, NDArray[np.uint8]]]) -> PackedImages:
    """Prepared images of one band and size, put together.

    Args:
        stamps: the name of each, and its pixels, uint8 [size, size] or [size, size, 3].

    Raises:
        TrainingLabelsError: none at all, bands or sizes that differ, or a galaxy twice.
    """
    ordered = sorted(stamps, key=lambda stamp: stamp[0].id)
    if not ordered:
        raise TrainingLabelsError("There is no prepared image to pack.")
    first = ordered[0][0]
    images = np.empty((len(ordered), first.size, first.size, 3), np.uint8)
    for row, (name, pixels) in enumerate(ordered):
        if (name.size, name.band) != (first.size, first.band):
            raise TrainingLabelsError(f"'{name}' is not of the size and band of '{first}': pack them apart.")
        if row and name.id == ordered[row - 1][0].id:
            raise TrainingLabelsError(f"The galaxy {name.id} has two images, '{ordered[row - 1][0]}' and '{name}'.")
        if pixels.dtype != np.uint8 or pixels.shape not in ((name.size,) * 2, (name.size, name.size, 3)):
            raise TrainingLabelsError(f"The pixels of '{name}' are {pixels.dtype} {list(pixels.shape)}.")
        images[row] = pixels[..., None] if pixels.ndim == 2 else pixels
    ids = np.array([name.id for name, _ in ordered], np.int32)
    return PackedImages(images, ids, np.array([name.code for name, _ in ordered], np.int32))


def packed_bytes(packed: PackedImages) -> bytes:
    """The bytes of the file, not deflated; equal images give equal bytes."""
    sink = BytesIO()
    save_packed(sink, packed)
    return sink.getvalue()


def save_packed(sink: IO[bytes], packed: PackedImages) -> None:
    """Write the file that `packed_bytes` gives."""
    np.savez(sink, images=packed.images, labels=np.stack([packed.ids, packed.codes]))


def read_packed(data: bytes, name: str, *, as_stored: bool = False) -> PackedImages:
    """The images in the bytes of a file, ours or the original's, sorted by id.

    Args:
        name: what errors call the file.
        as_stored: in the order of the file, on which the original's split depends.

    Raises:
        TableError: damaged, without one of the two arrays, or with values that are no pixels, ids or codes.
        DataLimitError: an array that is too large.
    """
    images = checked_images(from_npz(data, name, "images"), name)
    labels = from_npz(data, name, "labels")
    check_numbers(labels, (2, len(images)), f"labels of '{name}'")
    check_range(labels[0], 0, MOST_ID, "an id", name)
    check_range(labels[1], REJECTED, HIGHEST, "a code", name)
    ids, codes = labels.astype(np.int32)
    order = np.argsort(ids, kind="stable")
    if (repeated := np.flatnonzero(np.diff(ids[order]) == 0)).size:
        raise TableError(f"The file '{name}' has the galaxy {ids[order][repeated[0]]} twice.")
    if as_stored or (np.diff(ids) > 0).all():
        return PackedImages(images, ids, codes)
    return PackedImages(images[order], ids[order], codes[order])


def checked_images(images: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """The images of a file, uint8 [n, size, size, 3], whatever whole numbers they were.

    Raises:
        TableError: another shape, or values that are no pixels.
    """
    size = images.shape[1] if images.ndim == 4 else 0
    if images.dtype.kind not in "iu" or images.ndim != 4 or images.shape[1:] != (size, size, 3) or not size:
        raise TableError(
            f"The images of '{name}' must be whole numbers [n, size, size, 3], and are {images.dtype} "
            f"{list(images.shape)}."
        )
    if images.dtype != np.uint8:
        check_range(images, 0, _MOST_VALUE, "a pixel", name)
    pixels: NDArray[np.uint8] = images.astype(np.uint8, copy=False)
    return pixels


def check_numbers(values: NDArray[Any], shape: tuple[int, ...], what: str) -> None:
    """Refuse what are no whole numbers, or of another shape, as a `TableError`."""
    if values.dtype.kind not in "iu" or values.shape != shape:
        raise TableError(
            f"The {what} must be whole numbers {list(shape)}, and are {values.dtype} {list(values.shape)}."
        )


def check_range(values: NDArray[Any], least: int, most: int, noun: str, name: str) -> None:
    """Refuse a file with a number outside a range, as a `TableError`."""
    if values.size and not least <= values.min() <= values.max() <= most:
        raise TableError(f"The file '{name}' has {noun} outside {least} to {most}.")
