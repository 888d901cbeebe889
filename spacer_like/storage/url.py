"""Downloads from URLs, which may come from strangers.

Only http and https; only addresses of the public internet, checked at every redirect and connected to as checked,
unless the setting URL_ALLOW_PRIVATE allows others; at most MAX_DOWNLOAD_BYTES, and URL_TOTAL_TIMEOUT_SECONDS from the
request to the last byte. Proxies that the environment names are not used: see `http_connection`.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NoReturn
from urllib.parse import urljoin

from spacer_like import config
from spacer_like.exceptions import (
    DataLimitError,
    InvalidKeyError,
    ReadOnlyStorageError,
    SpacerInputError,
    URLDownloadError,
    reason_of,
)
from spacer_like.location import DataLocation
from spacer_like.shown_url import shown_url
from spacer_like.storage.base import check_range
from spacer_like.storage.http_connection import (
    CheckedConnection,
    Deadline,
    parsed,
    request_headers,
    request_target,
)
from spacer_like.storage.remote import RemoteStorage

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 10
PASSING_STATUSES = frozenset({408, 425, 429})
"""Statuses below 500 after which trying again may help; from 500 on it may after all."""
_CHUNK_BYTES = 2**18
_REFUSAL_BYTES = 2**16


class HTTPStatusError(Exception):
    """An answer that is not a success; ``status`` is its number."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return f"the server answered {self.status} {http.client.responses.get(self.status, '')}".rstrip()


class IncompleteBodyError(Exception):
    """A body that ended before its announced length."""


