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
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any

from typing_extensions import Self

from spacer_like import interruption
from spacer_like.data_classes.base import load_json, parse_json
from spacer_like.engines.base import Ended, Engine, Progress, Resources, Submission, failed, read_outcome
from spacer_like.engines.dependencies import needs_of
from spacer_like.engines.result_template import ResultTemplate, first_indexes
from spacer_like.exceptions import MessageError, SpacerError, damage_as, visible
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

        A request that reads what others before it write begins when those are done, see `dependencies`.

        Raises:
            MessageError: the folder holds other requests, or their results go elsewhere; or two write to one place, or
                one writes what another one before it reads.
            TransientError: something works on them already.
            SpacerError: the folder cannot be written.
        """
        described = self.check(messages)
        unique = {digest: message for (_, digest), message in zip(described, messages, strict=True)}
        needs = list(needs_of(list(unique.values())).items())
        loc = self.folder.below("manifest.json")
        engine = self.engine | ({} if self.results is None else {"results": self.results.text})
        if exists(loc):
            if _record_of_engine(self.folder).get("results") != engine.get("results"):
                raise MessageError(f"The results of '{self.folder.display_name}' go elsewhere: give another folder.")
        elif self.results is not None:
            self._store_known(unique, first_indexes([digest for _, digest in described]))
        requests = (
            (_request(self.folder, digest).key, [json.dumps(JobMsg(task, [message]).serialize()).encode()])
            for (task, digest), message in zip(described, messages, strict=True)
        )
        storage_factory(loc.storage_type, loc.bucket_name).write_many(requests)
        write_bytes(loc, json.dumps({"version": _VERSION, "requests": described, "needs": needs}).encode())
        write_bytes(self.folder.below("engine.json"), json.dumps(engine).encode())
        self.begin(self._waiting())
        return self

    def _store_known(self, messages: dict[str, Message], indexes: dict[str, int]) -> None:
        """Check the places of results, and store there what has an outcome already, such as of a plan's sample."""
        assert self.results is not None
        self.results.check(messages, indexes)
        known = {digest: state for digest, state in states_of(self.folder).items() if digest in messages}
        for digest, state in known.items():
            loc, message = _result(self.folder, digest, state), messages[digest]
            outcome = read_result(read_bytes(loc), loc.display_name, message.task)
            self.results.store(message, indexes[digest], digest, outcome)

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
            found = dict(read_many({_result(self.folder, digest, states[digest]) for *_, digest in some}))
            for index, task, digest in some:
                loc = _result(self.folder, digest, states[digest])
                yield index, read_result(found[loc], loc.display_name, task)

    def retry_failed(self) -> int:
        read_manifest(self.folder)
        if not self.is_at_work():
            # Otherwise `begin` says so.
            delete(self.folder.below("cancelled"))
            for digest, state in states_of(self.folder).items():
                if state == "failed":
                    delete(_result(self.folder, digest, state))
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

    def _waiting(self) -> list[str]:
        states = states_of(self.folder)
        return [digest for digest in digests_of(read_manifest(self.folder)) if digest not in states]


def work_on_shard(
    folder: DataLocation,
    engine: Engine,
    part: Iterable[str] | None = None,
    again: bool = False,
    ended: Callable[[str, TaskOutcome], None] | None = None,
) -> Counter[str]:
    """Run those of some requests that have no outcome yet, and store the outcome of each as it ends.

    A request begins when those that it needs are done; where one of them fails it is left waiting.

    Args:
        part: the digests of the requests; None: all of the submission.
        again: run those too that have failed by a transient error.
        ended: called with the digest of each request that was run and its outcome, once that is stored.

    Returns:
        How many requests of the part are ``done``, ``failed`` for good or by a ``transient`` error, or are ``waiting``.

    Raises:
        SpacerError: the folder holds no submission, or cannot be read or written.
    """
    manifest, states = read_manifest(folder), states_of(folder)
    needs = needs_in(manifest)
    store = _Outcomes(folder, manifest)
    found: dict[str, str] = {}
    for digest in digests_of(manifest) if part is None else part:
        state = states.get(digest, "waiting")
        if state == "failed" and _is_transient(folder, digest):
            state = "waiting" if again else "transient"
        found[digest] = state
    states |= found
    waiting = [digest for digest, state in found.items() if state == "waiting"]
    while ready := [one for one in waiting if all(states.get(needed) == "done" for needed in needs.get(one, ()))]:
        for digest, state in _run(store, engine, ready, ended, part is not None):
            states[digest] = found[digest] = state
        waiting = [one for one in waiting if one not in {*ready}]
    return Counter(found.values())


