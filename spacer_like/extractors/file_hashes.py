"""SHA-256 of files, computed again only when a file has changed."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

_KEPT_HASHES = 64


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file in hexadecimal. A file whose size, time of change and inode are the same is not read again."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(_KEPT_HASHES)
def _sha256(path: Path, size: int, changed_ns: int, inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
