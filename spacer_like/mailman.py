"""Dispatch of messages to tasks, and the entry point of containers."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from typing import Any, NamedTuple

from spacer_like import interruption

if __name__ == "__main__":
    # Signals are heard before the rest is imported.
    interruption.listen()

from spacer_like import config
from spacer_like.data_classes.base import load_json
from spacer_like.exceptions import (
    ConfigError,
    DataLimitError,
    MessageError,
    SpacerError,
    TransientError,
    class_of,
    sentence_of,
    visible,
)
from spacer_like.extras import explained_imports
from spacer_like.interruption import Interrupted
from spacer_like.location import DataLocation
from spacer_like.memory import reuse_thread_memory
from spacer_like.message_base import Message
from spacer_like.messages import JobMsg, JobReturnMsg, TaskOutcome, TrainClassifierMsg
from spacer_like.overwriting import NamedLocation, check_locations, check_tasks, check_unused
from spacer_like.prefetch import ReadingTask, readers_ahead
from spacer_like.progress import report
from spacer_like.request_log import RequestLog, configure_log

# Also where this module is the program.
logger = logging.getLogger("spacer_like.mailman")


class ExitCode(IntEnum):
    """Exit codes of `env_job`, for retry strategies."""

    DONE = 0
    PERMANENT_FAILURE = 64
    TRANSIENT_FAILURE = 75
    INTERRUPTED_BY_KEYBOARD = 130
    INTERRUPTED = 143


def process_job(job_msg: JobMsg) -> JobReturnMsg:
    """Run every task of a job, one after the other, the reading of the next beside the computing of this one.

    A task that fails does not stop the others, except for a transient failure: what made it fail would meet them too.

    Args:
        progress: called with (tasks ended, tasks in all) after each task.

    Raises:
        MessageError: not a job message, or one whose tasks would overwrite each other's files.
    """
    if not isinstance(job_msg, JobMsg):
        raise MessageError(f"process_job takes a JobMsg, not {type(job_msg).__name__}.")
    run = _Run(job_msg)
    run.tasks()
    return run.return_message()


class JobEnd(NamedTuple):
    """The end of a job: return message, outcome of each task, and the exit code for a program that ran only it."""

    message: JobReturnMsg
    outcomes: list[TaskOutcome]
    exit_code: ExitCode
    interrupted: Interrupted | None = None


def run_job(
    job_msg: JobMsg, others: Sequence[NamedLocation] = (), take: Callable[[int, Any], None] | None = None
) -> JobEnd:
    """As `process_job`, for a program: it learns how each task ended, and a signal ends the job with what is done.

    Args:
        others: what the program itself reads or writes for the job; no task may write there, nor read what it writes.
        take: called with the number and the return message of each task that is done, as soon as it is done. The return
            messages are not kept then: those of the outcomes are None.
    """
    run = _Run(job_msg, others, take)
    with interruption.interruptible():
        try:
            run.tasks()
        except Interrupted as signal:
            return JobEnd(run.return_message(str(signal)), run.outcomes, ExitCode(signal.exit_code), signal)
    return JobEnd(run.return_message(), run.outcomes, run.exit_code)


def run_task(msg: Message) -> TaskOutcome:
    """The outcome of one request; a signal is raised as `Interrupted`."""
    run = _Run(JobMsg(task_name=msg.task, tasks=[msg]))
    run.tasks()
    return run.outcomes[0]


class _Run:
    """A running job, with the outcomes of its tasks so far."""

    def __init__(
        self, job_msg: JobMsg, others: Sequence[NamedLocation] = (), take: Callable[[int, Any], None] | None = None
    ) -> None:
        check_tasks(job_msg.tasks, others)
        self._take = take
        self.job_msg = job_msg
        self.outcomes: list[TaskOutcome] = []
        self.first_traceback: str | None = None

    def tasks(self) -> None:
        from spacer_like import tasks

        task = getattr(tasks, self.job_msg.task_name)
        log = RequestLog()
        for msg, answer in _answers(task, self.job_msg.tasks):
            log.begun()
            with config.log_entry_and_exit(f"{self.job_msg.task_name} [{getattr(msg, 'job_token', '')}]"):
                outcome = self._outcome(msg, answer)
            log.ended(msg, outcome)
            if self._take is not None and outcome.status == "done":
                self._take(len(self.outcomes), outcome.result)
                outcome = TaskOutcome(status="done")
            self.outcomes.append(outcome)
            report(self.job_msg.task_name, len(self.outcomes), len(self.job_msg.tasks))
            if outcome.transient:
                break

    def _outcome(self, msg: Any, answer: Callable[[], Any]) -> TaskOutcome:
        try:
            with explained_imports():
                return TaskOutcome(status="done", result=answer())
        except Exception as error:
            text = _traceback_text(error)
            logger.error("Error executing job %s: %s", getattr(msg, "job_token", ""), text)
            self.first_traceback = self.first_traceback or text
            return TaskOutcome(
                status="failed",
                error_class=class_in_answers(error),
                error_message=sentence_of(error),
                transient=is_transient(error),
            )

    def return_message(self, interruption: str | None = None) -> JobReturnMsg:
        count = len(self.job_msg.tasks)
        job = self.job_msg
        if not config.settings().echo_training_labels:
            job = job.model_copy(
                update={
                    "tasks": [msg.without_labels() if isinstance(msg, TrainClassifierMsg) else msg for msg in job.tasks]
                }
            )
        if all(outcome.status == "done" for outcome in self.outcomes) and len(self.outcomes) == count:
            return _return_message(job, results=[outcome.result for outcome in self.outcomes])
        unrun = [TaskOutcome(status="not_run")] * (count - len(self.outcomes))
        outcomes = self.outcomes + unrun if count > 1 else None
        return _return_message(job, self.first_traceback or interruption, outcomes=outcomes)

    @property
    def exit_code(self) -> ExitCode:
        failed = [outcome for outcome in self.outcomes if outcome.status == "failed"]
        if any(outcome.transient for outcome in failed):
            return ExitCode.TRANSIENT_FAILURE
        return ExitCode.PERMANENT_FAILURE if failed else ExitCode.DONE


def _traceback_text(error: BaseException) -> str:
    """The traceback, whose last line begins with the error's class and holds all that it says.

    CoralNet takes the class from there; a message of several lines, notes and groups of errors end otherwise.
    """
    text = traceback.format_exc()
    name = class_in_answers(error).removeprefix("builtins.")
    if re.match(rf"{re.escape(name)}(:|$)", text.splitlines()[-1]):
        return text
    return f"{text}{name}: {visible(sentence_of(error))}\n"


def _return_message(
    job: Any, error: str | None = None, results: list[Any] | None = None, outcomes: list[TaskOutcome] | None = None
) -> JobReturnMsg:
    return JobReturnMsg(original_job=job, ok=error is None, results=results, error_message=error, outcomes=outcomes)


def class_in_answers(error: BaseException) -> str:
    """The dotted name of an error's class, as the setting ERROR_NAMES has it."""
    return class_of(error, config.settings().error_names == "pyspacer")