class _Outcomes:
    """Stores outcomes in a submission's folder, and where else they are wanted."""

    def __init__(self, folder: DataLocation, manifest: dict[str, Any]) -> None:
        self.folder = folder
        template = _record_of_engine(folder).get("results")
        self._template = None if template is None else ResultTemplate(template, folder)
        self._indexes = first_indexes([digest for _, digest in manifest["requests"]]) if template else {}

    def write(self, digest: str, message: Message, outcome: TaskOutcome) -> None:
        # The own record last: it says that the work on the request is over.
        if self._template is not None:
            self._template.store(message, self._indexes[digest], digest, outcome)
        write_outcome(self.folder, digest, outcome)


def _run(
    store: _Outcomes,
    engine: Engine,
    digests: Sequence[str],
    ended: Callable[[str, TaskOutcome], None] | None,
    is_shared: bool,
) -> Iterator[tuple[str, str]]:
    """Run requests; yields the digest and the state of each, once its outcome is stored."""
    folder = store.folder
    begun: dict[int, tuple[str, Message]] = {}
    numbers = count()
    known: list[tuple[str, str]] = []

    def messages() -> Iterator[Message]:
        for digest in digests:
            if exists(folder.below("cancelled")):
                return
            if is_shared and exists(_result(folder, digest, "done")):
                # By the shard's other child, of which this one knows nothing.
                known.append((digest, "done"))
                continue
            try:
                message = _read_request(folder, digest)
            except SpacerError as error:
                write_outcome(folder, digest, failed(error))
                known.append((digest, "failed"))
                continue
            begun[next(numbers)] = digest, message
            yield message

    for index, outcome in engine.outcomes(messages()):
        digest, message = begun.pop(index)
        # What is done is stored, and counted, before a signal takes effect.
        with interruption.deferred():
            store.write(digest, message, outcome)
            if ended is not None:
                ended(digest, outcome)
        yield digest, "transient" if outcome.transient else outcome.status
    yield from known


def _is_transient(folder: DataLocation, digest: str) -> bool:
    try:
        failure = TaskOutcome.deserialize(load_json(_result(folder, digest, "failed")))
    except SpacerError:
        # A damaged outcome is `collect`'s to name.
        return False
    return bool(failure.transient)


def _read_request(folder: DataLocation, digest: str) -> Message:
    loc = _request(folder, digest)
    tasks: list[Message] = JobMsg.load(loc).tasks
    if len(tasks) != 1 or digest_of(tasks[0]) != digest:
        raise MessageError(f"{loc.display_name} holds another request than was submitted: submit it again.")
    return tasks[0]


def write_outcome(folder: DataLocation, digest: str, outcome: TaskOutcome) -> None:
    """Store the outcome of a request; a failure does not replace a success."""
    write_bytes(_result(folder, digest, outcome.status), json.dumps(outcome.serialize()).encode())


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


def _record_of_engine(folder: DataLocation) -> dict[str, Any]:
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


def _request(folder: DataLocation, digest: str) -> DataLocation:
    return folder.below(f"requests/{digest}.json")


def _result(folder: DataLocation, digest: str, state: str) -> DataLocation:
    return folder.below(f"results/{digest}.{state}.json")


def states_of(folder: DataLocation) -> dict[str, str]:
    """``done`` or ``failed`` for each digest that has an outcome; ``done`` prevails."""
    states: dict[str, str] = {}
    for loc in list_keys(folder.below("results/")):
        digest, state, *_ = [*loc.filename.split("."), ""]
        if state == "done" or (state == "failed" and digest not in states):
            states[digest] = state
    return states
