"""The seam between a submission and a cluster: how arrays of children are started, queried and cancelled.

Schedulers differ in that, and in nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from spacer_like.engines.base import Resources

ATTEMPTS_VARIABLE = "SUBMISSION_ATTEMPTS"
"""The environment variable of children that end with exit code 0 although requests failed, at this attempt or a later
one; after a permanent failure at any."""


class ArrayJob(NamedTuple):
    """An array to be started.

    Fields:
        name: of at most 60 letters, digits and hyphens; equal arrays have the same one.
        size: the number of children, 1 or more.
        environment: variables that each child has besides its index.
        after: ids of arrays whose children must all have ended before one of these starts, also those in which requests
            failed: what does not need these goes on.
        is_awaited: whether others wait for it.
    """

    name: str
    size: int
    environment: dict[str, str]
    after: tuple[str, ...] = ()
    is_awaited: bool = False


class ArrayState(NamedTuple):
    """The state of an array.

    Fields:
        is_active: whether a child is queued or running.
        reason: the scheduler's, where it says one.
        is_queued: whether children wait for machines, and none is running.
        is_waiting: whether they wait for another array.
    """

    is_active: bool
    reason: str = ""
    is_queued: bool = False
    is_waiting: bool = False


class Scheduler(ABC):
    """A cluster's way of starting, querying and cancelling arrays."""

    name: ClassVar[str]
    """As in the file ``engine.json``, and on the command line."""
    seconds_between_queries: ClassVar[float] = 1.0
    most_dependencies: ClassVar[int | None] = None
    """How many arrays one may wait for; None: any number."""

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """The keyword arguments that make it again; no secret is among them."""

    @abstractmethod
    def largest_array(self) -> int:
        """The most children that an array may have."""

    def resources(self) -> Resources:
        """What each child has, as far as the scheduler's options or its answers say."""
        return Resources()

    @abstractmethod
    def start(self, job: ArrayJob) -> str:
        """Start an array, each of whose children runs ``python -m spacer_like.engines.shard``; returns its id.

        Raises:
            TransientError: the scheduler does not answer.
            SpacerInputError: it refuses.
        """

    @abstractmethod
    def find(self, name: str) -> str | None:
        """The id of the array of this name that the scheduler knows, if there is one."""

    @abstractmethod
    def states(self, ids: Sequence[str]) -> dict[str, ArrayState]:
        """The state of each of these arrays; one that the scheduler has forgotten is not among them."""

    def reasons(self, ids: Sequence[str]) -> dict[str, str]:
        """Why children of these arrays wait for machines, where the scheduler says it of arrays that are active."""
        return {key: state.reason for key, state in self.states(ids).items() if state.is_active and state.reason}

    @abstractmethod
    def stop(self, ids: Sequence[str]) -> None:
        """Cancel the queued children of arrays, and end the running ones by SIGTERM; twice is no error."""
