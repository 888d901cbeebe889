"""Submissions that a cluster's scheduler runs as arrays of children, one for each shard.

Each start of work is a run: the requests that have no outcome yet, divided into shards; those that wait for requests of
other shards are arrays of their own, after those. In the folder lie also::

    runs/N.json                the shards of a run, each with the digests of its requests
    arrays/N-K.json            an array of run N: the scheduler's id, and which shards its children have
    copies/N-K.json            an array of second children for some of its shards
    started/, children/        see `child_records`
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from spacer_like.data_classes.base import load_json
from spacer_like.engines.array import ArraySubmission, needs_in, read_manifest, states_of
from spacer_like.engines.base import Progress, Resources
from spacer_like.engines.child_records import Children, now
from spacer_like.engines.dependencies import staged
from spacer_like.engines.scheduler import ArrayJob, ArrayState, Scheduler
from spacer_like.engines.shard_progress import ShardProgress, progress_of_shards
from spacer_like.exceptions import MessageError, SpacerInputError, TransientError, damage_as
from spacer_like.location import DataLocation
from spacer_like.storage import exists, list_keys, write_bytes

SUBMISSION_VARIABLE = "SUBMISSION_LOC"
"""The environment variable that holds the location of the folder; the limits on what is submitted allow no more."""
RUN_VARIABLE = "SUBMISSION_RUN"
FIRST_VARIABLE = "SUBMISSION_FIRST_SHARD"
"""The shard of the array's child 0."""
COPY_VARIABLE = "SUBMISSION_COPY"
"""The number of the array, where its children are second ones: `read_copied` has their shards."""
_VERSION = 1


