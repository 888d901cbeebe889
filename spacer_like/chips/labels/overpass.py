"""Asking an Overpass server for the tagged elements in a cell.

The server says in five ways that it does not answer: by HTTP 400 where it does not understand, 429 where one has asked
too much, 504 and others where it is busy, by an answer that breaks off, and by HTTP 200 with a ``remark``, whose
elements are not all. Protocol: https://wiki.openstreetmap.org/wiki/Overpass_API, and the OverpassQL page beside it.
"""

from __future__ import annotations

import http.client
import logging
import re
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any, NoReturn
from urllib.parse import quote

from spacer_like import config
from spacer_like.chips.geography import Box
from spacer_like.chips.labels.map_elements import MOST_BYTES, read_json
from spacer_like.chips.messages.labels import MOST_SECONDS, MOST_SERVER_BYTES
from spacer_like.exceptions import (
    DataLimitError,
    MapDataError,
    StorageUnavailableError,
    TransientError,
    URLDownloadError,
)
from spacer_like.location import DataLocation
from spacer_like.storage.url import PASSING_STATUSES, Answer, DownloadLimits, answer_of

logger = logging.getLogger(__name__)

LONGEST_WAIT = 600.0
"""Seconds that are waited at most before one more attempt."""
_LONGEST_REASON = 300
_OUT_OF_MEMORY = "out of memory"
_OUT_OF_TIME = "timed out"


class _BusyError(Exception):
    """An attempt that failed for a passing reason; `wait` is what the server asks for, in seconds, if it does."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


@dataclass(frozen=True)
class OverpassServer:
    """A server to ask.

    Fields:
        endpoint: the URL of its interpreter; its query and password are kept out of errors and logs.
        timeout: seconds that it may take for a query; max_bytes: memory that it may use.
        attempts: how often it is asked at most, where it is busy or breaks off.
        first_wait: seconds before the second attempt, twice as long before each one after it, unless the server says
            how long; never more than `LONGEST_WAIT`.
        sleep: waits so many seconds.
    """

    endpoint: str
    timeout: int = 180
    max_bytes: int = 2**29
    attempts: int = 5
    first_wait: float = 5.0
    sleep: Callable[[float], None] = time.sleep

    @property
    def name(self) -> str:
        """The server's name in errors."""
        return f"the map server '{DataLocation('url', self.endpoint).display_name}'"

    def elements(self, boxes: Sequence[Box], cell: str) -> tuple[list[Any], int]:
        """All tagged elements in some boxes, with their geometry, and how often the server was asked.

        Args:
            boxes: west, south, east, north in degrees.
            cell: what errors call the cell.

        Raises:
            StorageUnavailableError: it stayed busy, or broke off each time, or asks to wait too long.
            MapDataError: it refuses the query, needs more memory for it, or is no Overpass server.
            URLDownloadError: the URL may not be asked.
            DataLimitError: it answers more than is read.
        """
        url = self._url(boxes)
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._elements(url, cell), attempt
            except _BusyError as busy:
                wait = self._wait(busy, cell, attempt)
                logger.info("%s %s for %s: asking again in %g seconds", _begun(self.name), busy.reason, cell, wait)
            self.sleep(wait)

    def _wait(self, busy: _BusyError, cell: str, attempt: int) -> float:
        """Seconds until the next attempt, if there may be one."""
        wait = min(self.first_wait * 2 ** (attempt - 1), LONGEST_WAIT) if busy.wait is None else busy.wait
        times = "once" if attempt == 1 else f"{attempt} times"
        asked = f"{_begun(self.name)} was asked {times} for {cell}, and at last {busy.reason}"
        if wait > LONGEST_WAIT:
            raise StorageUnavailableError(f"{asked}, and asks to wait {wait:.0f} seconds: try again after them.")
        if attempt >= self.attempts:
            raise StorageUnavailableError(f"{asked}: try again later.")
        return wait

    def _elements(self, url: str, cell: str) -> list[Any]:
        settings = config.settings()
        limits = DownloadLimits(
            # The server is silent while it works.
            self.timeout + settings.url_timeout_seconds,
            self.timeout + settings.url_total_timeout_seconds,
            min(MOST_BYTES, settings.max_download_bytes),
            keeps_refusals=True,
        )
        try:
            answer = answer_of(url, limits, headers={"Accept-Encoding": "gzip"})
        except URLDownloadError as error:
            if not isinstance(error, TransientError):
                raise
            cause = error.original_error
            raise _BusyError(f"broke off ({type(cause).__name__}: {_plain(str(cause))})") from None
        body = self._body(answer)
        if answer.status >= 500 or answer.status in PASSING_STATUSES:
            raise _BusyError(f"answered {_status(answer)}", _retry_after(answer))
        if not 200 <= answer.status < 300:
            raise MapDataError(f"{_begun(self.name)} refuses to answer for {cell}: {_status(answer)}{_reason(body)}.")
        return self._checked(body, cell)

    def _body(self, answer: Answer) -> bytes:
        if (answer.headers.get("Content-Encoding") or "").strip().lower() not in ("gzip", "x-gzip"):
            return answer.body
        unpacking = zlib.decompressobj(wbits=31)
        try:
            body = unpacking.decompress(answer.body, MOST_BYTES)
        except zlib.error:
            raise _BusyError("sent damaged data") from None
        if unpacking.unconsumed_tail:
            raise DataLimitError(f"{_begun(self.name)} answers more than {MOST_BYTES // 2**20} MiB.")
        if not unpacking.eof and answer.status == 200:
            raise _BusyError("broke off in the middle of its answer")
        return body

    def _checked(self, body: bytes, cell: str) -> list[Any]:
        """The elements of an answer that is whole."""
        begin = body[:100].lstrip()
        if not begin.startswith(b"{"):
            if not begin or b"too busy" in body[: 2**16] or b"Dispatcher" in body[: 2**16]:
                raise _BusyError(f"answered without data{_reason(body)}")
            raise MapDataError(
                f"{_begun(self.name)} answers no JSON: give the URL of an Overpass interpreter, such as "
                "https://host/api/interpreter."
            )
        try:
            found = read_json(body, self.name)
        except MapDataError:
            # Without an announced length, an answer that breaks off looks like this.
            raise _BusyError("broke off in the middle of its answer, or sent no JSON") from None
        if remark := found.get("remark"):
            self._refuse_remark(str(remark), cell)
        elements = found.get("elements")
        if not isinstance(elements, list):
            raise MapDataError(f"{_begun(self.name)} answers JSON without elements: it is no Overpass server.")
        return elements

    def _refuse_remark(self, remark: str, cell: str) -> NoReturn:
        if _OUT_OF_MEMORY in remark:
            raise MapDataError(
                f"{_begun(self.name)} needs more than max_bytes, {self.max_bytes}, for {cell}: allow more by "
                f"--max-bytes, at most {MOST_SERVER_BYTES}, or read an extract instead of asking a server."
            )
        reason = f"answered with a part of the elements: {_plain(remark)}"
        if _OUT_OF_TIME in remark:
            reason += f" (it had {self.timeout} seconds: allow more by --timeout, at most {MOST_SECONDS})"
        raise _BusyError(reason)

    def _url(self, boxes: Sequence[Box]) -> str:
        # By GET, whose query survives redirects. What follows a # is not sent.
        endpoint = self.endpoint.partition("#")[0]
        query = quote(query_text(boxes, self.timeout, self.max_bytes), safe="")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}data={query}"


