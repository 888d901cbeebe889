"""Images of galaxies with their codes, to train on and to test with, in two kinds of files.

An ``.npz`` is of the layout that InclinET writes: images, labels [n], which are codes, pgcIDs, and in a batch of
augmented images filter, a letter for each; a part of a split has its band in its name. The original's own numbers are
of 32 bits; ours are uint8 and int32, and both are read.

An ``.npy`` holds the images alone, and beside it a ``.csv`` of the same name their ids, codes and filters. Of a file of
this machine only the images that are looked at are read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from spacer_like.exceptions import DataLimitError, TableError, damage_as
from spacer_like.location import DataLocation
from spacer_like.npy_header import read_npy_header
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.labels import HIGHEST, MOST_ID, REJECTED, filter_of
from spacer_like.regression.messages.data import index_beside
from spacer_like.regression.packing import (
    PackedImages,
    check_numbers,
    check_range,
    checked_images,
    read_packed,
    save_packed,
)
from spacer_like.regression.splitting import band_of_part
from spacer_like.storage import delete, open_file, read_bytes, temporary_file, write_bytes, write_file
from spacer_like.tables.array_file import MOST_BYTES, ArrayMissingError, from_npz
from spacer_like.tables.cells import csv_bytes, csv_rows, decoded_table, stripped

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILTERS = ("c", "g", "r", "i")
"""Letters of the bands, ``c`` of colour."""
ENDINGS = (".npz", ".npy")
_COLUMNS = ("id", "code", "filter")


def read_pool(data: bytes, name: str) -> Pool:
    """The images in the bytes of an ``.npz``: a part of a split, or a batch of augmented images.

    Args:
        name: what errors call the file; the band of a part of a split is read from it.

    Raises:
        TableError: damaged, without one of the arrays, with values that are no pixels, ids, codes or filters, or
            without an array filter and a name that gives the band.
        DataLimitError: an array that is too large.
    """
    images = checked_images(from_npz(data, name, "images"), name)
    return _pool(images, from_npz(data, name, "pgcIDs"), from_npz(data, name, "labels"), _filters(data, name), name)


def read_mapped_pool(images: NDArray[Any], index: bytes, name: str) -> Pool:
    """The images of an ``.npy`` with the bytes of the table beside it.

    Args:
        images: of the file; they may be mapped, and are then not read.
        name: what errors call the file.

    Raises:
        TableError: images that are not uint8 [n, size, size, 3], or a table that does not belong to them.
    """
    if images.dtype != np.uint8:
        raise TableError(f"The images of '{name}' must be uint8 [n, size, size, 3], and are {images.dtype}.")
    images = checked_images(images, name)
    table = f"{name.removesuffix('.npy')}.csv"
    with damage_as(TableError, table, f"The table '{table}' cannot be read"):
        rows = list(_index_rows(index, table))
    if len(rows) != len(images):
        raise TableError(f"The table '{table}' has {len(rows)} rows, and the file beside it {len(images)} images.")
    ids, codes = (np.array([row[column] for row in rows], np.int64) for column in range(2))
    return _pool(images, ids, codes, np.array([row[2] for row in rows], np.str_), table)


def pool_bytes(pool: Pool, with_filter: bool) -> bytes:
    """The bytes of an ``.npz``, not deflated; equal pools give equal bytes.

    Args:
        with_filter: as a batch of augmented images has it; without, as a part of a split, which names its band.
    """
    sink = BytesIO()
    _save(sink, pool, with_filter)
    return sink.getvalue()


def open_pool(loc: DataLocation) -> Pool:
    """The images at a location, ``.npz`` or ``.npy``; those of an ``.npy`` of this machine are mapped.

    Raises:
        TableError: another ending, or as `read_pool` and `read_mapped_pool`.
        DataNotFoundError: there is no such file, or no table beside an ``.npy``.
        SpacerError: other errors of the storage.
    """
    name = loc.display_name
    if not is_mapped(loc):
        return read_pool(read_bytes(loc), name)
    return read_mapped_pool(_mapped(loc), read_bytes(index_beside(loc)), name)


def write_pool(loc: DataLocation, pool: Pool, with_filter: bool = True) -> None:
    """Write images as a file, ``.npz`` or ``.npy`` by the location's ending; of an ``.npy`` the table comes last.

    Args:
        with_filter: as of `pool_bytes`; the table has filters always.
    """
    mapped = is_mapped(loc)
    with temporary_file(loc) as path:
        with path.open("wb") as file:
            if mapped:
                np.save(file, pool.images, allow_pickle=False)
            else:
                _save(file, pool, with_filter)
        if mapped:
            # A table of before must not stand beside other images.
            delete(index_beside(loc))
        write_file(loc, path, consume=True)
    if mapped:
        rows = zip(pool.ids.tolist(), pool.inclinations.tolist(), pool.filters.tolist(), strict=True)
        write_bytes(index_beside(loc), csv_bytes(_COLUMNS, rows))


def open_packed(loc: DataLocation, *, as_stored: bool = False) -> PackedImages:
    """Packed images at a location, sorted by id; those of an ``.npy`` of this machine are mapped.

    Args:
        as_stored: in the order of the file.

    Raises:
        TableError: another ending, a damaged file, or a galaxy that is there twice.
        DataNotFoundError: there is no such file, or no table beside an ``.npy``.
        SpacerError: other errors of the storage.
    """
    if not is_mapped(loc):
        return read_packed(read_bytes(loc), loc.display_name, as_stored=as_stored)
    pool = open_pool(loc)
    order = np.argsort(pool.ids, kind="stable")
    if (np.diff(pool.ids[order]) == 0).any():
        raise TableError(f"The file '{loc.display_name}' has a galaxy twice: it is not one of packed images.")
    if as_stored or (np.diff(pool.ids) > 0).all():
        return PackedImages(pool.images, pool.ids, pool.inclinations)
    return PackedImages(pool.images[order], pool.ids[order], pool.inclinations[order])


def write_packed(loc: DataLocation, packed: PackedImages, band: str) -> None:
    """Write packed images as a file, ``.npz`` or ``.npy`` by the location's ending."""
    if is_mapped(loc):
        filters = np.full(len(packed.ids), filter_of(band))
        write_pool(loc, Pool(packed.images, packed.codes, packed.ids, filters))
        return
    with temporary_file(loc) as path:
        with path.open("wb") as file:
            save_packed(file, packed)
        write_file(loc, path, consume=True)


