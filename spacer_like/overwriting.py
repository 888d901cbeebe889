"""Refusal of requests whose outputs would overwrite what they read, or each other, before anything is computed.

Outputs are the fields of the type `WritableLocation`; every other location in a message is an input.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, NamedTuple, TypeVar, cast

from spacer_like.data_classes import DataLocation, ImageLabels, TrainingTaskLabels
from spacer_like.exceptions import AccessDeniedError, InvalidKeyError, MessageError
from spacer_like.message_base import Folder, Message, location_fields
from spacer_like.prefetch import ReadingTask

TaskFunction = TypeVar("TaskFunction", bound=Callable[[Any], Any])


class NamedLocation(NamedTuple):
    """A location that a request uses.

    Fields:
        name: what errors call it: the path of its field, or an option.
        folder: how it is used, where it names a folder.
    """

    name: str
    location: DataLocation
    is_output: bool
    folder: Folder | None = None

    @property
    def field(self) -> str:
        return self.name.partition(".")[0]


def task(function: TaskFunction) -> TaskFunction:
    """Make a task of a function (message) -> answer: requests that would overwrite their own inputs are refused."""
    if isinstance(function, ReadingTask):
        return cast("TaskFunction", ReadingTask(task(function.read), function.compute))

    @wraps(function)
    def checked(msg: Message) -> Any:
        check_message(msg)
        return function(msg)

    return cast("TaskFunction", checked)


def check_message(msg: Message) -> None:
    """Refuse a request whose outputs would overwrite its inputs or each other.

    Raises:
        MessageError: two of its fields name the same location, and one of them is an output.
        InvalidKeyError, AccessDeniedError: nothing can be written at an output's location.
    """
    used = locations_of(msg)
    check_locations(used)
    check_outputs(used)


def check_also_read(msg: Message, inputs: Iterable[NamedLocation]) -> None:
    """Refuse a request whose outputs would overwrite what it reads without naming it, such as the tiles of manifests.

    Raises:
        MessageError: one of its outputs is one of `inputs`.
    """
    check_locations([*(named for named in locations_of(msg) if named.is_output), *inputs])


def check_also_written(msg: Message, outputs: Iterable[DataLocation]) -> None:
    """Refuse a request that would overwrite what it reads by a file of its folders, whose name it did not give.

    Raises:
        MessageError: one of `outputs` is one of its inputs, or another output.
    """
    written = [NamedLocation("a file of the result", location, True) for location in outputs]
    check_locations([*locations_of(msg), *written])


def check_tasks(tasks: Sequence[Message], others: Sequence[NamedLocation] = (), in_order: bool = False) -> None:
    """Refuse a job whose tasks overwrite each other's files; what lies within one task is left to `check_message`.

    Equal tasks may be repeated, folders may be shared, and a task may read what an earlier one writes where its message
    says so by `reads_earlier_outputs`.

    Args:
        others: what the job uses besides, such as the location of its return message.
        in_order: a task may read whatever an earlier one writes.

    Raises:
        MessageError: two tasks, or a task and one of `others`, use the same location, and one of them writes it.
        InvalidKeyError, AccessDeniedError: nothing can be written at the location of an output among `others`.
    """
    check_outputs(others)
    if len(tasks) < 2 and not others:
        return
    used = [(number, named) for number, msg in enumerate(tasks) for named in locations_of(msg)]
    used += [(-1 - number, named) for number, named in enumerate(others)]
    written: dict[Hashable, tuple[int, NamedLocation]] = {}
    for number, named in used:
        if named.is_output and not (number >= 0 and named.folder is not None):
            writer, output = written.setdefault(identity_of(named.location), (number, named))
            if not _is_same_task(tasks, writer, number):
                raise _collision(_numbered(tasks, writer, output), _numbered(tasks, number, named))
    for number, named in used:
        if not named.is_output and (found := written.get(identity_of(named.location))) is not None:
            writer, output = found
            follows = 0 <= writer < number and (in_order or named.field in tasks[number].reads_earlier_outputs)
            if not follows and not _is_same_task(tasks, writer, number):
                raise _collision(_numbered(tasks, writer, output), _numbered(tasks, number, named))


def check_unused(named: NamedLocation, tasks: Sequence[Message]) -> None:
    """Refuse a location that is written while some task reads or writes it, too.

    Raises:
        MessageError: a task does.
    """
    identity = identity_of(named.location)
    for number, msg in enumerate(tasks):
        for other in locations_of(msg):
            if identity_of(other.location) == identity:
                raise _collision(named, _numbered(tasks, number, other))


def check_locations(locations: Iterable[NamedLocation]) -> None:
    """Refuse locations of which one is written and is another one as well, or lies among the files of a folder that is
    read.

    Raises:
        MessageError: there are such; the sentence names both.
    """
    every = list(locations)
    outputs = [(identity_of(named.location), named) for named in every if named.is_output]
    by_identity: dict[Hashable, NamedLocation] = {}
    for identity, named in outputs:
        if (first := by_identity.setdefault(identity, named)) is not named:
            raise _collision(first, named)
    if not outputs:
        return
    for named in every:
        if named.is_output:
            continue
        if (output := by_identity.get(identity_of(named.location))) is not None:
            raise _collision(output, named)
        if named.folder is not None and named.folder.takes:
            for _, output in outputs:
                _check_outside(output, named, named.folder.takes)


def same_location(one: DataLocation, other: DataLocation) -> bool:
    """Whether two locations name the same object: of files, by any path or link."""
    return identity_of(one) == identity_of(other)


def locations_of(msg: Message) -> list[NamedLocation]:
    """Every location of a message, with the path of its field."""
    found = [
        NamedLocation(f"{name}{path}", location, is_output, folder)
        for name, (is_output, folder) in location_fields(type(msg)).items()
        for path, location in _locations(getattr(msg, name))
    ]
    return [
        *found,
        *(NamedLocation(name, location, True) for name, location in msg.implied_outputs().items()),
        *(NamedLocation(name, location, False) for name, location in msg.implied_inputs().items()),
    ]


def named_locations(
    outputs: Mapping[str, DataLocation | None], inputs: Mapping[str, DataLocation | None]
) -> list[NamedLocation]:
    """Locations with their names in errors; None is left out."""
    return [
        NamedLocation(name, location, is_output)
        for group, is_output in ((outputs, True), (inputs, False))
        for name, location in group.items()
        if location is not None
    ]


def _locations(value: Any) -> Iterator[tuple[str, DataLocation]]:
    """(path within the value, location) of every location in it."""
    if isinstance(value, DataLocation):
        yield "", value
    elif isinstance(value, TrainingTaskLabels):
        for name in ("train", "ref", "val"):
            for path, location in _locations(value[name]):
                yield f".{name}{path}", location
    elif isinstance(value, ImageLabels):
        yield from (("", location) for location in value if isinstance(location, DataLocation))
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from ((f".{name}{path}", location) for path, location in _locations(one))
    elif isinstance(value, list | tuple):
        # Most lists are of numbers, and long: points, layers.
        for number, one in enumerate(value):
            if isinstance(one, DataLocation | Mapping | list):
                yield from ((f".{number}{path}", location) for path, location in _locations(one))
    elif (own := getattr(value, "data_locations", None)) is not None:
        yield from _locations(own)


def check_outputs(locations: Iterable[NamedLocation]) -> None:
    """Refuse, before the work, files of this machine that could not be written after it; nothing is made for that."""
    for named in locations:
        loc = named.location
        if named.is_output and named.folder is None and loc.storage_type == "filesystem" and "\0" not in loc.key:
            _check_target(loc.key, f"{named.name} '{loc.display_name}'")


def _check_target(key: str, what: str) -> None:
    path = os.path.realpath(key)
    if os.path.isdir(path):
        raise InvalidKeyError(f"{what} is a folder: name a file in it.")
    folder = os.path.dirname(path)
    while folder != "/" and not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise InvalidKeyError(f"{what} leads through a file as if that were a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise AccessDeniedError(f"{what} cannot be written: the permissions of '{folder}' forbid it.")


def _is_same_task(tasks: Sequence[Message], one: int, other: int) -> bool:
    return one == other or (one >= 0 and other >= 0 and tasks[one] == tasks[other])


def _numbered(tasks: Sequence[Message], number: int, named: NamedLocation) -> NamedLocation:
    return named if number < 0 or len(tasks) == 1 else named._replace(name=f"tasks.{number}.{named.name}")


def identity_of(loc: DataLocation) -> Hashable:
    """Equal for locations that name the same object."""
    if loc.storage_type != "filesystem":
        return loc.storage_type, loc.bucket_name, loc.key.rstrip("/")
    try:
        status = os.stat(loc.key)
    except (OSError, ValueError):
        # Nothing is there yet: only the name can be compared.
        return "path", _real_path(loc.key)
    return "file", status.st_dev, status.st_ino


def _real_path(path: str) -> str:
    try:
        real = os.path.realpath(path)
    except (OSError, ValueError):
        return path
    return real.casefold() if _ignores_case(os.path.dirname(real)) else real


def _ignores_case(folder: str) -> bool:
    """Whether a folder is found under its name in the other case, too, as on most disks of macOS."""
    while folder != "/" and not os.path.exists(folder):
        folder = os.path.dirname(folder)
    parent, name = os.path.split(folder)
    if name.swapcase() == name:
        return False
    try:
        return os.path.samefile(folder, os.path.join(parent, name.swapcase()))
    except OSError:
        return False


def _check_outside(output: NamedLocation, folder: NamedLocation, takes: str) -> None:
    one, other = output.location, folder.location
    if (one.storage_type, one.bucket_name) != (other.storage_type, other.bucket_name) or output.folder is not None:
        return
    key, prefix = one.key, other.key
    if one.storage_type == "filesystem":
        key, prefix = os.path.realpath(key), os.path.realpath(prefix)
    if key.startswith(f"{prefix.rstrip('/')}/" if prefix else "") and re.fullmatch(takes, one.filename):
        raise MessageError(
            f"{output.name} '{one.display_name}' would be one of the files of {folder.name} "
            f"'{other.display_name}', which is read: write to another folder."
        )


def _collision(one: NamedLocation, other: NamedLocation) -> MessageError:
    output, read = (one, other) if one.is_output else (other, one)
    names = f"'{output.location.display_name}'"
    if output.location != read.location:
        names = f"the same file, {names} and '{read.location.display_name}'"
    if read.is_output:
        return MessageError(f"{output.name} and {read.name} are both {names}: give each output a location of its own.")
    return MessageError(
        f"{output.name} would overwrite {read.name}, both are {names}: give the output a location of its own."
    )
