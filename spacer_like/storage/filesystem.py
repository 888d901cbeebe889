"""Files by their paths."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from spacer_like.exceptions import (
    AccessDeniedError,
    DataLimitError,
    DataNotFoundError,
    InvalidKeyError,
    SpacerError,
    StorageUnavailableError,
)
from spacer_like.storage.base import Buffer, Storage, check_key, check_range
from spacer_like.storage.ordinary_files import (
    check_ordinary,
    check_replaceable,
    contents,
    open_descriptor,
    open_ordinary,
)
from spacer_like.storage.unfinished_files import UNFINISHED, remove_old_once, unfinished_path

_COPIED_BYTES = 2**24


class FilesystemStorage(Storage):
    """Files by their path, absolute or from the working folder on. Folders are made as needed.

    Only ordinary files: pipes, sockets, devices and files that the system makes up are refused, and not listed.
    """

    def read(self, key: str) -> bytes:
        return self.read_range(key, 0, sys.maxsize)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        check_range(key, start, length)
        # A file object, a path and a context manager would take twice as long as the reading itself of a small file,
        # and threads that decode many files would wait for each other.
        try:
            descriptor, size = open_descriptor(_checked(key))
            try:
                return _range(descriptor, start, min(length, size - start))
            except MemoryError:
                raise DataLimitError(f"The file '{key}' has {size} bytes, more than fit into memory.") from None
            finally:
                os.close(descriptor)
        except (OSError, UnicodeEncodeError) as error:
            raise _error(error, key) from None

    def write(self, key: str, data: bytes) -> None:
        path = _path(key)
        with _translated(key, writing=True):
            mode = _mode_of_ordinary_file(path)
            # A link stays, and the file that it leads to is replaced.
            path = Path(os.path.realpath(path))
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, data, mode)

    def write_many(self, files: Iterable[tuple[str, Sequence[Buffer]]], concurrency: int | None = None) -> None:
        """As `Storage.write_many`, but a loss of power may take files that were written shortly before.

        To wait for the disk after each would take a hundred times as long. Permissions of files that are replaced are
        not kept, and a link is replaced itself.
        """
        token = os.urandom(4).hex()
        made: set[str] = set()
        for number, (key, parts) in enumerate(files):
            check_key(key)
            folder = key.rpartition("/")[0] or ("/" if key.startswith("/") else ".")
            with _translated(key, writing=True):
                if folder not in made:
                    _path(key)
                    Path(folder).mkdir(parents=True, exist_ok=True)
                    remove_old_once(folder)
                    made.add(folder)
                unfinished = f"{folder}/.spacer-{token}{number % 2**32:08x}.unfinished"
                _write_parts(unfinished, parts)
                try:
                    check_replaceable(key)
                    os.replace(unfinished, key)
                except BaseException:
                    with suppress(FileNotFoundError):
                        os.unlink(unfinished)
                    raise

    def write_file(self, key: str, path: str | Path, consume: bool = False) -> None:
        target = _path(key)
        with open_ordinary(path) as source, _translated(key, writing=True):
            mode = _mode_of_ordinary_file(target)
            target = Path(os.path.realpath(target))
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (consume and _move_whole(source, path, target, mode)):
                _write_whole(target, source, mode)
            if consume and not _is_entry_of(path, target):
                Path(path).unlink(missing_ok=True)

    def open(self, key: str) -> BinaryIO:
        with _translated(key):
            return open_ordinary(_path(key))

    @contextmanager
    def temporary_file(self, key: str) -> Iterator[Path]:
        target = _path(key)
        with _translated(key, writing=True):
            _mode_of_ordinary_file(target)
            target = Path(os.path.realpath(target))
            target.parent.mkdir(parents=True, exist_ok=True)
            # On the disk of the result, so that it need not be copied, and of a name that is never listed.
            path = unfinished_path(target)
            # A folder that takes no files is refused before the work is done.
            path.touch()
            path.unlink()
        try:
            yield path
        finally:
            # What could not be removed is no reason to lose the error of the block.
            with suppress(OSError):
                path.unlink()

    def delete(self, key: str) -> None:
        with _translated(key), suppress(FileNotFoundError, NotADirectoryError):
            path = _path(key)
            check_replaceable(path)
            path.unlink()

    def exists(self, key: str) -> bool:
        with _translated(key):
            return _path(key).is_file()

    def version(self, key: str) -> str:
        with _translated(key):
            status = _path(key).stat()
            check_ordinary(key, status)
            return f"{status.st_size}-{status.st_mtime_ns}"

    def exact_version(self, key: str) -> str:
        # A file that is replaced within a tick of the clock has another number.
        with _translated(key):
            status = _path(key).stat()
            check_ordinary(key, status)
            return f"{status.st_dev}-{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"

    def size(self, key: str) -> int:
        with _translated(key):
            status = _path(key).stat()
            check_ordinary(key, status)
            return status.st_size

    def list(self, prefix: str = "") -> Iterator[str]:
        """The files whose path begins with `prefix`: a folder with its slash, or the beginning of a name in it.

        Folders that are links are not entered.
        """
        if prefix:
            check_key(prefix)
        waiting = [prefix[: prefix.rfind("/") + 1]]
        while waiting:
            begin = waiting.pop()
            try:
                folders, names = contents(begin)
            except OSError:
                continue
            # Folders that cannot hold a key of this prefix are not entered.
            waiting += [path for name in folders if _may_begin(path := f"{begin}{name}/", prefix)]
            for name in names:
                if f"{begin}{name}".startswith(prefix):
                    yield f"{begin}{name}"


def _range(descriptor: int, start: int, length: int) -> bytes:
    if length <= 0:
        return b""
    data = os.pread(descriptor, length, start)
    # The system reads no more than 2 GiB at a time.
    while len(data) < length and (more := os.pread(descriptor, length - len(data), start + len(data))):
        data += more
    return data


def _may_begin(folder: str, prefix: str) -> bool:
    return folder.startswith(prefix) or prefix.startswith(folder)


def _path(key: str) -> Path:
    return Path(_checked(key))


def _checked(key: str) -> str:
    check_key(key)
    name = key[key.rfind("/") + 1 :]
    if name in ("", "."):
        raise InvalidKeyError(f"'{key}' is a folder: name a file in it.")
    if UNFINISHED.fullmatch(name):
        raise InvalidKeyError(f"The key '{key}' may not be used: unfinished files are called so.")
    return key


def _mode_of_ordinary_file(path: Path) -> int | None:
    """The permissions of the file that will be replaced, None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    check_ordinary(path, status)
    return stat.S_IMODE(status.st_mode)


