"""Ownership of trusted folders, such as caches, whose files decide what is computed.

A file counts as ours where it is an ordinary file of this user or of root that no one else may write, in a folder of
this user or of root in which no one else can put another in its place.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_ROOT = 0


def why_not_ours(path: str | Path) -> str | None:
    """Why another user may have created or changed a path; None where only this user and root can have.

    Args:
        path: of a file or a folder, which need not exist: then the folder that it would be in is asked.

    >>> why_not_ours("/etc/passwd") is None
    True
    """
    if not hasattr(os, "geteuid"):
        return None
    path = Path(os.path.abspath(path))
    # A link on the way may be changed where it lies, and what it leads to where that lies.
    above = dict.fromkeys([*path.parents, *Path(os.path.realpath(path.parent)).parents, path.parent.resolve()])
    try:
        reason = _of_entry(path, path.lstat()) if os.path.lexists(path) else None
        for folder in above:
            if reason is None and folder.exists():
                reason = _of_folder(folder, folder.stat(), folder == path.parent)
    except OSError as error:
        return f"it cannot be seen whose {path} is ({error.strerror})"
    return reason


def make_folder(path: Path) -> None:
    """Make a folder and those above it, as needed, in which only this user may write, whatever the umask."""
    for folder in [*reversed(path.parents), path]:
        if not folder.exists():
            folder.mkdir(0o755, exist_ok=True)


def _of_entry(path: Path, status: os.stat_result) -> str | None:
    if stat.S_ISDIR(status.st_mode):
        return _of_folder(path, status, True)
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is a link, or no ordinary file"
    return _of_owner(path, status) or (f"others may write to {path}" if _others_write(status) else None)


def _of_folder(path: Path, status: os.stat_result, is_nearest: bool) -> str | None:
    # With this bit others may add files, but not take those of this user away.
    is_shared = _others_write(status) and not status.st_mode & stat.S_ISVTX
    if is_shared and not is_nearest and status.st_gid == _ROOT and not status.st_mode & stat.S_IWOTH:
        is_shared = False
    return _of_owner(path, status) or (f"others may write to {path}" if is_shared else None)


def _of_owner(path: Path, status: os.stat_result) -> str | None:
    return None if status.st_uid in (_ROOT, os.geteuid()) else f"{path} belongs to another user"


def _others_write(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_own_group(status.st_gid)


def _is_own_group(gid: int) -> bool:
    """Whether a group has this user as its only member, as many systems make one for each user."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return gid == user.pw_gid != _ROOT and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
