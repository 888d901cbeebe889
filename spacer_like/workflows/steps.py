"""Steps of a workflow, and the records of those that are done.

A record is rewritten before its step writes anything: it then names the files of the step and no result. A run that is
killed at any moment leaves records of steps that are done, and of steps that will be done again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from spacer_like.engines.base import Engine, failed
from spacer_like.exceptions import SpacerError, StorageUnavailableError, TransientError
from spacer_like.location import DataLocation
from spacer_like.message_base import Message
from spacer_like.messages import TASKS, TaskOutcome
from spacer_like.progress import report
from spacer_like.storage import delete, read_bytes, write_bytes

logger = logging.getLogger(__name__)

RECORDS = "records"
"""The folder of the records, in the folder of the workflow's files."""
LOCK = f"{RECORDS}/.lock"
"""A file in the folder of a workflow, which a run at work there has locked."""
# To be raised when a task makes other files of the same request.
_VERSION = 2
_SECONDS_FOR_ANOTHER_RUN = 10.0


@dataclass(frozen=True)
class Step:
    """A request as a part of a workflow.

    Attributes:
        name: unique in its workflow.
        message: the request.
        inputs: versions of what it reads: of files as they were found, of other steps their `fingerprint`.
        outputs: the files that it makes, all below the folder of the workflow.
        subject: the one thing among many that it works on, such as a collection; None: all of them.
        folders: folders below that of the workflow which it fills by itself, with files that nobody knows before.
    """

    name: str
    message: Message
    inputs: tuple[str, ...] = ()
    outputs: tuple[DataLocation, ...] = ()
    subject: str | None = None
    folders: tuple[DataLocation, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the message and of the versions of its inputs."""
        described = [_VERSION, self.message.task, self.message.serialize(), self.inputs]
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

    @property
    def steps(self) -> tuple[Step, ...]:
        return (self,)

    def answers(self, answer: Any) -> tuple[Any, ...]:
        return (answer,)


@dataclass(frozen=True)
class JointSteps:
    """Steps that one request does together, for less than one by one; each leaves the files and record that it leaves
    alone.

    Attributes:
        steps: as each of them is done alone, when the others are done.
        message: the request that does all of them.
        answers: gives the answer of each of the steps, out of the answer to `message`.
    """

    steps: tuple[Step, ...]
    message: Message
    answers: Callable[[Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Failure:
    """Why a step failed.

    Attributes:
        reason: a sentence.
        error_class: the dotted name of the error.
        transient: whether the same step may succeed later.
    """

    reason: str
    error_class: str | None = None
    transient: bool = False


@dataclass
class Ended:
    """How steps ended: the answers of those that are done, and why the others failed, by name."""

    answers: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    run: int = 0
    """How many of the steps had to be run."""


class Steps:
    """Runs steps, and keeps a record of each that is done.

    Args:
        folder: of the workflow's files; the records lie in a folder in it.
        engine: who does the work.
        before: called with each step before its files are replaced.
    """

    def __init__(self, folder: Path, engine: Engine, before: Callable[[Step], None] = lambda _: None) -> None:
        self._folder = folder
        self._records = folder / RECORDS
        self._engine = engine
        self._before = before
        self.removed: list[Path] = []
        """Files of steps with other options that no step of this workflow makes."""
        self._valid: dict[Path, Step] = {}
        """The steps that are done as this workflow wants them, by their records."""

    @property
    def done(self) -> set[str]:
        """The names of the steps that are done."""
        return {step.name for step in self._valid.values()}

    def run(self, work: str, steps: Sequence[Step | JointSteps]) -> Ended:
        """Run those of the steps that are not done, several at once; they must not depend on each other.

        Args:
            work: what the progress is called.
        """
        ended = Ended()
        waiting: list[Step | JointSteps] = []
        for one in steps:
            left = [step for step in one.steps if not self._is_done(step, ended)]
            ended.run += len(left)
            waiting += [one] if len(left) == len(one.steps) else left
        count, total = len(ended.answers), len(ended.answers) + ended.run
        if total:
            report(work, count, total)
        outcomes = self._engine.outcomes([one.message for one in waiting], lambda number: self._begin(waiting[number]))
        for number, outcome in outcomes:
            self._end(waiting[number], outcome, ended)
            count += len(waiting[number].steps)
            report(work, count, total)
        return ended

    def _is_done(self, step: Step, ended: Ended) -> bool:
        answer = self._answer_on_record(step)
        if answer is not None:
            ended.answers[step.name] = answer
        return answer is not None

    def left_over(self) -> list[tuple[str | None, list[Path]]]:
        """The subject and the files of each record whose step this object has neither run nor found done."""
        records = [_read(path) for path in sorted(self._records.glob("*.json")) if path not in self._valid]
        return [(record.get("subject"), [file for file in self._files(record) if file.exists()]) for record in records]

    def forget(self, is_unwanted: Callable[[str | None], bool]) -> None:
        """Remove the records of `left_over` whose subject is unwanted, and their files.

        Raises:
            SpacerError: a file cannot be removed.
        """
        wanted = {Path(output.key) for step in self._valid.values() for output in step.outputs}
        for path in sorted(self._records.glob("*.json")):
            record = _read(path)
            if path in self._valid or not is_unwanted(record.get("subject")):
                continue
            for file in self._files(record):
                if file not in wanted:
                    self._remove(file)
                    # A folder that has become empty goes too.
                    with suppress(OSError):
                        file.parent.rmdir()
            for folder in self._files(record, "folders"):
                shutil.rmtree(folder, ignore_errors=True)
            delete(_location(path))

    def _remove(self, file: Path) -> None:
        if file.is_file() or file.is_symlink():
            delete(_location(file))
            self.removed.append(file)

    def _end(self, one: Step | JointSteps, outcome: TaskOutcome, ended: Ended) -> None:
        if outcome.status == "done":
            try:
                for step, answer in zip(one.steps, one.answers(outcome.result), strict=True):
                    self._record(step, answer)
                    ended.answers[step.name] = answer
                return
            except SpacerError as error:
                outcome = failed(error)
        reason = " ".join((outcome.error_message or "It failed.").split())
        for step in one.steps:
            if step.name not in ended.answers:
                ended.failures[step.name] = Failure(reason, outcome.error_class, bool(outcome.transient))
                logger.info("%s: %s", step.name, reason)

    def _answer_on_record(self, step: Step) -> Any:
        path = self._path(step)
        record = _read(path)
        try:
            written = path.stat().st_mtime_ns
            outputs = {self._relative(output): Path(output.key) for output in step.outputs}
            if record["fingerprint"] != step.fingerprint or record["outputs"].keys() != outputs.keys():
                return None
            if not all(_is_as_recorded(file, record["outputs"][name], written) for name, file in outputs.items()):
                return None
            if record.get("folders", {}) != self._contents(step, written):
                return None
            answer = TASKS[step.message.task].return_message.deserialize(record["answer"])
        # A record that cannot be read is none.
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        self._valid[path] = step
        return answer

    def _begin(self, one: Step | JointSteps) -> None:
        """Remove the records of steps and the files that they list."""
        for step in one.steps:
            self._before(step)
            self._remove_results(step)

    def _remove_results(self, step: Step) -> None:
        path = self._path(step)
        ours = [Path(output.key) for output in step.outputs]
        earlier = _read(path)
        others = [file for file in self._files(earlier) if file not in ours]
        folders = {*self._files(earlier, "folders"), *(Path(folder.key) for folder in step.folders)}
        names = [file.relative_to(self._folder).as_posix() for file in (*ours, *others)]
        record: dict[str, Any] = {"step": step.name, "subject": step.subject, "outputs": dict.fromkeys(names)}
        if folders:
            record["folders"] = dict.fromkeys(sorted(folder.relative_to(self._folder).as_posix() for folder in folders))
        self._write(path, record)
        for output in step.outputs:
            delete(output)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for file in others:
            self._remove(file)

    def _record(self, step: Step, result: Any) -> None:
        try:
            sizes = {self._relative(output): Path(output.key).stat().st_size for output in step.outputs}
        except OSError as error:
            raise StorageUnavailableError(f"The file '{error.filename}' was removed while it was needed.") from None
        record = {
            "step": step.name,
            "subject": step.subject,
            "fingerprint": step.fingerprint,
            "outputs": sizes,
            **({"folders": self._contents(step)} if step.folders else {}),
            # Without what tells of this run alone, so that the same work leaves the same files.
            "answer": of_any_run(result.serialize()),
        }
        path = self._path(step)
        self._write(path, record)
        self._valid[path] = step

    def _contents(self, step: Step, written: int | None = None) -> dict[str, str]:
        """A hash of the names and sizes of the files in each folder of a step, and of whether one is newer."""
        found = {}
        for folder in step.folders:
            files = sorted(path for path in Path(folder.key).rglob("*") if path.is_file())
            statuses = [(file.relative_to(folder.key).as_posix(), file.stat()) for file in files]
            newer = written is not None and any(status.st_mtime_ns > written for _, status in statuses)
            named = [[name, status.st_size] for name, status in statuses]
            found[self._relative(folder)] = hashlib.sha256(json.dumps([named, newer]).encode()).hexdigest()
        return found

    def _write(self, path: Path, record: dict[str, Any]) -> None:
        write_bytes(_location(path), json.dumps(record).encode())

    def _files(self, record: dict[str, Any], kind: str = "outputs") -> list[Path]:
        """The files, or ``folders``, that a record names; a name that leads out of the folder is ignored."""
        outputs = record.get(kind)
        names = [Path(name) for name in outputs if isinstance(name, str)] if isinstance(outputs, dict) else []
        return [
            self._folder / name for name in names if name.parts and not name.is_absolute() and ".." not in name.parts
        ]

    def _relative(self, output: DataLocation) -> str:
        return Path(output.key).relative_to(self._folder).as_posix()

    def _path(self, step: Step) -> Path:
        name = quote(step.name, safe="")
        if len(name) > 200:
            name = f"{name[:120]}-{hashlib.sha256(step.name.encode()).hexdigest()[:32]}"
        return self._records / f"{name}.json"


def of_any_run(answer: dict[str, Any]) -> dict[str, Any]:
    """A serialised answer without its seconds, and without where a training that was interrupted went on."""
    return answer | {name: value for name, value in (("runtime", 0.0), ("resumed_from", 0)) if name in answer}


@contextmanager
def only_run(folder: Path) -> Iterator[int]:
    """Keep other runs out of a workflow's folder; yields the descriptor of the lock, for the processes of this run.

    Raises:
        TransientError: another run is at work there.
        SpacerError: the folder cannot be made.
    """
    lock = folder / LOCK
    if not lock.exists():
        write_bytes(_location(lock), b"")
    with lock.open("r+b") as file:
        _acquire(file.fileno(), folder)
        yield file.fileno()


def _acquire(lock: int, folder: Path) -> None:
    # Processes of a run that was killed may need a moment to end.
    last = time.monotonic() + _SECONDS_FOR_ANOTHER_RUN
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > last:
                raise TransientError(
                    f"Another run is at work in '{folder}': wait until it has ended, or name another folder."
                ) from None
        except OSError:
            # Not every filesystem has locks.
            return
        time.sleep(0.1)


def _location(path: Path) -> DataLocation:
    return DataLocation("filesystem", str(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(read_bytes(_location(path)))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _is_as_recorded(file: Path, size: int, written: int) -> bool:
    """Whether a file has its size, and was not changed after the record was written."""
    status = file.stat()
    return stat.S_ISREG(status.st_mode) and status.st_size == size and status.st_mtime_ns <= written
