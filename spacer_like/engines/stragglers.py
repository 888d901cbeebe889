"""Which shards of a run are stragglers, and get a second child."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from spacer_like.engines.child_records import Children
from spacer_like.engines.shard_progress import ShardProgress
from spacer_like.mailman import ExitCode

TIMES_THE_MEDIAN = 3.0
LEAST_SECONDS = 60.0
"""A shard that has been at work for less is no straggler: a second child takes as long to start."""


def stragglers(shards: Sequence[ShardProgress], children: Children) -> list[int]:
    """The shards at work for longer than 3 times the median of those whose children have ended.

    Only where half of the shards have ended, so that a few quick ones, whose requests all fail, say, do not make
    stragglers of all the others; and only those without a second child.
    """
    ended = [
        record["seconds"]
        for child, record in children.ends.items()
        if not child.is_copy and record["exit_code"] in (ExitCode.DONE, ExitCode.PERMANENT_FAILURE)
    ]
    if 2 * len(ended) < len(shards):
        return []
    limit = max(LEAST_SECONDS, TIMES_THE_MEDIAN * median(ended))
    return [
        one.shard
        for one in shards
        if one.state == "at work" and not one.has_copy and one.seconds is not None and one.seconds > limit
    ]
