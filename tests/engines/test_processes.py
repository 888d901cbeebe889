"""What processes of this machine do besides what every engine does."""

import os
import signal
import subprocess
import sys
import sysconfig

import numpy as np
import pytest
from PIL import Image

from spacer_like.engines.array import ArraySubmission, read_manifest
from spacer_like.engines.detached import Detached
from spacer_like.engines.processes import Processes
from spacer_like.engines.shard_work import work_on_shard
from spacer_like.engines.submissions import submission
from spacer_like.exceptions import ConfigError, DataNotFoundError, MessageError
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg, digest_of
from spacer_like.storage import exists, write_bytes
from spacer_like.testing.engine import wait_until


def request_for(index, folder=None):
    """A request that works in memory, or in a folder."""

    def place(name):
        return DataLocation("memory", name) if folder is None else DataLocation("filesystem", str(folder / name))

    from spacer_like.storage import store_image

    store_image(place("image.png"), Image.fromarray(np.zeros((9, 9, 3), np.uint8)))
    return ExtractFeaturesMsg(
        job_token=str(index),
        extractor="spacer_like.extractors.DummyExtractor",
        rowcols=[(index, 5)],
        image_loc=place("image.png"),
        feature_loc=place(f"{index}.npz"),
    )


@pytest.mark.parametrize(
    ("engine", "count"), [(Processes(1), 3), (Processes(5), 1)], ids=["one process", "one request"]
)
def test_what_one_can_do_is_done_in_this_process(engine, count):
    requests = [request_for(index) for index in range(count)]
    with engine:
        assert [outcome.status for _, outcome in engine.outcomes(requests)] == ["done"] * count
    assert all(exists(request.feature_loc) for request in requests)


@pytest.mark.parametrize(
    ("number", "how"), [(signal.SIGSEGV, r"signal 11\."), (signal.SIGKILL, r"signal 9, as for lack of memory\.")]
)
def test_only_a_process_that_the_system_kills_is_said_to_lack_memory(number, how):
    with Processes(2) as engine:
        worker = engine.hire()
        os.kill(worker._process.pid, number)
        with pytest.raises(Exception, match=f"^The process that worked on it was ended by {how}$"):
            worker.outcome(request_for(0))
        worker.leave()


def test_work_that_is_done_apart_does_not_see_this_memory():
    with Processes(1, apart=True) as engine:
        ((_, outcome),) = engine.outcomes([request_for(0)])
    assert outcome.error_class == "spacer_like.exceptions.DataNotFoundError"


def test_a_descriptor_stays_open_while_its_processes_live(tmp_path):
    reader, writer = os.pipe()
    try:
        with Processes(1, apart=True) as engine, engine.inheriting(writer):
            list(engine.outcomes([request_for(0, tmp_path)]))
            os.close(writer)
            os.set_blocking(reader, False)
            with pytest.raises(BlockingIOError):
                os.read(reader, 1)
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


PROGRAM = """
import subprocess, sys
from spacer_like.engines.processes import child_environment
code = "import beside, sys; print(beside.__name__, *sys.path, sep=chr(10))"
print(subprocess.run([sys.executable, "-c", code], env=child_environment(), capture_output=True, text=True).stdout)
"""


def test_a_process_imports_what_lies_beside_the_program_that_was_started(tmp_path):
    """As cron starts a ``manage.py``, from another folder; and nothing that is installed hides Python's own."""
    for name, code in (("program", PROGRAM), ("beside", "")):
        (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, tmp_path / "program.py"]
    printed = subprocess.run(command, cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=True).stdout
    name, *paths = printed.split()
    assert name == "beside"
    assert paths.index(str(tmp_path)) < paths.index(sysconfig.get_path("stdlib"))
    assert all(paths.index(sysconfig.get_path("stdlib")) < at for at, one in enumerate(paths) if "-packages" in one)


