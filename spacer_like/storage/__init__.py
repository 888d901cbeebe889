"""Storages of bytes, one for each type of location, and free functions over locations."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from spacer_like import config, location
from spacer_like.exceptions import InvalidKeyError, SpacerError, StorageUnavailableError
from spacer_like.location import DataLocation
from spacer_like.storage.base import Storage, outcomes
from spacer_like.storage.filesystem import FilesystemStorage
from spacer_like.storage.memory import MemoryStorage

if TYPE_CHECKING:
    from spacer_like.storage.remote import RemoteStorage
    from spacer_like.storage.s3 import S3Storage
    from spacer_like.storage.url import URLStorage

    # Of floors above, see `_ELSEWHERE`.
    load_image: Callable[..., Any]
    store_image: Callable[..., None]
    load_classifier: Callable[..., Any]
    store_classifier: Callable[..., None]
    ClassifierUnpickler: type[Any]

# PySpacer's spelling.
FileSystemStorage = FilesystemStorage

__all__ = [
    "FileSystemStorage",
    "FilesystemStorage",
    "MemoryStorage",
    "RemoteStorage",
    "S3Storage",
    "Storage",
    "URLStorage",
    "cached_file",
    "clear_memory_storage",
    "delete",
    "exists",
    "list_keys",
    "open_file",
    "read_bytes",
    "read_many",
    "register_storage",
    "storage_factory",
    "temporary_file",
    "write_bytes",
    "write_file",
    "writing_for",
]

# NumPy gives no number of an error where the disk is full.
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")


class Traffic(NamedTuple):
    """Bytes that this process has `read` and `written` by the functions of this module, as whole objects and ranges."""

    read: int = 0
    written: int = 0


_traffic = Traffic()
_counting = threading.Lock()
_memory = MemoryStorage()
_registered: dict[str, Callable[[str | None], Storage]] = {}


def storage_factory(storage_type: str, bucket_name: str | None = None) -> Storage:
    """The storage of a type, of S3 that of a bucket.

    Raises:
        InvalidKeyError: the type is unknown, or S3 is given no bucket.
    """
    if storage_type == "filesystem":
        return FilesystemStorage()
    if storage_type == "memory":
        return _memory
    if storage_type == "s3":
        if not bucket_name:
            raise InvalidKeyError("bucket_name must be a string for s3 storage.")
        from spacer_like.storage.s3 import S3Storage

        return S3Storage(bucket_name)
    if storage_type == "url":
        from spacer_like.storage.url import URLStorage

        return URLStorage()
    if storage_type in _registered:
        return _registered[storage_type](bucket_name)
    raise InvalidKeyError(
        f"The storage type '{storage_type}' is unknown: it must be one of {', '.join(location.STORAGE_TYPES)}."
    )


def register_storage(storage_type: str, make: Callable[[str | None], Storage]) -> None:
    """Register a type of storage, so that locations may name it.

    Args:
        make: called with a location's bucket name for each use.

    Raises:
        InvalidKeyError: a type of that name is built in.
    """
    if storage_type in location.STORAGE_TYPES and storage_type not in _registered:
        raise InvalidKeyError(f"The storage type '{storage_type}' is built in, and cannot be replaced.")
    _registered[storage_type] = make
    if storage_type not in location.STORAGE_TYPES:
        location.STORAGE_TYPES.append(storage_type)


def clear_memory_storage() -> None:
    """Remove everything from the memory storage."""
    _memory.blobs.clear()


def traffic() -> Traffic:
    """The traffic so far."""
    return _traffic


def _count(read: int = 0, written: int = 0) -> None:
    global _traffic
    with _counting:
        _traffic = Traffic(_traffic.read + read, _traffic.written + written)


def read_bytes(loc: DataLocation) -> bytes:
    """The bytes at a location; errors as `Storage.read`."""
    data = _storage_of(loc).read(loc.key)
    _count(read=len(data))
    return data


def write_bytes(loc: DataLocation, data: bytes) -> None:
    """Keep bytes at a location, whole or not at all."""
    _storage_of(loc).write(loc.key, data)
    _count(written=len(data))


def read_range(loc: DataLocation, start: int, length: int) -> bytes:
    """A part of the bytes at a location; see `Storage.read_range`."""
    data = _storage_of(loc).read_range(loc.key, start, length)
    _count(read=len(data))
    return data


def open_file(loc: DataLocation) -> BinaryIO:
    """A seekable file object over the bytes at a location, of which only parts are fetched; see `Storage.open`."""
    return _storage_of(loc).open(loc.key)


def write_file(loc: DataLocation, path: str | Path, consume: bool = False) -> None:
    """Keep the bytes of a local file at a location, whole or not at all; see `Storage.write_file`."""
    # Before it is consumed; where there is no such file, the storage says so.
    size = os.path.getsize(path) if os.path.isfile(path) else 0
    _storage_of(loc).write_file(loc.key, path, consume)
    _count(written=size)


@contextmanager
def temporary_file(loc: DataLocation) -> Iterator[Path]:
    """The path of a local file that may be made, and that `write_file` will store at a location.

    Raises:
        StorageUnavailableError: the block could not write it, as for lack of space.
    """
    with _storage_of(loc).temporary_file(loc.key) as path, writing_for(loc, path):
        yield path


@contextmanager
def writing_for(loc: DataLocation, path: Path) -> Iterator[None]:
    """Errors of the operating system while a location's temporary file is written, as errors that name the location.

    Raises:
        StorageUnavailableError: in place of an `OSError` of the block.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror
        if error.errno is None and _CUT_SHORT.fullmatch(str(error)):
            reason = "the disk took only a part of it"
        if isinstance(error, SpacerError) or reason is None or error.filename not in (None, str(path)):
            raise
        if loc.storage_type != "filesystem":
            reason = f"{reason}, where its temporary file is, in '{path.parent.parent}' (see TMPDIR)"
        raise StorageUnavailableError(f"The file '{loc.display_name}' cannot be written: {reason}.") from None


