"""A bucket by obstore: connections are kept and shared, requests are tried again, a body that breaks off is resumed."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from spacer_like.exceptions import ConfigError, InvalidKeyError, SpacerError, StorageUnavailableError
from spacer_like.shown_url import shown_url
from spacer_like.storage.base import Buffer
from spacer_like.storage.ordinary_files import open_ordinary
from spacer_like.storage.s3_account import LEAST_BYTES, Account, checked_endpoint, s3_error
from spacer_like.storage.s3_boto import BotoBucket, missing_credentials

if TYPE_CHECKING:
    from obstore.store import S3Store

Value = TypeVar("Value")

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>", re.ASCII)
_TRIED_AGAIN = re.compile(r"after (\d+) retries")
_REGION = re.compile(r"<Region>([a-z0-9-]{1,32})</Region>")
# Endpoints whose redirects lead to Amazon.
_AMAZON = re.compile(r"https://[a-z0-9.-]+\.amazonaws\.com(\.cn)?/?", re.IGNORECASE | re.ASCII)
# One request up to here; larger values in parts, which appear as one object when the last has come.
_ONE_REQUEST_BYTES = 2**26
_PART_BYTES = 2**24
# Of a file that is not in memory, so many parts are.
_PARTS_AT_ONCE = 4
_FIRST_BACKOFF, _LONGEST_BACKOFF = timedelta(milliseconds=100), timedelta(seconds=5)
# The credentials are asked for again after this time. botocore renews a role's ten minutes before they end.
_CREDENTIALS_LIFE = timedelta(minutes=9)

_runtime_pid: int | None = None


def is_usable() -> bool:
    """Whether obstore works here: not in a child that was forked after its parent had used it."""
    return _runtime_pid in (None, os.getpid())


def can_name(key: str) -> bool:
    """Whether obstore leaves a key as it is: it drops empty parts and refuses ``.`` and control characters."""
    return all(part not in ("", ".", "..") for part in key.split("/")) and not any(
        ord(letter) < 32 or ord(letter) == 127 for letter in key
    )


class _WrongRegionError(Exception):
    def __init__(self, region: str | None) -> None:
        super().__init__(region)
        self.region = region


class _NotPartialError(Exception):
    """A whole object came where a range was asked for."""


class _LongerError(Exception):
    """An object is longer than wanted."""


class ObstoreBucket:
    """A bucket that obstore reads and writes. Threads may share it; it is made anew for another account."""

    def __init__(self, account: Account, name: str, boto_bucket: Callable[[], BotoBucket]) -> None:
        self.name = name
        self._account = account
        self._boto_bucket = boto_bucket
        self._lock = threading.Lock()
        self.is_safe = True
        """Whether nobody gets the session token: obstore follows redirects to any host, and takes it along."""
        self._store = self._new_store(account.region)

    def read(self, key: str) -> bytes:
        import obstore

        return self._body(key, lambda store: obstore.get(store, key))

    def read_range(self, key: str, start: int, length: int) -> bytes:
        import obstore

        options: Any = {"range": (start, start + length)}
        try:
            if not start and length > _ONE_REQUEST_BYTES:
                # A limit rather than a part: mostly the whole object is shorter, and needs no range.
                return self._body(key, lambda store: _no_longer(obstore.get(store, key), length))
        except _LongerError:
            pass
        try:
            return self._body(key, lambda store: obstore.get(store, key, options=options))
        except _NotPartialError:
            # Some servers send a range under the status of a whole object, which obstore takes for one.
            return self._boto_bucket().read_range(key, start, length)

    def _body(self, key: str, request: Callable[[S3Store], Any]) -> bytes:
        # obstore resumes a body that broke off, where the server can; where it cannot, all is asked for again.
        for attempts_left in range(self._account.retries, -1, -1):
            answer = self._done(key, request)
            try:
                with self._translated(key):
                    return self._pieces(key, answer)
            except StorageUnavailableError:
                if not attempts_left:
                    raise
        raise AssertionError

    def _pieces(self, key: str, answer: Any) -> bytes:
        """The body of an answer, as long as it comes faster than it would by dripping."""
        pieces: list[Buffer] = []
        begun, n_bytes = time.monotonic(), 0
        # Each piece as soon as it is there, which takes no longer than all at once.
        for piece in answer.stream(min_chunk_size=1):
            pieces.append(piece)
            n_bytes += len(piece)
            if (now := time.monotonic()) > begun + self._account.timeout_seconds:
                if n_bytes < LEAST_BYTES:
                    raise s3_error(self.name, key, None)
                begun, n_bytes = now, 0
        return b"".join(pieces)

    def write(self, key: str, data: bytes) -> None:
        import obstore

        in_parts = len(data) > _ONE_REQUEST_BYTES
        self._done(key, lambda store: obstore.put(store, key, data, use_multipart=in_parts, chunk_size=_PART_BYTES))

    def write_file(self, key: str, path: Path) -> None:
        import obstore

        if path.stat().st_size <= _ONE_REQUEST_BYTES:
            with open_ordinary(path) as file:
                return self.write(key, file.read())
        options: Any = {"use_multipart": True, "chunk_size": _PART_BYTES, "max_concurrency": _PARTS_AT_ONCE}
        self._done(key, lambda store: obstore.put(store, key, path, **options))
        return None

    @property
    def part_bytes(self) -> int:
        return _PART_BYTES

    def delete(self, key: str) -> None:
        import obstore

        def deleted(store: S3Store) -> None:
            try:
                obstore.delete(store, key)
            except FileNotFoundError as error:
                # Some servers say so; and it may be gone by a request whose answer was lost.
                if _first(_CODE, str(error)) != "NoSuchKey":
                    raise

        self._done(key, deleted)

    def size(self, key: str) -> int:
        import obstore

        return self._done(key, lambda store: obstore.head(store, key)["size"])

    def version(self, key: str) -> str:
        import obstore

        head = self._done(key, lambda store: obstore.head(store, key))
        return f"{head['size']}-{head['e_tag'] or head['last_modified'].isoformat()}"

    def _done(self, key: str, request: Callable[[S3Store], Value]) -> Value:
        store = self._store
        try:
            return self._tried(key, store, request)
        except _WrongRegionError as error:
            self._move(store, error.region)
        try:
            return self._tried(key, self._store, request)
        except _WrongRegionError:
            raise s3_error(self.name, key, 301, "WrongRegion") from None

    def _tried(self, key: str, store: S3Store, request: Callable[[S3Store], Value]) -> Value:
        """Try again where obstore does not: a DELETE whose connection is reset, an upload whose answer breaks off."""
        from obstore.exceptions import BaseError

        with self._translated(key):
            for number in range(self._account.retries):
                try:
                    return request(store)
                except BaseError as error:
                    if not _gave_up_early(str(error), self._account.retries):
                        raise
                longest = min(_FIRST_BACKOFF * 2**number, _LONGEST_BACKOFF)
                time.sleep(longest.total_seconds() * random.uniform(0.5, 1))
            return request(store)

    def _move(self, store: S3Store, region: str | None) -> None:
        """Switch to the bucket's region, unless another thread has done so."""
        with self._lock:
            if self._store is store:
                self._store = self._new_store(region or self._boto_bucket().region)

    def _new_store(self, region: str | None) -> S3Store:
        global _runtime_pid
        from obstore.store import S3Store

        _runtime_pid = os.getpid()
        account = self._account
        session = None if account.anonymous or account.is_complete else account.session()
        # Where nothing is said, boto3 may know an endpoint from its profile.
        endpoint = account.endpoint_url or (None if session is None else _profile_endpoint(account))
        options: dict[str, Any] = {} if endpoint is None else {"endpoint": endpoint, "aws_endpoint_url_s3": endpoint}
        self.is_safe = endpoint is None or _AMAZON.fullmatch(endpoint) is not None or not _has_token(account, session)
        # Said in any case: obstore would take it from the environment, where boto3 knows no such word.
        options["skip_signature"] = account.anonymous
        if session is not None:
            options["credential_provider"] = _credentials(session, self.name)
            region = region or session.region_name
        elif not account.anonymous:
            options["access_key_id"] = account.access_key_id
            options["secret_access_key"] = account.secret_access_key
            if account.session_token:
                options["session_token"] = account.session_token
        try:
            return S3Store(
                self.name,
                region=region or "us-east-1",
                disable_bulk_delete=True,
                client_options=_client_options(account, endpoint),
                retry_config={
                    "max_retries": account.retries,
                    "backoff": {
                        "init_backoff": _FIRST_BACKOFF,
                        "max_backoff": _LONGEST_BACKOFF,
                        "base": 2,
                    },
                },
                **options,
            )
        except Exception as error:
            # obstore's sentence may repeat the endpoint with its password.
            at = f" at '{shown_url(endpoint)}'" if endpoint else ""
            raise ConfigError(
                f"The connection to the bucket '{self.name}'{at} cannot be set up: {type(error).__name__}."
            ) from None

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            raise s3_error(self.name, key, 404, _first(_CODE, str(error))) from None
        except BaseError as error:
            raise _translated(error, self.name, key) from None


