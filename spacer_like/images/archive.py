"""Zip archives of images, read member by member and never unpacked; archives may come from strangers."""

from __future__ import annotations

import os
import stat
import threading
import zlib
from collections import Counter
from collections.abc import Iterable
from struct import Struct
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from typing_extensions import Self

from spacer_like.exceptions import ArchiveError, ImageError, damage_as

MOST_MEMBERS = 200_000
"""The most members of an archive, folders among them."""
MOST_MEMBER_BYTES = 2**27
"""The largest member that is read."""
MOST_RATIO = 100
"""How many times larger than the archive all members together may be, where they are larger than `FREE_BYTES`."""
FREE_BYTES = 2**30
# The list of members at the archive's end: eighty bytes for each, and room.
_MOST_DIRECTORY_BYTES = 2**24
_LONGEST_NAME = 255
_LOCAL_HEADER = Struct("<4s22xHH")
_ENCRYPTED = 0x1


class ImageArchive:
    """The files of that folder of a zip archive which holds the most of them.

    Folders of other names, such as the ``__MACOSX`` of some computers, and files in them are not looked at.

    Attributes:
        names: of the files, without their folder, in the order of the archive.
        unreadable: (name, reason) of files that cannot be read, known from the archive's list.

    Raises:
        ArchiveError: damaged, encrypted, too many members, or members that are links, lead out of the archive, or
            would take a multiple of the archive's size.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._bytes = PositionedReader(file)
        members = archive_members(self._bytes, name)
        _check_members(members, name, self._bytes.size)
        self._all = members
        folder = _fullest_folder(member.filename for member in members)
        self._members: dict[str, ZipInfo] = {}
        self.unreadable: list[tuple[str, str]] = []
        for member in members:
            if member.is_dir() or not member.filename.startswith(folder):
                continue
            file_name = member.filename[len(folder) :]
            if "/" in file_name:
                continue
            if (reason := _reason_against(member, file_name)) is not None:
                self.unreadable.append((file_name[:_LONGEST_NAME], reason))
                continue
            if file_name in self._members:
                self.unreadable.append((file_name, f"The archive holds '{file_name}' twice: the last one counts."))
            self._members[file_name] = member
        self.names = list(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of one of `names`. Threads may read at once.

        Raises:
            ImageError: the member is damaged, or is not as long as the archive says.
            SpacerError: errors of the storage that the archive is read from.
        """
        return self._data(self._members[name], name)

    def companion(self, file_name: str) -> bytes | None:
        """The bytes of the file of that name in whichever folder, the least deep one; None where there is none.

        Raises:
            ImageError: as `read`, or the member is too large, or compressed otherwise.
        """
        found = [member for member in self._all if member.filename.split("/")[-1] == file_name]
        if not found:
            return None
        member = min(found, key=lambda member: (member.filename.count("/"), member.filename))
        if (reason := _reason_against(member, member.filename)) is not None:
            raise ImageError(reason)
        return self._data(member, member.filename)

    def _data(self, member: ZipInfo, name: str) -> bytes:
        begin = member_offset(self._bytes, member)
        if begin is None:
            raise ImageError(f"The file '{name}' is damaged in its archive: where it should begin, none does.")
        data = self._bytes.read(begin, member.compress_size)
        if member.compress_type == ZIP_DEFLATED:
            data = _inflated(data, member.file_size, name)
        if len(data) != member.file_size:
            raise ImageError(f"The file '{name}' is damaged in its archive: it is not as long as announced.")
        if zlib.crc32(data) != member.CRC:
            raise ImageError(f"The file '{name}' is damaged in its archive: its checksum is another.")
        return data

    def close(self) -> None:
        self._bytes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class PositionedReader:
    """Reads from any place of a binary file, in many threads at once."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._lock = threading.Lock()
        self.size = file.seek(0, os.SEEK_END)
        try:
            self._descriptor: int | None = file.fileno()
        except OSError:
            self._descriptor = None

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start` on, fewer where the file ends before; none before its beginning."""
        length = max(min(length, self.size - start), 0) if start >= 0 else 0
        if not length:
            return b""
        if self._descriptor is not None:
            return os.pread(self._descriptor, length, start)
        with self._lock:
            self.file.seek(start)
            return self.file.read(length)

    def close(self) -> None:
        self.file.close()


