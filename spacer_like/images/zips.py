"""The members of zip archives, read one by one without unpacking."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator
from functools import partial
from struct import Struct
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from spacer_like.exceptions import ArchiveError, ImageError, damage_as
from spacer_like.images.members import (
    Member,
    check_count,
    check_path,
    most_unpacked,
    too_large,
    too_many,
)
from spacer_like.storage.ranges import PositionedFile, PositionedReader

# The list of members at the archive's end: eighty bytes for each, and room.
_MOST_DIRECTORY_BYTES = 2**24
_LOCAL_HEADER = Struct("<4s22xHH")
_ENCRYPTED = 0x1
_PART_BYTES = 2**20


def zip_members(reader: PositionedReader, name: str) -> list[Member]:
    """The members of a zip archive, in the order of its list.

    Raises:
        ArchiveError: damaged, encrypted, too many members, or members that are links, lead out of the archive, overlap,
            or would take a multiple of the archive's size.
    """
    members = archive_members(reader, name)
    _check_members(members, name, reader.size)
    return [
        Member(
            member.filename,
            member.file_size,
            partial(_data, reader, member),
            partial(_parts, reader, member),
            _problem_of(member),
        )
        for member in members
    ]


def archive_members(reader: PositionedReader, name: str) -> list[ZipInfo]:
    """The entries of a zip archive's central directory, unchecked.

    Raises:
        ArchiveError: no archive, a damaged one, or one of too many members.
    """
    with (
        damage_as(ArchiveError, name, f"'{name}' is no zip archive, or is damaged"),
        ZipFile(_Directory(reader, name)) as archive,
    ):
        members: list[ZipInfo] = archive.infolist()
        if not all(member.filename for member in members):
            raise ArchiveError(f"'{name}' is damaged: a member of it has no name.")
    check_count(len(members), name)
    return members


def member_offset(reader: PositionedReader, member: ZipInfo) -> int | None:
    """The position of a member's data; None where no member begins."""
    header = reader.read(member.header_offset, _LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        return None
    signature, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    if signature != b"PK\x03\x04":
        return None
    return int(member.header_offset + _LOCAL_HEADER.size + name_length + extra_length)


class _Directory(PositionedFile):
    """The file that `ZipFile` reads the central directory from, of a bounded size."""

    def __init__(self, reader: PositionedReader, name: str) -> None:
        super().__init__(reader)
        self._name = name

    def read(self, size: int | None = -1) -> bytes:
        if (self._wanted(size) if size is None or size < 0 else size) > _MOST_DIRECTORY_BYTES:
            raise too_many(self._name)
        return super().read(size)


def _check_members(members: list[ZipInfo], name: str, size: int) -> None:
    for member in members:
        path = member.filename
        check_path(path, name)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ArchiveError(f"The archive '{name}' is refused: its member '{path[:200]}' is a link.")
        if member.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"The archive '{name}' is encrypted: pack the images without a password.")
        if not 0 <= member.header_offset < size:
            raise ArchiveError(f"The archive '{name}' is damaged: its member '{path[:200]}' would lie outside of it.")
    if sum(member.compress_size for member in members) > size:
        raise ArchiveError(f"The archive '{name}' is refused: its members overlap.")
    total = sum(member.file_size for member in members)
    if total > most_unpacked(size):
        raise too_large(name, total)


def _problem_of(member: ZipInfo) -> str | None:
    if member.compress_type in (ZIP_STORED, ZIP_DEFLATED):
        return None
    return f"is compressed by method {member.compress_type}: only stored and deflated are read."


def _data(reader: PositionedReader, member: ZipInfo, name: str) -> bytes:
    begin = member_offset(reader, member)
    if begin is None:
        raise ImageError(f"The file '{name}' is damaged in its archive: where it should begin, none does.")
    data = reader.read(begin, member.compress_size)
    if member.compress_type == ZIP_DEFLATED:
        data = _inflated(data, member.file_size, name)
    if len(data) != member.file_size:
        raise ImageError(f"The file '{name}' is damaged in its archive: it is not as long as announced.")
    if zlib.crc32(data) != member.CRC:
        raise ImageError(f"The file '{name}' is damaged in its archive: its checksum is another.")
    return data


def _parts(reader: PositionedReader, member: ZipInfo, name: str) -> Iterator[bytes]:
    begin = member_offset(reader, member)
    if begin is None:
        raise ImageError(f"The file '{name}' is damaged in its archive: where it should begin, none does.")
    unpacked, checksum = 0, 0
    for part in _plain_parts(reader, begin, member, name):
        unpacked, checksum = unpacked + len(part), zlib.crc32(part, checksum)
        if unpacked > member.file_size:
            break
        yield part
    if unpacked != member.file_size:
        raise ImageError(f"The file '{name}' is damaged in its archive: it is not as long as announced.")
    if checksum != member.CRC:
        raise ImageError(f"The file '{name}' is damaged in its archive: its checksum is another.")


def _plain_parts(reader: PositionedReader, begin: int, member: ZipInfo, name: str) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS) if member.compress_type == ZIP_DEFLATED else None
    for offset in range(0, member.compress_size, _PART_BYTES):
        data = reader.read(begin + offset, min(_PART_BYTES, member.compress_size - offset))
        while inflater is not None and data and not inflater.eof:
            try:
                yield inflater.decompress(data, _PART_BYTES)
            except zlib.error:
                raise ImageError(f"The file '{name}' is damaged in its archive: it cannot be decompressed.") from None
            data = inflater.unconsumed_tail
        if inflater is None:
            yield data
    if inflater is not None:
        yield inflater.flush()


def _inflated(data: bytes, size: int, name: str) -> bytes:
    try:
        # One byte more than announced shows that there are more, without unpacking them.
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
    except zlib.error:
        raise ImageError(f"The file '{name}' is damaged in its archive: it cannot be decompressed.") from None