def _gave_up_early(text: str, retries: int) -> bool:
    """Whether obstore's text says that a connection broke off, and that it could have tried more often."""
    return "HTTP error" in text and "kind: Timeout" not in text and int(_first(_TRIED_AGAIN, text) or 0) < retries


def _no_longer(answer: Any, length: int) -> Any:
    if answer.meta["size"] > length:
        raise _LongerError
    return answer


def _translated(error: Exception, bucket: str, key: str) -> SpacerError | _WrongRegionError | _NotPartialError:
    text = str(error)
    if "External AWS credential provider" in text:
        return StorageUnavailableError(f"The AWS credentials for the bucket '{bucket}' could not be fetched.")
    if "Received redirect without LOCATION" in text:
        return _WrongRegionError(None)
    if "non-partial response when range requested" in text:
        return _NotPartialError()
    status = _first(_STATUS, text)
    code = _first(_CODE, text)
    if status in ("301", "307", "400") and (region := _first(_REGION, text)):
        return _WrongRegionError(region)
    if status is None and type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError"):
        status = "403"
    return s3_error(bucket, key, int(status) if status else None, code)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def _credentials(session: Any, bucket: str) -> Any:
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider(session, ttl=_CREDENTIALS_LIFE)
    except (ValueError, BotoCoreError):
        raise missing_credentials(bucket) from None


