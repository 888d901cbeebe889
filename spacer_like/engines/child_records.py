"""What the children of arrays leave in the folder of their submission: that each has started, and how it ended.

::

    started/N-K.json           the child of shard K of run N has started: when, and that its host is reclaimed
    children/N-K.json          how it ended

A later attempt replaces what an earlier one has written. A child that was killed leaves no word of its end.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, NamedTuple

from spacer_like.data_classes.base import load_json, parse_json
from spacer_like.exceptions import MessageError, damage_as
from spacer_like.location import DataLocation
from spacer_like.storage import list_keys, read_many, write_bytes

_VERSION = 2
# What records of version 1, which do not name it, lack.
_ABSENT: dict[str, Any] = {
    "version": 1,
    "job": "",
    "attempt": 1,
    "started": "",
    "requests": {},
    "seconds": 0.0,
    "interrupted": "",
    "peak_memory": None,
    "vcpus": None,
    "notice": "",
}
_NUMBERS = ("exit_code", "attempt", "seconds")
_NUMBERS_OR_NONE = ("peak_memory", "vcpus")
_TEXTS = ("job", "started", "interrupted", "notice")


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


def now() -> str:
    """The time: ISO, UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def write_start(folder: DataLocation, start: Start) -> None:
    """Store that a child has started."""
    record = {"version": 1} | start._asdict()
    write_bytes(folder.below(f"started/{start.run}-{start.shard}.json"), json.dumps(record).encode())


def read_start(loc: DataLocation) -> Start:
    """The start of a child.

    Raises:
        MessageError: the record is damaged, or of another version.
    """
    record = load_json(loc)
    with damage_as(MessageError, loc.display_name, f"{loc.display_name} is no record of a child's start"):
        if record.pop("version") != 1:
            raise ValueError("it is of another version")
        start = Start(**record)
        datetime.fromisoformat(start.started)
        _check(start._asdict(), ("run", "shard", "attempt"), (), ("job", "started", "notice"))
    return start


def write_child_record(folder: DataLocation, run: int, shard: int, record: dict[str, Any]) -> None:
    """Store how the child of a shard ended; that of a later attempt replaces it."""
    record = {"version": _VERSION, "run": run, "shard": shard} | record
    write_bytes(folder.below(f"children/{run}-{shard}.json"), json.dumps(record).encode())


def read_child_records(folder: DataLocation) -> list[dict[str, Any]]:
    """How children ended, in the order of their runs and shards; those that were killed have left none.

    Each has `run` and `shard`; `job` and `attempt`; `started`, an ISO time in UTC, and `seconds`; `exit_code` and
    `interrupted`, the sentence of a signal or ''; `requests`, numbers by how they ended (of a child that was
    interrupted, those of its attempt); `peak_memory`, the bytes of its largest process, and `vcpus`, both None where
    they are not known; and `notice`, that its host was about to be reclaimed.

    Raises:
        MessageError: a record is damaged.
    """
    records = []
    for loc, data in read_many(list_keys(folder.below("children/"))):
        with damage_as(MessageError, loc.display_name, f"{loc.display_name} is no record of a shard"):
            record = _ABSENT | parse_json(data, loc.display_name)
            _check(record, _NUMBERS, _NUMBERS_OR_NONE, _TEXTS)
            _check(record["requests"], tuple(record["requests"]), (), ())
            records.append((int(record["run"]), int(record["shard"]), record))
    return [record for *_, record in sorted(records, key=lambda one: one[:2])]


def _check(
    record: dict[str, Any], numbers: tuple[str, ...], numbers_or_none: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    are_numbers = all(
        isinstance(record[name], int | float) and not isinstance(record[name], bool) and record[name] >= 0
        for name in (*numbers, *(name for name in numbers_or_none if record[name] is not None))
    )
    if not are_numbers or not all(isinstance(record[name], str) for name in texts):
        raise ValueError("a value is of another kind")
