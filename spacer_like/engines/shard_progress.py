"""The progress of each shard of a submission's last run, of what its children have left in the folder."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timezone
from typing import Literal, NamedTuple

from spacer_like.engines.child_records import Child, Children

State = Literal["done", "incomplete", "at work", "waiting"]


class ShardProgress(NamedTuple):
    """The progress of a shard, as numbers of its requests.

    Fields:
        shard: its number.
        total: all, of which `done` succeeded and `failed` have a failure on record; the others have no result yet.
        state: ``waiting`` for a machine, ``at work``, ``done`` where every request has a result, or ``incomplete``:
            nothing is at work on it, and requests have no result.
        seconds: of its child, so far or in all; None: none has started, or it has left no word of its end.
        has_copy: whether it was given to a second child.
        notice: what has happened to its child; '': nothing of note.
    """

    shard: int
    total: int
    done: int
    failed: int
    state: State
    seconds: float | None
    has_copy: bool
    notice: str

    @property
    def waiting(self) -> int:
        """The number of requests without a result."""
        return self.total - self.done - self.failed


def progress_of_shards(
    shards: Sequence[Sequence[str]],
    states: Mapping[str, str],
    children: Children,
    at_work: bool,
    copied: Container[int] = (),
) -> list[ShardProgress]:
    """The progress of each shard of a run; what is new of its children is read.

    Args:
        shards: the digests of their requests.
        states: ``done`` or ``failed`` for each digest that has a result.
        at_work: whether an array of the run is queued or running.
        copied: the shards for which second children were started.

    Raises:
        MessageError: a child's record is damaged.
    """
    children.look({shard for shard, part in enumerate(shards) if any(digest not in states for digest in part)})
    running = children.at_work() if at_work else {}
    time = datetime.now(timezone.utc)
    found = []
    for shard, part in enumerate(shards):
        outcomes = [states.get(digest) for digest in part]
        pair = [Child(shard), Child(shard, is_copy=True)]
        state: State = "waiting"
        if None not in outcomes:
            state = "done"
        elif not at_work:
            state = "incomplete"
        elif any(child in running for child in pair):
            state = "at work"
        seconds = [children.ends[child]["seconds"] for child in pair if child in children.ends]
        if state == "at work":
            # The child's clock may be ahead of this one.
            seconds = [max(0.0, (time - running[child].at).total_seconds()) for child in pair if child in running]
        found.append(
            ShardProgress(
                shard,
                len(part),
                outcomes.count("done"),
                outcomes.count("failed"),
                state,
                round(max(seconds), 3) if seconds else None,
                shard in copied,
                " ".join(dict.fromkeys(_notices(pair, children))),
            )
        )
    return found


def _notices(pair: Sequence[Child], children: Children) -> list[str]:
    found = [children.starts[child].notice for child in pair if child in children.starts]
    found += [
        children.ends[child][name] for child in pair if child in children.ends for name in ("notice", "interrupted")
    ]
    return [notice for notice in found if notice]
