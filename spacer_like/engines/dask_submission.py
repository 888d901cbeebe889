"""Shards on an existing Dask cluster: one future each, which needs nobody who waits for it.

A worker of the cluster has a shard done by a process of its own, ``python -m spacer_like.engines.dask_submission``,
which ends with the worker: neither can lose what the other one keeps.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from spacer_like import logs
from spacer_like.engines import shard
from spacer_like.engines.dask_cluster import check_address, client_of
from spacer_like.engines.processes import child_environment
from spacer_like.engines.scheduled import FIRST_VARIABLE
from spacer_like.engines.scheduler import ArrayJob, ArrayState, Scheduler
from spacer_like.exceptions import ConfigError, TransientError
from spacer_like.extras import import_extra
from spacer_like.mailman import ExitCode

_ACTIVE = {"waiting", "no-worker", "queued", "processing"}
_LARGEST_ARRAY = 100_000
_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_TO_ARRIVE = 30.0


class DaskCluster(Scheduler):
    """An existing cluster of Dask.

    All shards are sent at once, and how many run is the cluster's business: one on each thread of its workers. They
    stay there when the submitter is gone, and are lost with the cluster's scheduler: `retry_failed` sends again what
    has no result. Workers must have this package, and reach the folder by the same location; what a shard needs of
    settings and secrets it takes from its worker's environment.

    Args:
        address: of the scheduler, such as ``tcp://host:8786``; the certificates for ``tls://`` are those of Dask's own
            configuration.
        retries: how often a shard is tried again in which a request failed by a transient error. One whose worker died
            is tried again by Dask itself, as its configuration ``distributed.scheduler.allowed-failures`` says.

    Raises:
        MissingExtraError: distributed is not installed.
        ConfigError: a number of retries below 0, or an address that names no scheduler.
    """

    name = "dask"

    def __init__(self, address: str, retries: int = 2) -> None:
        self._distributed = import_extra("distributed", "The engine dask", "dask")
        check_address(address)
        if retries < 0:
            raise ConfigError(f"A shard is tried again 0 times or more, not {retries} times.")
        self._address, self._retries = address, retries

    @property
    def options(self) -> dict[str, Any]:
        return {"address": self._address, "retries": self._retries}

    def largest_array(self) -> int:
        return _LARGEST_ARRAY

    def start(self, job: ArrayJob) -> str:
        found = f"{job.name}/{job.size}"
        keys, first = _keys(found), int(job.environment.get(FIRST_VARIABLE, "0"))
        with client_of(self._address) as client:
            before = self._active_futures(client, job.after)
            futures = [
                client.submit(
                    run_child,
                    job.environment | {FIRST_VARIABLE: str(first + index), logs.JOB_VARIABLE: key},
                    _event(found),
                    self._retries,
                    before,
                    key=key,
                    pure=False,
                )
                for index, key in enumerate(keys)
            ]
            # From here on nobody needs to have them.
            self._distributed.fire_and_forget(futures)
            self._wait_for_arrival(client, keys)
        return found

    def _active_futures(self, client: Any, arrays: Sequence[str]) -> list[Any]:
        """Futures of arrays that have not ended: what has ended the cluster has forgotten."""
        states = self._states(client, [key for one in arrays for key in _keys(one)])
        return [self._distributed.Future(key, client) for key, state in states.items() if state in _ACTIVE]

    def find(self, name: str) -> str | None:
        # An array that is sent again under the same keys is the same one: Dask starts nothing twice.
        return None

    def states(self, ids: Sequence[str]) -> dict[str, ArrayState]:
        with client_of(self._address) as client:
            states = self._states(client, [key for one in ids for key in _keys(one)])
        found = {one: {state for key in _keys(one) if (state := states[key])} for one in ids}
        return {one: _state_of(known) for one, known in found.items() if known}

    def stop(self, ids: Sequence[str]) -> None:
        with client_of(self._address) as client:
            for one in ids:
                # Dask does not end what runs: the worker looks at the event.
                self._distributed.Event(_event(one), client=client).set()
            client.cancel(self._active_futures(client, ids), force=True)

    def _states(self, client: Any, keys: list[str]) -> dict[str, str | None]:
        try:
            states: dict[str, str | None] = client.sync(client.scheduler.get_task_status, keys=keys)
        except (OSError, TimeoutError):
            raise TransientError(f"The Dask scheduler at {self._address} does not answer.") from None
        return states

    def _wait_for_arrival(self, client: Any, keys: list[str]) -> None:
        """Wait until the scheduler has the futures, which travel on another way than questions."""
        for _ in range(int(_SECONDS_TO_ARRIVE / 0.05)):
            if None not in self._states(client, keys).values():
                return
            time.sleep(0.05)
        raise TransientError(f"The Dask scheduler at {self._address} has not taken the shards.")


def _state_of(states: set[str]) -> ArrayState:
    """The state of an array, of those of its futures."""
    reason = "The cluster has no worker." if "no-worker" in states else ""
    is_queued = bool(states & {"queued", "no-worker"}) and "processing" not in states
    is_waiting = "waiting" in states and not states & {"queued", "no-worker", "processing"}
    return ArrayState(bool(states & _ACTIVE), reason, is_queued, is_waiting)


def _keys(array: str) -> list[str]:
    """The keys of the futures of an array, by its id."""
    name, _, size = array.partition("/")
    return [f"{name}-{index}" for index in range(int(size))]


def _event(array: str) -> str:
    return f"{array}-stopped"


def run_child(environment: dict[str, str], event: str, retries: int, before: object = None) -> None:
    """On a Dask worker: do a shard. How it ended is on record in the submission's folder.

    Args:
        environment: of the child.
        event: the name of the Dask event that ends it.
        retries: how often it is tried again after a transient error.
        before: results of the futures that it waited for.
    """
    distributed: Any = import_module("distributed")
    stopped = distributed.Event(event, client=distributed.get_client())
    for attempt in range(1, retries + 2):
        code = _run(environment | {logs.ATTEMPT_VARIABLE: str(attempt)}, stopped)
        if code != ExitCode.TRANSIENT_FAILURE or stopped.is_set():
            break


def _run(environment: dict[str, str], stopped: Any) -> int:
    # A worker may itself be a child of Slurm or Batch, whose index is not that of this shard.
    others = {*logs.INDEX_VARIABLES, *logs.ATTEMPT_VARIABLES}
    inherited = {name: value for name, value in child_environment().items() if name not in others}
    with subprocess.Popen(
        [sys.executable, "-m", "spacer_like.engines.dask_submission"],
        stdin=subprocess.PIPE,
        env=inherited | environment,
    ) as child:
        while True:
            try:
                return child.wait(_SECONDS_BETWEEN_LOOKS)
            except subprocess.TimeoutExpired:
                if stopped.is_set():
                    child.terminate()


def _end_with_the_worker() -> None:
    """End this process when its input is closed: the worker that asked for it is gone."""
    asking = select.poll()
    asking.register(sys.stdin.fileno(), 0)
    asking.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    return shard.main()


if __name__ == "__main__":
    sys.exit(main())
