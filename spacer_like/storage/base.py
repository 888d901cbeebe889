"""The base class of storages."""

from __future__ import annotations

import concurrent.futures
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, TypeVar

from spacer_like import config
from spacer_like.exceptions import InvalidKeyError, SpacerError
from spacer_like.storage.ordinary_files import open_ordinary
from spacer_like.storage.unfinished_files import temporary_folder

Item = TypeVar("Item")
Value = TypeVar("Value")


def outcomes(
    work: Callable[[Item], Value], items: Iterable[Item], concurrency: int
) -> Generator[tuple[Item, Value | SpacerError], None, None]:
    """Every item with what `work` made of it, or with the `SpacerError` it raised, in the order of completion.

    At most `concurrency` values wait or are in the making at a time, so that a slow consumer slows the work down
    instead of filling the memory. Other exceptions than a `SpacerError` are raised here. A consumer that stops early
    waits for what is in the making, and nothing more is begun. Who gives this a name and raises closes it before: an
    error keeps the names of its function alive.
    """
    done: SimpleQueue[tuple[Item, Value | BaseException]] = SimpleQueue()

    def one(item: Item) -> None:
        try:
            done.put((item, work(item)))
        except BaseException as error:
            done.put((item, error))

    own: set[int] = set()
    waiting = iter(items)
    first = list(islice(waiting, max(concurrency, 1)))
    workers = concurrent.futures.ThreadPoolExecutor(
        max(len(first), 1), thread_name_prefix="spacer-storage", initializer=lambda: own.add(threading.get_ident())
    )
    try:
        for item in first:
            workers.submit(one, item)
        running = len(first)
        while running:
            item, outcome = done.get()
            running -= 1
            if isinstance(outcome, BaseException) and not isinstance(outcome, SpacerError):
                raise outcome
            for following in islice(waiting, 1):
                workers.submit(one, following)
                running += 1
            yield item, outcome
    finally:
        # Where nobody closes this, the garbage collector does, in any thread: a worker cannot wait for itself.
        workers.shutdown(wait=threading.get_ident() not in own, cancel_futures=True)


Buffer = bytes | bytearray | memoryview


class Storage(ABC):
    """A storage of bytes under keys.

    A write is whole or not at all, and a reader sees the old bytes or the new ones. Deleting what is not there is no
    error: a task that is done twice must not fail the second time.
    """

    @abstractmethod
    def read(self, key: str) -> bytes:
        """The bytes under a key.

        Raises:
            DataNotFoundError: nothing is stored under the key.
            AccessDeniedError: the storage refuses.
            StorageUnavailableError: the storage does not answer, or broke off.
        """

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Store bytes under a key, replacing those that were there."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete a key, if it exists."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether anything is stored under a key."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys that begin with the text `prefix`, in no promised order."""

    def size(self, key: str) -> int:
        """How many bytes are stored under a key; errors as `read`."""
        return len(self.read(key))

    def version(self, key: str) -> str:
        """A text that changes when the bytes under a key do; errors as `read`.

        A storage of one's own that says nothing else notices only another size.
        """
        return f"{self.size(key)}"

    def exact_version(self, key: str) -> str | None:
        """As `version`, where another value under the key is sure to have another one; None where that is not sure."""
        return None if type(self).version is Storage.version else self.version(key)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """The bytes ``read(key)[start : start + length]``; past the end there are fewer, or none.

        Raises:
            InvalidKeyError: a negative start or length; other errors as `read`.
        """
        check_range(key, start, length)
        return self.read(key)[start : start + length]

    def open(self, key: str) -> BinaryIO:
        """A file object over the bytes under a key, of which no more than a part is held; errors as `read`.

        One thread at a time may use it. A storage of one's own that says nothing else holds all bytes.
        """
        return BytesIO(self.read(key))

    def write_file(self, key: str, path: str | Path, consume: bool = False) -> None:
        """Keep the bytes of a local file under a key, whole or not at all.

        The storages of this package do not hold the bytes in memory, but for the one that is the memory.

        Args:
            consume: the file at `path` is not needed any more: it is gone afterwards, and was moved where that is
                possible.
        """
        with open_ordinary(path) as file:
            data = file.read()
        self.write(key, data)
        if consume:
            Path(path).unlink(missing_ok=True)
            if not self.exists(key):
                # The key is that very file, in a storage that keeps files.
                self.write(key, data)

    @contextmanager
    def temporary_file(self, key: str) -> Iterator[Path]:
        """The path of a local file that may be made, and that `write_file` will store under a key.

        Whatever is left of it in the end is removed.
        """
        with temporary_folder() as folder:
            yield folder / "unfinished"

    def read_many(
        self, keys: Iterable[str], concurrency: int | None = None
    ) -> Iterator[tuple[str, bytes | SpacerError]]:
        """Every key with its bytes, or with the error that reading it gave, in the order of completion.

        Never more than `concurrency` values are held, however many keys there are; None is the setting
        STORAGE_CONCURRENCY.
        """
        return outcomes(self.read, keys, concurrency or config.settings().storage_concurrency)

    def write_many(self, files: Iterable[tuple[str, Sequence[Buffer]]], concurrency: int | None = None) -> None:
        """Keep many small values, each whole or not at all; an error ends it where it is.

        Args:
            files: keys with the parts of their values, which need to stay as they are only until the next is asked for.
            concurrency: how many are written at once; None is the setting STORAGE_CONCURRENCY.
        """
        values = ((key, b"".join(parts)) for key, parts in files)
        for _, outcome in outcomes(
            lambda value: self.write(*value), values, concurrency or config.settings().storage_concurrency
        ):
            if isinstance(outcome, SpacerError):
                raise outcome

    def load(self, key: str) -> BytesIO:
        """The bytes under a key, as a stream that stands at its start."""
        return BytesIO(self.read(key))

    def store(self, key: str, stream: BytesIO) -> None:
        """Keep the whole contents of a stream under a key, wherever the stream stands."""
        self.write(key, stream.getvalue() if isinstance(stream, BytesIO) else stream.read())


def check_key(key: str) -> None:
    """Refuse a key that no storage takes.

    Raises:
        InvalidKeyError: the key is empty, has a NUL, or has a `..` among its parts, which could lead out of its folder.
    """
    if not key:
        raise InvalidKeyError("A key may not be empty.")
    if "\0" in key:
        raise InvalidKeyError(f"The key {key!r} may not be used: it has a NUL character.")
    if ".." in key and ".." in key.replace("\\", "/").split("/"):
        raise InvalidKeyError(f"The key '{key}' may not be used: it has '..' among its parts.")


def check_range(key: str, start: int, length: int) -> None:
    """Refuse a range that begins before the first byte, or has a negative length, as an `InvalidKeyError`."""
    if start < 0 or length < 0:
        raise InvalidKeyError(f"The range of '{key}' from {start} of length {length} may not be negative.")
