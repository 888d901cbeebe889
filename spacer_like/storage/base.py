"""What every storage can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from io import BytesIO
from itertools import islice

from spacer_like import config
from spacer_like.exceptions import InvalidKeyError, SpacerError


class Storage(ABC):
    """A place where bytes are kept under keys. A write is whole or not at all."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """The bytes under a key; `DataNotFoundError` where there are none."""

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Keep bytes under a key, in place of those that were there."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Forget a key."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether anything is kept under a key."""

    @abstractmethod
    def size(self, key: str) -> int:
        """How many bytes are kept under a key; `DataNotFoundError` where there are none."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys that begin with a prefix, in order."""

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """At most `length` bytes from offset `start` on."""
        return self.read(key)[start : start + length]

    def read_many(self, keys: Iterable[str], concurrency: int | None = None) -> Iterator[tuple[str, bytes | SpacerError]]:
        """Every key with its bytes, or with the error that reading it gave, in the order of completion."""
        count = concurrency or config.settings().storage_concurrency
        waiting = iter(keys)
        with ThreadPoolExecutor(count, thread_name_prefix="storage") as readers:
            while chunk := list(islice(waiting, 4 * count)):
                futures = {readers.submit(self.read, key): key for key in chunk}
                for future in as_completed(futures):
                    error = future.exception()
                    if error is not None and not isinstance(error, SpacerError):
                        raise error
                    yield futures[future], error if isinstance(error, SpacerError) else future.result()

    def load(self, key: str) -> BytesIO:
        """The bytes under a key as a stream that stands at its start."""
        return BytesIO(self.read(key))

    def store(self, key: str, stream: BytesIO) -> None:
        """Keep a stream's bytes under a key."""
        self.write(key, stream.getvalue())


def check_key(key: str) -> None:
    """Refuse a key that could lead out of its root.

    Raises:
        InvalidKeyError: an empty key, one with a NUL, or one with a `..` among its parts.
    """
    if not key or "\0" in key or ".." in key.replace("\\", "/").split("/"):
        raise InvalidKeyError(f"The key {key!r} may not be used: it is empty or climbs out of its folder with '..'.")
