"""Plans of submissions: what the work will take, by a sample of its requests that is done for real.

A plan lies in the submission's folder as ``plan.json``, and `bill` compares it with what the work took.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from spacer_like.cores import core_count
from spacer_like.engines.array import ArraySubmission, states_of
from spacer_like.engines.base import Resources
from spacer_like.engines.dependencies import needs_of
from spacer_like.engines.estimates import Amount, Estimate, seconds_to_start, work_seconds
from spacer_like.engines.result_template import first_indexes
from spacer_like.engines.sample import Count, Sample, run_sample, spread
from spacer_like.engines.scheduled import ScheduledSubmission
from spacer_like.exceptions import MessageError, SpacerInputError, TransientError
from spacer_like.location import DataLocation
from spacer_like.message_base import BaseMessage, Message
from spacer_like.storage import exists

SAMPLE = 5
SHARD_SECONDS = 900.0
MARGIN = 1.25
"""Of memory: other requests may need more than those of the sample."""
_FILE = "plan.json"

AtLeastOne = Annotated[StrictInt, Field(ge=1)]


class Plan(BaseMessage):
    """What the requests of a submission that have no outcome yet will take.

    Fields:
        version: of this form.
        requests: SHA-256 of the tasks and digests of all requests.
        engine: the engine's name.
        to_do: how many requests are left after the sample.
        run: the number of the run that does them.
        shard: how many requests a shard has.
        shards: how many shards there are, each the work of one child.
        arrays: how many arrays these children make; 0: the engine has none.
        processes: how many requests a child works on at once.
        vcpus: processor cores of a child; None: the engine does not say, and it is reckoned with one.
        seconds_a_request: of a worker that has begun.
        seconds_to_start: of a child, until it has begun its first request and loaded what that needs.
        seconds_a_shard: of a child in all.
        memory: bytes that a child needs, with a margin.
        memory_limit: bytes that it has; None: not known.
        vcpu_hours: of all children.
        price: of a vCPU hour, in any currency; None: it was not given.
        cost: of all children; None: no price was given.
        sample: what it is reckoned from.
        unsampled: numbers of requests, by task, of which none could be done in the sample because they wait for others;
            what they take is not known, and not reckoned.
    """

    version: Literal[1, 2]
    requests: StrictStr
    engine: StrictStr
    to_do: Count
    run: AtLeastOne
    shard: AtLeastOne
    shards: Count
    arrays: Count
    processes: AtLeastOne
    vcpus: Amount | None
    seconds_a_request: Estimate
    seconds_to_start: Amount
    seconds_a_shard: Amount
    memory: Count
    memory_limit: Count | None
    vcpu_hours: Estimate
    price: Amount | None
    cost: Estimate | None
    sample: Sample
    unsampled: dict[StrictStr, Count] = Field(default_factory=dict)

    def check_cost(self, most: float) -> None:
        """Refuse work that may cost more than that, by the upper end of the error bar.

        Raises:
            SpacerInputError: it may cost more, or that is not known: no price was given, or some requests are not
                reckoned.
        """
        if self.cost is None:
            raise SpacerInputError("What the work costs is not known without the price of a vCPU hour.")
        if self.cost.high > most:
            raise SpacerInputError(
                f"The work may cost up to {self.cost.high:.4g} (about {self.cost.mean:.4g}), and at most {most:g} is"
                " allowed: nothing is submitted."
            )
        if self.unsampled:
            tasks = " and ".join(f"{count:,} of {task}" for task, count in sorted(self.unsampled.items()))
            raise SpacerInputError(
                f"What some requests cost is not known, {tasks}, because they wait for others: submit those first,"
                " or set no limit to the cost. Nothing is submitted."
            )


def plan(
    submission: ArraySubmission,
    messages: Sequence[Message],
    *,
    sample: int = SAMPLE,
    shard_seconds: float | None = None,
    price: float | None = None,
    again: bool = True,
) -> Plan:
    """Plan the submission of requests, by doing a sample of them for real.

    The sample's requests write what they are asked to write, and the outcomes of those that are done are stored in the
    folder, as is the plan where requests are left to do; nothing is submitted.

    Args:
        submission: where they would be submitted; with `shard_seconds` its shards get the size that the plan says.
        sample: about how many requests are done; of each task at least three, where it has as many. Those that wait for
            others are not among them.
        shard_seconds: how long a child is to work, which is at most half the time after which it would be ended; None:
            the size of the shards is the submission's.
        price: of a vCPU hour.
        again: do a sample even if a plan of these requests lies in the folder.

    Raises:
        MessageError: the folder holds other requests, or they collide.
        TransientError: something works on the folder, or the sample failed for now.
        SpacerInputError: no request of the sample was done, or a child has too little memory or time.
    """
    described = submission.check(messages)
    if submission.is_at_work():
        raise TransientError(f"Something is at work on '{submission.folder.display_name}' already: wait, or cancel it.")
    resources = submission.resources()
    if isinstance(submission, ScheduledSubmission):
        # A scheduler that is not there says so now, and not after the sample.
        submission.arrays_of(1)
    waiting = _waiting(submission, described)
    found = None if again else _known_sample(submission, messages, described, resources)
    if found is None:
        ready = _ready(submission, messages, described)
        if waiting and not ready:
            raise SpacerInputError("No request can be sampled: all of them wait for the outputs of others.")
        chosen = [ready[position] for position in spread([described[index][0] for index in ready], sample)]
        found = run_sample(submission.folder, [messages[index] for index in chosen], _torch_threads(resources))
        waiting = _waiting(submission, described)
    left = Counter(described[index][0] for index in waiting)
    memory = math.ceil((found.own_memory + resources.processes * found.worker_memory) * MARGIN)
    _check_memory(memory, resources)
    if shard_seconds is not None and resources.seconds is not None:
        shard_seconds = min(shard_seconds, resources.seconds / 2)
    shards = _shards(submission, found, left, resources.processes, shard_seconds)
    seconds = work_seconds(found.seconds, found.launch, _sampled(found, left), shards["shards"], resources.processes)
    _check_seconds(seconds, shards["shards"], resources)
    hours = seconds.times((resources.vcpus or 1) / 3600)
    made = Plan(
        version=2,
        requests=_digest(described),
        engine=submission.engine["engine"],
        to_do=left.total(),
        run=submission.last_run() + 1,
        processes=resources.processes,
        vcpus=resources.vcpus,
        seconds_a_request=_mean_seconds(found, left),
        seconds_to_start=seconds_to_start(found.seconds, found.launch),
        seconds_a_shard=seconds.mean / max(1, shards["shards"]),
        memory=memory,
        memory_limit=resources.memory,
        vcpu_hours=hours,
        price=price,
        cost=None if price is None else hours.times(price),
        sample=found,
        unsampled=dict(left - _sampled(found, left)),
        **shards,
    )
    if made.to_do:
        # Otherwise the bill is still to be compared with an earlier one.
        made.store(submission.folder.below(_FILE))
    return made


def known_plan(submission: ArraySubmission, messages: Sequence[Message]) -> Plan | None:
    """The plan that lies in the folder, if it is of these requests and this engine.

    Raises:
        MessageError: it is damaged, or the requests may not be submitted into this folder.
    """
    found = read_plan(submission.folder)
    return found if found is not None and _is_of(found, submission, submission.check(messages)) else None


def read_plan(folder: DataLocation) -> Plan | None:
    """The plan that lies in a submission's folder, if there is one.

    Raises:
        MessageError: it is damaged, or of another version.
    """
    loc = folder.below(_FILE)
    if not exists(loc):
        return None
    try:
        return Plan.load(loc)
    except MessageError as error:
        raise MessageError(f"{error} Delete it, and plan again.") from None


def _known_sample(
    submission: ArraySubmission,
    messages: Sequence[Message],
    described: Sequence[Sequence[str]],
    resources: Resources,
) -> Sample | None:
    """The sample of an earlier plan that holds for these requests."""
    found = read_plan(submission.folder)
    if found is None or not _is_of(found, submission, described):
        return None
    if (found.processes, found.vcpus) != (resources.processes, resources.vcpus):
        return None
    tasks = {described[index][0] for index in _ready(submission, messages, described)}
    return found.sample if tasks <= found.sample.seconds.keys() else None


def _is_of(plan: Plan, submission: ArraySubmission, described: Sequence[Sequence[str]]) -> bool:
    return (plan.requests, plan.engine) == (_digest(described), submission.engine["engine"])


def _waiting(submission: ArraySubmission, described: Sequence[Sequence[str]]) -> list[int]:
    """The indexes of the requests that have no outcome yet; of equal ones the first."""
    states = states_of(submission.folder)
    first = first_indexes([digest for _, digest in described])
    return sorted(index for digest, index in first.items() if digest not in states)


def _ready(submission: ArraySubmission, messages: Sequence[Message], described: Sequence[Sequence[str]]) -> list[int]:
    """Those of the requests without an outcome whose inputs do not wait for others."""
    states = states_of(submission.folder)
    digests = [digest for _, digest in described]
    unique = sorted(first_indexes(digests).values())
    needs = needs_of([messages[index] for index in unique])
    return [
        index
        for position, index in enumerate(unique)
        if digests[index] not in states
        and all(states.get(digests[unique[one]]) == "done" for one in needs.get(position, ()))
    ]


def _sampled(sample: Sample, left: Counter[str]) -> Counter[str]:
    """Those of the requests that are left of whose task the sample has some."""
    return Counter({task: count for task, count in left.items() if task in sample.seconds})


def _torch_threads(resources: Resources) -> int | None:
    """As many threads as a child's workers have, where this machine has as many cores."""
    if resources.vcpus is None:
        return None
    return max(1, min(core_count(), int(resources.vcpus)) // resources.processes)


def _check_memory(need: int, resources: Resources) -> None:
    if resources.memory is not None and need > resources.memory:
        fewer = ", or let it work on fewer requests at once" if resources.processes > 1 else ""
        raise SpacerInputError(
            f"A child needs about {need / 2**20:,.0f} MiB of memory, by the sample and a quarter more, and"
            f" {resources.memory_source} allows {resources.memory / 2**20:,.0f} MiB: give it more{fewer}."
        )


def _check_seconds(seconds: Estimate, shards: int, resources: Resources) -> None:
    if resources.seconds is not None and shards and seconds.high / shards > resources.seconds:
        raise SpacerInputError(
            f"A child may take {seconds.high / shards:,.0f} s, and is ended after {resources.seconds:,.0f} s: give it a"
            " smaller shard, or more time."
        )


def _shards(
    submission: ArraySubmission, sample: Sample, left: Counter[str], processes: int, shard_seconds: float | None
) -> dict[str, int]:
    """The fields `shard`, `shards` and `arrays` of a plan; the submission's shards get that size."""
    count = left.total()
    if not isinstance(submission, ScheduledSubmission):
        # All of it is the work of one process and its workers.
        return {"shard": max(1, count), "shards": min(1, count), "arrays": 0}
    if shard_seconds is not None:
        room = (shard_seconds - seconds_to_start(sample.seconds, sample.launch)) * processes
        size = int(room / max(_mean_seconds(sample, left).mean, 1e-6))
        submission.sharding = replace(submission.sharding, requests=max(1, min(size, count)))
    size = submission.sharding.requests
    shards = -(-count // size)
    return {"shard": size, "shards": shards, "arrays": len(submission.arrays_of(shards))}


def _mean_seconds(sample: Sample, left: Counter[str]) -> Estimate:
    """The seconds of a request that is left; where none is left, of one of the sample."""
    left = _sampled(sample, left)
    counts = left if left.total() else Counter({task: len(one) for task, one in sample.seconds.items()})
    return work_seconds(sample.seconds, 0.0, counts, 0, 1).times(1 / max(1, counts.total()))


def _digest(described: Sequence[Sequence[str]]) -> str:
    """The SHA-256 (hexadecimal) of requests, as `ArraySubmission.check` describes them."""
    return hashlib.sha256(json.dumps([list(one) for one in described]).encode()).hexdigest()
