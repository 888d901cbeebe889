"""An engine of worker processes on this machine."""

from __future__ import annotations

import json
import logging
import os
import queue
import resource
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from itertools import chain, islice
from pathlib import Path

import spacer_like
from spacer_like import config, interruption
from spacer_like.cores import core_count
from spacer_like.data_classes.base import paused_collector
from spacer_like.engines.base import Before, Ended, Engine, Serial, begun, failed, read_outcome
from spacer_like.exceptions import TransientError
from spacer_like.message_base import Message
from spacer_like.messages import JobMsg, TaskOutcome

logger = logging.getLogger(__name__)

_SECONDS_TO_LEARN = 0.3
"""After the death of a worker, until it is replaced."""
_INSTALLED = ("site-packages", "dist-packages")


class Processes(Engine):
    """An engine of worker processes on this machine, started when needed and ended with the ``with``.

    A process that dies (a crash in a library, the system's lack of memory) is replaced, and its request is tried again.

    Args:
        count: how many work at once; None: as many as there are processor cores.
        apart: none of the work is done in this very process. Otherwise that is where it is done with a count of 1, and
            for a single request; then requests may use the memory storage.
        retries: how often a request is tried again whose process died, before it fails by a transient error.
        how: the first line of each process's input, as `beginning` makes it; None: by the settings in force.
    """

    def __init__(
        self, count: int | None = None, *, apart: bool = False, retries: int = 2, how: bytes | None = None
    ) -> None:
        self._count = count or core_count()
        self._apart = apart
        self._how = how
        self.retries = retries
        self._inherited: tuple[int, ...] = ()
        self._idle: list[_Worker] = []
        self._hired: set[_Worker] = set()
        self._lock = threading.Lock()
        self.is_stopped = False
        """Whether `stop` was called."""

    def __exit__(self, *exception: object) -> None:
        while self._idle:
            self._idle.pop().leave()

    def work(self, messages: Iterator[tuple[int, Message]], before: Before | None) -> Iterator[Ended]:
        first = list(islice(messages, self._count))
        every = chain(first, messages)
        if not first or (len(first) <= 1 and not self._apart):
            return Serial().work(every, before)
        return _Crew(self, every, before, len(first)).outcomes()

    @contextmanager
    def inheriting(self, *descriptors: int) -> Iterator[None]:
        # Those that have begun already do not have them.
        self.__exit__()
        before, self._inherited = self._inherited, (*self._inherited, *descriptors)
        try:
            yield
        finally:
            self.__exit__()
            self._inherited = before

    @property
    def is_at_work(self) -> bool:
        return bool(self._hired)

    def stop(self) -> None:
        """End all work from another thread, for good: requests in hand fail by a transient error."""
        with self._lock:
            self.is_stopped = True
            for worker in self._hired:
                worker.stop()
        self.__exit__()

    def hire(self) -> _Worker:
        """An idle process, started if there is none."""
        with self._lock:
            worker = self._idle.pop() if self._idle else _Worker(self._beginning(), self._inherited)
            self._hired.add(worker)
            if self.is_stopped:
                worker.stop()
            return worker

    def release(self, worker: _Worker, is_alive: bool) -> None:
        """Return a process that was hired; one that has answered is idle then."""
        with self._lock:
            self._hired.discard(worker)
            if is_alive and not self.is_stopped:
                self._idle.append(worker)
                return
        worker.leave()

    def _beginning(self) -> bytes:
        return self._how or beginning(config.settings().torch_threads or max(1, core_count() // self._count))


def beginning(torch_threads: int | None, secret: bool = True) -> bytes:
    """The first line of a child's input: the settings in force except `torch_threads`, and the log level.

    Args:
        secret: whether secrets are among the settings.
    """
    hidden = set() if secret else {one.name for one in fields(config.Settings) if not one.repr}
    found = {name: value for name, value in asdict(config.settings()).items() if name not in hidden}
    how = {
        "settings": found | {"torch_threads": torch_threads},
        "log_level": logging.getLogger("spacer_like").getEffectiveLevel(),
    }
    return json.dumps(how).encode() + b"\n"


def peak_memory() -> int | None:
    """The most memory, in bytes, that a process had which worked for this one and has ended; None: there was none."""
    kibibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # On macOS these are bytes.
    return (kibibytes if sys.platform == "darwin" else kibibytes * 1024) or None


def seconds_lived() -> float:
    """How long ago this process was started, before it imported anything; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        # The fields after the command's name in brackets, of which the 20th is the start, in ticks since the boot.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    return 0.0


def child_environment() -> dict[str, str]:
    """This process's environment, with the paths by which a child imports what this process can.

    Among it are modules beside the program that was started, whatever folder it works in: the settings of a Django
    project, and extractors of one's own.
    """
    package = str(Path(spacer_like.__file__).parent.parent)
    library = sysconfig.get_path("stdlib")
    # A child has what is installed, in an order that must stay: nothing of it may hide the standard library.
    others = [one for one in sys.path if one and not one.startswith(library) and not one.endswith(_INSTALLED)]
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, dict.fromkeys([package, *given, *others])))}


def _job(message: Message) -> JobMsg:
    return JobMsg(task_name=message.task, tasks=[message])


class _Crew:
    """Worker processes for some requests, each with a thread of this process that sends them."""

    def __init__(
        self, engine: Processes, messages: Iterator[tuple[int, Message]], before: Before | None, count: int
    ) -> None:
        self._engine = engine
        self._messages = messages
        self._before = before
        self._threads = [threading.Thread(target=self._work, name=f"worker-{number}") for number in range(count)]
        # Requests that were taken and whose outcomes the caller has not: no more than these, however slow it is.
        self._free = threading.Semaphore(2 * count)
        self._taking = threading.Lock()
        self._lock = threading.Lock()
        # None: a thread has ended.
        self._ended: queue.SimpleQueue[Ended | BaseException | None] = queue.SimpleQueue()
        self._at_work: set[_Worker] = set()
        self._stopped = threading.Event()

    def outcomes(self) -> Iterator[Ended]:
        with interruption.at_forced_end(self._kill):
            yield from self._ended_by_threads()

    def _ended_by_threads(self) -> Iterator[Ended]:
        at_work = len(self._threads)
        try:
            # All or none begin: one that has half begun cannot be waited for.
            with interruption.deferred():
                for thread in self._threads:
                    thread.start()
            while at_work:
                ended = self._ended.get()
                if isinstance(ended, BaseException):
                    raise ended
                if ended is None:
                    at_work -= 1
                else:
                    yield ended
                    self._free.release()
        finally:
            with self._lock:
                self._stopped.set()
                # Those that nobody waits for any more; at the end of all work there is none.
                for worker in self._at_work:
                    worker.stop()
            self._free.release(len(self._threads))
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join()

    def _kill(self, _: interruption.Interrupted) -> None:
        for worker in tuple(self._at_work):
            worker.kill()

    def _work(self) -> None:
        try:
            while (taken := self._next()) is not None:
                index, message = taken
                self._ended.put((index, begun(self._before, index) or self._outcome(message)))
        except BaseException as error:
            self._ended.put(error)
        self._ended.put(None)

    def _next(self) -> tuple[int, Message] | None:
        self._free.acquire()
        with self._taking:
            return None if self._stopped.is_set() else next(self._messages, None)

    def _outcome(self, message: Message) -> TaskOutcome:
        tries = 0
        while True:
            tries += 1
            try:
                return self._tried(message)
            except _WorkerDiedError as error:
                if tries > self._engine.retries or self._is_ending():
                    again = f" It was tried {tries} times." if tries > 1 else ""
                    return failed(TransientError(f"{error}{again}"))
                logger.warning("%s It is tried again.", error)

    def _is_ending(self) -> bool:
        """Whether this process ends, too: who sends a signal to all processes may reach a worker first."""
        is_over = self._stopped.wait(_SECONDS_TO_LEARN) or self._engine.is_stopped
        return is_over or interruption.heard() is not None

    def _tried(self, message: Message) -> TaskOutcome:
        worker = self._engine.hire()
        with self._lock:
            self._at_work.add(worker)
            if self._stopped.is_set():
                worker.stop()
        try:
            outcome = worker.outcome(message)
        except _WorkerDiedError:
            self._engine.release(worker, is_alive=False)
            raise
        except BaseException:
            worker.stop()
            self._engine.release(worker, is_alive=False)
            raise
        finally:
            with self._lock:
                self._at_work.discard(worker)
        self._engine.release(worker, is_alive=True)
        return outcome


class _WorkerDiedError(Exception):
    pass


class _Worker:
    def __init__(self, beginning: bytes, inherited: tuple[int, ...]) -> None:
        # The terminal sends Ctrl-C to everybody; a process is not to hear it, from its first moment.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "spacer_like.engines.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=child_environment(),
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
            # What the system does to a process for which it has no memory.
            why = ", as for lack of memory" if code == -signal.SIGKILL else ""
            how = f"by signal {-code}{why}" if code < 0 else f"with exit code {code}"
            raise _WorkerDiedError(f"The process that worked on it was ended {how}.")
        with paused_collector():
            return read_outcome(json.loads(answer), message.task)

    def stop(self) -> None:
        """End the process in the middle of its work."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def leave(self) -> None:
        """Let the process end after its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
