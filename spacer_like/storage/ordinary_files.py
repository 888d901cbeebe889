"""Ordinary files, distinguished from pipes, sockets, devices and virtual files when opened and listed."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from spacer_like.exceptions import InvalidKeyError
from spacer_like.storage.unfinished_files import UNFINISHED, UNFINISHED_FOLDER

# Without O_NONBLOCK, opening a pipe waits for its writer.
_READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def open_ordinary(path: str | Path) -> BufferedReader:
    """A file opened for reading; all reading of files by their paths goes through this function.

    Raises:
        InvalidKeyError: a pipe, a socket, a device, or a file that the system makes up; nobody waits for any of them.
        OSError: the file cannot be opened.
    """
    return open(path, "rb", opener=lambda name, _: open_descriptor(name)[0])


def ordinary_files(folder: str | Path) -> list[str]:
    """The names of the files directly in a folder, links to files included, without unfinished ones.

    Raises:
        OSError: the folder cannot be read.
    """
    return contents(str(folder))[1]


def other_files(folder: str | Path) -> list[str]:
    """The names of what is directly in a folder, and neither a folder nor an ordinary file: pipes, links to nothing.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not _is_folder(entry) and not _is_file(entry)]


def contents(folder: str) -> tuple[list[str], list[str]]:
    """The names of folders, and of ordinary files."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not UNFINISHED_FOLDER.fullmatch(entry.name):
                    folders.append(entry.name)
            elif _is_file(entry) and not UNFINISHED.fullmatch(entry.name):
                files.append(entry.name)
    return folders, files


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        # A link that leads to itself, or to where nobody may look.
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def open_descriptor(path: str) -> tuple[int, int]:
    """The descriptor of a file, for reading, and the file's size."""
    try:
        descriptor = os.open(path, _READING)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV):
            raise _not_ordinary(path, "a socket or a device") from None
        raise
    try:
        # Asked of what was opened: the path may lead elsewhere by now.
        status = os.fstat(descriptor)
        check_ordinary(path, status)
        if not status.st_size:
            _check_empty(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status.st_size


def check_ordinary(path: str | Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError
        raise _not_ordinary(path, _KINDS.get(stat.S_IFMT(status.st_mode), "something else"))


def _check_empty(descriptor: int, path: str) -> None:
    """Refuse a file of size 0 that has bytes, perhaps without end, such as those below /proc."""
    try:
        has_bytes = bool(os.pread(descriptor, 1, 0))
    except OSError:
        has_bytes = True
    if has_bytes:
        raise _not_ordinary(path, "a file that the system makes up")


def check_replaceable(path: str | Path) -> None:
    """Refuse to replace a pipe, a socket or a device; a link to one may be replaced."""
    with suppress(FileNotFoundError):
        status = os.lstat(path)
        if not stat.S_ISLNK(status.st_mode):
            check_ordinary(path, status)


def _not_ordinary(path: str | Path, kind: str) -> InvalidKeyError:
    return InvalidKeyError(f"'{path}' is {kind} and no ordinary file: name a file.")
