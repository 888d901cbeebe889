"""The machine of a child on AWS Batch: its processors, and the notice that a spot host is about to be reclaimed.

Elsewhere nothing is asked: the thread that asks starts only where ``AWS_BATCH_JOB_ID`` is set, and nobody waits for it.
The notice is that of EC2's instance metadata (``spot/instance-action``, by a token of version 2), two minutes before
the end. The processors are those of ECS's metadata of the task, for a container on EC2 has a share of its host and no
quota.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import Self

from spacer_like.cores import core_count, cpu_quota
from spacer_like.exceptions import visible

logger = logging.getLogger(__name__)

BATCH_VARIABLE = "AWS_BATCH_JOB_ID"
ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
"""Where instance metadata are served, as AWS's own libraries have it; `DISABLED_VARIABLE` likewise."""
DISABLED_VARIABLE = "AWS_EC2_METADATA_DISABLED"
TASK_VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"
_ENDPOINT = "http://169.254.169.254"
_SECONDS_BETWEEN_LOOKS = 5.0
_SECONDS_TO_ANSWER = 2.0
# A host that gives containers no metadata is asked no more.
_FAILURES = 3
_MOST_BYTES = 2**20
_SECONDS_OF_TOKEN = "21600"
_UNITS_OF_A_CORE = 1024


class Host:
    """The machine of this child, watched while the ``with`` lasts.

    Args:
        noticed: called once with the notice, in another thread.
    """

    def __init__(self, noticed: Callable[[str], None]) -> None:
        self._noticed = noticed
        self._ended = threading.Event()
        self._allotted: float | None = None
        self.notice = ""
        """That the host is about to be reclaimed; '': nothing of the kind is known."""

    def __enter__(self) -> Self:
        if os.getenv(BATCH_VARIABLE):
            threading.Thread(target=self._watch, name="host", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()

    @property
    def vcpus(self) -> float:
        """The processors that the child was given, those of its scheduler where that says how many."""
        of_slurm = os.getenv("SLURM_CPUS_ON_NODE", "")
        if of_slurm.isdecimal():
            return float(of_slurm)
        return self._allotted or float(min(core_count(), cpu_quota() or core_count()))

    def _watch(self) -> None:
        self._allotted = _allotted(os.getenv(TASK_VARIABLE, ""))
        if os.getenv(DISABLED_VARIABLE, "").lower() == "true":
            return
        endpoint = os.getenv(ENDPOINT_VARIABLE) or _ENDPOINT
        failures = 0
        while failures < _FAILURES:
            try:
                self.notice = _notice(endpoint)
                failures = 0
            except _NoAnswerError:
                failures += 1
            if self.notice:
                logger.warning("%s", self.notice)
                self._noticed(self.notice)
                return
            if self._ended.wait(_SECONDS_BETWEEN_LOOKS):
                return


class _NoAnswerError(Exception):
    pass


def _notice(endpoint: str) -> str:
    """The interruption notice in a sentence; '': there is none."""
    token = _answer("PUT", endpoint, "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": _SECONDS_OF_TOKEN})
    if not token:
        raise _NoAnswerError
    found = _answer(
        "GET", endpoint, "/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": token.decode("latin-1")}
    )
    if not found:
        return ""
    action, when = (visible(str(_member(found, name) or "unknown")) for name in ("action", "time"))
    return f"The spot host is reclaimed: {action} at {when}."


def _allotted(task: str) -> float | None:
    """The processors of a container, of ECS's metadata at a URL; None: it does not say."""
    if not task:
        return None
    for path, units in (("/task", 1), ("", _UNITS_OF_A_CORE)):
        try:
            limits = _member(_answer("GET", task, path, {}), "Limits")
        except _NoAnswerError:
            return None
        cores = limits.get("CPU") if isinstance(limits, dict) else None
        if isinstance(cores, int | float) and not isinstance(cores, bool) and cores > 0:
            return cores / units
    return None


def _member(data: bytes, name: str) -> Any:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found.get(name) if isinstance(found, dict) else None


def _answer(method: str, endpoint: str, path: str, headers: dict[str, str]) -> bytes:
    """The body of an answer; empty: there is no such thing.

    Raises:
        _NoAnswerError: nothing answers there.
    """
    # Needed on Batch alone.
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    try:
        url = urlsplit(endpoint)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        with closing(kind(url.hostname or "", url.port, timeout=_SECONDS_TO_ANSWER)) as connection:
            connection.request(method, url.path.rstrip("/") + path, headers=headers)
            answer = connection.getresponse()
            return answer.read(_MOST_BYTES) if answer.status == 200 else b""
    except (OSError, HTTPException, ValueError) as error:
        raise _NoAnswerError from error
