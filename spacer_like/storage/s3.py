"""Objects of an S3 bucket, on Amazon or on any compatible server.

obstore does the work; boto3 lends its chain of credentials, and stands in where obstore cannot: see `s3_boto`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from spacer_like.exceptions import DataNotFoundError, InvalidKeyError, SpacerError, StorageUnavailableError
from spacer_like.location import DataLocation
from spacer_like.storage import s3_obstore
from spacer_like.storage.base import check_key, check_range
from spacer_like.storage.ordinary_files import open_ordinary
from spacer_like.storage.remote import RemoteStorage
from spacer_like.storage.s3_account import Account, RangeBeyondEndError, UploadLostError
from spacer_like.storage.s3_boto import BotoBucket
from spacer_like.storage.s3_obstore import ObstoreBucket

Bucket = TypeVar("Bucket", BotoBucket, ObstoreBucket)

_MOST_BUCKETS = 32
"""Clients that are kept, of one account and bucket each: a client of boto3 takes 12 MB."""
_boto_buckets: dict[tuple[Account, str], BotoBucket] = {}
_obstore_buckets: dict[tuple[Account, str], ObstoreBucket] = {}
_inherited: list[object] = []
_lock = threading.RLock()


class S3Storage(RemoteStorage):
    """The objects of one bucket. All storages of a process share their connections to it."""

    def __init__(self, bucket_name: str) -> None:
        self.bucket_name = bucket_name

    def location(self, key: str) -> DataLocation:
        return DataLocation("s3", key, self.bucket_name)

    def read(self, key: str) -> bytes:
        return self._bucket(key).read(key)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        check_range(key, start, length)
        bucket = self._bucket(key)
        if not length:
            # No request can ask for nothing, but a missing key is missing all the same.
            bucket.size(key)
            return b""
        try:
            return bucket.read_range(key, start, length)
        except RangeBeyondEndError:
            return b""

    def write(self, key: str, data: bytes) -> None:
        bucket = self._bucket(key)
        with _confirmed(bucket, key, BytesIO(data)):
            bucket.write(key, data)

    def write_file(self, key: str, path: str | Path, consume: bool = False) -> None:
        bucket = self._bucket(key)
        # A missing object is reported here, as by the other storages.
        with open_ordinary(path) as file, _confirmed(bucket, key, file):
            bucket.write_file(key, Path(path))
        if consume:
            Path(path).unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        self._bucket(key).delete(key)

    def exists(self, key: str) -> bool:
        """Whether there is such an object; False as well where there is no such bucket."""
        try:
            self._bucket(key).size(key)
        except DataNotFoundError:
            return False
        return True

    def size(self, key: str) -> int:
        return self._bucket(key).size(key)

    def version(self, key: str) -> str:
        return self._bucket(key).version(key)

    def list(self, prefix: str = "") -> Iterator[str]:
        if prefix:
            check_key(prefix)
        return _boto_bucket(self.bucket_name).list(prefix)

    def _bucket(self, key: str) -> BotoBucket | ObstoreBucket:
        _check_s3_key(self.bucket_name, key)
        if s3_obstore.is_usable() and s3_obstore.can_name(key):
            found = _shared(
                _obstore_buckets,
                self.bucket_name,
                lambda account, name: ObstoreBucket(account, name, lambda: _boto_bucket(name)),
            )
            if found.is_safe:
                return found
        return _boto_bucket(self.bucket_name)


@contextmanager
def _confirmed(bucket: BotoBucket | ObstoreBucket, key: str, sent: BinaryIO) -> Iterator[None]:
    """Accept an upload that was completed although its answer was lost and S3 no longer knew it in the retry."""
    try:
        yield
    except UploadLostError as error:
        try:
            is_stored = _holds(bucket, key, sent)
        except SpacerError:
            is_stored = False
        if not is_stored:
            raise StorageUnavailableError(str(error)) from None


def _holds(bucket: BotoBucket | ObstoreBucket, key: str, sent: BinaryIO) -> bool:
    """Whether an object is what was sent, by the hash of its parts, or by its bytes where the hash is another one."""
    digests = [hashlib.md5(part, usedforsecurity=False).digest() for part in _parts(sent, bucket.part_bytes)]
    size = sent.tell()
    etag = f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"
    if bucket.version(key) == f'{size}-"{etag}"':
        return True
    return bucket.size(key) == size and all(
        bucket.read_range(key, number * bucket.part_bytes, len(part)) == part
        for number, part in enumerate(_parts(sent, bucket.part_bytes))
    )


def _parts(file: BinaryIO, length: int) -> Iterator[bytes]:
    file.seek(0)
    while part := file.read(length):
        yield part


def _boto_bucket(name: str) -> BotoBucket:
    return _shared(_boto_buckets, name, BotoBucket)


def _shared(buckets: dict[tuple[Account, str], Bucket], name: str, make: Callable[[Account, str], Bucket]) -> Bucket:
    account = Account.current()
    if (found := buckets.get((account, name))) is not None:
        return found
    with _lock:
        if (account, name) not in buckets:
            # The oldest makes room; who uses it still has it.
            while len(buckets) >= _MOST_BUCKETS:
                del buckets[next(iter(buckets))]
            buckets[account, name] = make(account, name)
        return buckets[account, name]


def _check_s3_key(bucket: str, key: str) -> None:
    check_key(key)
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidKeyError(f"The key {key!r} of the bucket '{bucket}' is no valid text.") from None
    if length > 1024:
        raise InvalidKeyError(f"The key '{key[:60]}…' of the bucket '{bucket}' is longer than S3's 1024 bytes.")


def _forget_connections() -> None:
    """A forked child must not write into its parent's connections, nor wait for a lock that a lost thread held."""
    global _lock
    _lock = threading.RLock()
    # Kept alive: to take them down would wait for threads that the child does not have.
    _inherited.append((dict(_boto_buckets), dict(_obstore_buckets)))
    _boto_buckets.clear()
    _obstore_buckets.clear()


os.register_at_fork(after_in_child=_forget_connections)
