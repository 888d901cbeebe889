"""What the children of arrays leave in the folder of their submission: that each has started, and how it ended.

::

    started/N-K.json           the child of shard K of run N has started: when, and that its host is reclaimed
    children/N-K.json          how it ended
    …/N-K-copy.json            the same of the shard's second child, where there is one

A later attempt replaces what an earlier one has written, and has its seconds. A child that was killed leaves no word of
its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeVar

from spacer_like.data_classes.base import parse_json
from spacer_like.exceptions import MessageError, damage_as
from spacer_like.location import DataLocation
from spacer_like.storage import exists, list_keys, read_bytes, read_many, write_bytes

_VERSION = 3
# What records of earlier versions lack; the first does not name it.
_ABSENT: dict[str, Any] = {
    "version": 1,
    "copy": False,
    "job": "",
    "attempt": 1,
    "started": "",
    "requests": {},
    "seconds": 0.0,
    "interrupted": "",
    "peak_memory": None,
    "vcpus": None,
    "notice": "",
    "earlier_attempts": 0,
    "earlier_seconds": 0.0,
}
_NUMBERS = ("run", "shard", "exit_code", "attempt", "seconds", "earlier_attempts", "earlier_seconds")
_NUMBERS_OR_NONE = ("peak_memory", "vcpus")
_TEXTS = ("job", "started", "interrupted", "notice")


class Child(NamedTuple):
    """A child of a run: of which shard it is, and whether it is the second one of it."""

    shard: int
    is_copy: bool = False

    def file(self, run: int) -> str:
        """The name of its files."""
        return f"{run}-{self.shard}-copy.json" if self.is_copy else f"{run}-{self.shard}.json"


class Start(NamedTuple):
    """The start of a child.

    Fields:
        run, shard: which one.
        job: the scheduler's id of it.
        attempt: from 1.
        started: ISO time, UTC.
        notice: that its host is about to be reclaimed; '': it is not.
    """

    run: int
    shard: int
    job: str
    attempt: int
    started: str
    notice: str = ""

    @property
    def at(self) -> datetime:
        """The time of the start."""
        return datetime.fromisoformat(self.started)


def now() -> str:
    """The time: ISO, UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def write_start(folder: DataLocation, child: Child, start: Start) -> None:
    """Store that a child has started."""
    record = {"version": 1} | start._asdict()
    write_bytes(folder.below(f"started/{child.file(start.run)}"), json.dumps(record).encode())


def parse_start(data: bytes, name: str) -> Start:
    """The start of a child, of the bytes of a file of this name.

    Raises:
        MessageError: they are damaged, or of another version.
    """
    with damage_as(MessageError, name, f"{name} is no record of a child's start"):
        record = parse_json(data, name)
        if record.pop("version") != 1:
            raise ValueError("it is of another version")
        start = Start(**record)
        _check(start._asdict(), ("run", "shard", "attempt"), (), ("job", "started", "notice"))
        if start.at.tzinfo is None:
            raise ValueError("its time has no zone")
    return start


def write_child_record(folder: DataLocation, run: int, child: Child, record: dict[str, Any]) -> None:
    """Store how a child ended; that of a later attempt replaces it."""
    which = {"version": _VERSION, "run": run, "shard": child.shard, "copy": child.is_copy}
    write_bytes(child_record_loc(folder, run, child), json.dumps(which | record).encode())


def earlier_attempts(folder: DataLocation, run: int, child: Child, attempt: int) -> dict[str, float]:
    """What the record of a child's attempt says of those before it, by the record that they left.

    Raises:
        MessageError: that is damaged.
    """
    loc = child_record_loc(folder, run, child)
    if attempt < 2 or not exists(loc):
        return {}
    before = parse_child_record(read_bytes(loc), loc.display_name)
    if before["attempt"] >= attempt:
        # The same attempt was started twice.
        return {name: before[name] for name in ("earlier_attempts", "earlier_seconds")}
    return {
        "earlier_attempts": before["earlier_attempts"] + 1,
        "earlier_seconds": round(before["earlier_seconds"] + before["seconds"], 3),
    }


