"""Many requests at once, in processes of this machine."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from typing_extensions import Self

import spacer_like
from spacer_like import config, interruption
from spacer_like.cores import core_count
from spacer_like.data_classes.base import paused_collector
from spacer_like.exceptions import SpacerError, TransientError, class_of, sentence_of
from spacer_like.mailman import is_transient, run_task
from spacer_like.message_base import Message
from spacer_like.messages import TASKS, JobMsg, TaskOutcome
from spacer_like.overwriting import check_tasks


def outcomes(messages: Sequence[Message], processes: int | None = None) -> Iterator[tuple[int, TaskOutcome]]:
    """The outcome of every request with its number, as `Processes.outcomes`, by processes that end with the last."""
    with Processes(processes) as engine:
        yield from engine.outcomes(messages)


class Processes:
    """Processes of this machine that work on requests; they begin when they are needed, and end with the ``with``.

    A request that fails does not stop the others. A process that dies fails the request that it worked on, as a
    transient failure, and another one takes its place.

    Args:
        count: how many work at once; None: as many as there are processor cores. With 1 this very process does the
            work, and only then requests may name places in memory.
        inherited: descriptors that stay open in them, such as of a lock that must outlive this process.
    """

    def __init__(self, count: int | None = None, inherited: tuple[int, ...] = ()) -> None:
        self._count = count or core_count()
        self._inherited = inherited
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        while self._idle:
            self._idle.pop().leave()

    def outcomes(
        self, messages: Sequence[Message], before: Callable[[int], None] | None = None
    ) -> Iterator[tuple[int, TaskOutcome]]:
        """The outcome of every request with its number, in the order in which they end.

        Args:
            messages: requests; they must not depend on each other.
            before: called with a request's number before the work on it begins, by several threads; a `SpacerError`
                that it raises fails the request.

        Raises:
            MessageError: two requests write to one place, or one writes what another reads.
        """
        check_tasks(messages)
        count = min(self._count, len(messages))
        if count <= 1:
            for number, message in enumerate(messages):
                yield number, _begun(before, number) or run_task(message)
            return
        yield from _Crew(self, messages, before).outcomes(count)

    def hire(self) -> _Worker:
        """A process that waits for a request."""
        with self._lock:
            return self._idle.pop() if self._idle else _Worker(self._beginning(), self._inherited)

    def keep(self, worker: _Worker) -> None:
        """Take a process back that has answered."""
        with self._lock:
            self._idle.append(worker)

    def _beginning(self) -> bytes:
        settings = config.settings()
        threads = settings.torch_threads or max(1, core_count() // self._count)
        how = {
            "settings": asdict(settings) | {"torch_threads": threads},
            "log_level": logging.getLogger("spacer_like").getEffectiveLevel(),
        }
        return json.dumps(how).encode() + b"\n"


def failed(error: SpacerError) -> TaskOutcome:
    """The outcome of a request that fails by an error."""
    return TaskOutcome(
        status="failed",
        error_class=class_of(error),
        error_message=sentence_of(error),
        transient=is_transient(error),
    )


def _begun(before: Callable[[int], None] | None, number: int) -> TaskOutcome | None:
    """The outcome of a request whose beginning fails; None: it has begun."""
    try:
        if before is not None:
            before(number)
    except SpacerError as error:
        return failed(error)
    return None


def _job(message: Message) -> JobMsg:
    return JobMsg(task_name=message.task, tasks=[message])


class _Crew:
    """Processes at work on some requests, each with a thread of this process that hands them over."""

    def __init__(
        self, engine: Processes, messages: Sequence[Message], before: Callable[[int], None] | None = None
    ) -> None:
        self._engine = engine
        self._messages = messages
        self._before = before
        self._waiting = iter(range(len(messages)))
        self._lock = threading.Lock()
        self._ended: queue.SimpleQueue[tuple[int, TaskOutcome] | BaseException] = queue.SimpleQueue()
        self._at_work: set[_Worker] = set()
        self._stopped = False

    def outcomes(self, count: int) -> Iterator[tuple[int, TaskOutcome]]:
        threads = [threading.Thread(target=self._work, name=f"worker-{number}") for number in range(count)]
        with interruption.at_forced_end(self._kill):
            yield from self._ended_by(threads)

    def _ended_by(self, threads: list[threading.Thread]) -> Iterator[tuple[int, TaskOutcome]]:
        try:
            # All or none begin: one that has half begun cannot be waited for.
            with interruption.deferred():
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
                # Those that nobody waits for any more; at the end of all work there is none.
                for worker in self._at_work:
                    worker.stop()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _kill(self, _: interruption.Interrupted) -> None:
        for worker in tuple(self._at_work):
            worker.kill()

    def _work(self) -> None:
        try:
            while (number := self._next()) is not None:
                outcome = _begun(self._before, number) or self._outcome(self._messages[number])
                self._ended.put((number, outcome))
        except BaseException as error:
            self._ended.put(error)

    def _next(self) -> int | None:
        with self._lock:
            return None if self._stopped else next(self._waiting, None)

    def _outcome(self, message: Message) -> TaskOutcome:
        worker = self._engine.hire()
        with self._lock:
            self._at_work.add(worker)
            if self._stopped:
                worker.stop()
        try:
            outcome = worker.outcome(message)
        except _WorkerDiedError as error:
            worker.leave()
            return failed(TransientError(str(error)))
        except BaseException:
            worker.stop()
            worker.leave()
            raise
        finally:
            with self._lock:
                self._at_work.discard(worker)
        self._engine.keep(worker)
        return outcome


class _WorkerDiedError(Exception):
    pass


class _Worker:
    def __init__(self, beginning: bytes, inherited: tuple[int, ...]) -> None:
        # Where the package was found here, it is to be found there.
        package = str(Path(spacer_like.__file__).parent.parent)
        path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        # The terminal sends Ctrl-C to everybody; a process is not to hear it, from its first moment.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "spacer_like.engines.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": path},
                pass_fds=inherited,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
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
        with paused_collector():
            return _read_outcome(json.loads(answer), message.task)

    def stop(self) -> None:
        """End it in the middle of its work."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

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
