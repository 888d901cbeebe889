"""A child of an array as its scheduler runs it: how it ends by SIGTERM, and what it logs."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from spacer_like.engines.child_records import read_child_records
from spacer_like.engines.scheduled import RUN_VARIABLE, SUBMISSION_VARIABLE, Sharding
from spacer_like.messages import digest_of
from spacer_like.testing.engine import wait_until
from spacer_like.testing.local_batch import LocalBatch

from ..test_logs import check_metrics
from .test_batch import requests_in, submission_in, unruly_is_allowed  # noqa: F401


@pytest.fixture
def started(tmp_path):
    """Starts the only child of a submission, which has its requests in one shard: the submission and the process."""
    processes = []

    def start(requests, **environment):
        with LocalBatch(at_once=0) as client:
            submission = submission_in(tmp_path, client, sharding=Sharding(len(requests)))
            submission.submit(requests)
        named = {SUBMISSION_VARIABLE: submission.folder.json_text, RUN_VARIABLE: "1", "SLURM_ARRAY_TASK_ID": "0"}
        process = subprocess.Popen(
            [sys.executable, "-m", "spacer_like", "env-job"],
            env=os.environ | named | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return submission, process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_sigterm_drops_a_long_request_keeps_what_is_done_and_ends_within_10_seconds(started, tmp_path):
    requests = requests_in(tmp_path, "", "wait", "")
    submission, process = started(requests)
    wait_until(lambda: list(tmp_path.glob("waiting-*")) and list(tmp_path.glob("submission/results/*.done.json")), 60.0)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10.0) == 143
    assert time.monotonic() - begun < 10.0
    (record,) = read_child_records(submission.folder)
    assert (record["exit_code"], record["interrupted"]) == (143, "Interrupted by SIGTERM.")
    assert record["requests"] == {"done": 1}
    status = submission.counted(at_work=False)
    assert (status.done, status.failed, status.waiting) == (1, 0, 2)
    assert [one.state for one in submission.shards(at_work=False)] == ["incomplete"]


def test_with_json_every_line_is_an_object_that_says_which_child_and_request_it_is_of(started, tmp_path):
    requests = requests_in(tmp_path, "", "print")
    options = {"SPACER_LOG_FORMAT": "json", "SPACER_METRICS_NAMESPACE": "Corals", "SPACER_AWS_SESSION_TOKEN": "s3cr3t"}
    _, process = started(requests, SLURM_JOB_ID="12", SLURM_RESTART_COUNT="1", **options)
    _, said = process.communicate(timeout=60)
    # What a library prints comes between.
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert "s3cr3t" not in said
    assert all((line["job"], line["attempt"], line["index"]) == ("12", 2, 0) for line in lines)
    ended = [line for line in lines if line.get("event") == "request"]
    assert [line["digest"] for line in ended] == [digest_of(request) for request in requests]
    assert all(line["seconds"] > 0 and line["bytes_written"] > 0 for line in ended)
    (child,) = (line for line in lines if line.get("event") == "child")
    assert (child["run"], child["shard"], child["done"], child["ended"], child["exit_code"]) == (1, 0, 2, "done", 0)
    for line in (*ended, child):
        check_metrics(line)
