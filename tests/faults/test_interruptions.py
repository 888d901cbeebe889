"""SIGTERM in the middle of a write to S3 that does not end: the process ends all the same, by 143 within 10 seconds."""

import signal
import subprocess
import sys
import threading

import pytest

from spacer_like import storage
from spacer_like.engines.submissions import submission
from spacer_like.location import DataLocation
from spacer_like.messages import JobMsg, JobReturnMsg
from spacer_like.testing.fault_proxy import FaultProxy

from ..conftest import ACCESS_KEY, SECRET_KEY, plain_environment
from .conftest import PREFIXES, moved

SECONDS = 10


class Stuck:
    """A proxy that lets the first PUT below a prefix wait until the test is over."""

    def __init__(self, server):
        self.prefix = ""
        self.came, self.over = threading.Event(), threading.Event()
        self.proxy = FaultProxy(server.url)
        self.proxy.choose = self.wait

    def wait(self, method, path, number):
        if method == "PUT" and path.startswith(self.prefix):
            self.came.set()
            self.over.wait(60)

    def code_after_sigterm(self, *command, **variables):
        """The exit code of a command that gets SIGTERM while it writes."""
        variables |= {
            "SPACER_AWS_ENDPOINT_URL": self.proxy.url,
            "SPACER_AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "SPACER_AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "SPACER_AWS_REGION": "us-east-1",
            "SPACER_ALLOWED_CLASS_PREFIXES": ",".join(PREFIXES),
        }
        with subprocess.Popen([sys.executable, "-m", *command], env=plain_environment() | variables) as process:
            try:
                assert self.came.wait(60)
                process.send_signal(signal.SIGTERM)
                return process.wait(SECONDS)
            finally:
                process.kill()


@pytest.fixture
def stuck(moto):
    made = Stuck(moto)
    with made.proxy:
        yield made
        made.over.set()


@pytest.fixture
def job(moto, world):
    """A location in a new bucket of a job that writes a result into the bucket."""
    bucket = moto.make_bucket()
    image = world.folder / "in" / "image.png"
    with moto.settings():
        storage.write_bytes(DataLocation("s3", "in/image.png", bucket), image.read_bytes())
        loc = DataLocation("s3", "job.json", bucket)
        JobMsg("extract_features", [moved(world, "extract_features", "s3", bucket)]).store(loc)
    return loc


def test_a_container_that_writes_a_result_ends_and_has_an_answer(stuck, job, moto):
    stuck.prefix = "extract_features/"
    answer = DataLocation("s3", "answer.json", job.bucket_name)
    code = stuck.code_after_sigterm("spacer_like", "env-job", JOB_MSG_LOC=job.uri, RES_MSG_LOC=answer.uri)
    assert code == 143
    with moto.settings():
        assert JobReturnMsg.load(answer).error_message == "Interrupted by SIGTERM."


def test_a_container_that_writes_its_answer_ends(stuck, job):
    stuck.prefix = "answer.json"
    code = stuck.code_after_sigterm(
        "spacer_like", "env-job", JOB_MSG_LOC=job.uri, RES_MSG_LOC=f"{job.uri[:-8]}answer.json"
    )
    assert code == 143


@pytest.mark.parametrize("prefix", ["extract_features/", "folder/results/"])
def test_a_shard_that_writes_ends(stuck, job, moto, prefix):
    stuck.prefix = prefix
    folder = DataLocation("s3", "folder", job.bucket_name)
    with moto.settings():
        submission(folder, "kubernetes", image="none").submit(JobMsg.load(job).tasks)
        code = stuck.code_after_sigterm(
            "spacer_like.engines.shard", SUBMISSION_LOC=folder.uri, SUBMISSION_RUN="1", JOB_COMPLETION_INDEX="0"
        )
        assert code == 143
        # What it did not do waits for the next attempt.
        assert not list(storage.list_keys(folder.below("results/")))
