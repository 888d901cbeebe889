"""Submissions that a cluster's scheduler runs as arrays of children, one for each shard.

Schedulers differ in how an array is started, queried and cancelled, and in nothing else. Each start of work is a run:
the requests that have no outcome yet, divided into shards. In the submission's folder lie also::

    runs/N.json                the shards of a run, each with the digests of its requests
    arrays/N-K.json            an array of run N: the scheduler's id, and which shards its children have
    started/, children/        see `child_records`
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

from spacer_like.data_classes.base import load_json
from spacer_like.engines.array import ArraySubmission
from spacer_like.engines.base import Resources
from spacer_like.exceptions import MessageError, TransientError, damage_as
from spacer_like.location import DataLocation
from spacer_like.storage import exists, list_keys, write_bytes

SUBMISSION_VARIABLE = "SUBMISSION_LOC"
"""The environment variable that holds the location of the folder; the limits on what is submitted allow no more."""
RUN_VARIABLE = "SUBMISSION_RUN"
FIRST_VARIABLE = "SUBMISSION_FIRST_SHARD"
"""The shard of the array's child 0."""
_VERSION = 1


class ArrayJob(NamedTuple):
    """An array to be started.

    Fields:
        name: of at most 60 letters, digits and hyphens; equal arrays have the same one.
        size: the number of children, 1 or more.
        environment: variables that each child has besides its index.
        after: ids of arrays whose children must all succeed before one of these starts; where one fails, none does.
    """

    name: str
    size: int
    environment: dict[str, str]
    after: tuple[str, ...] = ()


class ArrayState(NamedTuple):
    """The state of an array: whether a child is queued or running, and the scheduler's reason where it says one."""

    is_active: bool
    reason: str = ""


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

    @abstractmethod
    def stop(self, ids: Sequence[str]) -> None:
        """Cancel the queued children of arrays, and end the running ones by SIGTERM; twice is no error."""


@dataclass(frozen=True)
class Sharding:
    """How requests are divided.

    Fields:
        requests: how many a shard has.
        most_children: of one array: several smaller arrays are started one beside the other. None: as many as the
            scheduler allows.
    """

    requests: int = 50
    most_children: int | None = None

    def __post_init__(self) -> None:
        if self.requests < 1 or (self.most_children is not None and self.most_children < 1):
            raise MessageError("A shard has at least one request, and an array at least one child.")


class ScheduledSubmission(ArraySubmission):
    """A submission that a scheduler runs.

    Args:
        folder: where `submit` keeps what it submits; children of the cluster must reach it by the same location.
        scheduler: which runs it.
        sharding: used when work begins.

    Raises:
        MessageError: other machines cannot reach the folder.
    """

    def __init__(self, folder: DataLocation, scheduler: Scheduler, sharding: Sharding | None = None) -> None:
        if folder.storage_type == "memory":
            raise MessageError(f"The folder '{folder.display_name}' lies in memory, which no other process sees.")
        if folder.storage_type == "filesystem":
            folder = DataLocation.local(folder.key)
        super().__init__(folder)
        self.scheduler = scheduler
        self.sharding = sharding or Sharding()
        self._queried: tuple[float, bool] | None = None

    @property
    def engine(self) -> dict[str, Any]:
        return {
            "engine": self.scheduler.name,
            "options": self.scheduler.options,
            "sharding": asdict(self.sharding),
        }

    def resources(self) -> Resources:
        return self.scheduler.resources()

    def begin(self, waiting: Sequence[str]) -> None:
        self._queried = None
        number = self.last_run()
        if self.is_at_work():
            raise TransientError(f"Something is at work on '{self.folder.display_name}' already: wait, or cancel it.")
        if not waiting:
            return
        size = self.sharding.requests
        shards = [list(waiting[start : start + size]) for start in range(0, len(waiting), size)]
        children = self.arrays_of(len(shards))
        run = {"version": _VERSION, "shards": shards, "children": children}
        write_bytes(_run(self.folder, number + 1), json.dumps(run).encode())
        self._queried = None
        self._start(number + 1, children)

    def is_at_work(self) -> bool:
        number = self.last_run()
        if not number:
            return False
        if self._queried and time.monotonic() - self._queried[0] < self.scheduler.seconds_between_queries:
            return self._queried[1]
        is_active = any(state.is_active for state in self.array_states().values())
        self._queried = (time.monotonic(), is_active)
        return is_active

    def array_states(self) -> dict[str, ArrayState]:
        """The state of each array of the last run that the scheduler knows, by its id."""
        ids = self.array_ids()
        return self.scheduler.states(ids) if ids else {}

    def end(self) -> None:
        if ids := self.array_ids():
            self.scheduler.stop(ids)
        self._queried = None

    def arrays_of(self, count: int) -> list[int]:
        """How many children each array has, of that many in all."""
        most = self.scheduler.largest_array()
        most = min(most, self.sharding.most_children or most)
        return [min(most, count - start) for start in range(0, count, most)]

    def _start(self, number: int, children: Sequence[int]) -> None:
        """Start the arrays of a run; what the scheduler has already by its name is not started again."""
        first = 0
        for index, count in enumerate(children):
            job = ArrayJob(
                self._name(number, index),
                count,
                {
                    SUBMISSION_VARIABLE: self.folder.json_text,
                    RUN_VARIABLE: str(number),
                    FIRST_VARIABLE: str(first),
                },
            )
            # Schedulers take the same array twice: one whose answer was lost is looked up by its name.
            found = self.scheduler.find(job.name) or self.scheduler.start(job)
            record = {"id": found, "name": job.name, "first": first, "count": count}
            write_bytes(self._array(number, index), json.dumps(record).encode())
            first += count

    def _name(self, number: int, index: int) -> str:
        digest = hashlib.sha256(self.folder.json_text.encode()).hexdigest()[:16]
        return f"spacer-like-{digest}-{number}-{index}"

    def _array(self, number: int, index: int) -> DataLocation:
        return self.folder.below(f"arrays/{number}-{index}.json")

    def last_run(self) -> int:
        """The number of the last run; 0: there is none."""
        stems = [loc.filename.removesuffix(".json") for loc in list_keys(self.folder.below("runs/"))]
        return max((int(stem) for stem in stems if stem.isdecimal()), default=0)

    def array_ids(self) -> list[str]:
        """The ids of the last run's arrays, found by their names where the submitter died before it stored them."""
        number = self.last_run()
        if not number:
            return []
        children = read_run(self.folder, number)["children"]
        ids = []
        for index in range(len(children)):
            loc = self._array(number, index)
            found = _read_id(loc) if exists(loc) else self.scheduler.find(self._name(number, index))
            ids += [found] if found else []
        return ids


def read_run(folder: DataLocation, number: int) -> dict[str, Any]:
    """A run: its `shards`, each a list of digests, and the number of `children` of each array.

    Raises:
        MessageError: it is damaged, or of another version.
        DataNotFoundError: there is none.
    """
    loc = _run(folder, number)
    run: dict[str, Any] = load_json(loc)
    with damage_as(MessageError, loc.display_name, f"{loc.display_name} is no run of a submission"):
        digests = [digest for shard in run["shards"] for digest in shard]
        are_digests = all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
        if run["version"] != _VERSION or not are_digests or sum(run["children"]) != len(run["shards"]):
            raise ValueError("it is of another version, or damaged")
    return run


def _read_id(loc: DataLocation) -> str:
    with damage_as(MessageError, loc.display_name, f"{loc.display_name} is no record of an array"):
        return str(load_json(loc)["id"])


def _run(folder: DataLocation, number: int) -> DataLocation:
    return folder.below(f"runs/{number}.json")