def last_run(folder: DataLocation) -> int:
    """The number of the last run of which a child has left word; 0: there is none."""
    names = (loc.filename for part in ("started/", "children/") for loc in list_keys(folder.below(part)))
    return max((int(run) for name in names if (run := name.partition("-")[0]).isdecimal()), default=0)


def child_record_loc(folder: DataLocation, run: int, child: Child) -> DataLocation:
    """The location of the record of how a child ended."""
    return folder.below(f"children/{child.file(run)}")


def read_child_records(folder: DataLocation) -> list[dict[str, Any]]:
    """How children ended, in the order of their runs and shards; those that were killed have left none.

    Each has `run` and `shard`, and `copy`, whether it is the shard's second child; `job` and `attempt`; `started`, an
    ISO time in UTC, and `seconds`; `exit_code` and `interrupted`, the sentence of what ended it early or '';
    `requests`, numbers by how they ended (of a child that was ended early, those of its attempt); `peak_memory`, the
    bytes of its largest process, and `vcpus`, both None where they are not known; `notice`, that its host was about
    to be reclaimed; and how many `earlier_attempts` left a record, and what these took, `earlier_seconds`.

    Raises:
        MessageError: a record is damaged.
    """
    found = read_many(list_keys(folder.below("children/")))
    records = [parse_child_record(data, loc.display_name) for loc, data in found]
    return sorted(records, key=lambda one: (one["run"], one["shard"], one["copy"]))


def parse_child_record(data: bytes, name: str) -> dict[str, Any]:
    """How a child ended, of the bytes of a file of this name; see `read_child_records`.

    Raises:
        MessageError: they are damaged.
    """
    with damage_as(MessageError, name, f"{name} is no record of a shard"):
        record: dict[str, Any] = _ABSENT | parse_json(data, name)
        _check(record, _NUMBERS, _NUMBERS_OR_NONE, _TEXTS)
        _check(record["requests"], tuple(record["requests"]), (), ())
    return record


_Kept = TypeVar("_Kept")


class Children:
    """The children of a run, as far as they have left word.

    Fields:
        starts, ends: what `parse_start` and `parse_child_record` read.
    """

    def __init__(self, folder: DataLocation, run: int) -> None:
        self._folder, self.run = folder, run
        self.starts: dict[Child, Start] = {}
        self.ends: dict[Child, dict[str, Any]] = {}

    def look(self, again: Container[int]) -> None:
        """Read what is new; and of some shards, whose children may have started again, everything.

        Raises:
            MessageError: a record is damaged.
        """
        self._look("started", self.starts, parse_start, again)
        self._look("children", self.ends, parse_child_record, again)

    def at_work(self) -> dict[Child, Start]:
        """The children that have started and left no word of their end; those that were killed are among them."""
        return {
            child: start
            for child, start in self.starts.items()
            if child not in self.ends or self.ends[child]["started"] != start.started
        }

    def _look(
        self, kind: str, known: dict[Child, _Kept], parse: Callable[[bytes, str], _Kept], again: Container[int]
    ) -> None:
        found = {loc: _child(loc) for loc in list_keys(self._folder.below(f"{kind}/{self.run}-"))}
        wanted = [loc for loc, child in found.items() if child and (child not in known or child.shard in again)]
        for loc, data in read_many(wanted):
            if child := found[loc]:
                known[child] = parse(data, loc.display_name)


def _child(loc: DataLocation) -> Child | None:
    name = re.fullmatch(r"\d+-(\d+)(-copy)?\.json", loc.filename)
    return Child(int(name[1]), bool(name[2])) if name else None


def _check(
    record: dict[str, Any], numbers: tuple[str, ...], numbers_or_none: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    are_numbers = all(
        isinstance(record[name], int | float) and not isinstance(record[name], bool) and record[name] >= 0
        for name in (*numbers, *(name for name in numbers_or_none if record[name] is not None))
    )
    if not are_numbers or not all(isinstance(record[name], str) for name in texts):
        raise ValueError("a value is of another kind")
