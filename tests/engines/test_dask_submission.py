"""Shards on a Dask cluster that was started by Dask's own commands."""

import os
import signal

import pytest
from PIL import Image

from spacer_like.engines import dask_cluster as dask_clients
from spacer_like.engines.child_records import read_child_records
from spacer_like.engines.dask_submission import DaskCluster
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.exceptions import ConfigError, TransientError
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg
from spacer_like.storage import read_bytes
from spacer_like.testing.engine import wait_until
from spacer_like.testing.extractors import Unruly

from .dask_here import dask_cluster
from .test_dependencies import at, counted_in, merging, unbroken

PREFIX = "spacer_like.testing.extractors"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACER_ALLOWED_CLASS_PREFIXES", PREFIX)
        with dask_cluster(tmp_path_factory.mktemp("dask"), 2) as found:
            yield found


def requests_in(folder, *does):
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "image.png")
    return [
        ExtractFeaturesMsg(
            job_token=str(index),
            extractor=Unruly(does=one, folder=str(folder)),
            rowcols=[(index % 8, 5)],
            image_loc=DataLocation("filesystem", str(folder / "image.png")),
            feature_loc=DataLocation("filesystem", str(folder / f"{index}.npz")),
        )
        for index, one in enumerate(does)
    ]


def submission_in(folder, address, retries=2):
    scheduler = DaskCluster(address, retries)
    scheduler.seconds_between_queries = 0.1
    return ScheduledSubmission(DataLocation("filesystem", str(folder / "submission")), scheduler, Sharding(2))


def parent_of(process):
    with open(f"/proc/{process}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_shard_whose_worker_was_killed_is_done_by_another_one(address, tmp_path):
    submission = submission_in(tmp_path, address)
    submission.submit(requests_in(tmp_path, "", "wait"))
    wait_until(lambda: list(tmp_path.glob("waiting-*")))
    working = int(next(tmp_path.glob("waiting-*")).name.partition("-")[2])
    os.kill(parent_of(parent_of(working)), signal.SIGKILL)
    # Its processes end with it, and another worker begins.
    wait_until(lambda: not is_alive(working))
    wait_until(lambda: len(list(tmp_path.glob("waiting-*"))) == 2)
    (tmp_path / "go").touch()
    wait_until(lambda: not submission.status().at_work, 240)
    assert submission.status().done == 2


def test_a_request_that_failed_for_now_is_done_by_the_next_attempt(address, tmp_path):
    submission = submission_in(tmp_path, address)
    submission.submit(requests_in(tmp_path, "", "die thrice"))
    wait_until(lambda: not submission.status().at_work, 240)
    assert submission.status().done == 2
    (record,) = read_child_records(submission.folder)
    assert (record["attempt"], record["exit_code"]) == (2, 0)
    (array,) = submission.array_ids()
    assert record["job"] == array.replace("/1", "-0")


def test_what_merges_the_results_of_others_comes_after_them(address, tmp_path):
    counted = counted_in(tmp_path, 2)
    submission = submission_in(tmp_path, address)
    submission.sharding = Sharding(1)
    submission.submit([*counted, *merging(tmp_path, counted, 2)])
    assert len(submission.array_ids()) == 2
    wait_until(lambda: not submission.status().at_work, 240)
    assert submission.status().done == 3
    assert read_bytes(at(tmp_path / "all.parquet")) == unbroken(tmp_path, counted)


def test_a_scheduler_that_is_away_is_a_transient_error(monkeypatch, tmp_path):
    monkeypatch.setattr(dask_clients, "_SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(TransientError, match=r"The Dask scheduler at tcp://127\.0\.0\.1:9 does not answer\."):
        submission_in(tmp_path, "tcp://127.0.0.1:9").submit(requests_in(tmp_path, ""))
    with pytest.raises(ConfigError, match="is no address of a Dask scheduler"):
        submission_in(tmp_path / "other", "nowhere://1").submit(requests_in(tmp_path, ""))
    with pytest.raises(ConfigError, match="A shard is tried again 0 times or more"):
        DaskCluster("tcp://127.0.0.1:9", -1)
