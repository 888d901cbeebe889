"""Many requests at once, in processes of this machine."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import spacer_like
from spacer_like import config
from spacer_like.mailman import run_job
from spacer_like.message_base import Message
from spacer_like.messages import TASKS, JobMsg, TaskOutcome


def outcomes(messages: Sequence[Message], processes: int | None = None) -> Iterator[tuple[int, TaskOutcome]]:
    """The outcome of every request with its number, in the order in which they end.

    A request that fails does not stop the others. A process that dies fails the request that it worked on, as a
    transient failure, and another one takes its place.

    Args:
        messages: requests; they must not depend on each other.
        processes: how many work at once; None: as many as there are processor cores. With 1 this very process does
            the work, and only then requests may name places in memory.
    """
    cores = core_count()
    count = min(processes or cores, len(messages))
    if count <= 1:
        for number, message in enumerate(messages):
            yield number, run_job(_job(message)).outcomes[0]
        return
    settings = config.settings()
    threads = settings.torch_threads or max(1, cores // count)
    beginning = {
        "settings": asdict(settings) | {"torch_threads": threads},
        "log_level": logging.getLogger("spacer_like").getEffectiveLevel(),
    }
    yield from _Crew(messages, json.dumps(beginning).encode() + b"\n").outcomes(count)


def core_count() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _job(message: Message) -> JobMsg:
    return JobMsg(task_name=message.task, tasks=[message])


class _Crew:
    """Processes at work, each with a thread of this process that hands it requests."""

    def __init__(self, messages: Sequence[Message], beginning: bytes) -> None:
        self._messages = messages
        self._beginning = beginning
        self._waiting = iter(range(len(messages)))
        self._lock = threading.Lock()
        self._ended: queue.SimpleQueue[tuple[int, TaskOutcome] | BaseException] = queue.SimpleQueue()
        self._workers: set[_Worker] = set()
        self._stopped = False

    def outcomes(self, count: int) -> Iterator[tuple[int, TaskOutcome]]:
        threads = [threading.Thread(target=self._work, name=f"worker-{number}") for number in range(count)]
        try:
            for thread in threads:
                thread.start()
            for _ in self._messages:
                ended = self._ended.get()
                if isinstance(ended, BaseException):
                    raise ended
                yield ended
        finally:
            with self._lock:
                self._stopped = True
                workers = list(self._workers)
            for worker in workers:
                worker.stop()
            for thread in threads:
                thread.join()

    def _work(self) -> None:
        worker: _Worker | None = None
        try:
            while (number := self._next()) is not None:
                worker = worker or self._hire()
                try:
                    outcome = worker.outcome(self._messages[number])
                except _WorkerDiedError as error:
                    outcome = TaskOutcome(
                        status="failed",
                        error_class="spacer_like.engines.processes.WorkerDied",
                        error_message=str(error),
                        transient=True,
                    )
                    self._dismiss(worker)
                    worker = None
                self._ended.put((number, outcome))
        except BaseException as error:
            self._ended.put(error)
        finally:
            if worker is not None:
                self._dismiss(worker)

    def _next(self) -> int | None:
        with self._lock:
            return None if self._stopped else next(self._waiting, None)

    def _hire(self) -> _Worker:
        worker = _Worker(self._beginning)
        with self._lock:
            self._workers.add(worker)
            if self._stopped:
                worker.stop()
        return worker

    def _dismiss(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.leave()


class _WorkerDiedError(Exception):
    pass


class _Worker:
    def __init__(self, beginning: bytes) -> None:
        # Where the package was found here, it is to be found there.
        package = str(Path(spacer_like.__file__).parent.parent)
        path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "spacer_like.engines.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
        self._beginning: bytes | None = beginning

    def outcome(self, message: Message) -> TaskOutcome:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps(_job(message).serialize()).encode() + b"\n"
        try:
            if self._beginning is not None:
                line, self._beginning = self._beginning + line, None
            self._process.stdin.write(line)
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer.endswith(b"\n"):
            code = self._process.wait()
            how = f"by signal {-code}, as for lack of memory" if code < 0 else f"with exit code {code}"
            raise _WorkerDiedError(f"The process that worked on it was ended {how}.")
        return _read_outcome(json.loads(answer), message.task)

    def stop(self) -> None:
        """End it in the middle of its work."""
        self._process.terminate()

    def leave(self) -> None:
        """Let it end when it has answered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def _read_outcome(data: dict[str, Any], task: str) -> TaskOutcome:
    outcome = TaskOutcome.deserialize(data)
    if outcome.result is None:
        return outcome
    return outcome.model_copy(update={"result": TASKS[task].return_message.deserialize(outcome.result)})
