"""Histograms and tables of counts, read from and written to wherever they live."""

from __future__ import annotations

import math
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.lib.format import write_array_header_1_0

from spacer_like.exceptions import HistogramError, SpacerError, damage_as
from spacer_like.location import DataLocation
from spacer_like.npy_header import LONGEST, read_npy_header
from spacer_like.rarity.bins import BINS
from spacer_like.rarity.count_table import LARGEST_DESCRIPTION, CountTable, npy_head
from spacer_like.rarity.histogram import (
    POSITIONS_IN_A_PIECE,
    Counted,
    DenseCounts,
    Header,
    Histogram,
    check_fits_dense,
)
from spacer_like.rarity.histogram_file import HistogramFile, from_parquet, write_parquet
from spacer_like.rarity.messages.preparation import table_description
from spacer_like.storage import delete, exists, open_file, read_bytes, temporary_file, write_bytes, write_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.rarity.messages import PreparationMsg


def header_of(msg: PreparationMsg) -> Header:
    """The header of a histogram of images that were prepared as a message says."""
    return Header(msg.size, msg.resample, msg.background)


def read_histogram(loc: DataLocation) -> Histogram:
    """The histogram at a location; errors as `from_parquet`, and those of the storage."""
    return from_parquet(read_bytes(loc), f"The histogram {loc.display_name}")


def open_histogram(loc: DataLocation) -> HistogramFile:
    """The histogram at a location, to be read a piece at a time; errors as `HistogramFile`, and the storage's."""
    return HistogramFile(read_bytes(loc), f"The histogram {loc.display_name}")


def write_histogram(loc: DataLocation, counted: Counted) -> int:
    """Store counts, a piece in memory at a time; the number of colours at positions that have a count."""
    with temporary_file(loc) as path:
        with path.open("wb") as file:
            n_counts = write_parquet(counted, file)
        write_file(loc, path, consume=True)
    return n_counts


def write_dense(loc: DataLocation, counted: DenseCounts) -> None:
    """Store counts in PixelScore's layout, ``.npz`` with arr_0 int32 [positions, 10, 10, 10].

    Raises:
        HistogramError: as `Histogram.to_dense`.
    """
    check_fits_dense(sum(counted.collections.values()))
    with temporary_file(loc) as path:
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open("arr_0.npy", "w", force_zip64=True) as file,
        ):
            shape = (len(counted.counts), BINS, BINS, BINS)
            write_array_header_1_0(file, {"descr": "<i4", "fortran_order": False, "shape": shape})
            for start in range(0, len(counted.counts), POSITIONS_IN_A_PIECE):
                file.write(counted.counts[start : start + POSITIONS_IN_A_PIECE].astype("<i4").data)
        write_file(loc, path, consume=True)


def write_table(loc: DataLocation, table: CountTable) -> None:
    """Store a table and, before it, its description: where the table exists, both do."""
    with temporary_file(loc) as path:
        with path.open("wb") as file:
            file.write(npy_head(table.counts.shape))
            file.write(table.counts.data)
        described, description = table_description(loc), table.description()
        if not exists(described) or read_bytes(described) != description:
            # A table of before must not stand beside a description that belongs to another.
            delete(loc)
            write_bytes(described, description)
        write_file(loc, path, consume=True)


def read_table(loc: DataLocation, header: Header) -> CountTable:
    """What images are scored against: a table (``.npy``), mapped where it is a file, or a histogram (``.parquet``).

    Args:
        header: of the images that will be looked up.

    Raises:
        HistogramError: neither, or of images that were prepared otherwise; also those of the storage.
    """
    if loc.filename.endswith(".npy"):
        table = _read_npy(loc)
    elif loc.filename.endswith(".parquet"):
        table = CountTable.from_histogram(open_histogram(loc))
    else:
        raise HistogramError(f"{loc.display_name} must end with .parquet, a histogram, or .npy, a table.")
    with damage_as(HistogramError, loc.display_name, f"{loc.display_name} is no table to score against"):
        table.header.check_same(header)
    return table


def _read_npy(loc: DataLocation) -> CountTable:
    description = read_bytes(table_description(loc))
    if len(description) > LARGEST_DESCRIPTION:
        raise HistogramError(f"The description of the table {loc.display_name} is too long to be one.")
    data = _mapped(loc) if loc.storage_type == "filesystem" else memoryview(read_bytes(loc))
    return CountTable.described(_array(data, loc.display_name), description, loc.display_name)


def _mapped(loc: DataLocation) -> memoryview:
    try:
        with open_file(loc) as file:
            return np.memmap(cast("Any", file), mode="r").data
    except SpacerError:
        raise
    except (ValueError, OSError):
        raise _no_table(loc.display_name) from None


def _array(data: memoryview, name: str) -> NDArray[np.uint32]:
    file = BytesIO(data[: 2 * LONGEST])
    try:
        shape, in_columns, dtype = read_npy_header(file)
    except ValueError:
        raise _no_table(name) from None
    if dtype != np.uint32 or in_columns or len(data) != file.tell() + dtype.itemsize * math.prod(shape):
        raise _no_table(name)
    return np.frombuffer(data, np.uint32, offset=file.tell()).reshape(shape)


def _no_table(name: str) -> HistogramError:
    return HistogramError(f"The table {name} is no array of numbers, is cut short, or cannot be opened.")