def is_mapped(loc: DataLocation) -> bool:
    """Whether a file of images is an ``.npy``, which can be mapped; else it is an ``.npz``.

    Raises:
        TableError: another ending.
    """
    ending = loc.filename[-4:].lower()
    if ending not in ENDINGS:
        raise TableError(f"The file of images '{loc.display_name}' must end with {' or '.join(ENDINGS)}.")
    return ending == ".npy"


def pool_files(loc: DataLocation) -> list[DataLocation]:
    """The locations of all files of images at a location: of an ``.npy`` that of its table, too.

    Raises:
        TableError: another ending.
    """
    return [loc, index_beside(loc)] if is_mapped(loc) else [loc]


def _save(sink: IO[bytes], pool: Pool, with_filter: bool) -> None:
    arrays: dict[str, Any] = {
        "images": pool.images,
        "labels": pool.inclinations.astype(np.int32),
        "pgcIDs": pool.ids.astype(np.int32),
    }
    if with_filter:
        arrays["filter"] = pool.filters.astype("S1")
    np.savez(sink, **arrays)


def _pool(
    images: NDArray[np.uint8], ids: NDArray[Any], codes: NDArray[Any], filters: NDArray[Any] | str, name: str
) -> Pool:
    """The pool of arrays from a file, which errors call `name`."""
    for values, most, what, noun in ((codes, HIGHEST, "labels", "a code"), (ids, MOST_ID, "pgcIDs", "an id")):
        check_numbers(values, (len(images),), f"{what} of '{name}'")
        check_range(values, REJECTED, most, noun, name)
    if isinstance(filters, str):
        filters = np.full(len(images), filters)
    if filters.dtype.kind not in "SU" or filters.shape != (len(images),):
        raise TableError(f"The filters of '{name}' must be {len(images)} letters.")
    # Only a letter that each is: longer texts are none of the four.
    letters = filters.astype(np.str_) if filters.dtype.kind == "U" else np.char.decode(filters, "latin-1")
    if others := sorted(set(letters.tolist()).difference(FILTERS)):
        raise TableError(f"The file '{name}' has the filter '{others[0][:40]}': a filter is one of c, g, r, i.")
    return Pool(images, codes.astype(np.int32), ids.astype(np.int32), letters.astype("U1"))


def _filters(data: bytes, name: str) -> NDArray[Any] | str:
    try:
        return from_npz(data, name, "filter")
    except ArrayMissingError:
        if (band := band_of_part(name)) is None:
            raise TableError(
                f"The file '{name}' has no array filter, and its name gives no band as r_128x128_train_000.npz does."
            ) from None
        return filter_of(band)


def _mapped(loc: DataLocation) -> NDArray[Any]:
    """The array of an ``.npy``; of one of this machine nothing but its header is read."""
    name = loc.display_name
    with open_file(loc) as file, damage_as(TableError, name, f"The file '{name}' is no array of images"):
        header = read_npy_header(file)
        begin = file.tell()
        n_bytes = file.seek(0, 2) - begin
        count = 1
        for length in header.shape:
            count *= length
        if header.in_columns or header.dtype.hasobject or count * header.dtype.itemsize != n_bytes:
            raise ValueError("its size or order is not the one that images have")
        if loc.storage_type == "filesystem" and n_bytes:
            mapped: NDArray[Any] = np.memmap(loc.key, header.dtype, "r", begin, header.shape).view(np.ndarray)
            return mapped
        if n_bytes > MOST_BYTES:
            raise DataLimitError(f"The array in '{name}' would take {n_bytes} bytes: it is not read.")
        file.seek(begin)
        return np.frombuffer(file.read(), header.dtype).reshape(header.shape)


def _index_rows(data: bytes, name: str) -> Iterator[tuple[int, int, str]]:
    """The id, code and filter in each row of the table of an ``.npy``."""
    text, delimiter = decoded_table(data)
    try:
        rows = ((line, cells) for line, cells in csv_rows(text, delimiter, stripped) if any(cells))
        if (columns := next(rows, (0, []))[1]) != list(_COLUMNS):
            raise TableError(f"The table '{name}' must have the columns {', '.join(_COLUMNS)}.")
        for line, cells in rows:
            if len(cells) != len(columns) or not all(_is_whole(cell) for cell in cells[:2]):
                raise TableError(f"The line {line} of '{name}' must be an id, a code and a filter.")
            yield int(cells[0]), int(cells[1]), cells[2]
    except csv.Error as error:
        reason, line = error.args
        raise TableError(f"The line {line} of '{name}' is no CSV: {reason}.") from None


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10
