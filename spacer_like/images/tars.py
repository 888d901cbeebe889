"""The members of tar archives, compressed by gzip or not: plain files and folders, nothing else.

The headers are read here, because the standard library's reader takes minutes, or does not end, over some that are made
for it. Formats: POSIX.1-2017, "pax Interchange Format", with its ustar header blocks; GNU tar, "Basic Tar Format".
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import BinaryIO, NamedTuple

from spacer_like.exceptions import ArchiveError, ImageError, StorageUnavailableError, damage_as
from spacer_like.images.members import Member, check_count, check_path, most_unpacked, too_large
from spacer_like.storage.ranges import PositionedReader

_BLOCK = 512
_START_OF_GZIP = b"\x1f\x8b"
_COPIED_BYTES = 2**20
# Of a name, or of the attributes of one member.
_MOST_HEADER_BYTES = 2**20
_MOST_HEADERS_OF_A_MEMBER = 8
_FILE, _FOLDER, _LABEL = b"07\x00", b"5", b"V"
_LONG_NAME, _LONG_LINK, _ATTRIBUTES, _ATTRIBUTES_OF_ALL = b"L", b"K", b"xX", b"g"
_REFUSED = {b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file"}


class _Header(NamedTuple):
    """A block of 512 bytes before a member, or before what is said of the next one."""

    kind: bytes
    name: bytes
    size: int


def plain_tar(file: BinaryIO, name: str) -> PositionedReader:
    """A tar archive with random access: itself, or a temporary copy of one that is packed or not on this machine.

    Raises:
        ArchiveError: it is packed and damaged, or would take a multiple of its size.
        StorageUnavailableError: there is no room for the copy.
    """
    reader = PositionedReader(file)
    if reader.read(0, len(_START_OF_GZIP)) == _START_OF_GZIP:
        file.seek(0)
        return _copied(reader, gzip.GzipFile(fileobj=file).read, name, most_unpacked(reader.size))
    if reader.is_local or isinstance(file, BytesIO):
        return reader
    # Else what lies between the headers would be fetched twice.
    file.seek(0)
    return _copied(reader, file.read, name, reader.size)


def tar_members(reader: PositionedReader, name: str) -> list[Member]:
    """The members of a plain tar archive, in its order.

    Raises:
        ArchiveError: damaged, too many members, or members that are links, devices or sparse, or lead out of the
            archive.
    """
    members: list[Member] = []
    said: dict[str, bytes] = {}
    position, headers = 0, 0
    with damage_as(ArchiveError, name, f"'{name}' is no tar archive, or is damaged"):
        while (header := _header(reader.read(position, _BLOCK))) is not None:
            position, headers = position + _BLOCK, headers + 1
            is_member = header.kind in _FILE + _FOLDER
            size = _decimal(said["size"]) if is_member and "size" in said else header.size
            # A folder's says how much it may hold.
            size = 0 if header.kind == _FOLDER else size
            if position + size > reader.size:
                raise ValueError("it ends in the middle of a file")
            if is_member:
                members.append(_member(reader, name, said.get("path", header.name), header.kind, position, size))
                check_count(len(members), name)
                said, headers = {}, 0
            else:
                said |= _said(reader, name, header, position)
            if headers > _MOST_HEADERS_OF_A_MEMBER:
                raise ValueError("too much is said of one file")
            position += -(-size // _BLOCK) * _BLOCK
    return members


def _header(block: bytes) -> _Header | None:
    """What a header says; None: it is the end of the archive."""
    if len(block) < _BLOCK:
        raise ValueError("it ends too early")
    if not block.strip(b"\0"):
        return None
    if sum(block) - sum(block[148:156]) + 8 * ord(" ") != _octal(block[148:156]):
        raise ValueError("the checksum of a header is another")
    name = block[:100].partition(b"\0")[0]
    # Of GNU's headers, which end the word otherwise, this part is something else.
    if block[257:263] == b"ustar\0" and (prefix := block[345:500].partition(b"\0")[0]):
        name = prefix + b"/" + name
    return _Header(block[156:157], name, _number(block[124:136]))


def _said(reader: PositionedReader, name: str, header: _Header, position: int) -> dict[str, bytes]:
    """The path and size of the next member, from a header that is not a member's."""
    if header.kind in _REFUSED:
        raise _refused(name, header.name, _REFUSED[header.kind])
    if header.kind in _LABEL + _ATTRIBUTES_OF_ALL + _LONG_LINK:
        return {}
    if header.kind not in _LONG_NAME + _ATTRIBUTES:
        raise _refused(name, header.name, "of an unknown kind")
    if header.size > _MOST_HEADER_BYTES:
        raise ValueError("too much is said of one file")
    data = reader.read(position, header.size)
    if header.kind == _LONG_NAME:
        return {"path": data.partition(b"\0")[0]}
    attributes = _attributes(data)
    if any(key.startswith("GNU.sparse.") for key in attributes):
        raise _refused(name, attributes.get("path", b"?"), "a sparse file")
    return {key: value for key, value in attributes.items() if key in ("path", "size")}


