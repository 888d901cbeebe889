"""The contract suite of tasks: every entry of `TASKS` is tested."""

from __future__ import annotations

import json
import shutil
import signal
from abc import abstractmethod
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import pytest

from spacer_like import config
from spacer_like.exceptions import MessageError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.mailman import process_job
from spacer_like.message_base import Message, location_fields
from spacer_like.messages import TASKS, JobMsg
from spacer_like.overwriting import check_message, locations_of
from spacer_like.storage import write_bytes
from spacer_like.testing.killing import Killing

Tree = dict[str, bytes]


def function_of(name: str) -> Callable[[Any], Any]:
    """The function that answers the requests of a task."""
    found: Callable[[Any], Any] = getattr(import_module(TASKS[name].module), name)
    return found


def full_message(name: str, **values: Any) -> Message:
    """The example of a task's request with a location in every field that takes one."""
    message = TASKS[name].message.example()
    fields = message.serialize()
    for field in location_fields(type(message)):
        if not field.endswith(("_loc", "_locs")):
            continue
        location = DataLocation("memory", field)
        if field not in fields or fields[field] is None:
            for filled in (location, [location]):
                try:
                    TASKS[name].message(**fields | {field: filled})
                except MessageError:
                    continue
                fields[field] = filled
                break
        elif fields[field] == []:
            fields[field] = [location]
        elif fields[field] == {}:
            fields[field] = {"one": [location]}
    return TASKS[name].message(**fields | values)


def with_location(message: Message, path: str, location: DataLocation) -> Message:
    """The message with another location at a path such as ``scores_locs.ratio.0``."""
    field, *inner = path.split(".")
    value = message.serialize()[field]
    if not inner:
        return type(message)(**message.serialize() | {field: location})
    target = value
    for part in inner[:-1]:
        target = target[int(part) if isinstance(target, list) else part]
    target[int(inner[-1]) if isinstance(target, list) else inner[-1]] = location.serialize()
    return type(message)(**message.serialize() | {field: value})


class World:
    """A folder in which requests have been answered, each with its results in a folder of the task's name."""

    def __init__(self, folder: Path, requests: dict[str, Message]) -> None:
        self.folder = folder
        self.requests = requests
        self._done: dict[str, tuple[Any, Tree]] = {}

    def results(self, name: str) -> Path:
        """The folder of a task's results."""
        return self.folder / name

    def done(self, name: str) -> tuple[Any, Tree]:
        """The answer to a task's request, and its results, made once, after what it reads."""
        if name not in self._done:
            text = json.dumps(self.requests[name].serialize())
            for other in self.requests:
                if other != name and f"{self.results(other)}/" in text.replace('\\"', '"'):
                    self.done(other)
            answer = self.again(name)
            self._done[name] = answer, self.tree(name)
        return self._done[name]

    def again(self, name: str) -> dict[str, Any]:
        """The answer without its seconds, of doing it once more."""
        answer = function_of(name)(self.requests[name]).serialize()
        found: dict[str, Any] = json.loads(without_seconds(json.dumps(answer).encode()))
        return found

    def tree(self, name: str) -> Tree:
        """What is among a task's results, without files that a killed process has left unfinished."""
        folder = self.results(name)
        return {
            path.relative_to(folder).as_posix(): without_seconds(path.read_bytes())
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }

    def others(self, name: str) -> dict[str, tuple[int, int]]:
        """Size and time of each file that is not a result of the task."""
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.folder.rglob("*")
            if path.is_file() and self.results(name) not in path.parents
        }

    def clear(self, name: str) -> None:
        """Remove a task's results."""
        shutil.rmtree(self.results(name), ignore_errors=True)

    def restore(self, name: str) -> None:
        """Put a task's results back as they were, for those that read them."""
        for path, data in self._done[name][1].items():
            write_bytes(DataLocation("filesystem", str(self.results(name) / path)), data)