class _Directory:
    """What `ZipFile` reads the list of members from: no more than a list may have."""

    def __init__(self, reader: PositionedReader, name: str) -> None:
        self._reader = reader
        self._name = name
        self._position = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._reader.size}[whence]
        if begin + offset < 0:
            raise OSError("a position before the beginning")
        self._position = begin + offset
        return self._position

    def read(self, length: int = -1) -> bytes:
        length = self._reader.size - self._position if length < 0 else length
        if length > _MOST_DIRECTORY_BYTES:
            raise _too_many(self._name)
        data = self._reader.read(self._position, length)
        self._position += len(data)
        return data


def archive_members(reader: PositionedReader, name: str) -> list[ZipInfo]:
    """What the list at the end of a zip archive says, which nobody has checked.

    Raises:
        ArchiveError: no archive, a damaged one, or one of more than `MOST_MEMBERS` members.
    """
    with (
        damage_as(ArchiveError, name, f"'{name}' is no zip archive, or is damaged"),
        ZipFile(_Directory(reader, name)) as archive,
    ):
        members: list[ZipInfo] = archive.infolist()
        if not all(member.filename for member in members):
            raise ArchiveError(f"'{name}' is damaged: a member of it has no name.")
    if len(members) > MOST_MEMBERS:
        raise _too_many(name)
    return members


def member_offset(reader: PositionedReader, member: ZipInfo) -> int | None:
    """Where the data of a member begin; None where no member does."""
    header = reader.read(member.header_offset, _LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        return None
    signature, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    if signature != b"PK\x03\x04":
        return None
    return int(member.header_offset + _LOCAL_HEADER.size + name_length + extra_length)


def _check_members(members: list[ZipInfo], name: str, size: int) -> None:
    for member in members:
        path = member.filename.replace("\\", "/")
        if ".." in path.split("/"):
            raise ArchiveError(f"The archive '{name}' is refused: its member '{path[:200]}' leads out of it.")
        if path.startswith("/") or path[1:3] == ":/":
            raise ArchiveError(f"The archive '{name}' is refused: its member '{path[:200]}' has an absolute path.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ArchiveError(f"The archive '{name}' is refused: its member '{path[:200]}' is a link.")
        if member.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"The archive '{name}' is encrypted: pack the images without a password.")
        if not 0 <= member.header_offset < size:
            raise ArchiveError(f"The archive '{name}' is damaged: its member '{path[:200]}' would lie outside of it.")
    if sum(member.compress_size for member in members) > size:
        raise ArchiveError(f"The archive '{name}' is refused: its members overlap.")
    total = sum(member.file_size for member in members)
    if total > max(FREE_BYTES, MOST_RATIO * size):
        raise ArchiveError(
            f"The archive '{name}' is refused: unpacked, it would take {total // 2**20} MiB, more than {MOST_RATIO} "
            "times its size."
        )


def _reason_against(member: ZipInfo, name: str) -> str | None:
    if len(name) > _LONGEST_NAME:
        return f"Its name is longer than {_LONGEST_NAME} letters."
    if member.file_size > MOST_MEMBER_BYTES:
        return f"The file '{name}' is larger than {MOST_MEMBER_BYTES // 2**20} MiB: no image is read of it."
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return f"The file '{name}' is compressed by method {member.compress_type}: only stored and deflated are read."
    return None


def _fullest_folder(paths: Iterable[str]) -> str:
    """The folder, with its slash, that directly holds the most files; of equals the first by its name."""
    folders: Counter[str] = Counter()
    for path in paths:
        parts = path.split("/")
        if parts[-1] and not any(part.startswith((".", "__MACOSX")) for part in parts):
            folders[path[: len(path) - len(parts[-1])]] += 1
    return min(folders, key=lambda folder: (-folders[folder], folder), default="")


def _inflated(data: bytes, size: int, name: str) -> bytes:
    try:
        # One byte more than announced shows that there are more, without unpacking them.
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
    except zlib.error:
        raise ImageError(f"The file '{name}' is damaged in its archive: it cannot be decompressed.") from None


def _too_many(name: str) -> ArchiveError:
    return ArchiveError(f"The archive '{name}' is refused: it has more than {MOST_MEMBERS} members.")
