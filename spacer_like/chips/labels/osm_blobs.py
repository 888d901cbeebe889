"""The blobs of an ``.osm.pbf`` file, a few at a time: so that a file is read in bounded memory, from anywhere.

A file is a header blob and data blobs, each after the length and header of its own; a header blob with any data blobs
is such a file again. Format: https://wiki.openstreetmap.org/wiki/PBF_Format, and protobuf's wire format.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from spacer_like.exceptions import MapDataError, MissingExtraError
from spacer_like.extras import import_extra

# The format's own limits.
_LONGEST_HEADER = 2**16
_LONGEST_BLOB = 2**25
_BATCH_BYTES = 2**24

# The fields of a blob.
_RAW, _ZLIB, _LZMA, _BZIP2, _LZ4, _ZSTD = 1, 3, 4, 5, 6, 7

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def _by_arrow(codec: str) -> Callable[[bytes, int], bytes]:
    def unpack(data: bytes, size: int) -> bytes:
        pyarrow = import_extra("pyarrow", "Reading an extract of LZ4 or Zstandard", "geo")
        block: bytes = pyarrow.Codec(codec).decompress(data, size, asbytes=True)
        return block

    return unpack


_UNPACKERS: dict[int, Callable[[bytes, int], bytes]] = {
    _ZLIB: lambda data, size: zlib.decompressobj().decompress(data, size),
    _LZMA: lambda data, size: lzma.LZMADecompressor().decompress(data, size),
    _BZIP2: lambda data, size: bz2.BZ2Decompressor().decompress(data, size),
    _LZ4: _by_arrow("lz4_raw"),
    _ZSTD: _by_arrow("zstd"),
}


class BlobReader:
    """The blobs of a file.

    Args:
        file: seekable; it is read from its begin.
        name: what errors call it.

    Raises:
        MapDataError: no ``.osm.pbf``, or a damaged one.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._is_checked = False
        file.seek(0, 2)
        self.size = file.tell()
        """Bytes of the file."""
        file.seek(0)
        kind, self.header, _ = self._blob() or ("", b"", 0)
        """The header blob, a file without data."""
        self._begin = file.tell()
        if kind != "OSMHeader":
            raise self._damaged("it does not begin as one")

    def batches(self) -> Iterator[tuple[bytes, int]]:
        """Small files that have all data blobs between them, each with how many bytes of the whole have been read.

        None holds more than 48 MiB when it is unpacked.
        """
        self._file.seek(self._begin)
        batch, unpacked = [self.header], 0
        while (blob := self._blob()) is not None:
            kind, data, size = blob
            # Blobs of other kinds are to be passed over.
            if kind == "OSMData":
                if not self._is_checked:
                    self._check_texts(data)
                batch.append(data)
                unpacked += size
            if unpacked >= _BATCH_BYTES:
                yield b"".join(batch), self._file.tell()
                batch, unpacked = [self.header], 0
        self._is_checked = True
        yield b"".join(batch), self.size

    def _check_texts(self, data: bytes) -> None:
        """Refuse texts with a NUL: osmium takes it for a text's end, and would read on beyond its memory."""
        block = self._unpacked(data[4 + int.from_bytes(data[:4], "big") :])
        for number, table in self._fields(block):
            if number != 1 or not isinstance(table, bytes):
                continue
            # Tables begin with an empty text, whose length is the only NUL in them: no need to look at each text.
            if table.startswith(b"\n\0") and table.count(b"\0") == 1:
                continue
            if any(isinstance(text, bytes) and b"\0" in text for _, text in self._fields(table)):
                raise self._damaged("a text in it has a NUL character")

    def _unpacked(self, blob: bytes) -> bytes:
        size = self._unpacked_size(blob)
        found = {number: value for number, value in self._fields(blob) if isinstance(value, bytes)}
        if _RAW in found:
            return found[_RAW]
        packed = next((number for number in _UNPACKERS if number in found), None)
        if packed is None:
            raise self._damaged("a blob is compressed in a way that nobody knows")
        try:
            block = _UNPACKERS[packed](found[packed], size)
        except MissingExtraError:
            raise
        # Each library has errors of its own.
        except Exception:
            block = b""
        if len(block) != size:
            raise self._damaged("a blob cannot be unpacked")
        return block

    def _blob(self) -> tuple[str, bytes, int] | None:
        """The next blob's kind, its bytes with what precedes it, and its size when it is unpacked."""
        prefix = self._file.read(4)
        if not prefix:
            return None
        header_length = int.from_bytes(prefix, "big")
        if len(prefix) < 4 or not 0 < header_length <= _LONGEST_HEADER:
            raise self._damaged(f"a blob's header cannot be {header_length} bytes long")
        header = self._exactly(header_length)
        kind, length = b"", 0
        for number, value in self._fields(header):
            if number == 1 and isinstance(value, bytes):
                kind = value
            elif number == 3 and isinstance(value, int):
                length = value
        if not 0 < length <= _LONGEST_BLOB:
            raise self._damaged(f"a blob cannot be {length} bytes long")
        blob = self._exactly(length)
        numbers = {number for number, _ in self._fields(blob)}
        if not numbers & {_RAW, _ZLIB}:
            # osmium may be built without what unpacks it.
            return self._plain(kind, self._unpacked(blob))
        return kind.decode("latin-1"), prefix + header + blob, self._unpacked_size(blob)

    @staticmethod
    def _plain(kind: bytes, block: bytes) -> tuple[str, bytes, int]:
        """What `_blob` gives of an unpacked blob."""
        blob = b"\x0a" + _varint_of(len(block)) + block
        header = b"\x0a" + _varint_of(len(kind)) + kind + b"\x18" + _varint_of(len(blob))
        return kind.decode("latin-1"), len(header).to_bytes(4, "big") + header + blob, len(block)

    def _unpacked_size(self, blob: bytes) -> int:
        sizes = [value if isinstance(value, int) else len(value) for number, value in self._fields(blob) if number <= 2]
        size = max(sizes, default=0)
        if not 0 < size <= _LONGEST_BLOB:
            raise self._damaged(f"a blob cannot be {size} bytes long when it is unpacked")
        return size

    def _exactly(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise self._damaged("it ends in the middle of a blob")
        return data

    def _fields(self, message: bytes) -> Iterator[tuple[int, int | bytes]]:
        """The numbers and values of a protobuf message's fields."""
        start = 0
        while start < len(message):
            key, start = self._varint(message, start)
            kind = key & 7
            if kind == _VARINT:
                value, start = self._varint(message, start)
                yield key >> 3, value
                continue
            length = {_FIXED64: 8, _FIXED32: 4}.get(kind, -1)
            if kind == _BYTES:
                length, start = self._varint(message, start)
            if not 0 <= length <= len(message) - start:
                raise self._damaged("a blob is malformed")
            yield key >> 3, message[start : start + length]
            start += length

    def _varint(self, message: bytes, start: int) -> tuple[int, int]:
        value = 0
        for position, byte in enumerate(message[start : start + 10]):
            value |= (byte & 127) << 7 * position
            if byte < 128:
                return value, start + position + 1
        raise self._damaged("a blob is malformed")

    def _damaged(self, reason: str) -> MapDataError:
        return MapDataError(f"The extract '{self._name}' is no .osm.pbf file, or a damaged one: {reason}.")


def _varint_of(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])