def _write_whole(path: Path, data: bytes | BufferedReader, mode: int | None) -> None:
    unfinished = unfinished_path(path)
    # The system applies the umask; asking for it here would change it for other threads.
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            if mode is not None:
                with suppress(PermissionError):
                    os.fchmod(descriptor, mode)
            if isinstance(data, BufferedReader):
                _copy(data, descriptor)
            else:
                rest = memoryview(data).cast("B")
                while rest:
                    rest = rest[file.write(rest) or 0 :]
            os.fsync(descriptor)
        os.replace(unfinished, path)
    except BaseException:
        with suppress(FileNotFoundError):
            unfinished.unlink()
        raise
    _keep_name(path.parent)


def _write_parts(path: str, parts: Sequence[Buffer]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        n_bytes = sum(map(len, parts))
        written = os.writev(descriptor, parts)
        if written < n_bytes:
            rest = memoryview(b"".join(parts))[written:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def _copy(source: BufferedReader, descriptor: int) -> None:
    # Some filesystems share the blocks of the copy instead of copying them.
    with suppress(OSError, AttributeError):
        while os.copy_file_range(source.fileno(), descriptor, _COPIED_BYTES):
            pass
    # Where that is unknown, or ended early, the rest; at the end there is none.
    source.seek(os.lseek(descriptor, 0, os.SEEK_CUR))
    while chunk := source.read(_COPIED_BYTES):
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _move_whole(source: BinaryIO, path: str | Path, target: Path, mode: int | None) -> bool:
    """Move a file by renaming it; False: it lies on another disk, or is a link or has other names."""
    if os.path.islink(path) or os.fstat(source.fileno()).st_nlink != 1:
        return False
    os.fsync(source.fileno())
    unfinished = unfinished_path(target)
    try:
        # It is not to be taken for one that was left here long ago.
        os.utime(source.fileno())
        os.rename(path, unfinished)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    try:
        # Temporary files are for their owner only; a result is as readable as any new file.
        os.chmod(unfinished, mode if mode is not None else _mode_of_new_files(target.parent))
        os.replace(unfinished, target)
    except BaseException:
        with suppress(FileNotFoundError):
            unfinished.unlink()
        raise
    _keep_name(target.parent)
    return True


def _is_entry_of(path: str | Path, target: Path) -> bool:
    """Whether a path leads to the very file that was just written at `target`."""
    try:
        return os.path.samestat(os.lstat(path), os.stat(target))
    except FileNotFoundError:
        return False


def _mode_of_new_files(folder: Path) -> int:
    """The mode that the umask leaves, taken from a new file: reading the umask would change it for other threads."""
    probe = unfinished_path(folder / "probe")
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
        probe.unlink()


def _keep_name(folder: Path) -> None:
    """Make a rename in a folder durable, where the filesystem offers that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _translated(key: str, writing: bool = False) -> Iterator[None]:
    """An error of the operating system as one of this package's."""
    try:
        yield
    except SpacerError:
        raise
    except (OSError, UnicodeEncodeError) as error:
        raise _error(error, key, writing) from None


def _error(error: OSError | UnicodeEncodeError, key: str, writing: bool = False) -> SpacerError:
    match error:
        case UnicodeEncodeError():
            return InvalidKeyError(f"The key {key!r} cannot be the name of a file.")
        case FileNotFoundError() if writing:
            return InvalidKeyError(f"No file can be made at '{key}': its folder takes none.")
        case FileNotFoundError():
            return DataNotFoundError(f"There is no file '{key}'.")
        case IsADirectoryError():
            return InvalidKeyError(f"'{key}' is a folder: name a file in it.")
        case NotADirectoryError() | FileExistsError() if writing:
            return InvalidKeyError(f"'{key}' leads through a file as if that were a folder.")
        case NotADirectoryError() | FileExistsError():
            return DataNotFoundError(f"There is no file '{key}'.")
        case PermissionError():
            return AccessDeniedError(f"The permissions of '{key}' or its folder forbid this.")
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL):
        return InvalidKeyError(f"The key '{key}' cannot be the name of a file: {error.strerror}.")
    if error.errno == errno.EROFS:
        return AccessDeniedError(f"'{key}' lies on a disk that can only be read.")
    return StorageUnavailableError(f"The file '{key}' cannot be {'written' if writing else 'read'}: {error.strerror}.")