def cached_file(loc: DataLocation, sha256: str | None, cache_dir: str | Path) -> tuple[Path, bool]:
    """A file with the bytes of a location, and whether it was downloaded just now.

    A location of the filesystem is its own copy. Without a hash, a copy is used however old it is.

    Args:
        sha256: the hash that the bytes must have, in hexadecimal; None checks nothing.
        cache_dir: the folder that keeps copies of locations elsewhere.

    Raises:
        HashMismatchError: the bytes at the location have another hash; no copy of them is kept.
        DataNotFoundError, AccessDeniedError, StorageUnavailableError, URLDownloadError: they cannot be read.
    """
    from spacer_like.storage.cache import cached_copy

    return cached_copy(loc, partial(read_bytes, loc), sha256, cache_dir)


def exists(loc: DataLocation) -> bool:
    """Whether anything is stored at a location."""
    return _storage_of(loc).exists(loc.key)


def delete(loc: DataLocation) -> None:
    """Delete what is stored at a location, if anything is."""
    _storage_of(loc).delete(loc.key)


def version(loc: DataLocation) -> str:
    """A text that changes when the bytes at a location do; errors as `read_bytes`."""
    return _storage_of(loc).version(loc.key)


def list_keys(loc: DataLocation) -> Iterator[DataLocation]:
    """The locations whose key begins with the one of `loc`, in no promised order."""
    for key in _storage_of(loc).list(loc.key):
        yield DataLocation(loc.storage_type, key, loc.bucket_name)


def read_many(
    locs: Iterable[DataLocation],
    *,
    concurrency: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Iterator[tuple[DataLocation, bytes]]:
    """Every location with its bytes, many at once, in the order of completion; storages may be mixed.

    Args:
        concurrency: how many at once, and how many values are held at most; None is the setting STORAGE_CONCURRENCY.
        progress: called with (read, all) after each; all is None where `locs` has no length.

    Raises:
        SpacerError: the first one that reading gave.
    """
    total = len(locs) if isinstance(locs, Sized) else None
    found = outcomes(read_bytes, locs, concurrency or config.settings().storage_concurrency)
    for count, (loc, outcome) in enumerate(found, 1):
        if isinstance(outcome, SpacerError):
            raise outcome
        if progress:
            progress(count, total)
        yield loc, outcome


def _storage_of(loc: DataLocation) -> Storage:
    return storage_factory(loc.storage_type, loc.bucket_name)


_ELSEWHERE = {
    "RemoteStorage": "spacer_like.storage.remote",
    "S3Storage": "spacer_like.storage.s3",
    "URLStorage": "spacer_like.storage.url",
    # PySpacer has these here; they belong to floors above.
    "load_image": "spacer_like.images.decode",
    "store_image": "spacer_like.images.decode",
    "ClassifierUnpickler": "spacer_like.learning.model_files",
    "load_classifier": "spacer_like.learning.model_files",
    "store_classifier": "spacer_like.learning.model_files",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _ELSEWHERE:
            return getattr(import_module(_ELSEWHERE[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ELSEWHERE})