def query_text(boxes: Sequence[Box], timeout: int, max_bytes: int) -> str:
    """The query for all elements with tags in some boxes (west, south, east, north in degrees), in Overpass QL.

    >>> query_text([(24.9257600, 60.15, 25.01, 60.2)], 180, 2**29)
    '[out:json][timeout:180][maxsize:536870912];nwr[~"."~"."](60.1500000,24.9257600,60.2000000,25.0100000);out geom;'
    """
    parts = [f'nwr[~"."~"."]({south:.7f},{west:.7f},{north:.7f},{east:.7f});' for west, south, east, north in boxes]
    wanted = parts[0] if len(parts) == 1 else f"({''.join(parts)});"
    return f"[out:json][timeout:{timeout}][maxsize:{max_bytes}];{wanted}out geom;"


def _retry_after(answer: Answer) -> float | None:
    """The seconds that a server asks to wait (RFC 9110, 10.2.3), as a number or until a date."""
    text = (answer.headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or timezone.utc) - datetime.now(timezone.utc)).total_seconds(), 0.0)


def _status(answer: Answer) -> str:
    return f"{answer.status} {http.client.responses.get(answer.status, '')}".rstrip()


def _reason(body: bytes) -> str:
    """The error in a page of HTML as the end of a sentence; empty where there is none."""
    text = body[: 2**16].decode("utf-8", "replace")
    found = re.findall(r"<strong[^>]*>\s*Error\s*</strong>\s*:?(.*?)</p>", text, re.DOTALL)
    reason = "; ".join(_plain(unescape(re.sub(r"<[^>]*>", "", one))) for one in found[:3]).rstrip(". ")
    return f": {reason}" if reason else ""


def _plain(text: str) -> str:
    """An untrusted text as errors show it: short, in one line, and without control characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[:10_000]).split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."


def _begun(name: str) -> str:
    return name[:1].upper() + name[1:]
