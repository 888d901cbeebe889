"""The image: shards of an array in containers as AWS Batch starts them. Skipped where no built image is named."""

import io
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from PIL import Image

from spacer_like.engines.batch import Batch
from spacer_like.engines.child_records import read_child_records
from spacer_like.engines.host import DISABLED_VARIABLE, ENDPOINT_VARIABLE
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg
from spacer_like.storage import list_keys, read_bytes, write_bytes
from spacer_like.tasks import extract_features
from spacer_like.testing.engine import wait_until
from spacer_like.testing.local_batch import LocalBatch

from .containers_here import MEMORY, Container, missing
from .test_child_records import NOTICE, served

WHY = missing()
pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY)
SHARDS = 10
SECONDS = 300.0


@pytest.fixture
def bucket(rclone):
    with rclone.settings():
        yield DataLocation("s3", "reef", rclone.make_bucket())


@pytest.fixture
def batch(rclone):
    """Makes a LocalBatch whose children are containers that reach the bucket; it lists those that it has started."""
    definition = {f"SPACER_{name.upper()}": value for name, value in s3_settings(rclone).items()}
    started = []

    def start(environment):
        started.append(Container(environment))
        return started[-1]

    def batch(environment=None, **options):
        client = LocalBatch(environment=definition | (environment or {}), start=start, **options)
        client.started = started
        return client

    yield batch
    for container in started:
        container.remove()


def s3_settings(server):
    return {
        "aws_endpoint_url": server.url,
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": server.secret_key,
        "aws_region": "us-east-1",
    }


def requests_in(bucket, features, count, points=6):
    """Requests for the features of photographs, random ones, of 900 × 600 pixels."""
    drawn = np.random.default_rng(4)
    requests = []
    for index in range(count):
        stream = io.BytesIO()
        Image.fromarray(drawn.integers(0, 256, (30, 45, 3), dtype=np.uint8)).resize((900, 600)).save(stream, "JPEG")
        write_bytes(bucket.below(f"{index}.jpg"), stream.getvalue())
        requests.append(
            ExtractFeaturesMsg(
                job_token=str(index),
                extractor="spacer_like.extractors.EfficientNetLite0Extractor",
                rowcols=[tuple(map(int, drawn.integers(0, 600, 2))) for _ in range(points)],
                image_loc=bucket.below(f"{index}.jpg"),
                feature_loc=features.below(f"{index}.npz"),
            )
        )
    return requests


def submission_in(folder, client, requests, sharding, attempts=3):
    scheduler = Batch("queue", "definition", attempts=attempts, client=client)
    scheduler.seconds_between_queries = 0.2
    return ScheduledSubmission(folder, scheduler, sharding).submit(requests)


def test_ten_shards_with_kills_leave_the_bytes_of_an_unbroken_run(bucket, batch):
    requests = requests_in(bucket, bucket.below("features"), 2 * SHARDS)
    with batch(at_once=2, seed=7, kill=0.5) as client:
        submission = submission_in(bucket.below("submission"), client, requests, Sharding(2))
        wait_until(lambda: not submission.status().at_work, SECONDS)
        (key,) = submission.array_ids()
        children = client.describe_jobs([f"{key}:{index}" for index in range(SHARDS)])["jobs"]
    killed = [one for one in children if "Host EC2" in one["attempts"][0]["statusReason"]]
    assert len(killed) > 1
    assert [one["status"] for one in children] == ["SUCCEEDED"] * SHARDS
    assert submission.status().done == len(requests)
    assert not any(one.state["OOMKilled"] for one in client.started)
    for one, other in zip(requests, requests_in(bucket, bucket.below("unbroken"), len(requests)), strict=True):
        extract_features(other)
        assert read_bytes(one.feature_loc) == read_bytes(other.feature_loc)


class TestOneShard:
    @pytest.fixture
    def at_work(self, bucket, batch):
        """A container in the middle of its shard, with its submission."""
        requests = requests_in(bucket, bucket.below("features"), 12, points=40)
        with (
            served() as (metadata, _),
            batch({ENDPOINT_VARIABLE: metadata, DISABLED_VARIABLE: "false"}, at_once=1) as client,
        ):
            submission = submission_in(bucket.below("submission"), client, requests, Sharding(12), attempts=2)
            wait_until(lambda: list(list_keys(submission.folder.below("results/"))), SECONDS)
            yield client.started[0], submission

    def test_it_has_no_rights_and_little_memory(self, at_work):
        container, _ = at_work
        assert container.inside("cat", "/proc/1/cmdline").startswith("tini\0--\0spacer-like\0env-job")
        status = dict(line.split(":\t", 1) for line in container.inside("cat", "/proc/1/status").splitlines())
        assert (status["Uid"].split()[0], status["CapEff"], status["NoNewPrivs"]) == ("10001", "0" * 16, "1")
        root = next(line.split() for line in container.inside("cat", "/proc/mounts").splitlines() if " / " in line)
        assert "ro" in root[3].split(",")
        groups = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max"
        assert container.inside("sh", "-c", f"cat {groups} 2>&-; true") == str(MEMORY)

    def test_a_notice_and_sigterm_end_it_with_143_within_ten_seconds_and_the_next_attempt_goes_on(self, at_work):
        container, submission = at_work
        asked = datetime.now(timezone.utc)
        container.terminate()
        assert container.wait(60) == 143
        assert container.ended - asked < timedelta(seconds=10)
        (record,) = read_child_records(submission.folder)
        assert (record["exit_code"], record["interrupted"]) == (143, "Interrupted by SIGTERM.")
        assert record["notice"] == NOTICE
        wait_until(lambda: not submission.status().at_work, SECONDS)
        assert submission.status().done == 12