@dataclass(frozen=True)
class Answer:
    """A server's answer; the body of a refusal is empty, or cut after 64 KiB."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class DownloadLimits:
    """The limits of a download.

    Fields:
        silence_seconds: how long the server may be silent; total_seconds: until the last byte.
        most_bytes: of the body.
        keeps_refusals: whether the body of an answer that is no success is read, as far as 64 KiB.
    """

    silence_seconds: float
    total_seconds: float
    most_bytes: int
    keeps_refusals: bool = False


class URLStorage(RemoteStorage):
    """A read-only storage whose keys are URLs."""

    def location(self, key: str) -> DataLocation:
        return DataLocation("url", key)

    def read(self, key: str) -> bytes:
        """The body of the answer.

        Raises:
            URLDownloadError: it cannot be downloaded; transient where trying again may help.
            DataLimitError: it is longer than the setting MAX_DOWNLOAD_BYTES.
        """
        return _fetched(key).body

    def read_range(self, key: str, start: int, length: int) -> bytes:
        check_range(key, start, length)
        if not length:
            _fetched(key, "HEAD")
            return b""
        answer = _fetched(key, headers={"Range": f"bytes={start}-{start + length - 1}"}, accepted=(200, 206, 416))
        if answer.status == 416:
            return b""
        if answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {start}-"):
            return answer.body[:length]
        body = answer.body if answer.status == 200 else self.read(key)
        return body[start : start + length]

    def exists(self, key: str) -> bool:
        """Whether the server answers a HEAD request with a success.

        False after any failure: a server need not answer such a question, nor truthfully.
        """
        try:
            _fetched(key, "HEAD")
        except (URLDownloadError, InvalidKeyError):
            return False
        return True

    def size(self, key: str) -> int:
        length = _fetched(key, "HEAD").headers.get("Content-Length") or ""
        return int(length) if length.isdecimal() else len(self.read(key))

    def version(self, key: str) -> str:
        headers = _fetched(key, "HEAD").headers
        marks = (headers.get(name) or "" for name in ("Content-Length", "ETag", "Last-Modified"))
        # Whatever a server sends, it is short.
        return "-".join(marks)[:1000]

    def exact_version(self, key: str) -> str | None:
        version = self.version(key)
        # A length alone says little.
        return version if any(version.split("-", 1)[1:]) and version.split("-", 1)[1] != "-" else None

    def open(self, key: str) -> BinaryIO:
        answer = _fetched(key, headers={"Range": "bytes=0-0"}, accepted=(200, 206, 416))
        # A server that knows no ranges has sent all.
        return super().open(key) if answer.status == 206 else BytesIO(answer.body)

    def write_file(self, key: str, path: str | Path, consume: bool = False) -> NoReturn:
        self.write(key, b"")

    def write(self, key: str, data: bytes) -> NoReturn:
        raise ReadOnlyStorageError(f"Store operation not supported for URL storage: '{shown(key)}'.")

    def delete(self, key: str) -> NoReturn:
        raise ReadOnlyStorageError(f"Delete operation not supported for URL storage: '{shown(key)}'.")

    def list(self, prefix: str = "") -> Iterator[str]:
        raise ReadOnlyStorageError(f"URLs cannot be listed: '{shown(prefix)}'.")


def _fetched(
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    accepted: tuple[int, ...] = (),
) -> Answer:
    """The answer to a request, after its redirects, if it is a success or of an accepted status."""
    settings = config.settings()
    limits = DownloadLimits(
        settings.url_timeout_seconds, settings.url_total_timeout_seconds, settings.max_download_bytes
    )
    answer = answer_of(url, limits, method, headers)
    if 200 <= answer.status < 300 or answer.status in accepted:
        return answer
    is_passing = answer.status >= 500 or answer.status in PASSING_STATUSES
    raise URLDownloadError(_failed(url), HTTPStatusError(answer.status), is_passing)


def answer_of(
    url: str, limits: DownloadLimits, method: str = "GET", headers: Mapping[str, str] | None = None
) -> Answer:
    """The answer to a request, after its redirects, of whatever status it is.

    Raises:
        URLDownloadError: there is none; transient where trying again may help.
        DataLimitError: its body is too long.
    """
    deadline = Deadline(limits.total_seconds)
    target = url
    for _ in range(_MOST_REDIRECTS + 1):
        answer = _asked(url, target, method, headers or {}, limits, deadline)
        following = answer.headers.get("Location")
        if answer.status not in _REDIRECTS or not following:
            return answer
        with _translated(url):
            # A Location may hold letters of Latin 1 that were UTF-8; the old place's password stays behind.
            target = urljoin(target, following.encode("latin-1", "replace").decode("utf-8", "replace"))
    raise URLDownloadError(_failed(url), InvalidKeyError(f"more than {_MOST_REDIRECTS} redirects"))


def _asked(
    url: str, target: str, method: str, headers: Mapping[str, str], limits: DownloadLimits, deadline: Deadline
) -> Answer:
    """The answer of one server; `url` is what the caller asked for, and what errors name."""
    with _translated(url):
        deadline.check()
        parts = parsed(target)
        is_private_allowed = config.settings().url_allow_private
        connection = CheckedConnection(parts, limits.silence_seconds, deadline, is_private_allowed)
    response: http.client.HTTPResponse | None = None
    try:
        with _translated(url), connection.bounded():
            connection.request(method, request_target(parts), headers={**request_headers(parts), **headers})
            response = connection.getresponse()
        with _translated(url, in_body=True), connection.bounded():
            body = b""
            if method == "GET" and 200 <= response.status < 300:
                body = _body(url, response, limits.most_bytes)
            elif limits.keeps_refusals:
                body = response.read(_REFUSAL_BYTES)
        return Answer(response.status, response.headers, body)
    finally:
        if response is not None:
            response.close()
        connection.close()


def _body(url: str, response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    announced = response.length
    if announced is not None and announced > most_bytes:
        raise _too_large(url, most_bytes)
    chunks: list[bytes] = []
    count = 0
    while chunk := response.read(_CHUNK_BYTES):
        chunks.append(chunk)
        count += len(chunk)
        if count > most_bytes:
            raise _too_large(url, most_bytes)
    if announced is not None and count < announced:
        raise IncompleteBodyError(f"{count} of {announced} bytes came")
    return b"".join(chunks)


def _too_large(url: str, most_bytes: int) -> DataLimitError:
    is_setting = most_bytes == config.settings().max_download_bytes
    limit = "the limit that the setting MAX_DOWNLOAD_BYTES sets" if is_setting else "more than is read of it"
    return DataLimitError(f"The URL '{shown(url)}' holds more than {most_bytes} bytes, {limit}.")


def shown(url: str) -> str:
    """A URL as errors and logs name it: without its password, and without a query, which may be a signature."""
    return shown_url(url)


def _failed(url: str) -> str:
    return f"Failed to download from the URL '{shown(url)}'."


@contextmanager
def _translated(url: str, in_body: bool = False) -> Iterator[None]:
    """An error of the network as one of this package's."""
    try:
        yield
    except DataLimitError:
        raise
    except (OSError, http.client.HTTPException, ValueError, IncompleteBodyError) as error:
        if isinstance(error, http.client.HTTPException):
            # Whatever a server sends, what is kept of it is short.
            error.args = (reason_of(error),)
        message = f"Couldn't read the full response from the URL '{shown(url)}'." if in_body else _failed(url)
        raise URLDownloadError(message, error, _is_passing(error)) from None


def _is_passing(error: Exception) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno != socket.EAI_NONAME
    if isinstance(error, SpacerInputError | ssl.SSLCertVerificationError | http.client.InvalidURL | UnicodeError):
        return False
    return isinstance(error, OSError | http.client.HTTPException | IncompleteBodyError)