class Array(NamedTuple):
    """An array that was started.

    Fields:
        id: the scheduler's.
        shards: of its children.
        submitted: ISO time, UTC; '': it is not known.
        is_copy: whether its children are second ones of their shards.
    """

    id: str
    shards: Sequence[int]
    submitted: str
    is_copy: bool


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
        self._ended: int | None = None
        self._children: Children | None = None

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
        self._queried = self._ended = None
        number = self.last_run()
        if self.is_at_work():
            raise TransientError(f"Something is at work on '{self.folder.display_name}' already: wait, or cancel it.")
        if not waiting:
            return
        stages = staged(waiting, needs_in(read_manifest(self.folder)), self.sharding.requests)
        children = [self.arrays_of(len(shards)) for shards in stages]
        self._check_dependencies(children)
        run = {"version": _VERSION, "shards": list(chain(*stages)), "children": list(chain(*children))}
        write_bytes(_run(self.folder, number + 1), json.dumps(run).encode())
        self._queried = None
        self._start(number + 1, children)

    def _check_dependencies(self, children: Sequence[Sequence[int]]) -> None:
        """Refuse stages that the scheduler cannot have wait for each other."""
        most, needed = self.scheduler.most_dependencies, max((len(arrays) for arrays in children[:-1]), default=0)
        if most is not None and needed > most:
            allowed = f"that wait for more than {most} others" if most else "that wait for others"
            raise SpacerInputError(
                f"Some of these requests read what others write, and the engine '{self.scheduler.name}' has no arrays"
                f" {allowed}: make the arrays larger, submit one after the other, or use another engine."
            )

    def status(self) -> Progress:
        """As of `Submission`. While results come, the scheduler is not asked whether anything is at work."""
        found = self.counted(at_work=True)
        before, self._ended = self._ended, found.done + found.failed
        if found.waiting and before is not None and self._ended > before:
            return found
        # Counted again, what has ended meanwhile is not missed by one who waits for the end.
        return found if self.is_at_work() else self.counted(at_work=False)

    def is_at_work(self) -> bool:
        if self._queried and time.monotonic() < self._queried[0]:
            return self._queried[1]
        is_active = any(state.is_active for state in self.array_states().values())
        # Not all who watch ask at once.
        seconds = self.scheduler.seconds_between_queries * random.uniform(1.0, 1.25)
        self._queried = (time.monotonic() + seconds, is_active)
        return is_active

    def array_states(self) -> dict[str, ArrayState]:
        """The state of each array of the last run that the scheduler knows, by its id."""
        ids = self.array_ids()
        return self.scheduler.states(ids) if ids else {}

    def notices(self, progress: Progress) -> list[str]:
        """What the scheduler says of the arrays, and of children that wait for machines."""
        try:
            states = self.array_states()
            reasons = {key: state.reason for key, state in states.items()}
            reasons |= self.scheduler.reasons([key for key, state in states.items() if state.is_active])
        except TransientError as error:
            return [str(error)]
        return [f"Array {key}: {reason}" for key, reason in reasons.items() if reason]

    def end(self) -> None:
        if ids := self.array_ids():
            self.scheduler.stop(ids)
        self._queried = None

    @property
    def children(self) -> Children:
        """The children of the last run, as far as they have left word; `Children.look` reads it."""
        number = self.last_run()
        if self._children is None or self._children.run != number:
            self._children = Children(self.folder, number)
        return self._children

    def shards(self, at_work: bool) -> list[ShardProgress]:
        """The progress of each shard of the last run.

        Args:
            at_work: whether anything is; `status` says it.

        Raises:
            MessageError: a file of the folder is damaged.
        """
        children = self.children
        if not children.run:
            return []
        # Of the folder alone, without the scheduler.
        copied = {
            shard for one in self._copies(children.run) for shard in read_copied(self.folder, children.run, one)[1]
        }
        return progress_of_shards(
            read_run(self.folder, children.run)["shards"], states_of(self.folder), children, at_work, copied
        )

    def start_copies(self, shards: Sequence[int]) -> None:
        """Start a second child for each of some shards of the last run; whichever ends first ends the other."""
        number = self.last_run()
        index, first = len(self._copies(number)), 0
        for count in self.arrays_of(len(shards)):
            record = {"version": 1, "shards": list(shards[first : first + count]), "submitted": now()}
            loc = self.folder.below(f"copies/{number}-{index}.json")
            # First, for the children read it, and one who finds no id looks for the name.
            write_bytes(loc, json.dumps(record | {"id": None}).encode())
            found = self._started(
                ArrayJob(self._name(number, f"copy-{index}"), count, self._environment(number, index))
            )
            write_bytes(loc, json.dumps(record | {"id": found}).encode())
            index, first = index + 1, first + count
        self._queried = None

    def arrays_of(self, count: int) -> list[int]:
        """The sizes of arrays for that many children in all."""
        most = self.scheduler.largest_array()
        most = min(most, self.sharding.most_children or most)
        return [min(most, count - start) for start in range(0, count, most)]

    def _start(self, number: int, children: Sequence[Sequence[int]]) -> None:
        """Start the arrays of each stage of a run, after those of the stage before."""
        first, index = 0, 0
        before: tuple[str, ...] = ()
        for stage, counts in enumerate(children, 1):
            ids = []
            for count in counts:
                environment = self._environment(number) | {FIRST_VARIABLE: str(first)}
                job = ArrayJob(self._name(number, index), count, environment, before, stage < len(children))
                ids.append(self._started(job))
                record = {"id": ids[-1], "name": job.name, "first": first, "count": count, "submitted": now()}
                write_bytes(self._array(number, index), json.dumps(record).encode())
                first, index = first + count, index + 1
            before = tuple(ids)

    def _started(self, job: ArrayJob) -> str:
        # Schedulers take the same array twice: one whose answer was lost is looked up by its name.
        return self.scheduler.find(job.name) or self.scheduler.start(job)

    def _environment(self, number: int, copy: int | None = None) -> dict[str, str]:
        copied = {} if copy is None else {COPY_VARIABLE: str(copy)}
        return {SUBMISSION_VARIABLE: self.folder.json_text, RUN_VARIABLE: str(number)} | copied

    def _name(self, number: int, index: int | str) -> str:
        digest = hashlib.sha256(self.folder.json_text.encode()).hexdigest()[:16]
        return f"spacer-like-{digest}-{number}-{index}"

    def _array(self, number: int, index: int) -> DataLocation:
        return self.folder.below(f"arrays/{number}-{index}.json")

    def last_run(self) -> int:
        """The number of the last run; 0: there is none."""
        stems = [loc.filename.removesuffix(".json") for loc in list_keys(self.folder.below("runs/"))]
        return max((int(stem) for stem in stems if stem.isdecimal()), default=0)

    def array_ids(self) -> list[str]:
        """The ids of the last run's arrays, those of second children among them."""
        return [array.id for array in self.arrays()]

    def arrays(self) -> list[Array]:
        """The last run's arrays, found by their names where the submitter died before it stored their ids."""
        number = self.last_run()
        if not number:
            return []
        first = 0
        found: list[tuple[str | None, str, Sequence[int], str, bool]] = []
        for index, count in enumerate(read_run(self.folder, number)["children"]):
            loc = self._array(number, index)
            key, submitted = _read_array(loc) if exists(loc) else (None, "")
            found.append((key, self._name(number, index), range(first, first + count), submitted, False))
            first += count
        for index in self._copies(number):
            key, shards, submitted = read_copied(self.folder, number, index)
            found.append((key, self._name(number, f"copy-{index}"), shards, submitted, True))
        return [
            Array(known, shards, submitted, is_copy)
            for key, name, shards, submitted, is_copy in found
            if (known := key or self.scheduler.find(name))
        ]

    def _copies(self, number: int) -> list[int]:
        stems = [loc.filename.removesuffix(".json") for loc in list_keys(self.folder.below(f"copies/{number}-"))]
        return sorted(int(index) for stem in stems if (index := stem.partition("-")[2]).isdecimal())


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


def read_copied(folder: DataLocation, run: int, index: int) -> tuple[str | None, list[int], str]:
    """An array of second children: its id (None: it is not known), the shard of each, and when it was submitted.

    Raises:
        MessageError: its record is damaged, or of another version.
        DataNotFoundError: there is none.
    """
    loc = folder.below(f"copies/{run}-{index}.json")
    record = load_json(loc)
    with damage_as(MessageError, loc.display_name, f"{loc.display_name} is no record of second children"):
        shards = [int(shard) for shard in record["shards"]]
        if record["version"] != 1 or min(shards) < 0:
            raise ValueError("it is of another version, or damaged")
        return (str(record["id"]) if record["id"] else None), shards, _time(record)


def _read_array(loc: DataLocation) -> tuple[str, str]:
    """The id of an array, and when it was submitted, which records did not say at first."""
    with damage_as(MessageError, loc.display_name, f"{loc.display_name} is no record of an array"):
        record = load_json(loc)
        return str(record["id"]), _time(record)


def _time(record: dict[str, Any]) -> str:
    text = str(record.get("submitted", ""))
    return datetime.fromisoformat(text).isoformat() if text else ""


def _run(folder: DataLocation, number: int) -> DataLocation:
    return folder.below(f"runs/{number}.json")
