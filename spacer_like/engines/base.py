"""Base classes of engines, which run many requests, and of submissions, which are run elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from typing_extensions import Self

from spacer_like.exceptions import SpacerError, sentence_of
from spacer_like.mailman import class_in_answers, is_transient, run_task
from spacer_like.message_base import Message
from spacer_like.messages import TASKS, TaskOutcome
from spacer_like.overwriting import check_tasks

Ended = tuple[int, TaskOutcome]
"""The index of a request, and how it ended."""
Before = Callable[[int], None]
"""Called with a request's index before the work on it begins; a `SpacerError` that it raises fails the request."""


class Engine(ABC):
    """A runner of many requests. A subclass implements `work`; its resources, such as processes, end with the ``with``.

    A request that fails does not stop the others. An engine whose worker dies tries the request again a bounded number
    of times, and then fails it by a transient error. It keeps no state of the requests: results lie where the messages
    say, so that doing all of them again harms nothing.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:  # noqa: B027
        """Release the engine's resources."""

    def outcomes(self, messages: Iterable[Message], before: Before | None = None) -> Iterator[Ended]:
        """The outcome of every request with its index, in order of completion; closing the iterator ends the work.

        Args:
            messages: requests that do not depend on each other. Those of a sequence are compared with each other before
                any begins; other iterables are taken as workers become free, and are not compared.
            before: see `Before`; several threads may call it.

        Raises:
            MessageError: two requests of a sequence write to one place, or one writes what another reads.
        """
        if isinstance(messages, Sequence):
            check_tasks(messages)
        yield from self.work(enumerate(messages), before)

    @abstractmethod
    def work(self, messages: Iterator[tuple[int, Message]], before: Before | None) -> Iterator[Ended]:
        """As `outcomes`, for requests that were checked; each is taken from the iterator just before it starts."""

    @contextmanager
    def inheriting(self, *descriptors: int) -> Iterator[None]:
        """Let processes that this engine starts meanwhile inherit descriptors, such as that of a lock."""
        yield


class Serial(Engine):
    """An engine in this process, one request after the other; requests may use the memory storage."""

    def work(self, messages: Iterator[tuple[int, Message]], before: Before | None) -> Iterator[Ended]:
        for index, message in messages:
            yield index, begun(before, index) or run_task(message)


class Progress(NamedTuple):
    """The progress of a submission, as numbers of requests.

    Fields:
        total: all, of which `done` succeeded and `failed` have a failure on record; the others have no result yet.
        at_work: whether anything works on it.
        cancelled: whether it was cancelled.
    """

    total: int
    done: int
    failed: int
    at_work: bool
    cancelled: bool

    @property
    def waiting(self) -> int:
        """The number of requests without a result."""
        return self.total - self.done - self.failed


class Resources(NamedTuple):
    """What a child of a submission has to work with, as far as its engine knows.

    Fields:
        processes: how many requests it works on at once.
        vcpus: its processor cores, as they are paid for; None: not known.
        memory: its bytes of memory; None: not known, or without a limit.
        memory_source: who says so, for errors.
        seconds: after which it is ended; None: not known, or without a limit.
    """

    processes: int = 1
    vcpus: float | None = None
    memory: int | None = None
    memory_source: str = ""
    seconds: float | None = None


class Submission(ABC):
    """Requests that run without this process. The folder alone identifies the submission."""

    @abstractmethod
    def status(self) -> Progress:
        """The progress so far."""

    @abstractmethod
    def collect(self) -> Iterator[Ended]:
        """The index and the outcome of each request that has one so far, in the order of the requests."""

    @abstractmethod
    def retry_failed(self) -> int:
        """Run the requests again that failed or have no result; returns their number.

        Raises:
            TransientError: something still works on it.
        """

    @abstractmethod
    def cancel(self) -> None:
        """End the work. Results are kept; cancelling twice is no error."""


def failed(error: SpacerError) -> TaskOutcome:
    """The outcome of a request that fails by an error."""
    return TaskOutcome(
        status="failed",
        error_class=class_in_answers(error),
        error_message=sentence_of(error),
        transient=is_transient(error),
    )


def begun(before: Before | None, index: int) -> TaskOutcome | None:
    """Call `before` for a request; its outcome where that fails, else None."""
    try:
        if before is not None:
            before(index)
    except SpacerError as error:
        return failed(error)
    return None


def read_outcome(data: Any, task: str) -> TaskOutcome:
    """The outcome that `TaskOutcome.serialize` described, with the return message of its task.

    Raises:
        MessageError: it does not validate.
    """
    outcome = TaskOutcome.deserialize(data)
    if outcome.result is None:
        return outcome
    return outcome.model_copy(update={"result": TASKS[task].return_message.deserialize(outcome.result)})