class TestDetached:
    def test_a_folder_without_a_submission_has_none(self, tmp_path):
        with pytest.raises(DataNotFoundError, match=r"manifest\.json"):
            Detached(DataLocation("filesystem", str(tmp_path))).status()

    def test_lies_on_this_machine(self):
        with pytest.raises(MessageError, match="keeps its work on this machine"):
            Detached(DataLocation("s3", "a", "bucket"))

    @pytest.mark.parametrize("processes", [0, -3, "many"])
    def test_a_number_of_processes_is_one_or_more(self, tmp_path, processes):
        with pytest.raises(ConfigError, match=r"At least 1 process works|is of another type"):
            submission(DataLocation.local(tmp_path), "local", processes=processes)

    def test_work_that_ends_at_its_start_says_why(self, tmp_path):
        made = Detached(DataLocation.local(tmp_path / "submission"), 1)
        made.submit([request_for(0, tmp_path)])
        wait_until(lambda: not made.status().at_work)
        assert made.notices(made.status()) == []
        (tmp_path / "submission/engine.json").write_text('{"engine": "local", "options": {}, "results": 3}')
        for outcome in (tmp_path / "submission").glob("results/*"):
            outcome.unlink()
        made.retry_failed()
        wait_until(lambda: not made.status().at_work)
        (said,) = made.notices(made.status())
        assert said.startswith(f"The work ended before its end; the last line of '{tmp_path}/submission/log': ")
        assert "engine.json names no engine" in said

    def test_one_that_was_cancelled_goes_on_when_it_is_submitted_again(self, tmp_path):
        (tmp_path / "submission").mkdir()
        made = Detached(DataLocation.local(tmp_path / "submission"), 1)
        made.cancel()
        made.submit([request_for(0, tmp_path)])
        wait_until(lambda: not made.status().at_work)
        assert (made.status().total, made.status().waiting, made.status().cancelled) == (1, 0, False)

    @pytest.mark.parametrize(
        "damaged",
        [
            b"{",
            b"[]",
            b'{"version": 4, "requests": []}',
            b'{"version": 3, "requests": [], "needs": [[0, [1]]]}',
            b'{"version": 3, "requests": [["chip_tile", "%s"]], "needs": [[0, [0]]]}' % (b"0" * 64),
            b'{"version": 3, "requests": [], "needs": 1}',
            b'{"version": 2}',
            b'{"version": 1, "shards": 1, "requests": [["make_coffee", "0"]]}',
            b'{"version": 1, "shards": 1, "requests": [["chip_tile", "../../up"]]}',
        ],
    )
    def test_a_damaged_manifest_is_named(self, tmp_path, damaged):
        folder = DataLocation("filesystem", str(tmp_path))
        write_bytes(DataLocation("filesystem", str(tmp_path / "manifest.json")), damaged)
        with pytest.raises(MessageError, match=r"manifest\.json"):
            read_manifest(folder)

    def test_outcomes_that_are_not_wanted_are_not_read(self, tmp_path):
        folder = DataLocation("filesystem", str(tmp_path / "submission"))
        requests = [request_for(index, tmp_path) for index in range(3)]
        Held(folder).submit(requests)
        with Processes(1, apart=True) as engine:
            work_on_shard(folder, engine)
        (tmp_path / f"submission/results/{digest_of(requests[0])}.done.json").write_bytes(b"{")
        assert [index for index, _ in Held(folder).collect({1, 2})] == [1, 2]

    def test_a_damaged_outcome_is_named(self, tmp_path):
        digest = "0" * 64
        for name, data in (
            ("manifest.json", b'{"version": 1, "shards": 1, "requests": [["chip_tile", "%s"]]}' % digest.encode()),
            (f"results/{digest}.done.json", b'{"status": 3}'),
        ):
            write_bytes(DataLocation("filesystem", str(tmp_path / name)), data)
        with pytest.raises(
            MessageError, match=r"done\.json.* Delete it, and its request is done again by `retry_failed`"
        ):
            list(Detached(DataLocation("filesystem", str(tmp_path))).collect())

    @pytest.mark.parametrize("damaged", [b"{", None, "another"])
    def test_a_damaged_request_fails_alone_until_it_is_submitted_again(self, tmp_path, damaged):
        requests = [request_for(index, tmp_path) for index in range(3)]
        folder = DataLocation("filesystem", str(tmp_path / "submission"))
        with Processes(1, apart=True) as engine:
            Held(folder).submit(requests)
            files = [tmp_path / f"submission/requests/{digest_of(request)}.json" for request in requests]
            if damaged is None:
                files[0].unlink()
            else:
                files[0].write_bytes(files[1].read_bytes() if damaged == "another" else damaged)
            work_on_shard(folder, engine)
            ended = dict(Held(folder).collect())
            assert [ended[index].status for index in range(3)] == ["failed", "done", "done"]
            assert files[0].name in ended[0].error_message
            assert Held(folder).submit(requests).retry_failed() == 1
            work_on_shard(folder, engine)
        assert Held(folder).status().done == 3


class Held(ArraySubmission):
    """A submission whose shard the test itself works on."""

    @property
    def engine(self):
        return {"engine": "held"}

    def begin(self, waiting):
        pass

    def is_at_work(self):
        return False

    def end(self):
        pass
