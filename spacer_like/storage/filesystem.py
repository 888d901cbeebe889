"""Files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spacer_like.exceptions import AccessDeniedError, DataNotFoundError, InvalidKeyError, StorageUnavailableError
from spacer_like.storage.base import Storage, check_key

_UNFINISHED = ".spacer-like-unfinished-"


class FilesystemStorage(Storage):
    """Files by their path, absolute or from the working folder on."""

    def read(self, key: str) -> bytes:
        with _told(key):
            return _path(key).read_bytes()

    def read_range(self, key: str, start: int, length: int) -> bytes:
        with _told(key), _path(key).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def write(self, key: str, data: bytes) -> None:
        path = _path(key)
        with _told(key):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                umask = os.umask(0)
                os.umask(umask)
                os.chmod(unfinished, 0o666 & ~umask)
                os.replace(unfinished, path)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(unfinished)
                raise

    def delete(self, key: str) -> None:
        with _told(key):
            _path(key).unlink()

    def exists(self, key: str) -> bool:
        return _path(key).exists()

    def size(self, key: str) -> int:
        with _told(key):
            return _path(key).stat().st_size

    def list(self, prefix: str = "") -> Iterator[str]:
        folder = Path(prefix if prefix.endswith("/") or not prefix else os.path.dirname(prefix) or ".")
        found = (
            os.path.join(root, name) if str(folder) != "." else os.path.relpath(os.path.join(root, name))
            for root, _, names in os.walk(folder)
            for name in names
            if not name.startswith(_UNFINISHED)
        )
        return iter(sorted(path for path in found if path.startswith(prefix)))


def _path(key: str) -> Path:
    check_key(key)
    return Path(key)


@contextmanager
def _told(key: str) -> Iterator[None]:
    """What the operating system says, as one of our errors."""
    try:
        yield
    except FileNotFoundError:
        raise DataNotFoundError(f"There is no file '{key}'.") from None
    except (IsADirectoryError, NotADirectoryError):
        raise InvalidKeyError(f"'{key}' leads to a folder or through a file, and not to a file.") from None
    except PermissionError:
        raise AccessDeniedError(f"The permissions of '{key}' forbid this.") from None
    except OSError as error:
        raise StorageUnavailableError(f"The file '{key}' cannot be reached: {error.strerror}.") from None
