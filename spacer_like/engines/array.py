"""Submissions of many requests, and the work on a part of them, which is a shard.

A submission is a folder in any storage. Each request and each outcome lies under the request's digest, the outcome is
written last, and an equal request is done once::

    manifest.json                              which requests, in order, and which wait for which
    engine.json                                which engine runs them, and how; where results go besides
    requests/DIGEST.json                       a job message of one request
    results/DIGEST.done.json, .failed.json     its outcome
    cancelled                                  where it is there, no shard begins another request; it may say why
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Container, Iterator, Sequence
from itertools import islice
from typing import Any

from typing_extensions import Self

from spacer_like.data_classes.base import load_json, parse_json
from spacer_like.engines.base import Ended, Progress, Resources, Submission, read_outcome
from spacer_like.engines.child_records import last_run
from spacer_like.engines.dependencies import needs_of
from spacer_like.engines.result_template import ResultTemplate, first_indexes
from spacer_like.exceptions import MessageError, SpacerInputError, damage_as, visible
from spacer_like.location import DataLocation
from spacer_like.message_base import Message
from spacer_like.messages import TASKS, JobMsg, TaskOutcome, digest_of
from spacer_like.overwriting import check_tasks
from spacer_like.storage import delete, exists, list_keys, read_bytes, read_many, storage_factory, write_bytes

_VERSION = 3
# Version 1 had a number of shards too, which was always 1; before version 3 no request waited for another.
_VERSIONS = (1, 2, _VERSION)
# Outcomes that are held while those before them are read.
_READ_AT_ONCE = 200
_DIGEST = re.compile("[0-9a-f]{64}")


class ArraySubmission(Submission):
    """A submission in a folder; a subclass starts, queries and ends the work, as each cluster does it differently.

    Args:
        folder: where `submit` keeps what it submits, or has kept it.
    """

    results: ResultTemplate | None = None
    """Where outcomes go besides this folder."""

    def __init__(self, folder: DataLocation) -> None:
        self.folder = folder

    @property
    @abstractmethod
    def engine(self) -> dict[str, Any]:
        """The engine's name and, as JSON values, all that opens this submission again besides the folder."""

    @abstractmethod
    def begin(self, waiting: Sequence[str]) -> None:
        """Start processes that call `work_on_shard` until the requests of these digests have an outcome.

        Raises:
            TransientError: some are at work already.
        """

    @abstractmethod
    def is_at_work(self) -> bool:
        """Whether such a process is running or queued."""

    @abstractmethod
    def end(self) -> None:
        """End those that are running or queued, if there are any."""

    def resources(self) -> Resources:
        """What each child has.

        Raises:
            SpacerInputError: the cluster does not know what it would be made of.
        """
        return Resources()

    def check(self, messages: Sequence[Message]) -> list[list[str]]:
        """The task's name and the digest of each request, where they may be submitted into this folder.

        Raises:
            MessageError: the folder holds other requests; or two write to one place, or one writes what another one
                before it reads.
        """
        check_tasks(messages, in_order=True)
        described = [[message.task, digest_of(message)] for message in messages]
        if exists(self.folder.below("manifest.json")) and read_manifest(self.folder)["requests"] != described:
            raise MessageError(f"The folder '{self.folder.display_name}' holds other requests: give another folder.")
        return described

    def submit(self, messages: Sequence[Message]) -> Self:
        """Store requests, and begin with those that have no outcome yet. Submitting the same ones again harms nothing.

        A request that reads what others before it write begins when those are done, see `dependencies`. One that was
        cancelled goes on.

        Raises:
            MessageError: the folder holds other requests, or their results go elsewhere; or two write to one place, or
                one writes what another one before it reads.
            TransientError: something works on them already.
            SpacerError: the folder cannot be written.
        """
        described = self.check(messages)
        is_new = not exists(self.folder.below("manifest.json"))
        self._resume()
        unique = {digest: message for (_, digest), message in zip(described, messages, strict=True)}
        needs = list(needs_of(list(unique.values())).items())
        loc = self.folder.below("manifest.json")
        engine = self.engine | ({} if self.results is None else {"results": self.results.text})
        if exists(loc):
            if record_of_engine(self.folder).get("results") != engine.get("results"):
                raise MessageError(f"The results of '{self.folder.display_name}' go elsewhere: give another folder.")
        elif self.results is not None:
            self._store_known(unique, first_indexes([digest for _, digest in described]))
        requests = (
            (request_loc(self.folder, digest).key, [json.dumps(JobMsg(task, [message]).serialize()).encode()])
            for (task, digest), message in zip(described, messages, strict=True)
        )
        storage_factory(loc.storage_type, loc.bucket_name).write_many(requests)
        write_bytes(loc, json.dumps({"version": _VERSION, "requests": described, "needs": needs}).encode())
        write_bytes(self.folder.below("engine.json"), json.dumps(engine).encode())
        try:
            self.begin(self._waiting())
        except SpacerInputError:
            if is_new and not self.last_run():
                # Nothing has begun: the folder is free for other requests.
                delete(loc)
            raise
        return self

    def last_run(self) -> int:
        """The number of the last run; 0: there is none."""
        return last_run(self.folder)

    def _store_known(self, messages: dict[str, Message], indexes: dict[str, int]) -> None:
        """Check the places of results, and store there what has an outcome already, such as of a plan's sample."""
        assert self.results is not None
        self.results.check(messages, indexes)
        known = {digest: state for digest, state in states_of(self.folder).items() if digest in messages}
        for digest, state in known.items():
            loc, message = result_loc(self.folder, digest, state), messages[digest]
            outcome = read_result(read_bytes(loc), loc.display_name, message.task)
            self.results.store(message, indexes[digest], digest, outcome)

    def notices(self, progress: Progress) -> list[str]:
        """What the engine says of work that is queued, or that ended early, in sentences."""
        return []

    def count_blocked(self) -> int:
        """How many requests have no result because others have none whose outputs they read, or failed ones."""
        manifest, states = read_manifest(self.folder), states_of(self.folder)
        needs = needs_in(manifest)
        return sum(
            digest not in states and any(states.get(one) != "done" for one in needs.get(digest, ()))
            for digest in digests_of(manifest)
        )

    def status(self) -> Progress:
        # Before the results are counted: what ends meanwhile is not missed by one who waits for the end.
        return self.counted(self.is_at_work())

    def counted(self, at_work: bool) -> Progress:
        """The progress by the results that are there, whatever is at work."""
        requests = read_manifest(self.folder)["requests"]
        states = states_of(self.folder)
        found = [states.get(digest) for _, digest in requests]
        cancelled = exists(self.folder.below("cancelled"))
        return Progress(len(requests), found.count("done"), found.count("failed"), at_work, cancelled)

    def collect(self, wanted: Container[int] | None = None) -> Iterator[Ended]:
        """As of `Submission`; of these indexes alone, so that one who looks again and again reads each outcome once."""
        states = states_of(self.folder)
        requests = enumerate(read_manifest(self.folder)["requests"])
        ended = (
            (index, task, digest)
            for index, (task, digest) in requests
            if digest in states and (wanted is None or index in wanted)
        )
        while some := list(islice(ended, _READ_AT_ONCE)):
            found = dict(read_many({result_loc(self.folder, digest, states[digest]) for *_, digest in some}))
            for index, task, digest in some:
                loc = result_loc(self.folder, digest, states[digest])
                yield index, read_result(found[loc], loc.display_name, task)

    def retry_failed(self) -> int:
        read_manifest(self.folder)
        if not self.is_at_work():
            # Otherwise `begin` says so.
            self._resume()
            for digest, state in states_of(self.folder).items():
                if state == "failed":
                    delete(result_loc(self.folder, digest, state))
        waiting = self._waiting()
        self.begin(waiting)
        return len(waiting)

    def cancel(self, reason: str = "") -> None:
        """As of `Submission`; a reason is kept for `cancellation`."""
        write_bytes(self.folder.below("cancelled"), reason.encode())
        self.end()

    def cancellation(self) -> str:
        """Why it was cancelled, in a sentence; '': it was not, or no reason was given."""
        loc = self.folder.below("cancelled")
        return visible(read_bytes(loc).decode(errors="replace")) if exists(loc) else ""

    def _resume(self) -> None:
        """Let requests of a submission that was cancelled begin again, unless something is at work still."""
        loc = self.folder.below("cancelled")
        if exists(loc) and not self.is_at_work():
            delete(loc)

    def _waiting(self) -> list[str]:
        states = states_of(self.folder)
        return [digest for digest in digests_of(read_manifest(self.folder)) if digest not in states]


