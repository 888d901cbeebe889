"""The work on a part of a submission, which is a shard: what has no outcome is done, and its outcome stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any

from spacer_like import interruption
from spacer_like.data_classes.base import load_json
from spacer_like.engines.array import (
    digests_of,
    needs_in,
    read_manifest,
    record_of_engine,
    request_loc,
    result_loc,
    states_of,
    write_outcome,
)
from spacer_like.engines.base import Engine, failed
from spacer_like.engines.result_template import ResultTemplate, first_indexes
from spacer_like.exceptions import MessageError, SpacerError
from spacer_like.location import DataLocation
from spacer_like.message_base import Message
from spacer_like.messages import JobMsg, TaskOutcome, digest_of
from spacer_like.storage import exists


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
        template = record_of_engine(folder).get("results")
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
            if is_shared and exists(result_loc(folder, digest, "done")):
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
        failure = TaskOutcome.deserialize(load_json(result_loc(folder, digest, "failed")))
    except SpacerError:
        # A damaged outcome is `collect`'s to name.
        return False
    return bool(failure.transient)


def _read_request(folder: DataLocation, digest: str) -> Message:
    loc = request_loc(folder, digest)
    tasks: list[Message] = JobMsg.load(loc).tasks
    if len(tasks) != 1 or digest_of(tasks[0]) != digest:
        raise MessageError(f"{loc.display_name} holds another request than was submitted: submit it again.")
    return tasks[0]