def _attributes(data: bytes) -> dict[str, bytes]:
    """Of records ``<length> <key>=<value>\\n``."""
    found, begin = {}, 0
    while begin < len(data):
        length = _decimal(data[begin : begin + 20].partition(b" ")[0])
        key, equals, value = data[begin : begin + length].partition(b" ")[2].partition(b"=")
        if not equals or begin + length > len(data) or not value.endswith(b"\n"):
            raise ValueError("what it says of a file is malformed")
        found[key.decode("utf-8", "replace")] = value[:-1]
        begin += length
    return found


def _member(reader: PositionedReader, name: str, raw: bytes, kind: bytes, begin: int, size: int) -> Member:
    path = raw.decode("utf-8", "surrogateescape")
    check_path(path, name)
    # As `tar` names what is in the folder that it is called in.
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    if kind == _FOLDER and not path.endswith("/"):
        path += "/"
    if not path or path == ".":
        path = "./"
    return Member(path, size, partial(_data, reader, begin, size), partial(_parts, reader, begin, size))


def _data(reader: PositionedReader, begin: int, size: int, name: str) -> bytes:
    data = reader.read(begin, size)
    if len(data) != size:
        raise ImageError(f"The file '{name}' is damaged in its archive: it is not as long as announced.")
    return data


def _parts(reader: PositionedReader, begin: int, size: int, name: str) -> Iterator[bytes]:
    for offset in range(0, size, _COPIED_BYTES):
        yield _data(reader, begin + offset, min(_COPIED_BYTES, size - offset), name)


def _refused(name: str, path: bytes, what: str) -> ArchiveError:
    shown = path[:200].decode("utf-8", "backslashreplace")
    return ArchiveError(f"The archive '{name}' is refused: its member '{shown}' is {what}.")


def _number(field: bytes) -> int:
    """A number of a header: octal digits, or, beyond 8 GiB, the bytes of a number after a mark."""
    return int.from_bytes(field[1:], "big") if field[0] == 0x80 else _octal(field)


def _octal(field: bytes) -> int:
    digits = field.partition(b"\0")[0].strip()
    if digits.strip(b"01234567"):
        raise ValueError("a header holds no number where one should be")
    return int(digits or b"0", 8)


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 19:
        raise ValueError("what it says of a file is malformed")
    return int(digits)


def _copied(reader: PositionedReader, read: Callable[[int], bytes], name: str, most: int) -> PositionedReader:
    """A copy of all that `read` gives in a file that goes when it is closed; closes `reader`."""
    copy, total = tempfile.TemporaryFile(prefix="spacer-"), 0  # noqa: SIM115
    try:
        while chunk := _chunk(read, name):
            total += len(chunk)
            if total > most:
                raise too_large(name, total, "at least ")
            try:
                copy.write(chunk)
            except OSError as error:
                raise StorageUnavailableError(
                    f"The archive '{name}' cannot be unpacked in '{tempfile.gettempdir()}': {error.strerror}."
                ) from None
        copy.flush()
    except BaseException:
        copy.close()
        raise
    reader.close()
    return PositionedReader(copy)


def _chunk(read: Callable[[int], bytes], name: str) -> bytes:
    with damage_as(ArchiveError, name, f"'{name}' is no tar archive, or is damaged"):
        return read(_COPIED_BYTES)