def is_transient(error: BaseException) -> bool:
    """Whether a retry may succeed. Of errors of other libraries, lack of memory counts as transient."""
    return isinstance(error, TransientError | MemoryError) or (
        isinstance(error, ConnectionError | TimeoutError) and not isinstance(error, SpacerError)
    )


def _answers(task: Callable[[Any], Any], messages: list[Any]) -> Iterator[tuple[Any, Callable[[], Any]]]:
    """Each message with the call that answers it, while the inputs of the next ones are read."""
    if not isinstance(task, ReadingTask) or len(messages) < 2:
        for msg in messages:
            yield msg, lambda msg=msg: task(msg)  # type: ignore[misc]
        return
    readers = readers_ahead()
    pool = ThreadPoolExecutor(readers, "reading-ahead", initializer=reuse_thread_memory)
    coming: deque[Future[Any]] = deque(pool.submit(task.read, msg) for msg in messages[:readers])
    material = coming[0]
    try:
        for position, msg in enumerate(messages):
            material = coming.popleft()
            # Not before this one has arrived: that many images and this one are held at a time.
            material.exception()
            coming.extend(
                pool.submit(task.read, later) for later in messages[position + readers : position + readers + 1]
            )
            yield msg, lambda msg=msg, material=material: task.compute(msg, material.result())  # type: ignore[misc]
    finally:
        # Nobody waits for what is being read for tasks that are not done any more, such as from a slow server.
        pool.shutdown(wait=False, cancel_futures=True)
        if not all(reading.done() for reading in (material, *coming)):
            interruption.leave_threads_behind()


def env_job(exit_codes: bool = True) -> int:
    """Run the job that the environment names, and store its return message.

    ``JOB_MSG_LOC`` and, optionally, ``RES_MSG_LOC`` hold the location of the job message and of the return message, as
    JSON or as a URI. Whatever goes wrong after they were read is reported in the return message.

    Args:
        exit_codes: whether a failure that the return message reports shows in the exit code too; the setting
            EXIT_CODES, where it is set, decides instead.

    Returns:
        An `ExitCode`; without `exit_codes` 0 once a return message was stored, unless SIGTERM interrupted the job.

    Raises:
        ConfigError: JOB_MSG_LOC is not set, or one of the two is no location.
        MessageError: the return message would overwrite the job, or a file of one of its tasks.
        SpacerError: the return message could not be stored.
    """
    job_location = location_from_environment("JOB_MSG_LOC")
    if job_location is None:
        raise ConfigError("JOB_MSG_LOC env. variable not set. Can not process job.")
    result_location = location_from_environment("RES_MSG_LOC")
    others = [NamedLocation("JOB_MSG_LOC", job_location, is_output=False)]
    if result_location is not None:
        others.append(NamedLocation("RES_MSG_LOC", result_location, is_output=True))
    check_locations(others)
    logger.info("Received job from env var: %s", job_location.display_name)
    container = _Container(job_location, result_location, others)
    code = container.run()
    setting = config.settings().exit_codes
    shows_failures = exit_codes if setting is None else setting
    # PySpacer, too, dies of SIGTERM: whoever starts the job again must learn of it.
    is_reported = result_location is not None and code in (ExitCode.PERMANENT_FAILURE, ExitCode.TRANSIENT_FAILURE)
    return ExitCode.DONE if is_reported and not shows_failures else code


