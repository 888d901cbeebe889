"""Which requests of a submission wait for which, and the stages in which a cluster does them.

A request waits for those before it whose outputs it reads: a file that they write, files of theirs in a folder that it
reads, or a folder that they fill. Nobody has to say so.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from spacer_like.location import DataLocation
from spacer_like.message_base import Message
from spacer_like.overwriting import NamedLocation, check_tasks, identity_of, locations_of

_SHARE_OF_FOLLOWERS = 2
"""A shard grows to so many times its size by requests that wait for its own."""


class _Place(NamedTuple):
    storage: str
    bucket: str
    path: str

    @classmethod
    def of(cls, loc: DataLocation) -> _Place:
        path = os.path.realpath(loc.key) if loc.storage_type == "filesystem" and "\0" not in loc.key else loc.key
        return cls(loc.storage_type, loc.bucket_name or "", path.rstrip("/"))

    def above(self) -> Iterator[_Place]:
        """The place itself, and the folders above it."""
        yield self
        yield from (self._replace(path=str(parent).rstrip("/")) for parent in PurePosixPath(self.path).parents)


def needs_of(messages: Sequence[Message]) -> dict[int, list[int]]:
    """For each request that reads what others before it write the indexes of those, rising.

    Requests that fill one folder together do not wait for each other.

    Args:
        messages: each of them once.

    Raises:
        MessageError: two write to one place, or one writes what another one before it reads.
    """
    check_tasks(messages, in_order=True)
    located = [locations_of(message) for message in messages]
    written = _Written(located)
    found: dict[int, list[int]] = {}
    for number, names in enumerate(located):
        needed = {one for named in names if not named.is_output for one in written.before(named, number)}
        if needed:
            found[number] = sorted(needed)
    return found


class _Written:
    """What requests write, each by the requests' indexes."""

    def __init__(self, located: Sequence[Sequence[NamedLocation]]) -> None:
        self._files: dict[Hashable, int] = {}
        self._folders: dict[_Place, list[int]] = {}
        paths: list[tuple[_Place, int]] = []
        self._reads_folders = any(
            named.folder is not None and not named.is_output for names in located for named in names
        )
        for number, names in enumerate(located):
            for named in names:
                if not named.is_output:
                    continue
                if named.folder is not None:
                    self._folders.setdefault(_Place.of(named.location), []).append(number)
                    continue
                self._files[identity_of(named.location)] = number
                if self._reads_folders:
                    paths.append((_Place.of(named.location), number))
        self._paths = sorted(paths)
        self._sorted_folders = [(one, 0) for one in sorted(self._folders)]

    def before(self, named: NamedLocation, reader: int) -> set[int]:
        """The requests before a reader that write what it reads there."""
        found = {number} if (number := self._files.get(identity_of(named.location), reader)) != reader else set()
        if self._reads_folders and named.folder is not None and named.folder.takes:
            found |= self._files_in(_Place.of(named.location), named.folder.takes)
        if self._folders:
            found |= self._fillers(_Place.of(named.location), reader, named.folder is not None)
        return {number for number in found if number < reader}

    def _files_in(self, place: _Place, takes: str) -> set[int]:
        found = set()
        for one, number in self._below(self._paths, place):
            if re.fullmatch(takes, one.path.rpartition("/")[2]):
                found.add(number)
        return found

    def _fillers(self, place: _Place, reader: int, is_folder: bool) -> set[int]:
        folders = [one for one in place.above() if one in self._folders]
        if is_folder:
            folders += [one for one, _ in self._below(self._sorted_folders, place)]
        return {number for one in folders for number in self._folders[one] if reader not in self._folders[one]}

    @staticmethod
    def _below(places: Sequence[tuple[_Place, int]], place: _Place) -> Iterator[tuple[_Place, int]]:
        inside = place._replace(path=f"{place.path}/" if place.path else "")
        for index in range(bisect_left(places, (inside, -1)), len(places)):
            one = places[index]
            if one[0][:2] != inside[:2] or not one[0].path.startswith(inside.path):
                return
            yield one


def staged(waiting: Sequence[str], needs: Mapping[str, Collection[str]], size: int) -> list[list[list[str]]]:
    """Shards by stage, each stage to begin when those before it have succeeded.

    A request that waits for requests of a single shard of a stage is done by that one, after them, so that a shard
    merges what is its own before anybody else reads it.

    Args:
        waiting: digests, each behind those that it needs.
        needs: the digests that a digest needs; those that are not waiting are done.
        size: how many requests a shard has that need none of its own.
    """
    stages: list[list[list[str]]] = []
    homes: dict[str, tuple[int, int]] = {}
    begun: dict[tuple[int, int], int] = {}

    def is_full(home: tuple[int, int]) -> bool:
        return len(stages[home[0]][home[1]]) >= _SHARE_OF_FOLLOWERS * size

    for digest in waiting:
        before = {homes[one] for one in needs.get(digest, ()) if one in homes}
        last = max((stage for stage, _ in before), default=-1)
        # Those of earlier stages are done when these begin.
        latest = [home for home in before if home[0] == last]
        home = latest[0] if len(latest) == 1 else None
        if home is None or is_full(home):
            stage = last + 1
            if stage == len(stages):
                stages.append([])
            home = (stage, len(stages[stage]) - 1)
            if begun.get(home, size) >= size or is_full(home):
                stages[stage].append([])
                home = (stage, home[1] + 1)
            begun[home] = begun.get(home, 0) + 1
        homes[digest] = home
        stages[home[0]][home[1]].append(digest)
    return stages
