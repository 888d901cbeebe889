"""The contract suites of engines and submissions.

>>> class TestMine(EngineContract):
...     @classmethod
...     def make_engine(cls):
...         return Processes(2)
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from spacer_like import config
from spacer_like.data_classes import ImageFeatures
from spacer_like.engines.base import Engine, Submission
from spacer_like.exceptions import MessageError, StorageUnavailableError
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg, ExtractFeaturesReturnMsg
from spacer_like.storage import exists, read_bytes
from spacer_like.testing.extractors import Unruly

_EXTRACTORS = "spacer_like.testing.extractors"
_SECONDS = 60.0


def wait_until(is_so: Callable[[], object], seconds: float = _SECONDS) -> None:
    """Wait for a condition; fail the test where that takes too long."""
    last = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < last, "It has not come to pass."
        time.sleep(0.02)


class _Requests:
    """Requests for the features of small images, in a folder of a test's own."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def unruly_is_allowed(cls) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch, config.override(allowed_class_prefixes=(_EXTRACTORS,)):
            patch.setenv("SPACER_ALLOWED_CLASS_PREFIXES", _EXTRACTORS)
            yield

    @pytest.fixture
    def request_for(self, tmp_path: Path) -> Callable[..., ExtractFeaturesMsg]:
        """Makes the request of an index; what it does besides: see `Unruly`."""
        from PIL import Image

        def make(index: int, does: str = "", image: str = "image.png") -> ExtractFeaturesMsg:
            if not (tmp_path / "image.png").exists():
                Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "image.png")
            return ExtractFeaturesMsg(
                job_token=str(index),
                extractor=Unruly(does=does, folder=str(tmp_path)),
                rowcols=[(index % 8, 5)],
                image_loc=DataLocation("filesystem", str(tmp_path / image)),
                feature_loc=DataLocation("filesystem", str(tmp_path / f"{index}.npz")),
            )

        return make