class _Container:
    """A job at a location: it is run, and its return message is stored once, however it ends."""

    def __init__(
        self, job_location: DataLocation, result_location: DataLocation | None, others: Sequence[NamedLocation]
    ) -> None:
        self._job_location, self._result_location, self._others = job_location, result_location, others
        self._job: Any = None
        self._run: _Run | None = None
        self._lock = threading.Lock()
        self._is_stored = False

    def run(self) -> ExitCode:
        try:
            with (
                interruption.interruptible(),
                interruption.at_forced_end(self._end_by_force),
                # The return message is stored whole, and always.
                interruption.deferred(),
            ):
                message, code = self._end()
                if not self._store(message) and code is ExitCode.DONE:
                    code = ExitCode.PERMANENT_FAILURE
        except Interrupted as signal:
            return ExitCode(signal.exit_code)
        late = interruption.heard()
        return ExitCode(late.exit_code) if late else code

    def _end(self) -> tuple[JobReturnMsg, ExitCode]:
        try:
            with interruption.allowed():
                self._job = load_json(self._job_location)
                self._run = _Run(JobMsg.deserialize(self._job), self._others)
                self._run.tasks()
            return self._run.return_message(), self._run.exit_code
        except Interrupted as signal:
            return self._interrupted(signal), ExitCode(signal.exit_code)
        except Exception as error:
            logger.error("The job at %s cannot be run: %s", self._job_location.display_name, error)
            code = ExitCode.TRANSIENT_FAILURE if is_transient(error) else ExitCode.PERMANENT_FAILURE
            return _return_message(_echoed(self._job), f"Error deserializing message: {error!r}"), code

    def _interrupted(self, signal: Interrupted) -> JobReturnMsg:
        return self._run.return_message(str(signal)) if self._run else _return_message(_echoed(self._job), str(signal))

    def _end_by_force(self, signal: Interrupted) -> None:
        self._store(self._interrupted(signal))

    def _store(self, message: JobReturnMsg) -> bool:
        """Store the return message once. False: it could not be read back, and a short one about that is stored."""
        is_whole = True
        with self._lock:
            if self._result_location is not None and not self._is_stored:
                if isinstance(message.original_job, JobMsg):
                    # A job that was refused for the location of its return message has nowhere to put one.
                    check_unused(self._others[-1], message.original_job.tasks)
                with config.log_entry_and_exit(f"writing res to {self._result_location.display_name}"):
                    is_whole = _store_readable(message, self._result_location)
            self._is_stored = True
        return is_whole


def _store_readable(message: JobReturnMsg, location: DataLocation) -> bool:
    try:
        message.store(location)
        return True
    except DataLimitError as error:
        sentence = sentence_of(error)
    logger.error("%s", sentence)
    try:
        _return_message(message.original_job, sentence).store(location)
    except DataLimitError:
        _return_message(None, sentence).store(location)
    return False


def _echoed(job: Any) -> Any:
    """The JSON found instead of a job, for the return message; None where it is not JSON."""
    try:
        json.dumps(job, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return job


def location_from_environment(name: str) -> DataLocation | None:
    """The location that an environment variable holds, as JSON or as a URI; None: it is not set.

    Raises:
        ConfigError: it holds something else.
    """
    text = os.getenv(name)
    if not text:
        return None
    try:
        return (
            DataLocation.deserialize(json.loads(text)) if text.lstrip().startswith("{") else DataLocation.from_uri(text)
        )
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The environment variable {name} holds no location: {error}") from None


def main(arguments: list[str], exit_codes: bool = False) -> int:
    """``python -m spacer_like.mailman env_job``: PySpacer's container command; `exit_codes` as of `env_job`."""
    if arguments != ["env_job"]:
        sys.stderr.write("usage: python -m spacer_like.mailman env_job\n")
        return 2
    interruption.listen()
    try:
        configure_log()
        code = env_job(exit_codes)
    except SpacerError as error:
        logger.error("%s", error)
        code = ExitCode.TRANSIENT_FAILURE if is_transient(error) else ExitCode.PERMANENT_FAILURE
    interruption.begin_end()
    if (signal := interruption.heard()) is not None:
        interruption.announce(signal)
    return interruption.finish(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
