"""Copies of remote files, such as an extractor's weights, in a folder that processes share.

A copy whose hash is known is checked against it at every use. Two processes that want the same file fetch it once: the
second waits, and finds it. A writer that is killed leaves nothing that looks like a copy.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger
from pathlib import Path

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import HashMismatchError
from spacer_like.storage.filesystem import FilesystemStorage
from spacer_like.storage.ordinary_files import open_ordinary

logger = getLogger(__name__)

_CHUNK_BYTES = 2**20
# Path, size, time of change and number of a file -> its SHA-256: a file that did not change is hashed once.
_hashes: dict[tuple[str, int, int, int], str] = {}


def cached_path(loc: DataLocation, cache_dir: str | Path) -> Path:
    """Where the copy of a location is kept: a file directly in the folder, another one for every other location."""
    digest = hashlib.sha256(loc.json_text.encode("utf-8", "surrogatepass")).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", loc.filename)[-80:].lstrip(".")
    return Path(cache_dir) / f"{digest[:32]}-{readable or 'file'}"


def cached_file(loc: DataLocation, sha256: str | None, cache_dir: str | Path) -> tuple[Path, bool]:
    """A file with the bytes of a location, and whether it was fetched from afar just now.

    A location of the filesystem is its own copy. Without a hash, a copy is used however old it is.

    Args:
        sha256: the hash that the bytes must have, in hexadecimal; None checks nothing.

    Raises:
        HashMismatchError: the bytes at the location have another hash; no copy of them is kept.
        DataNotFoundError, AccessDeniedError, StorageUnavailableError, URLDownloadError: they cannot be read.
    """
    expected = sha256.lower() if sha256 else None
    if loc.storage_type == "filesystem":
        path = Path(loc.key)
        FilesystemStorage().size(loc.key)
        _compare(loc, file_hash(path) if expected else None, expected)
        return path, False
    path = cached_path(loc, cache_dir)
    # What lies in memory is at hand, and may have changed since.
    if loc.is_remote and _is_good(path, expected):
        return path, False
    path.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(path):
        if loc.is_remote and _is_good(path, expected):
            return path, False
        _fetch(loc, path, expected)
    return path, loc.is_remote


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; kept in mind as long as the file does not change."""
    status = path.stat()
    seen = (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
    if seen not in _hashes:
        digest = hashlib.sha256()
        with open_ordinary(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        _hashes[seen] = digest.hexdigest()
    return _hashes[seen]


def _is_good(path: Path, expected: str | None) -> bool:
    try:
        if expected is None:
            return path.is_file()
        if file_hash(path) == expected:
            return True
    except FileNotFoundError:
        return False
    logger.warning("The copy %s is damaged or of another version: it is fetched again.", path)
    return False


def _fetch(loc: DataLocation, path: Path, expected: str | None) -> None:
    from spacer_like.storage import read_bytes

    data = read_bytes(loc)
    try:
        _compare(loc, hashlib.sha256(data).hexdigest() if expected else None, expected)
    except HashMismatchError:
        path.unlink(missing_ok=True)
        raise
    FilesystemStorage().write(str(path), data)


def _compare(loc: DataLocation, found: str | None, expected: str | None) -> None:
    if found != expected:
        raise HashMismatchError(
            f"'{loc.display_name}' does not hold the announced bytes: its SHA-256 is {found}, not {expected}."
        )


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Let one process or thread at a time do something for a path; a killed one lets the next one in."""
    import fcntl

    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            # Some shared disks know no locks: then two may fetch the same, and the later one's whole copy stays.
            logger.debug("No lock for %s.", path)
        yield
    finally:
        os.close(descriptor)