class EngineContract(_Requests):
    """Subclass it, and say by `make_engine` which engine it is."""

    at_once: ClassVar[int] = 2
    """How many requests it works on at once."""
    apart: ClassVar[bool] = True
    """Whether its work is done by other processes, one of which may die."""
    program: ClassVar[str] = ""
    """Python code that makes the engine under the name `engine`, to test how it ends with a program; '': not tested."""

    @classmethod
    @abstractmethod
    def make_engine(cls) -> Engine:
        """The engine, with room for `at_once` requests."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, unruly_is_allowed: None) -> Iterator[Engine]:
        with cls.make_engine() as engine:
            yield engine

    def test_each_index_comes_once_with_the_return_message_of_its_task(self, engine, request_for):
        requests = [request_for(index) for index in range(5)]
        ended = list(engine.outcomes(requests))
        assert sorted(index for index, _ in ended) == [0, 1, 2, 3, 4]
        assert all(outcome.status == "done" for _, outcome in ended)
        assert all(isinstance(outcome.result, ExtractFeaturesReturnMsg) for _, outcome in ended)
        for index, request in enumerate(requests):
            assert ImageFeatures.load(request.feature_loc).rowcols == [(index, 5)]

    @pytest.mark.parametrize("count", [0, 1])
    def test_few_requests_are_done(self, engine, request_for, count):
        assert len(list(engine.outcomes([request_for(index) for index in range(count)]))) == count

    def test_results_stay_and_doing_them_again_harms_nothing(self, engine, request_for):
        requests = [request_for(index) for index in range(2)]
        list(engine.outcomes(requests))
        before = [read_bytes(request.feature_loc) for request in requests]
        with self.make_engine() as another:
            assert all(outcome.status == "done" for _, outcome in another.outcomes(requests))
        assert [read_bytes(request.feature_loc) for request in requests] == before

    def test_a_failure_leaves_the_others_alone(self, engine, request_for):
        requests = [request_for(0), request_for(1, image="missing.png"), request_for(2)]
        ended = dict(engine.outcomes(requests))
        assert [ended[index].status for index in range(3)] == ["done", "failed", "done"]
        assert ended[1].error_class == "spacer_like.exceptions.DataNotFoundError"
        assert "missing.png" in ended[1].error_message
        assert ended[1].transient is False
        assert ended[1].result is None

    def test_outcomes_come_in_the_order_in_which_requests_end(self, engine, request_for, tmp_path):
        if self.at_once == 1:
            pytest.skip("it works on one request at a time")
        found = engine.outcomes([request_for(0, "wait"), request_for(1), request_for(2)])
        first = [next(found)[0], next(found)[0]]
        assert first == [1, 2]
        (tmp_path / "go").touch()
        assert next(found)[0] == 0

    def test_requests_are_taken_only_as_there_is_room(self, engine, request_for):
        taken = []

        def requests():
            for index in range(30):
                taken.append(index)
                yield request_for(index)

        found = engine.outcomes(requests())
        for seen in range(1, 6):
            next(found)
            assert len(taken) <= seen + 2 * self.at_once
        found.close()
        time.sleep(0.1)
        assert len(taken) < 20

    def test_requests_that_write_to_one_place_are_refused_before_any_begins(self, engine, request_for):
        one, other = request_for(0), request_for(1)
        requests = [one, other.model_copy(update={"feature_loc": one.feature_loc})]
        with pytest.raises(MessageError, match=r"tasks\.0\.feature_loc and tasks\.1\.feature_loc are both"):
            list(engine.outcomes(requests))
        assert not exists(one.feature_loc)

    def test_what_is_called_before_a_request_may_fail_it(self, engine, request_for):
        called = []

        def before(index):
            called.append(index)
            if index == 1:
                raise StorageUnavailableError("Not now.")

        requests = [request_for(index) for index in range(3)]
        ended = dict(engine.outcomes(requests, before))
        assert sorted(called) == [0, 1, 2]
        assert [ended[index].status for index in range(3)] == ["done", "failed", "done"]
        assert (ended[1].error_message, ended[1].transient) == ("Not now.", True)
        assert not exists(requests[1].feature_loc)

    def test_what_a_library_prints_does_no_harm(self, engine, request_for):
        ended = engine.outcomes([request_for(index, "print") for index in range(2)])
        assert [outcome.status for _, outcome in ended] == ["done", "done"]

    def test_the_settings_in_force_are_those_of_the_work(self, request_for):
        with config.override(max_image_pixels=10), self.make_engine() as engine:
            ended = dict(engine.outcomes([request_for(0), request_for(1)]))
        assert all("larger than the max allowed of 10" in str(outcome.error_message) for outcome in ended.values())

    def test_a_worker_that_dies_is_replaced_and_its_request_tried_again(self, engine, request_for, tmp_path):
        if not self.apart:
            pytest.skip("its work is done in this process")
        ended = dict(engine.outcomes([request_for(0), request_for(1, "die twice"), request_for(2)]))
        assert [ended[index].status for index in range(3)] == ["done"] * 3
        assert len(list(tmp_path.glob("died-*"))) == 2

    def test_a_request_that_always_kills_its_worker_fails_for_now_and_alone(self, engine, request_for, tmp_path):
        if not self.apart:
            pytest.skip("its work is done in this process")
        ended = dict(engine.outcomes([request_for(0), request_for(1, "die"), request_for(2)]))
        assert [ended[index].status for index in range(3)] == ["done", "failed", "done"]
        assert ended[1].transient is True
        assert ended[1].error_class == "spacer_like.exceptions.TransientError"
        tries = len(list(tmp_path.glob("died-*")))
        assert 2 <= tries <= 10
        sentence = f"signal 9, as for lack of memory. It was tried {tries} times."
        assert sentence in str(ended[1].error_message)

    def test_who_closes_the_outcomes_ends_the_work(self, engine, request_for, tmp_path):
        if not self.apart:
            pytest.skip("its work is done in this process")
        waiting = request_for(1, "wait")
        found = engine.outcomes([request_for(0), waiting, request_for(2)])
        next(found)
        wait_until(lambda: list(tmp_path.glob("waiting-*")))
        found.close()
        # Nothing lets it go on: it would wait for ever if no word, even of another machine, ended it.
        wait_until(lambda: not _living(tmp_path))
        assert not exists(waiting.feature_loc)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_the_end_of_the_program_ends_the_work(self, request_for, tmp_path, number):
        if not self.program:
            pytest.skip("its program is not given")
        for index in range(2):
            request_for(index, "wait").store(DataLocation("filesystem", str(tmp_path / f"{index}.json")))
        program = f"""
from spacer_like import interruption
interruption.listen(quiet=True)
from spacer_like.data_classes import ImageFeatures
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg
{self.program}
places = [DataLocation("filesystem", f"{tmp_path}/{{index}}.json") for index in range(2)]
requests = [ExtractFeaturesMsg.load(place) for place in places]
try:
    interruption.ready()
    with engine:
        list(engine.outcomes(requests))
except interruption.Interrupted as signal:
    interruption.finish(signal.exit_code)
