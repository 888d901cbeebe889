"""Copies of remote files, such as an extractor's weights, in a folder that processes share.

A copy whose hash is known is checked against it at every use. One whose hash is not known is only used where nobody
else can have made it; else each process has a copy of its own. Two processes that want the same file fetch it once: the
second waits, and finds it. A writer that is killed leaves nothing that looks like a copy.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from logging import getLogger
from pathlib import Path

from spacer_like.exceptions import HashMismatchError
from spacer_like.location import DataLocation
from spacer_like.storage.filesystem import FilesystemStorage
from spacer_like.storage.ordinary_files import open_ordinary
from spacer_like.storage.ownership import make_folder, why_not_ours

logger = getLogger(__name__)

_CHUNK_BYTES = 2**20
# Path and state of a file -> its SHA-256: a file that did not change is hashed once. The time of modification can be
# set to any; that of the last change of the inode (ctime) cannot.
_hashes: dict[tuple[str, int, int, int, int, int], str] = {}


def cached_path(loc: DataLocation, cache_dir: str | Path) -> Path:
    """Where the copy of a location is kept: a file directly in the folder, another one for every other location."""
    digest = hashlib.sha256(loc.json_text.encode("utf-8", "surrogatepass")).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", loc.filename)[-80:].lstrip(".")
    return Path(cache_dir) / f"{digest[:32]}-{readable or 'file'}"


def cached_copy(
    loc: DataLocation, read: Callable[[], bytes], sha256: str | None, cache_dir: str | Path
) -> tuple[Path, bool]:
    """A file with the bytes of a location, and whether it was fetched from afar just now; see `storage.cached_file`.

    Args:
        read: gives the bytes of the location.
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
    path = _safe_path(loc, expected, Path(cache_dir))
    # What lies in memory is at hand, and may have changed since.
    if loc.is_remote and _is_good(path, expected):
        return path, False
    # Where that fails, writing will say why.
    with suppress(OSError):
        make_folder(path.parent)
    with _only_one(path):
        if loc.is_remote and _is_good(path, expected):
            return path, False
        _fetch(loc, read, path, expected)
    return path, loc.is_remote


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, cached as long as the file does not change."""
    status = path.stat()
    seen = (str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino)
    if seen not in _hashes:
        digest = hashlib.sha256()
        with open_ordinary(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        _hashes[seen] = digest.hexdigest()
    return _hashes[seen]


def _safe_path(loc: DataLocation, expected: str | None, cache_dir: Path) -> Path:
    """The path of a copy: in the folder, or, where another user could replace it unnoticed, in one of this process."""
    path = cached_path(loc, cache_dir)
    if (reason := why_not_ours(path)) is None or (expected and (not os.path.lexists(path) or _is_good(path, expected))):
        return path
    _warn(f"No copy of '{loc.display_name}' in {cache_dir} is used, because {reason}: each process fetches its own.")
    return cached_path(loc, _folder_of_process(os.getpid()))


@cache
def _folder_of_process(pid: int) -> str:
    folder = tempfile.mkdtemp(prefix="spacer-cache-")

    def remove() -> None:
        # A forked child has inherited this.
        if os.getpid() == pid:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


@cache
def _warn(sentence: str) -> None:
    """Log a warning, once in a process."""
    logger.warning("%s", sentence)


def _is_good(path: Path, expected: str | None) -> bool:
    try:
        if expected is None or not path.is_file():
            return path.is_file()
        if file_hash(path) == expected:
            return True
    except FileNotFoundError:
        return False
    logger.warning("The copy %s is damaged or of another version: it is fetched again.", path)
    return False


def _fetch(loc: DataLocation, read: Callable[[], bytes], path: Path, expected: str | None) -> None:
    data = read()
    try:
        _compare(loc, hashlib.sha256(data).hexdigest() if expected else None, expected)
    except HashMismatchError:
        path.unlink(missing_ok=True)
        raise
    FilesystemStorage().write(str(path), data)
    # Whatever new files are allowed: a copy that others may write would not be used again.
    with suppress(OSError):
        path.chmod(path.stat().st_mode & ~0o022)


def _compare(loc: DataLocation, found: str | None, expected: str | None) -> None:
    if found != expected:
        raise HashMismatchError(
            f"'{loc.display_name}' does not hold the announced bytes: its SHA-256 is {found}, not {expected}."
        )


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """A lock between processes and threads for a path, released when its holder is killed."""
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path.with_name(f"{path.name}.lock"), flags, 0o666)
    except OSError:
        logger.debug("No lock for %s.", path)
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            # Some shared disks know no locks: then two may fetch the same, and the later one's whole copy stays.
            logger.debug("No lock for %s.", path)
        yield
    finally:
        os.close(descriptor)
