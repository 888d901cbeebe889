"""Stacks of decoded images as NumPy files: their pixels, and beside them the images' ids.

Both are zip archives with a member ``arr_0.npy``, as ``numpy.savez`` makes them. Pixels are written and read in a
stream. Other programs' files are read as well, deflated ones too, but nothing in them is trusted.
"""

from __future__ import annotations

import io
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from typing_extensions import Self

from spacer_like.exceptions import CollectionError
from spacer_like.images.zips import archive_members, member_offset
from spacer_like.npy_header import NpyHeader, parse_npy_header
from spacer_like.storage.ranges import PositionedReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

STACK_ENDING = ".npz"
MEMBER = "arr_0.npy"
MOST_ID_BYTES = 2**28
"""The largest array of ids that is read; four bytes a letter."""
_MAGIC = b"\x93NUMPY\x01\x00"
_LAST_LETTER = 0x10FFFF
_CHUNK_BYTES = 2**22
_PACKED_BYTES = 2**16


class StackWriter:
    """Writes pixels to an ``.npz`` file as they come; the same pixels give the same bytes. Finished by ``with``.

    Args:
        path: the file.
        expected: how many images there will be; with fewer the file is written twice.
        size: width and height of the images.
    """

    def __init__(self, path: Path, expected: int, size: int) -> None:
        self._path = path
        self._expected = expected
        self._size = size
        self._count = 0
        self._archive, self._member = _begin(path, expected, size)

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Append images, uint8 [n, size, size, 3]."""
        if not len(pixels):
            return
        self._member.write(np.ascontiguousarray(pixels).data.cast("B"))
        self._count += len(pixels)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # Each in its turn, whatever the one before raises, as for lack of space.
        try:
            self._member.close()
        finally:
            self._archive.close()
        if kind is None and self._count != self._expected:
            self._shorten()

    def _shorten(self) -> None:
        """Write the file again with the true number in its header, which its checksum covers."""
        with self._path.open("rb") as file:
            # A file without a name is gone, whatever happens.
            self._path.unlink()
            archive, member = _begin(self._path, self._count, self._size)
            with archive, member, ZipFile(file) as old, old.open(MEMBER) as pixels:
                pixels.read(len(_npy_header(self._expected, self._size)))
                while chunk := pixels.read(_CHUNK_BYTES):
                    member.write(chunk)


def _begin(path: Path, count: int, size: int) -> tuple[ZipFile, IO[bytes]]:
    archive = ZipFile(path, "w", ZIP_STORED)
    # Without a date of its own, a member has the same one each time.
    member = archive.open(ZipInfo(MEMBER), "w", force_zip64=True)
    member.write(_npy_header(count, size))
    return archive, member


def _npy_header(count: int, size: int) -> bytes:
    stream = io.BytesIO()
    shape = (count, size, size, 3)
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def ids_file(ids: Sequence[str]) -> bytes:
    """The ids of images as an ``.npz`` file with arr_0, text [n]."""
    stream = io.BytesIO()
    with ZipFile(stream, "w", ZIP_STORED) as archive, archive.open(ZipInfo(MEMBER), "w") as member:
        np.lib.format.write_array(member, np.array(ids, dtype=np.str_), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


class Stack:
    """The pixels of an ``.npz`` file, read in parts.

    Attributes:
        shape: (n, size, size, 3).

    Raises:
        ArchiveError: no zip archive, or a damaged one.
        CollectionError: no array of pixels in it.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._reader = PositionedReader(file)
        self._array = array = _Array(self._reader, name)
        shape = array.shape
        if array.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3 or shape[1] < 1:
            raise CollectionError(
                f"The stack '{name}' must be an array uint8 [n, size, size, 3], and is {array.dtype} {list(shape)}."
            )
        self.shape = shape

    def parts(
        self, indices: Sequence[int], length: int, memory: Callable[[int], NDArray[np.uint8]]
    ) -> Iterator[NDArray[np.uint8]]:
        """The images of some indices, uint8 [n, size, size, 3], n at most `length`.

        Args:
            indices: ascending.
            memory: gives an array for n images.

        Raises:
            CollectionError: the file is damaged.
        """
        data = self._array.data()
        image_bytes = 3 * self.shape[1] ** 2
        for first in range(0, len(indices), length):
            some = indices[first : first + length]
            squares = memory(len(some))
            for begin, end in _runs(some):
                data.seek(some[begin] * image_bytes)
                data.fill(squares[begin:end].data.cast("B"))
            yield squares

    def close(self) -> None:
        self._reader.close()


def read_ids(
    file: BinaryIO, name: str, count: int, id_of: Callable[[str], str] = str, noun: str = "image"
) -> list[str]:
    """The ids in an ``.npz`` file.

    Args:
        count: how many there must be.
        id_of: gives the id that a text spells.
        noun: what an id is, in errors.

    Raises:
        ArchiveError: no zip archive, or a damaged one.
        CollectionError: no texts in it, another number of them, or one twice.
    """
    array = _Array(PositionedReader(file), name)
    if array.dtype.kind != "U" or array.shape != (count,):
        raise CollectionError(
            f"The ids '{name}' must be an array of {count} texts, one for each image, and are "
            f"{array.dtype} {list(array.shape)}."
        )
    if array.n_bytes > MOST_ID_BYTES:
        raise CollectionError(f"The ids '{name}' take more than {MOST_ID_BYTES // 2**20} MiB.")
    memory = bytearray(array.n_bytes)
    array.data().fill(memoryview(memory))
    letters = np.frombuffer(memory, f"{array.dtype.byteorder}u4")
    # Python makes texts of such numbers, which nothing can print or store.
    if ((letters > _LAST_LETTER) | ((letters >= 0xD800) & (letters < 0xE000))).any():
        raise CollectionError(f"The ids '{name}' hold letters that do not exist.")
    texts = np.frombuffer(memory, array.dtype).tolist() if array.n_bytes else [""] * count
    ids = [id_of(text) for text in texts]
    if len(set(ids)) != len(ids):
        twice = next(one for one, number in Counter(ids).items() if number > 1)
        raise CollectionError(f"The ids '{name}' hold the {noun} '{twice}' twice.")
    return ids