def _has_token(account: Account, session: Any) -> bool:
    from botocore.exceptions import BotoCoreError

    if session is None:
        return not account.anonymous and account.session_token is not None
    try:
        credentials = session.get_credentials()
        return credentials is not None and credentials.get_frozen_credentials().token is not None
    except BotoCoreError:
        # Those that come later may have one.
        return True


def _profile_endpoint(account: Account) -> str | None:
    try:
        endpoint = checked_endpoint(account.client().meta.endpoint_url) or ""
    except ValueError:
        raise ConfigError("The endpoint that the AWS profile names is not a URL.") from None
    return None if re.fullmatch(r"https://s3(\.[a-z0-9-]+)?\.amazonaws\.com", endpoint) else endpoint


def _client_options(account: Account, endpoint: str | None) -> Any:
    options: dict[str, Any] = {
        "allow_http": bool(endpoint and endpoint.startswith("http://")),
        "connect_timeout": timedelta(seconds=min(account.timeout_seconds, 10)),
        "read_timeout": timedelta(seconds=account.timeout_seconds),
        # Silence ends a transfer, not its length: a large file may take its time.
        "timeout": timedelta(hours=12),
    }
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        try:
            with open_ordinary(bundle) as file:
                options["root_certificate"] = file.read()
        except (OSError, InvalidKeyError):
            raise ConfigError(f"The file '{bundle}' that AWS_CA_BUNDLE names cannot be read.") from None
    return options
