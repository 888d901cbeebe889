"""A submission run by processes of this machine that outlive the process that submitted it.

``python -m spacer_like.engines.detached FOLDER PROCESSES LOCK`` is such a process; it has others work for it, as
`Processes` does, and so outlives the death of any of them. It holds the lock of the folder while it lives.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spacer_like import config, interruption
from spacer_like.cores import core_count
from spacer_like.engines.array import ArraySubmission
from spacer_like.engines.base import Progress, Resources
from spacer_like.engines.child_records import Child, Start, last_run, now, write_child_record, write_start
from spacer_like.engines.processes import Processes, beginning, child_environment, peak_memory, seconds_lived
from spacer_like.engines.shard_work import work_on_shard
from spacer_like.engines.worker import working_as
from spacer_like.exceptions import ConfigError, MessageError, SpacerError, TransientError, sentence_of, visible
from spacer_like.location import DataLocation

LOCK = ".lock"
"""A file in the folder, locked by the process at work there, whose id it holds."""
LOG = "log"
_SECONDS_TO_END = 10.0
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


class Detached(ArraySubmission):
    """A submission in a folder of this machine.

    Args:
        folder: a location of the type ``filesystem``.
        processes: how many requests are worked on at once; None: as many as there are processor cores.

    Raises:
        MessageError: the folder lies elsewhere.
        ConfigError: a number of processes below 1.
    """

    def __init__(self, folder: DataLocation, processes: int | None = None) -> None:
        if folder.storage_type != "filesystem":
            raise MessageError(
                f"The engine 'local' keeps its work on this machine, and not in '{folder.display_name}': give a folder"
                " of this machine, or another engine."
            )
        if processes is not None and processes < 1:
            raise ConfigError(f"At least 1 process works, not {processes}.")
        super().__init__(folder)
        self._path = Path(os.path.abspath(folder.key))
        self._processes = processes or core_count()

    @property
    def engine(self) -> dict[str, Any]:
        return {"engine": "local", "options": {"processes": self._processes}}

    def resources(self) -> Resources:
        # Whoever pays for a machine pays for all of its cores.
        return Resources(self._processes, float(core_count()), _memory(), "this machine")

    def begin(self, waiting: Sequence[str]) -> None:
        with self._locked() as lock:
            if lock is None:
                raise TransientError(f"Something is at work on '{self._path}' already: wait, or cancel it.")
            if not waiting:
                return
            arguments = [str(self._path), str(self._processes), str(lock)]
            with (self._path / LOG).open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "spacer_like.engines.detached", *arguments],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=child_environment(),
                    pass_fds=(lock,),
                    start_new_session=True,
                )
            os.pwrite(lock, f"{process.pid:20}".encode(), 0)
            assert process.stdin is not None
            with suppress(BrokenPipeError), process.stdin as child_input:
                child_input.write(beginning(config.settings().torch_threads))
        # Nothing else is to be done when it ends, if this process is still there then.
        threading.Thread(target=process.wait, daemon=True).start()

    def is_at_work(self) -> bool:
        with self._locked() as lock:
            return lock is None

    def end(self) -> None:
        last = time.monotonic() + _SECONDS_TO_END
        with suppress(ProcessLookupError, ValueError, OSError):
            if self.is_at_work():
                os.kill(int((self._path / LOCK).read_text()), signal.SIGTERM)
        while self.is_at_work():
            if time.monotonic() > last:
                raise TransientError(f"What is at work on '{self._path}' has not ended yet: ask again.")
            time.sleep(0.05)

    def notices(self, progress: Progress) -> list[str]:
        if progress.at_work or progress.cancelled or not progress.waiting or self.count_blocked() == progress.waiting:
            return []
        log = self._path / LOG
        with suppress(OSError):
            # The lock was written when the last work began.
            lines = log.read_text(errors="replace").splitlines()
            if lines and log.stat().st_mtime_ns > (self._path / LOCK).stat().st_mtime_ns:
                return [f"The work ended before its end; the last line of '{log}': {visible(lines[-1])}"]
        return [f"The work was ended without a word in '{log}', as for lack of memory or with the machine."]

    @contextmanager
    def _locked(self) -> Iterator[int | None]:
        """The descriptor of the lock; None: another process has it."""
        self._path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield lock
        finally:
            # A child that has it keeps the lock.
            os.close(lock)


def _memory() -> int | None:
    """The bytes of memory that this process's control group may use, or that the machine has."""
    with suppress(OSError, ValueError):
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
        with suppress(OSError, ValueError):
            found.append(int(_MEMORY_LIMIT.read_text(encoding="ascii")))
        return min(found)
    return None


def main(folder: str, processes: str, lock: str) -> int:
    interruption.listen(quiet=True)
    code = 0
    with suppress(interruption.Interrupted):
        interruption.ready()
        try:
            # Without it whoever submitted this died before it sent the child's first line.
            if first_line := sys.stdin.buffer.readline():
                _work(DataLocation("filesystem", folder), int(processes), int(lock), first_line)
        except SpacerError as error:
            # For the log, whose last line `notices` shows.
            print(sentence_of(error), file=sys.stderr)
            code = 1
    return interruption.finish(code)


def _work(folder: DataLocation, processes: int, lock: int, first_line: bytes) -> None:
    """Do what has no outcome, and record how long that took, as the child of an array does."""
    begun = time.monotonic() - seconds_lived()
    run = 1 + last_run(folder)
    record: dict[str, Any] = {"job": str(os.getpid()), "started": now(), "vcpus": float(core_count())}
    write_start(folder, Child(0), Start(run, 0, record["job"], 1, record["started"]))
    ended = {"exit_code": 0, "interrupted": ""}
    try:
        with working_as(first_line), Processes(processes, apart=True) as engine, engine.inheriting(lock):
            record["requests"] = dict(work_on_shard(folder, engine))
    except interruption.Interrupted as signal:
        ended = {"exit_code": signal.exit_code, "interrupted": str(signal)}
        raise
    finally:
        seconds = round(time.monotonic() - begun, 3)
        with suppress(SpacerError):
            write_child_record(
                folder, run, Child(0), record | ended | {"seconds": seconds, "peak_memory": peak_memory()}
            )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