class _Array:
    """The array ``arr_0`` of an archive: what its header says, compared with what there is."""

    def __init__(self, reader: PositionedReader, name: str) -> None:
        self._reader = reader
        self._name = name
        members = [member for member in archive_members(reader, name) if member.filename == MEMBER]
        if not members:
            raise CollectionError(f"'{name}' holds no array arr_0: give a file of convert_collection or numpy.savez.")
        self._member = members[-1]
        self.shape, in_columns, self.dtype = self._header()
        if self.dtype.hasobject:
            raise CollectionError(f"The array of '{name}' holds Python objects, which are not read.")
        self.n_bytes = math.prod(self.shape) * self.dtype.itemsize
        if in_columns:
            raise CollectionError(f"The array of '{name}' lies in memory in an order that is not read.")
        if self._header_length + self.n_bytes != self._member.file_size:
            raise CollectionError(
                f"The array of '{name}' should take {self.n_bytes} bytes by its shape, and takes "
                f"{self._member.file_size - self._header_length}."
            )

    def data(self) -> _MemberData:
        """The bytes of the array, from its first element on."""
        return _MemberData(self._reader, self._member, self._begin, self._header_length, self._name)

    def _header(self) -> NpyHeader:
        member, name = self._member, self._name
        if member.flag_bits & 1 or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise CollectionError(f"The array of '{name}' is encrypted, or compressed by an unknown method.")
        begin = member_offset(self._reader, member)
        if begin is None or begin + member.compress_size > self._reader.size:
            raise damaged(name)
        self._begin = begin
        start = bytearray(len(_MAGIC) + 2)
        data = _MemberData(self._reader, member, begin, 0, name)
        data.fill(memoryview(start))
        if not start.startswith(_MAGIC):
            raise CollectionError(f"The array of '{name}' is no NumPy array of format 1.0.")
        text = bytearray(int.from_bytes(start[-2:], "little"))
        data.fill(memoryview(text))
        self._header_length = len(start) + len(text)
        try:
            return parse_npy_header(bytes(text))
        except ValueError as error:
            raise CollectionError(f"The array of '{name}' is not read: {error}.") from None


class _MemberData:
    """The bytes of a member of an archive, stored or deflated, read forwards; stored ones backwards too.

    The checksum is compared where a deflated member is read to its end; for a stored one it would cost more than
    reading it.
    """

    def __init__(self, reader: PositionedReader, member: ZipInfo, begin: int, skipped: int, name: str) -> None:
        self._reader = reader
        self._member = member
        self._name = name
        self._skipped = skipped
        self._begin = begin
        self._end = begin + member.compress_size
        self._inflating = zlib.decompressobj(-zlib.MAX_WBITS) if member.compress_type == ZIP_DEFLATED else None
        self._position = begin if self._inflating else begin + skipped
        self._given = 0
        self._checksum = 0
        if self._inflating:
            self._skip(skipped)

    def seek(self, offset: int) -> None:
        """Go to a byte; of a deflated member it lies ahead."""
        if self._inflating is None:
            self._position = self._begin + self._skipped + offset
        else:
            self._skip(self._skipped + offset - self._given)

    def fill(self, memory: memoryview) -> None:
        """Fill `memory` with the bytes that follow."""
        done = 0
        while done < len(memory):
            part = self._next(min(len(memory) - done, _CHUNK_BYTES))
            if not part:
                raise damaged(self._name)
            memory[done : done + len(part)] = part
            done += len(part)

    def _next(self, most: int) -> bytes:
        if self._inflating is None:
            part = self._reader.read(self._position, min(most, self._end - self._position))
            self._position += len(part)
            return part
        try:
            part = b""
            while not part and not self._inflating.eof:
                packed = self._inflating.unconsumed_tail
                if not packed:
                    packed = self._reader.read(self._position, min(_PACKED_BYTES, self._end - self._position))
                    self._position += len(packed)
                    if not packed:
                        break
                part = self._inflating.decompress(packed, most)
        except zlib.error:
            raise damaged(self._name) from None
        self._given += len(part)
        self._checksum = zlib.crc32(part, self._checksum)
        if self._given == self._member.file_size and self._checksum != self._member.CRC:
            raise damaged(self._name)
        return part

    def _skip(self, count: int) -> None:
        end = self._given + count
        while self._given < end:
            if not self._next(min(end - self._given, _CHUNK_BYTES)):
                raise damaged(self._name)


def damaged(name: str) -> CollectionError:
    """The error about a file that ends early or cannot be decompressed."""
    return CollectionError(f"'{name}' is damaged: its array ends too early, or cannot be decompressed.")


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(begin, end) of the parts of `indices` in which one follows the other."""
    begin = 0
    for end in range(1, len(indices) + 1):
        if end == len(indices) or indices[end] != indices[end - 1] + 1:
            yield begin, end
            begin = end
