"""A bucket through boto3: for listing, for keys that obstore cannot name, and for forked processes.

obstore runs on threads that a forked child does not inherit, and it knows no key with an empty part, such as ``a//b``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from spacer_like.exceptions import ConfigError, InvalidKeyError, StorageUnavailableError
from spacer_like.storage.s3_account import LEAST_BYTES, Account, s3_error

Value = TypeVar("Value")

_ONE_REQUEST_BYTES = 2**26
_PART_BYTES = 2**24


class BotoBucket:
    """A bucket that boto3 reads and writes. Threads may share it."""

    def __init__(self, account: Account, name: str) -> None:
        self.name = name
        self._client = account.client()
        self._retries = account.retries
        self._timeout_seconds = account.timeout_seconds

    def read(self, key: str) -> bytes:
        return self._answer(key)[0]

    def read_range(self, key: str, start: int, length: int) -> bytes:
        body, is_partial = self._answer(key, Range=f"bytes={start}-{start + length - 1}")
        return body if is_partial else body[start : start + length]

    def _answer(self, key: str, **options: Any) -> tuple[bytes, bool]:
        # boto3 itself tries again until an answer begins, but not once it has broken off.
        for attempts_left in range(self._retries, -1, -1):
            with self._translated(key):
                answer = self._client.get_object(Bucket=self.name, Key=key, **options)
            try:
                with self._translated(key):
                    return _body(answer["Body"], self._timeout_seconds), "ContentRange" in answer
            except StorageUnavailableError:
                if not attempts_left:
                    raise
        raise AssertionError

    def write(self, key: str, data: bytes) -> None:
        with self._translated(key):
            self._client.upload_fileobj(BytesIO(data), self.name, key, Config=_transfer_options())

    def write_file(self, key: str, path: Path) -> None:
        with self._translated(key):
            # By its name: of an open file, boto3 holds every part until the last has come.
            self._client.upload_file(str(path), self.name, key, Config=_transfer_options())

    @property
    def part_bytes(self) -> int:
        return _PART_BYTES

    def delete(self, key: str) -> None:
        from botocore.exceptions import ClientError

        with self._translated(key):
            try:
                self._client.delete_object(Bucket=self.name, Key=key)
            except ClientError as error:
                # Some servers say so; and it may be gone by a request whose answer was lost.
                if _code(error) != "NoSuchKey":
                    raise

    def version(self, key: str) -> str:
        with self._translated(key):
            head = self._client.head_object(Bucket=self.name, Key=key)
            return f"{head['ContentLength']}-{head.get('ETag') or head['LastModified'].isoformat()}"

    def size(self, key: str) -> int:
        with self._translated(key):
            size: int = self._client.head_object(Bucket=self.name, Key=key)["ContentLength"]
            return size

    def list(self, prefix: str) -> Iterator[str]:
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix))
        seconds = (self._retries + 1) * (self._timeout_seconds + 60)
        while True:
            with self._translated(prefix):
                page = _timely(lambda: next(pages, None), seconds, lambda: 0)
            if page is None:
                return
            for entry in page.get("Contents", ()):
                yield entry["Key"]

    @cached_property
    def region(self) -> str | None:
        """The region of the bucket, which S3 reports even to those who may not read it."""
        from botocore.exceptions import ClientError

        with self._translated(""):
            try:
                answer = self._client.head_bucket(Bucket=self.name)
            except ClientError as error:
                answer = error.response
        headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
        region: str | None = headers.get("x-amz-bucket-region")
        return region

    def _translated(self, key: str) -> Any:
        return _translated(self.name, key)


def _body(stream: Any, seconds: float) -> bytes:
    chunks: list[bytes] = []

    def read() -> bytes:
        while chunk := stream.read(LEAST_BYTES):
            chunks.append(chunk)
        return b"".join(chunks)

    return _timely(read, seconds, lambda: len(chunks))


def _timely(work: Callable[[], Value], seconds: float, progress: Callable[[], int]) -> Value:
    """The value of some work, done by another thread, as long as there is progress within so many seconds.

    boto3 notices silence, but not an answer that drips. Nobody waits any more for the thread that waits for such a one.

    Raises:
        TimeoutError: there was no progress.
    """
    result: Future[Value] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    try:
        threading.Thread(target=run, name="spacer-boto3", daemon=True).start()
    except RuntimeError:
        # While the interpreter shuts down, no thread begins.
        return work()
    while True:
        before = progress()
        try:
            return result.result(seconds)
        except FutureTimeoutError:
            if result.done():
                return result.result()
            if progress() == before:
                raise TimeoutError("There was no progress.") from None


def _transfer_options() -> Any:
    from boto3.s3.transfer import TransferConfig

    # Threads of its own would fail while the interpreter shuts down.
    return TransferConfig(use_threads=False, multipart_threshold=_ONE_REQUEST_BYTES, multipart_chunksize=_PART_BYTES)


@contextmanager
def _translated(bucket: str, key: str) -> Iterator[None]:
    """An error of boto3 as one of this package's."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        raise s3_error(bucket, key, status, _code(error)) from None
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.NoRegionError):
        raise missing_credentials(bucket) from None
    except boto.ParamValidationError:
        raise InvalidKeyError(f"S3 takes no such names as 's3://{bucket}/{key}'.") from None
    except Boto3Error as error:
        # The transfer of an upload hides its cause in a text.
        cause = error.__context__
        if isinstance(cause, boto.ClientError):
            status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            raise s3_error(bucket, key, status, _code(cause)) from None
        raise s3_error(bucket, key, None) from None
    # The others come out of botocore's reading of answers that are malformed.
    except (boto.BotoCoreError, OSError, ValueError, LookupError, RecursionError):
        raise s3_error(bucket, key, None) from None


def _code(error: Any) -> str | None:
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if re.fullmatch(r"(?!\d+$)\w{1,64}", code, re.ASCII) else None


def missing_credentials(bucket: str) -> ConfigError:
    return ConfigError(
        f"No AWS credentials were found for the bucket '{bucket}': set AWS_PROFILE_NAME, AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or AWS_ANONYMOUS for a public one."
    )
