"""Temporary files and folders, and the removal of those that killed processes have left.

Temporary files and folders have names of a pattern of their own. What nobody has written to
for a day is removed: by the next process that writes into the same folder, once, and by ``spacer-like doctor --clean``.
"""

from __future__ import annotations

import math
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from spacer_like.config import settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Number = TypeVar("Number", bound="np.generic")

logger = getLogger(__name__)

OLD_SECONDS = 24 * 60 * 60
"""What was written to later may be in use."""

# A writer that was killed leaves a file of such a name behind: it is never listed, and no key may be called so.
UNFINISHED = re.compile(r"\.spacer-[0-9a-f]{16}\.unfinished")
_PREFIX, _SUFFIX = ".spacer-", ".unfinished"
# What tempfile.mkdtemp makes of them.
UNFINISHED_FOLDER = re.compile(r"\.spacer-[a-z0-9_]{8}\.unfinished")
# More folders than these are looked through again; their names would fill the memory.
_MOST_KNOWN = 10_000

_looked_through: set[str] = set()


def unfinished_path(path: Path) -> Path:
    """A temporary name beside a path, for a file that is renamed to it once it is complete."""
    remove_old_once(path.parent)
    return path.with_name(f"{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}")


@contextmanager
def temporary_folder(parent: str | Path | None = None) -> Iterator[Path]:
    """A new folder, in the system's folder for temporary files or in another one; in the end it is removed."""
    # Compression comes with it, which few need.
    import tempfile

    parent = tempfile.gettempdir() if parent is None else parent
    remove_old_once(parent)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, suffix=_SUFFIX, dir=parent) as folder:
        # Held as long as the folder is used, and let go of by the system when the process dies.
        descriptor = _locked(folder)
        try:
            yield Path(folder)
        finally:
            if descriptor is not None:
                os.close(descriptor)


def array_or_file(shape: tuple[int, ...], dtype: type[Number], resources: ExitStack) -> NDArray[Number]:
    """An array to be filled, in memory or, of more than the setting TRAINING_MEMORY_BYTES, in a temporary file.

    Args:
        resources: where that file ends with.
    """
    import numpy as np

    if math.prod(shape) * np.dtype(dtype).itemsize <= settings().training_memory_bytes:
        return np.empty(shape, dtype)
    return np.memmap(resources.enter_context(temporary_folder()) / "array", dtype, "w+", shape=shape)


def remove_old_once(folder: str | Path) -> None:
    """`remove_old` in a folder, the first time that this process writes into it."""
    name = str(folder)
    if name in _looked_through:
        return
    if len(_looked_through) >= _MOST_KNOWN:
        _looked_through.clear()
    _looked_through.add(name)
    for path in remove_old(name):
        logger.info("Removed %s, which a killed process had left.", path)


def remove_old(folder: str | Path, below: bool = False) -> list[str]:
    """Remove the old unfinished files and temporary folders in a folder, and return their paths.

    What cannot be read or removed is left.

    Args:
        below: in all folders below it too; links are not followed.
    """
    removed: list[str] = []
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop() or ".") as found:
                entries = list(found)
        except OSError:
            continue
        for entry in entries:
            with suppress(OSError):
                if _is_removed(entry):
                    removed.append(entry.path)
                elif below and entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return removed


def _is_removed(entry: os.DirEntry[str]) -> bool:
    if UNFINISHED.fullmatch(entry.name):
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) and _is_old(status):
            os.unlink(entry.path)
            return True
    elif UNFINISHED_FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
        return _is_folder_removed(entry)
    return False


def _is_folder_removed(entry: os.DirEntry[str]) -> bool:
    """Remove a temporary folder of ours that is old with all that is in it, and that no process holds."""
    import shutil

    if entry.stat(follow_symlinks=False).st_uid != os.getuid() or not _is_all_old(entry.path):
        return False
    descriptor = _locked(entry.path, alone=True)
    if descriptor is None:
        return False
    try:
        shutil.rmtree(entry.path)
        return True
    finally:
        os.close(descriptor)


def _is_all_old(folder: str) -> bool:
    for root, folders, names in os.walk(folder):
        for name in ("", *folders, *names):
            if not _is_old(os.lstat(os.path.join(root, name))):
                return False
    return True


def _is_old(status: os.stat_result) -> bool:
    return time.time() - status.st_mtime > OLD_SECONDS


def _locked(folder: str, alone: bool = False) -> int | None:
    """An open folder that other processes can see to be in use; None where one uses it, or where there are no locks."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