class TaskContract:
    """Subclass it, and say by `requests` a request with real data for each task."""

    class_prefixes: ClassVar[tuple[str, ...]] = ("spacer_like.testing",)
    """Of the extractors and trainers that the requests name."""
    only_read: ClassVar[frozenset[str]] = frozenset()
    """Tasks that write nothing."""

    @classmethod
    @abstractmethod
    def requests(cls, folder: Path) -> dict[str, Message]:
        """Make inputs in a folder, and the requests by their tasks; the results of each lie in ``folder/TASK/``.

        A request may read what another one writes. Tasks that have none here are only tested by their messages.
        """

    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
        folder = tmp_path_factory.mktemp("world")
        with config.override(allowed_class_prefixes=cls.class_prefixes, torch_threads=1):
            yield World(folder, cls.requests(folder))

    @pytest.fixture(scope="class")
    @classmethod
    def killing(cls) -> Iterator[Killing]:
        with Killing(cls.class_prefixes) as killing:
            yield killing

    @pytest.mark.parametrize("name", TASKS)
    def test_its_messages_have_examples_that_travel_in_json(self, name):
        for message in (TASKS[name].message, TASKS[name].return_message):
            example = message.example()
            assert message.deserialize(json.loads(json.dumps(example.serialize()))) == example

    @pytest.mark.parametrize("name", TASKS)
    def test_its_request_refuses_fields_that_it_does_not_know_and_its_answer_ignores_them(self, name):
        task = TASKS[name]
        with pytest.raises(MessageError, match="does not validate: surprise: there is no such field"):
            task.message.deserialize(task.message.example().serialize() | {"surprise": 1})
        answer = task.return_message.example()
        assert task.return_message.deserialize(answer.serialize() | {"surprise": 1}) == answer

    @pytest.mark.parametrize("name", TASKS)
    def test_its_function_bears_its_name_and_says_what_it_does(self, name):
        assert TASKS[name].message.task == name
        assert (function_of(name).__doc__ or "").strip()

    @pytest.mark.parametrize("name", TASKS)
    def test_its_request_tells_what_it_writes(self, name):
        used = locations_of(full_message(name))
        assert any(named.is_output for named in used) is (name not in self.only_read)
        fields = {field for field in TASKS[name].message.model_fields if field.endswith(("_loc", "_locs"))}
        assert {named.field for named in used} >= fields

    @pytest.mark.parametrize("name", TASKS)
    def test_it_refuses_an_output_that_is_an_input_or_another_output(self, name):
        message = full_message(name)
        check_message(message)
        # What lies beside a field's location moves with it, and is tested by itself.
        used = [named for named in locations_of(message) if " " not in named.name and "_loc" in named.name]
        for one, other in combinations(used, 2):
            output, named = (one, other) if one.is_output else (other, one)
            if not output.is_output or not named.location.is_writable:
                # Refused as an output whatever else there is.
                continue
            same = with_location(message, output.name, named.location)
            with pytest.raises(MessageError) as caught:
                function_of(name)(same)
            assert named.name in str(caught.value)
            assert named.location.display_name in str(caught.value)
            answer = process_job(JobMsg(name, [same]))
            assert not answer.ok
            assert str(answer.error_message).splitlines()[-1].endswith(str(caught.value))

    @pytest.mark.parametrize("name", TASKS)
    def test_the_same_request_gives_the_same_bytes_however_often_and_where(self, name, world, killing):
        request = _prepared(world, name)
        answer, results = world.done(name)
        assert bool(results) is (name not in self.only_read)
        others = world.others(name)
        # Over its own results, and in a process that has done nothing before.
        again = world.again(name)
        # Some say how much of it was there already.
        assert again == answer or {"n_skipped", "skipped", "n_reused"} & answer.keys()
        assert world.tree(name) == results
        world.clear(name)
        ended = killing.run(JobMsg(name, [request]), str(world.results(name)))
        assert ended.code == 0
        assert ended.outcome["status"] == "done", ended.outcome
        assert json.loads(without_seconds(json.dumps(ended.outcome["result"]).encode())) == answer
        assert world.tree(name) == results
        # What it reads stays as it is.
        assert world.others(name) == others

    @pytest.mark.parametrize("name", TASKS)
    def test_killed_before_a_result_it_leaves_only_whole_ones_and_done_again_all(self, name, world, killing):
        request = _prepared(world, name)
        _, results = world.done(name)
        if not results:
            pytest.skip("it writes nothing")
        world.clear(name)
        for kill_before in sorted({1, len(results)}):
            ended = killing.run(JobMsg(name, [request]), str(world.results(name)), kill_before)
            assert ended.code == -signal.SIGKILL
            left = world.tree(name)
            assert len(left) < len(results)
            assert left.items() <= results.items()
        world.again(name)
        assert world.tree(name) == results

    @pytest.mark.parametrize("name", TASKS)
    def test_without_one_of_its_inputs_it_fails_and_writes_nothing(self, name, world):
        request = _prepared(world, name)
        world.done(name)
        world.clear(name)
        nowhere = DataLocation("filesystem", str(world.folder / "nowhere" / "at-all"))
        for named in locations_of(request):
            # What lies beside a field's location has a name of words.
            if named.is_output or named.location.storage_type != "filesystem" or "_loc" not in named.name:
                continue
            if " " in named.name:
                continue
            lacking = with_location(request, named.name, nowhere)
            with pytest.raises(SpacerInputError, match="nowhere"):
                function_of(name)(lacking)
            assert world.tree(name) == {}, named.name
        world.restore(name)


def _prepared(world: World, name: str) -> Message:
    if name not in world.requests:
        pytest.skip("there is no request with data for it")
    return world.requests[name]


def without_seconds(data: bytes) -> bytes:
    """The bytes of a file; an answer in JSON has no `runtime` any more, the one thing that may differ."""
    if not data.startswith(b"{"):
        return data
    found = json.loads(data)
    return json.dumps(found | {"runtime": 0.0}).encode() if "runtime" in found else data
