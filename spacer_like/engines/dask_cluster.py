"""An engine on a Dask cluster: an existing one, or one made here.

Each Dask worker has the requests done by processes of its own (`Processes`), so that a crash in a library ends neither
the worker nor what Dask keeps there, and a request can be ended in the middle.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import Any
from uuid import uuid4

from spacer_like.config import settings
from spacer_like.cores import core_count
from spacer_like.engines.base import Before, Ended, Engine, begun, failed, read_outcome
from spacer_like.engines.processes import Processes, beginning
from spacer_like.exceptions import ConfigError, TransientError, reason_of
from spacer_like.extras import import_extra
from spacer_like.message_base import Message
from spacer_like.messages import JobMsg, TaskOutcome

logger = logging.getLogger(__name__)

_SECONDS_TO_CONNECT = 30
_WAITING_A_THREAD = 2
"""Requests at each thread of the cluster, of which it works on one: it is never idle between two."""
_SECONDS_BETWEEN_LOOKS = 30
_SECONDS_UNUSED = 600
# Pages about the cluster, which are not asked for.
_NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}


class Dask(Engine):
    """An engine on a Dask cluster.

    Storages must be reachable from the workers by the same locations. The settings in force travel with the requests;
    to a cluster of others without secrets, which its workers take from their own environment.

    Args:
        address: of an existing cluster's scheduler, such as ``tcp://host:8786``; None: a cluster of this machine, made
            at the first request and ended with the ``with``.
        workers: processes of the cluster made here; None: as many as there are processor cores.
        retries: how often a request is tried again whose worker died, before it fails by a transient error.
        security: of the connection to an existing cluster, a `distributed.Security`.

    Raises:
        MissingExtraError: distributed is not installed.
    """

    def __init__(
        self, address: str | None = None, workers: int | None = None, retries: int = 2, security: Any = None
    ) -> None:
        self._distributed = import_extra("distributed", "The engine dask", "dask")
        self._address, self._security = address, security
        self._workers = workers or core_count()
        self._retries = retries
        self._resources = ExitStack()
        self._client: Any = None
        self._event: Any = None

    def __exit__(self, *exception: object) -> None:
        if self._client is not None:
            with suppress(Exception):
                self._end_work()
        self._client = None
        self._resources.close()

    def _end_work(self) -> None:
        """End the processes on the workers, and have others begin for what comes next."""
        self._event.set()
        self._event = self._new_event()

    def work(self, messages: Iterator[tuple[int, Message]], before: Before | None) -> Iterator[Ended]:
        client = self._connected()
        threads = sum(client.nthreads().values())
        is_ours = self._address is None
        how = beginning(settings().torch_threads or (max(1, core_count() // threads) if is_ours else 1), secret=is_ours)
        call = f"spacer-like-{uuid4().hex}"
        waiting: dict[Any, tuple[int, str]] = {}
        room = _WAITING_A_THREAD * max(1, threads)
        completed = self._distributed.as_completed(loop=client.loop)

        def submit() -> Iterator[Ended]:
            """Submit requests as long as there is room; those that end before they begin are yielded."""
            while len(waiting) < room and (taken := next(messages, None)) is not None:
                index, message = taken
                if (outcome := begun(before, index)) is not None:
                    yield index, outcome
                    continue
                job = json.dumps(JobMsg(task_name=message.task, tasks=[message]).serialize())
                future = client.submit(
                    run_on_worker, self._event.name, how, self._retries, job, key=f"{call}-{index}", pure=False
                )
                waiting[future] = (index, message.task)
                completed.add(future)

        try:
            yield from submit()
            while waiting:
                future = next(completed)
                index, task = waiting.pop(future)
                yield index, _outcome(future, task)
                future.release()
                yield from submit()
        finally:
            if waiting:
                # Nobody waits for them any more: those that have not begun do not, the others are ended.
                with suppress(Exception):
                    client.cancel(list(waiting))
                    self._end_work()

    def _connected(self) -> Any:
        if self._client is None:
            where = self._address or self._resources.enter_context(self._cluster_here())
            self._client = self._resources.enter_context(client_of(where, self._security))
            self._event = self._new_event()
        return self._client

    def _cluster_here(self) -> Any:
        """A cluster within this process, so that nobody else can reach it; the work is done by other processes."""
        dask = import_extra("dask", "The engine dask", "dask")
        with dask.config.set(_NO_PAGES):
            return self._distributed.LocalCluster(
                n_workers=1,
                threads_per_worker=self._workers,
                processes=False,
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                silence_logs=logging.ERROR,
            )

    def _new_event(self) -> Any:
        return self._distributed.Event(f"spacer-like-{uuid4().hex}", client=self._client)


def client_of(cluster: Any, security: Any = None) -> Any:
    """A client of a cluster, or of the scheduler at an address.

    Raises:
        TransientError: the scheduler does not answer.
        ConfigError: it is no address.
    """
    distributed: Any = import_module("distributed")
    if isinstance(cluster, str):
        # A client that is given a wrong one keeps the process from ending.
        check_address(cluster)
    try:
        return distributed.Client(cluster, timeout=_SECONDS_TO_CONNECT, security=security, set_as_default=False)
    except (OSError, TimeoutError):
        raise TransientError(f"The Dask scheduler at {cluster} does not answer.") from None


def check_address(address: str) -> None:
    """
    Raises:
        ConfigError: it names no scheduler.
    """
    addressing, registry = (import_module(f"distributed.comm.{name}") for name in ("addressing", "registry"))
    try:
        scheme, place = addressing.parse_address(address)
        registry.get_backend(scheme)
        if scheme != "inproc":
            addressing.parse_host_port(place)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"'{address}' is no address of a Dask scheduler: {reason_of(error)}.") from None


def _outcome(future: Any, task: str) -> TaskOutcome:
    if future.status == "finished":
        return read_outcome(json.loads(future.result()), task)
    # The worker was killed with all its processes, more often than Dask tries; or it was lost with its machine.
    reason = type(future.exception()).__name__ if future.status == "error" else future.status
    return failed(TransientError(f"The Dask worker that worked on it was lost ({reason})."))


class _Crew:
    """The processes of one Dask worker for one engine; they end with the engine, or when they are long unused."""

    def __init__(self, event: Any, how: bytes, retries: int) -> None:
        self._event = event
        self._processes = Processes(1, apart=True, retries=retries, how=how)
        self._used = time.monotonic()
        threading.Thread(target=self._watch, daemon=True).start()

    def outcome(self, message: Message) -> TaskOutcome:
        self._used = time.monotonic()
        ((_, outcome),) = self._processes.outcomes(iter([message]))
        self._used = time.monotonic()
        return outcome

    def _watch(self) -> None:
        # A client that was killed sets no event.
        with suppress(Exception):
            while not self._event.wait(_SECONDS_BETWEEN_LOOKS):
                if not self._processes.is_at_work and time.monotonic() - self._used > _SECONDS_UNUSED:
                    break
        self._processes.stop()
        with _lock:
            _crews.pop(self._event.name, None)


_crews: dict[str, _Crew] = {}
_lock = threading.Lock()


def run_on_worker(event: str, how: bytes, retries: int, job: str) -> str:
    """On a Dask worker: do the one request of a job; returns its outcome as JSON.

    Args:
        event: name of the Dask event that ends the work for an engine.
        how: settings and log level, as the first line of a worker process.
    """
    distributed: Any = import_module("distributed")

    message = JobMsg.deserialize(json.loads(job)).tasks[0]
    with _lock:
        if event not in _crews:
            _crews[event] = _Crew(distributed.Event(event, client=distributed.get_client()), how, retries)
        crew = _crews[event]
    return json.dumps(crew.outcome(message).serialize())
