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
from spacer_like.reading_ahead import ReadingTask

TaskFunction = TypeVar("TaskFunction", bound=Callable[[Any], Any])


class Place(NamedTuple):
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
        MessageError: two of its fields name the same place, and one of them is an output.
        InvalidKeyError, AccessDeniedError: nothing can be written at an output's place.
    """
    used = places_of(msg)
    check_places(used)
    check_outputs(used)


def check_also_read(msg: Message, inputs: Iterable[Place]) -> None:
    """Refuse a request whose outputs would overwrite what it reads without naming it, such as the tiles of manifests.

    Raises:
        MessageError: one of its outputs is one of `inputs`.
    """
    check_places([*(place for place in places_of(msg) if place.is_output), *inputs])


def check_tasks(tasks: Sequence[Message], others: Sequence[Place] = ()) -> None:
    """Refuse a job whose tasks overwrite each other's files; what lies within one task is left to `check_message`.

    Equal tasks may be repeated, folders may be shared, and a task may read what an earlier one writes where its message
    says so by `reads_earlier_outputs`.

    Args:
        others: what the job uses besides, such as the place of its return message.

    Raises:
        MessageError: two tasks, or a task and one of `others`, use the same place, and one of them writes it.
        InvalidKeyError, AccessDeniedError: nothing can be written at the place of an output among `others`.
    """
    check_outputs(others)
    if len(tasks) < 2 and not others:
        return
    used = [(number, place) for number, msg in enumerate(tasks) for place in places_of(msg)]
    used += [(-1 - number, place) for number, place in enumerate(others)]
    written: dict[Hashable, tuple[int, Place]] = {}
    for number, place in used:
        if place.is_output and not (number >= 0 and place.folder is not None):
            writer, output = written.setdefault(_identity(place.location), (number, place))
            if not _is_same_task(tasks, writer, number):
                raise _collision(_numbered(tasks, writer, output), _numbered(tasks, number, place))
    for number, place in used:
        if not place.is_output and (found := written.get(_identity(place.location))) is not None:
            writer, output = found
            follows = 0 <= writer < number and place.field in tasks[number].reads_earlier_outputs
            if not follows and not _is_same_task(tasks, writer, number):
                raise _collision(_numbered(tasks, writer, output), _numbered(tasks, number, place))


def check_unused(place: Place, tasks: Sequence[Message]) -> None:
    """Refuse a place that is written while some task reads or writes it, too.

    Raises:
        MessageError: a task does.
    """
    identity = _identity(place.location)
    for number, msg in enumerate(tasks):
        for other in places_of(msg):
            if _identity(other.location) == identity:
                raise _collision(place, _numbered(tasks, number, other))


def check_places(places: Iterable[Place]) -> None:
    """Refuse places of which one is written and is another one as well, or lies among the files of a folder that is
    read.

    Raises:
        MessageError: there are such; the sentence names both.
    """
    every = list(places)
    outputs = [(_identity(place.location), place) for place in every if place.is_output]
    by_identity: dict[Hashable, Place] = {}
    for identity, place in outputs:
        if (first := by_identity.setdefault(identity, place)) is not place:
            raise _collision(first, place)
    if not outputs:
        return
    for place in every:
        if place.is_output:
            continue
        if (output := by_identity.get(_identity(place.location))) is not None:
            raise _collision(output, place)
        if place.folder is not None and place.folder.takes:
            for _, output in outputs:
                _check_outside(output, place, place.folder.takes)


def same_place(one: DataLocation, other: DataLocation) -> bool:
    """Whether two locations name the same object: of files, by any path or link."""
    return _identity(one) == _identity(other)


def places_of(msg: Message) -> list[Place]:
    """Every location of a message, with the path of its field."""
    found = [
        Place(f"{name}{path}", location, is_output, folder)
        for name, (is_output, folder) in location_fields(type(msg)).items()
        for path, location in _locations(getattr(msg, name))
    ]
    return [
        *found,
        *(Place(name, location, True) for name, location in msg.implied_outputs().items()),
        *(Place(name, location, False) for name, location in msg.implied_inputs().items()),
    ]


def places(outputs: Mapping[str, DataLocation | None], inputs: Mapping[str, DataLocation | None]) -> list[Place]:
    """Places by what errors call them; None is left out."""
    return [
        Place(name, location, is_output)
        for named, is_output in ((outputs, True), (inputs, False))
        for name, location in named.items()
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


def check_outputs(places: Iterable[Place]) -> None:
    """Refuse, before the work, files of this machine that could not be written after it; nothing is made for that."""
    for place in places:
        loc = place.location
        if place.is_output and place.folder is None and loc.storage_type == "filesystem" and "\0" not in loc.key:
            _check_target(loc.key, f"{place.name} '{loc.display_name}'")


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


def _numbered(tasks: Sequence[Message], number: int, place: Place) -> Place:
    return place if number < 0 or len(tasks) == 1 else place._replace(name=f"tasks.{number}.{place.name}")


def _identity(loc: DataLocation) -> Hashable:
    """Equal for locations that name the same object."""
    if loc.storage_type != "filesystem":
        return loc.storage_type, loc.bucket_name, loc.key.rstrip("/")
    try:
        status = os.stat(loc.key)
    except (OSError, ValueError):
        # Nothing is there yet: only its name tells.
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


def _check_outside(output: Place, folder: Place, takes: str) -> None:
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


def _collision(one: Place, other: Place) -> MessageError:
    output, read = (one, other) if one.is_output else (other, one)
    names = f"'{output.location.display_name}'"
    if output.location != read.location:
        names = f"the same file, {names} and '{read.location.display_name}'"
    if read.is_output:
        return MessageError(f"{output.name} and {read.name} are both {names}: give each output a place of its own.")
    return MessageError(
        f"{output.name} would overwrite {read.name}, both are {names}: give the output a place of its own."
    )
