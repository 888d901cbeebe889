"""Trees of requests that merge what others have written, to be submitted with those, see `dependencies`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from spacer_like.exceptions import MessageError
from spacer_like.location import DataLocation
from spacer_like.message_base import Message

Merge = TypeVar("Merge", bound=Message)


def merge_tree(
    parts: Sequence[DataLocation],
    merge: Callable[[list[DataLocation], DataLocation], Merge],
    last: Callable[[list[DataLocation]], Merge],
    below: DataLocation,
    fan_in: int = 50,
    ending: str = "",
) -> list[list[Merge]]:
    """Requests that merge parts in levels, each to begin when those before it are done; the last level is one request.

    Merging must not depend on how its parts are grouped, as adding whole numbers does not. Where the first level's
    groups are as large as a submission's shards, each shard merges what is its own, and the others read no more of it.

    Args:
        parts: in order.
        merge: the request that merges some parts into a location.
        last: the request that merges the last ones into what is wanted.
        below: the folder of what is merged in between: ``LEVEL-NUMBER`` and the ending.
        fan_in: the most parts of one request, 2 or more.

    Raises:
        MessageError: no part, or a smaller fan-in.

    >>> from spacer_like.messages import MergeHistogramsMsg
    >>> places = [DataLocation("memory", name) for name in "abcde"]
    >>> def merged(some, to=DataLocation("memory", "sum")):
    ...     return MergeHistogramsMsg(some, to)
    >>> [len(level) for level in merge_tree(places, merged, merged, DataLocation("memory", "between"), fan_in=2)]
    [2, 1, 1]
    """
    if not parts or fan_in < 2:
        raise MessageError("A tree merges one part or more, at least two of them at once.")
    levels: list[list[Merge]] = []
    left = list(parts)
    while len(left) > fan_in:
        groups = [left[start : start + fan_in] for start in range(0, len(left), fan_in)]
        left = [
            below.below(f"{len(levels)}-{number}{ending}") if len(group) > 1 else group[0]
            for number, group in enumerate(groups)
        ]
        levels.append([merge(group, loc) for group, loc in zip(groups, left, strict=True) if len(group) > 1])
    return [*levels, [last(left)]]