"""
        with subprocess.Popen([sys.executable, "-c", program]) as process:
            try:
                wait_until(lambda: len(_living(tmp_path)) == 2)
                process.send_signal(number)
                process.wait(_SECONDS)
                wait_until(lambda: not _living(tmp_path))
            finally:
                process.kill()
        assert not list(tmp_path.glob("*.npz"))


class SubmissionContract(_Requests):
    """Subclass it, and say by `submitted` and `opened` which submission it is."""

    @abstractmethod
    def submitted(self, folder: DataLocation, requests: list[ExtractFeaturesMsg]) -> Submission:
        """The submission of requests that may be kept in a folder, where nothing is yet."""

    @abstractmethod
    def opened(self, folder: DataLocation) -> Submission:
        """The submission that is kept in a folder."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> DataLocation:
        return DataLocation("filesystem", str(tmp_path / "submission"))

    @staticmethod
    def wait(submission: Submission) -> None:
        wait_until(lambda: not submission.status().at_work)

    def test_outcomes_are_collected_by_one_who_opens_the_folder(self, folder, request_for):
        requests = [request_for(0), request_for(1, image="missing.png"), request_for(2)]
        self.submitted(folder, [*requests, requests[0]])
        submission = self.opened(folder)
        self.wait(submission)
        status = submission.status()
        assert (status.total, status.done, status.failed, status.waiting) == (4, 3, 1, 0)
        assert not status.cancelled
        ended = dict(submission.collect())
        assert list(ended) == [0, 1, 2, 3]
        assert [ended[index].status for index in range(4)] == ["done", "failed", "done", "done"]
        assert all(isinstance(ended[index].result, ExtractFeaturesReturnMsg) for index in (0, 2, 3))
        assert ended[1].transient is False
        assert all(exists(requests[index].feature_loc) for index in (0, 2))

    def test_what_is_done_is_known_while_the_rest_is_at_work(self, folder, request_for, tmp_path):
        submission = self.submitted(folder, [request_for(0), request_for(1, "wait")])
        wait_until(lambda: submission.status().done == 1)
        assert submission.status().at_work
        assert [index for index, _ in submission.collect()] == [0]
        (tmp_path / "go").touch()
        self.wait(submission)
        assert submission.status().done == 2

    def test_those_that_failed_are_done_again_and_no_others(self, folder, request_for, tmp_path):
        requests = [request_for(0), request_for(1, image="late.png")]
        submission = self.submitted(folder, requests)
        self.wait(submission)
        assert submission.status().failed == 1
        first = os.stat(requests[0].feature_loc.key).st_mtime_ns
        (tmp_path / "image.png").rename(tmp_path / "late.png")
        assert submission.retry_failed() == 1
        self.wait(submission)
        assert submission.status().done == 2
        assert os.stat(requests[0].feature_loc.key).st_mtime_ns == first

    def test_what_is_cancelled_ends_and_can_go_on_later(self, folder, request_for, tmp_path):
        requests = [request_for(0), *(request_for(index, "wait") for index in range(1, 5))]
        submission = self.submitted(folder, requests)
        wait_until(lambda: submission.status().done == 1 and _living(tmp_path))
        self.opened(folder).cancel()
        wait_until(lambda: not _living(tmp_path))
        self.wait(submission)
        status = submission.status()
        assert (status.done, status.failed, status.waiting, status.cancelled) == (1, 0, 4, True)
        submission.cancel()
        (tmp_path / "go").touch()
        assert submission.retry_failed() == 4
        self.wait(submission)
        assert submission.status().done == 5

    def test_the_same_requests_may_be_submitted_twice_and_others_may_not(self, folder, request_for):
        requests = [request_for(0), request_for(1)]
        self.wait(self.submitted(folder, requests))
        self.wait(self.submitted(folder, requests))
        with pytest.raises(MessageError, match="holds other requests"):
            self.submitted(folder, requests[:1])
        assert self.opened(folder).status().done == 2

    def test_a_worker_that_dies_does_not_end_the_others(self, folder, request_for):
        submission = self.submitted(folder, [request_for(0), request_for(1, "die"), request_for(2)])
        self.wait(submission)
        ended = dict(submission.collect())
        assert [ended[index].status for index in range(3)] == ["done", "failed", "done"]
        assert ended[1].transient is True


def _living(folder: Path) -> list[int]:
    """The living processes that wait for ``go``."""
    return [pid for path in folder.glob("waiting-*") if _lives(pid := int(path.name.partition("-")[2]))]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody has asked for has no memory any more.
    status = Path(f"/proc/{pid}/statm")
    return not status.exists() or not status.read_text().startswith("0 ")
