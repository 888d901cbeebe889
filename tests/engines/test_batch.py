"""Arrays of AWS Batch: what it allows, and children that are delivered twice, out of order, or killed."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from PIL import Image

from spacer_like import config
from spacer_like.engines.batch import Batch
from spacer_like.engines.child_records import read_child_records
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.engines.scheduler import ArrayJob
from spacer_like.engines.submitted import Submitted
from spacer_like.exceptions import ConfigError, MessageError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg
from spacer_like.storage import read_bytes
from spacer_like.testing.engine import SubmissionContract, wait_until
from spacer_like.testing.extractors import Unruly
from spacer_like.testing.local_batch import LocalBatch

PREFIX = "spacer_like.testing.extractors"
JOB = ArrayJob("spacer-like-0123456789abcdef-1-0", 2, {"SUBMISSION_LOC": "{}"})
VALID = {"jobName": "name", "jobQueue": "queue", "jobDefinition": "definition"}


@pytest.fixture(autouse=True)
def unruly_is_allowed(monkeypatch):
    monkeypatch.setenv("SPACER_ALLOWED_CLASS_PREFIXES", PREFIX)
    with config.override(allowed_class_prefixes=(PREFIX,)):
        yield


def requests_in(folder, *does):
    folder.mkdir(exist_ok=True)
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


def queue_and_definition_of_moto():
    role = {"RoleName": "role", "AssumeRolePolicyDocument": "{}"}
    arn = boto3.client("iam", region_name="us-east-1").create_role(**role)["Role"]["Arn"]
    client = boto3.client("batch", region_name="us-east-1")
    client.create_compute_environment(computeEnvironmentName="all", type="UNMANAGED", state="ENABLED", serviceRole=arn)
    order = [{"order": 0, "computeEnvironment": "all"}]
    client.create_job_queue(jobQueueName="queue", state="ENABLED", priority=1, computeEnvironmentOrder=order)
    image = {"image": "spacer-like", "vcpus": 1, "memory": 512}
    client.register_job_definition(jobDefinitionName="definition", type="container", containerProperties=image)
    return "queue", "definition"


def submission_in(folder, client, attempts=1, sharding=None):
    scheduler = Batch("queue", "definition", attempts=attempts, client=client)
    scheduler.seconds_between_queries = 0.05
    return ScheduledSubmission(DataLocation("filesystem", str(folder / "submission")), scheduler, sharding)


class TestWhatBatchAllows:
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls):
        with LocalBatch(at_once=0) as client:
            yield client

    @pytest.mark.parametrize("size", [1, 2, 10_000])
    def test_an_array_has_two_children_or_more_and_one_child_is_no_array(self, client, size):
        key = Batch("queue", "definition", client=client).start(JOB._replace(size=size))
        (job,) = client.describe_jobs([key])["jobs"]
        assert job.get("arrayProperties", {}).get("size") == (None if size == 1 else size)

    def test_moto_takes_the_same_calls(self, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        with mock_aws(config={"batch": {"use_docker": False}}):
            batch = Batch(*queue_and_definition_of_moto(), region="us-east-1")
            key = batch.start(JOB)
            assert list(batch.states([key])) == [key]
            assert batch.find(JOB.name) == key
            assert batch.resources() == (1, 1.0, 512 * 2**20, "the job definition 'definition'", None)
            assert Batch("queue", "definition:1", region="us-east-1").resources().memory == 512 * 2**20
            with pytest.raises(SpacerInputError, match="AWS Batch has no active job definition 'definition:2'"):
                Batch("queue", "definition:2", region="us-east-1").resources()
            batch.stop([key])
            with pytest.raises(SpacerInputError, match=r"AWS Batch refuses to submit the array: .*none"):
                Batch("none", "none", region="us-east-1").start(JOB)

    def test_the_same_name_is_found_again(self, client):
        batch = Batch("queue", "definition", client=client)
        key = batch.start(JOB._replace(name="once"))
        assert (batch.find("once"), batch.find("never")) == (key, None)

    def test_more_than_a_hundred_arrays_are_asked_for_in_several_calls(self, client):
        batch = Batch("queue", "definition", client=client)
        ids = [batch.start(JOB) for _ in range(101)]
        assert len(batch.states(ids)) == 101

    @pytest.mark.parametrize("options", [{"attempts": 0}, {"attempts": 11}, {"seconds": 59}])
    def test_values_that_it_would_refuse_are_refused_here(self, options):
        with pytest.raises(ConfigError, match="Batch "):
            Batch("queue", "definition", **options)

    def test_what_it_refuses_is_one_sentence(self, client):
        with pytest.raises(SpacerInputError, match="AWS Batch refuses to submit the array: Not accepted: the queue"):
            Batch("elsewhere", "definition", client=client).start(JOB)

    @pytest.mark.parametrize(
        "request_fields",
        [
            {"arrayProperties": {"size": 1}},
            {"arrayProperties": {"size": 10_001}},
            {"jobName": "no spaces"},
            {"jobName": "x" * 129},
            {"dependsOn": [{"jobId": "unknown"}]},
            {"dependsOn": [{"jobId": "unknown"}] * 21},
            {"retryStrategy": {"attempts": 11}},
            {"retryStrategy": {"attempts": 1, "evaluateOnExit": [{"onExitCode": "1?", "action": "RETRY"}]}},
            {"retryStrategy": {"attempts": 1, "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}] * 6}},
            {"timeout": {"attemptDurationSeconds": 59}},
            {"containerOverrides": {"environment": [{"name": "A", "value": "x" * 30 * 1024}]}},
        ],
    )
    def test_the_double_refuses_what_batch_does(self, client, request_fields):
        with pytest.raises(ClientError, match="Not accepted"):
            client.submit_job(**VALID | request_fields)

    def test_an_array_waits_for_at_most_twenty_others(self, client):
        batch = Batch("queue", "definition", client=client)
        ids = [batch.start(JOB) for _ in range(21)]
        assert batch.states([key := batch.start(JOB._replace(after=tuple(ids[:20])))])[key].is_active
        with pytest.raises(SpacerInputError, match="21 dependencies"):
            batch.start(JOB._replace(after=tuple(ids)))

    def test_the_end_of_an_array_is_that_of_those_that_wait_for_it(self, client):
        batch = Batch("queue", "definition", client=client)
        first = batch.start(JOB)
        second = batch.start(JOB._replace(after=(first,)))
        third = batch.start(JOB._replace(after=(second,), size=1))
        batch.stop([first])
        assert not any(state.is_active for state in batch.states([first, second, third]).values())
        (job,) = client.describe_jobs([third])["jobs"]
        assert (job["status"], job["statusReason"]) == ("FAILED", "Dependent Job failed")

    def test_the_double_describes_a_hundred_jobs_at_most(self, client):
        with pytest.raises(ClientError, match="more than 100"):
            client.describe_jobs(["a"] * 101)


def test_children_that_come_twice_out_of_order_and_killed_leave_the_files_of_an_unbroken_run(tmp_path):
    does = [""] * 8
    with LocalBatch(at_once=2, seed=7, twice=True, kill=0.5) as client:
        submission = submission_in(tmp_path, client, attempts=3, sharding=Sharding(3))
        requests = requests_in(tmp_path / "a", *does)
        submission.submit(requests)
        SubmissionContract.wait(submission)
    assert submission.status().done == len(does)
    for one, other in zip(requests, unbroken(requests_in(tmp_path / "b", *does)), strict=True):
        assert read_bytes(one.feature_loc) == read_bytes(other.feature_loc)


def unbroken(requests):
    from spacer_like.tasks import extract_features

    for request in requests:
        extract_features(request)
    return requests


def test_a_request_that_failed_for_now_is_done_by_the_next_attempt(tmp_path):
    with LocalBatch() as client:
        submission = submission_in(tmp_path, client, attempts=3)
        # Its worker dies three times, which is all that one attempt tries, and then no more.
        submission.submit(requests_in(tmp_path, "", "die thrice"))
        SubmissionContract.wait(submission)
        (key,) = submission.array_states()
        (job,) = client.describe_jobs([key])["jobs"]
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [75, 0]
    assert submission.status().done == 2
    (record,) = read_child_records(submission.folder)
    assert (record["attempt"], record["requests"]) == (2, {"done": 2})
    assert record["earlier_attempts"] == 1
    assert record["earlier_seconds"] > 0


def test_a_permanent_failure_is_not_tried_again(tmp_path):
    requests = requests_in(tmp_path, "", "")
    requests[1] = requests[1].model_copy(update={"image_loc": DataLocation("filesystem", str(tmp_path / "no.png"))})
    with LocalBatch() as client:
        submission = submission_in(tmp_path, client, attempts=3)
        submission.submit(requests)
        SubmissionContract.wait(submission)
        (key,) = submission.array_states()
        assert len(client.describe_jobs([key])["jobs"][0]["attempts"]) == 1
    assert (submission.status().done, submission.status().failed) == (1, 1)


def test_several_smaller_arrays_stand_for_a_limit_on_what_runs_at_once(tmp_path):
    with LocalBatch(at_once=0) as client:
        submission = submission_in(tmp_path, client, sharding=Sharding(requests=2, most_children=2))
        submission.submit(requests_in(tmp_path, *[""] * 9))
        sizes = [
            job.get("arrayProperties", {}).get("size", 1)
            for job in client.describe_jobs(list(submission.array_states()))["jobs"]
        ]
        assert sizes == [2, 2, 1]
        submission.cancel()
        wait_until(lambda: not submission.status().at_work)
        assert submission.status().cancelled


def test_an_engine_waits_for_its_submission_and_says_what_was_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("spacer_like.engines.submitted._SECONDS_BETWEEN_LOOKS", 0.05)
    with LocalBatch(kill=1.0, seed=0) as client:
        # Its only attempt is killed.
        engine = Submitted(
            DataLocation("filesystem", str(tmp_path / "submissions")),
            "batch",
            Sharding(2),
            **{"queue": "queue", "definition": "definition", "attempts": 1, "client": client},
        )
        monkeypatch.setattr(Batch, "seconds_between_queries", 0.05)
        ended = dict(engine.outcomes(requests_in(tmp_path, "wait", "wait")))
    assert [ended[index].transient for index in range(2)] == [True, True]
    assert "The request was lost by the engine 'batch'" in ended[0].error_message


def test_a_folder_in_memory_is_refused():
    with pytest.raises(MessageError, match="lies in memory, which no other process sees"):
        ScheduledSubmission(DataLocation("memory", "folder"), Batch("queue", "definition"))