def write_outcome(folder: DataLocation, digest: str, outcome: TaskOutcome) -> None:
    """Store the outcome of a request; a failure does not replace a success."""
    write_bytes(result_loc(folder, digest, outcome.status), json.dumps(outcome.serialize()).encode())


def read_result(data: bytes, name: str, task: str) -> TaskOutcome:
    """The outcome in a file of this name.

    Raises:
        MessageError: it holds none.
    """
    try:
        with damage_as(MessageError, name, f"{name} holds no outcome"):
            return read_outcome(parse_json(data, name), task)
    except MessageError as error:
        raise MessageError(f"{error} Delete it, and its request is done again by `retry_failed`.") from None


def record_of_engine(folder: DataLocation) -> dict[str, Any]:
    loc = folder.below("engine.json")
    if not exists(loc):
        return {}
    record = load_json(loc)
    with damage_as(MessageError, loc.display_name, f"{loc.display_name} names no engine"):
        if not isinstance(record, dict) or not isinstance(record.get("results"), str | None):
            raise TypeError
    return record


def read_manifest(folder: DataLocation) -> dict[str, Any]:
    """The manifest of a submission: its `requests` as pairs of a task's name and a digest, and `needs`: pairs of the
    position of a request among `digests_of` and the positions of those before it that it waits for.

    Raises:
        MessageError: it is none of this version.
        DataNotFoundError: there is none.
    """
    loc = folder.below("manifest.json")
    manifest: dict[str, Any] = load_json(loc)
    with damage_as(MessageError, loc.display_name, f"{loc.display_name} is no manifest of requests"):
        are_known = all(task in TASKS and _DIGEST.fullmatch(one) for task, one in manifest["requests"])
        needs = manifest.setdefault("needs", [])
        are_before = all(0 <= one < index < len(manifest["requests"]) for index, before in needs for one in before)
        if manifest["version"] not in _VERSIONS or not are_known or not are_before:
            raise ValueError("it is of another version, or damaged")
    return manifest


def digests_of(manifest: dict[str, Any]) -> list[str]:
    """The digests of a manifest's requests, each once, in their order."""
    return list(dict.fromkeys(digest for _, digest in manifest["requests"]))


def needs_in(manifest: dict[str, Any]) -> dict[str, list[str]]:
    """The digests that a manifest's requests wait for, by the digest of each that waits."""
    digests = digests_of(manifest)
    return {digests[index]: [digests[one] for one in before] for index, before in manifest["needs"]}


def request_loc(folder: DataLocation, digest: str) -> DataLocation:
    return folder.below(f"requests/{digest}.json")


def result_loc(folder: DataLocation, digest: str, state: str) -> DataLocation:
    return folder.below(f"results/{digest}.{state}.json")


def states_of(folder: DataLocation) -> dict[str, str]:
    """``done`` or ``failed`` for each digest that has an outcome; ``done`` prevails."""
    states: dict[str, str] = {}
    for loc in list_keys(folder.below("results/")):
        digest, state, *_ = [*loc.filename.split("."), ""]
        if state == "done" or (state == "failed" and digest not in states):
            states[digest] = state
    return states
