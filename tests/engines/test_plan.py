"""Plans of submissions from a sample that is done for real, and bills of what the work took."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spacer_like.cli.jobs_planning import shown_bill
from spacer_like.engines.base import Resources
from spacer_like.engines.batch import Batch
from spacer_like.engines.bill import bill
from spacer_like.engines.child_records import Child, Start, earlier_attempts, now, write_child_record, write_start
from spacer_like.engines.detached import Detached
from spacer_like.engines.estimates import seconds_to_start, work_seconds
from spacer_like.engines.kubernetes import Kubernetes
from spacer_like.engines.plan import known_plan, plan, read_plan
from spacer_like.engines.sample import spread
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.engines.slurm import Slurm
from spacer_like.exceptions import ConfigError, MessageError, SpacerInputError, TransientError
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg, FindDuplicatesMsg
from spacer_like.storage import exists, list_keys, write_bytes
from spacer_like.testing.engine import SubmissionContract
from spacer_like.testing.local_batch import LocalBatch

from .test_dependencies import at, counted_in, merging

GOLDEN = Path(__file__).parent / "golden/plan_1.json"
SECONDS = {"a": [3.0, 1.0, 1.2, 0.8]}


def requests_in(folder, count, missing=()):
    """Requests for the features of a small image; those that are missing have none."""
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "image.png")
    return [
        ExtractFeaturesMsg(
            job_token=str(index),
            extractor="spacer_like.extractors.DummyExtractor",
            rowcols=[(index % 8, 5)],
            image_loc=DataLocation.local(folder / ("no.png" if index in missing else "image.png")),
            feature_loc=DataLocation.local(folder / f"{index}.npz"),
        )
        for index in range(count)
    ]


def done_in(folder):
    """The indexes of the requests whose features are there."""
    return sorted(int(path.stem) for path in folder.glob("*.npz"))


def submission_in(folder, scheduler, shard=50):
    return ScheduledSubmission(DataLocation.local(folder / "submission"), scheduler, Sharding(shard))


class TestSpread:
    @given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(3, 80))
    def test_each_task_has_its_part_and_three_at_least(self, tasks, count):
        found = spread(tasks, count)
        assert len(set(found)) == len(found)
        names = [tasks[index] for index in found]
        # Those of one task together.
        assert names == sorted(names, key=list(dict.fromkeys(tasks)).index)
        for task in set(tasks):
            total = tasks.count(task)
            share = count * total / len(tasks)
            assert min(total, 3) <= names.count(task) <= min(total, max(3, share + 1))

    def test_a_sample_as_large_as_the_list_is_all_of_it(self):
        assert spread(["a"] * 7, 7) == list(range(7))

    def test_it_reaches_from_the_first_tenth_to_the_last(self):
        assert spread(["a"] * 1000, 5) == [100, 300, 500, 700, 900]


class TestEstimates:
    @given(
        st.lists(st.floats(0.001, 1e4), min_size=1, max_size=8),
        st.floats(0, 100),
        st.integers(0, 10_000),
        st.integers(0, 500),
        st.integers(1, 8),
    )
    def test_the_error_bar_holds_the_estimate(self, seconds, launch, left, children, processes):
        found = work_seconds({"a": seconds}, launch, {"a": left}, children, processes)
        assert 0 <= found.low <= found.mean <= found.high
        assert found.low <= 0.9 * found.mean + 1e-9
        assert found.high >= 1.1 * found.mean - 1e-9

    def test_a_child_takes_its_start_once_and_the_rest_for_each_request(self):
        assert seconds_to_start(SECONDS, 0.5) == pytest.approx(0.5 + 2.0)
        assert work_seconds(SECONDS, 0.5, {"a": 100}, 4, 2).mean == pytest.approx(4 * 2.5 + 100 * 1.0 / 2)

    def test_a_larger_sample_has_a_narrower_error_bar(self):
        wide = work_seconds({"a": [9.0, 1.0, 3.0]}, 0.0, {"a": 1000}, 1, 1)
        narrow = work_seconds({"a": [9.0, *[1.0, 3.0] * 20]}, 0.0, {"a": 1000}, 1, 1)
        assert narrow.mean == pytest.approx(wide.mean)
        assert narrow.high - narrow.low < (wide.high - wide.low) / 5

    def test_a_single_request_says_next_to_nothing(self):
        found = work_seconds({"a": [2.0]}, 0.0, {"a": 100}, 1, 1)
        assert found.high > 10 * found.mean

    def test_nineteen_of_twenty_error_bars_hold_what_the_work_takes(self):
        rng = np.random.default_rng(0)
        inside = 0
        for _ in range(400):
            first, *others = rng.normal(2.0, 0.5, 105).clip(0.1)
            found = work_seconds({"a": [first + 3.0, *others[:4]]}, 0.5, {"a": 100}, 5, 1)
            truth = sum(others[4:]) + 5 * (0.5 + 3.0)
            inside += found.low <= truth <= found.high
        assert 0.92 <= inside / 400 <= 1.0


class TestPlan:
    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory):
        return tmp_path_factory.mktemp("planned")

    @pytest.fixture(scope="class")
    @classmethod
    def requests(cls, folder):
        return requests_in(folder, 40, missing=[20])

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, folder, requests):
        """Of a sample of the requests 4, 12, 20, which has no image, 28 and 36."""
        return plan(submission_in(folder, Kubernetes("image")), requests, price=0.5)

    def test_the_sample_is_done_for_real_and_nothing_is_submitted(self, folder, made):
        assert done_in(folder) == [4, 12, 28, 36]
        kept = [loc.filename for loc in list_keys(DataLocation.local(folder / "submission"))]
        assert sorted(name.partition(".")[2] for name in kept) == ["done.json"] * 4 + ["json"]

    def test_a_failure_is_said_and_left_to_the_submission(self, made):
        (sentence,) = made.sample.failures
        assert "no.png" in sentence
        assert (made.to_do, made.shards, made.run) == (36, 1, 1)

    def test_its_figures_are_those_of_the_sample(self, made):
        _, *others = made.sample.seconds["extract_features"]
        assert len(others) == 3
        assert made.seconds_a_request.mean == pytest.approx(sum(others) / 3)
        assert made.seconds_a_shard == pytest.approx(made.seconds_to_start + 36 * sum(others) / 3)
        assert made.vcpu_hours.mean == pytest.approx(made.seconds_a_shard / 3600)
        assert made.cost.high == pytest.approx(0.5 * made.vcpu_hours.high)
        # A worker that has read an image has NumPy and Pillow in its memory.
        assert 30 * 2**20 < made.sample.worker_memory < 1000 * 2**20
        assert made.memory == pytest.approx(1.25 * (made.sample.own_memory + made.sample.worker_memory), abs=1)

    def test_shards_get_the_size_that_takes_the_seconds_wanted(self, folder, requests, made):
        one, seconds = submission_in(folder, Kubernetes("image")), made.seconds_a_request.mean
        wanted = made.seconds_to_start + 10.5 * seconds
        found = plan(one, requests, shard_seconds=wanted, again=False)
        assert found.sample == made.sample
        assert (found.shard, found.shards, found.arrays) == (10, 4, 1)
        assert one.sharding.requests == 10
        least = plan(one, requests, shard_seconds=0.001, again=False)
        assert (least.shard, least.shards) == (1, 36)

    def test_a_child_that_would_be_ended_before_it_is_done_is_refused(self, folder, requests, made):
        class Hasty(Kubernetes):
            def resources(self):
                return Resources(seconds=made.seconds_to_start)

        one = submission_in(folder, Hasty("image"), shard=1000)
        # Half of that is not enough for the start: one request each is the least.
        with pytest.raises(
            SpacerInputError, match=r"A child may take \d+ s, and is ended after \d+ s: give it a smaller"
        ):
            plan(one, requests, shard_seconds=900, again=False)

    def test_it_is_kept_for_the_same_requests_and_engine(self, folder, requests, made):
        kept = read_plan(DataLocation.local(folder / "submission"))
        assert kept.sample == made.sample
        one = submission_in(folder, Kubernetes("image"))
        assert known_plan(one, requests) == kept
        assert known_plan(one, requests[1:]) is None
        assert known_plan(submission_in(folder, Slurm()), requests) is None

    def test_work_that_may_cost_too_much_is_refused(self, made):
        made.check_cost(made.cost.high)
        with pytest.raises(
            SpacerInputError, match=r"may cost up to .*, and at most .* is allowed: nothing is submitted"
        ):
            made.check_cost(made.cost.mean)
        with pytest.raises(SpacerInputError, match="not known without the price"):
            made.model_copy(update={"cost": None}).check_cost(1.0)


def test_a_sample_that_fails_is_no_plan(tmp_path):
    with pytest.raises(
        SpacerInputError, match=r"The sample's 2 requests of the task extract_features failed: .*no\.png"
    ):
        plan(submission_in(tmp_path, Kubernetes("image")), requests_in(tmp_path, 2, missing=[0, 1]))
    assert not exists(DataLocation.local(tmp_path / "submission/plan.json"))


def test_on_batch_the_plan_holds_what_the_children_have_and_the_bill_what_they_took(tmp_path):
    requests = requests_in(tmp_path, 8)
    with LocalBatch(vcpus=2.0, memory=4096) as client:
        scheduler = Batch("queue", "definition", client=client)
        scheduler.seconds_between_queries = 0.05
        submission = submission_in(tmp_path, scheduler, shard=3)
        made = plan(submission, requests, sample=3, price=0.1)
        assert (made.vcpus, made.memory_limit, made.processes) == (2.0, 4096 * 2**20, 1)
        assert (made.to_do, made.shards, made.arrays) == (5, 2, 1)
        before = {index: os.stat(requests[index].feature_loc.key).st_mtime_ns for index in done_in(tmp_path)}
        assert bill(submission.folder, is_complete=False) is None
        with LocalBatch(at_once=0, vcpus=2.0, memory=16) as small:
            poor = submission_in(tmp_path, Batch("queue", "definition", client=small))
            with pytest.raises(
                SpacerInputError, match=r"needs about \d+ MiB .* the job definition 'definition' allows 16"
            ):
                plan(poor, requests, again=False)
        submission.submit(requests)
        SubmissionContract.wait(submission)
    assert submission.status().done == 8
    assert {index: os.stat(requests[index].feature_loc.key).st_mtime_ns for index in before} == before
    took = bill(submission.folder, is_complete=True)
    assert (took.children, took.again, took.plan) == (2, 0, made)
    assert took.vcpu_hours == pytest.approx(took.seconds * 2 / 3600)
    assert took.cost == pytest.approx(0.1 * took.vcpu_hours)
    assert took.serialize()["within_error_bar"] in (True, False)


def test_what_is_wrong_is_said_before_the_sample(tmp_path):
    requests = requests_in(tmp_path, 3)
    if not shutil.which("scontrol"):
        with pytest.raises(ConfigError, match="The command 'scontrol' of Slurm is not found here"):
            plan(submission_in(tmp_path, Slurm()), requests)
    with LocalBatch(at_once=0) as client:
        with pytest.raises(SpacerInputError, match="AWS Batch has no active job definition 'defnition'"):
            plan(submission_in(tmp_path, Batch("queue", "defnition", client=client)), requests)
        same = [requests[0], requests[1].model_copy(update={"feature_loc": requests[0].feature_loc})]
        with pytest.raises(MessageError, match="are both"):
            plan(submission_in(tmp_path, Batch("queue", "definition", client=client)), same)
    assert done_in(tmp_path) == []


@pytest.mark.parametrize(
    ("size", "count"), [("4G", 4 * 2**30), ("512", 512 * 2**20), ("0", None), (None, None), ("?", None)]
)
def test_slurm_says_memory_and_cores_as_sbatch_takes_them(size, count):
    found = Slurm(memory=size, cores=4).resources()
    assert (found.processes, found.vcpus, found.memory) == (4, 4.0, count)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("90", 5400), ("1:30", 90), ("1:30:00", 5400), ("1-12", 129_600), ("1-0:30", 88_200), ("0", None), ("soon", None)],
)
def test_slurm_says_times_as_sbatch_takes_them(time, seconds):
    assert Slurm(time_limit=time).resources().seconds == seconds


def test_requests_that_wait_for_others_are_not_sampled_and_the_plan_says_so(tmp_path):
    counted = counted_in(tmp_path, 6)
    submission = submission_in(tmp_path, Kubernetes("image"), shard=20)
    duplicates = FindDuplicatesMsg(embeddings_loc=at(tmp_path / "all.parquet"))
    made = plan(submission, [*counted, *merging(tmp_path, counted, 2), duplicates], sample=3)
    # All of the counted ones write what the merging ones of the same task read.
    assert sum(len(one) for one in made.sample.seconds.values()) == 3
    assert (made.sample.failures, made.unsampled) == ([], {"find_duplicates": 1})
    assert made.to_do == 9
    priced = made.model_copy(update={"cost": made.vcpu_hours})
    with pytest.raises(SpacerInputError, match="What some requests cost is not known, 1 of find_duplicates, because"):
        priced.check_cost(made.vcpu_hours.high)


def test_here_the_whole_machine_is_planned_and_paid_for(tmp_path):
    submission = Detached(DataLocation.local(tmp_path / "submission"), 1)
    requests = requests_in(tmp_path, 5)
    made = plan(submission, requests, sample=3)
    assert (made.to_do, made.shards, made.arrays, made.memory_limit > 2**28) == (2, 1, 0, True)
    submission.submit(requests)
    SubmissionContract.wait(submission)
    took = bill(submission.folder, is_complete=True)
    assert (took.children, took.vcpu_hours) == (1, pytest.approx(took.seconds * made.vcpus / 3600))
    # What has an outcome is not planned again, and the bill stays.
    assert plan(submission, requests).to_do == 0
    assert bill(submission.folder, is_complete=True).plan == made


class TestBill:
    @pytest.fixture
    def folder(self, tmp_path):
        return DataLocation.local(tmp_path)

    def records(self, folder, *records):
        for number, record in enumerate(records):
            write_child_record(folder, record.get("run", 1), Child(number), {"exit_code": 0} | record)

    def test_without_a_plan_the_records_cores_count(self, folder):
        self.records(folder, {"seconds": 1800.0, "vcpus": 4.0}, {"seconds": 900.0, "vcpus": 2.0})
        found = bill(folder, is_complete=True)
        assert (found.vcpu_hours, found.seconds, found.cost, found.is_within) == (2.5, 2700.0, None, None)

    def test_records_without_cores_are_seconds_alone(self, folder):
        self.records(folder, {"seconds": 10.0}, {"seconds": 5.0, "vcpus": 1.0, "attempt": 2})
        found = bill(folder, is_complete=True)
        assert (found.seconds, found.vcpu_hours, found.again) == (15.0, None, 1)

    def test_earlier_attempts_count_and_those_that_were_killed_are_told(self, folder):
        # The first was ended by SIGTERM, the second killed; the third does not know how the second ended.
        assert earlier_attempts(folder, 1, Child(0), 1) == {}
        self.records(folder, {"seconds": 10.0, "vcpus": 1.0})
        earlier = earlier_attempts(folder, 1, Child(0), 3)
        assert earlier == {"earlier_attempts": 1, "earlier_seconds": 10.0}
        self.records(folder, {"seconds": 5.0, "vcpus": 1.0, "attempt": 3} | earlier)
        assert earlier_attempts(folder, 1, Child(0), 3) == earlier
        found = bill(folder, is_complete=True)
        assert (found.children, found.again, found.lost, found.seconds) == (1, 1, 1, 15.0)

    @pytest.mark.parametrize(("seconds", "is_within"), [(3600.0, True), (36_000.0, False), (36.0, False)])
    def test_the_plans_cores_and_error_bar_count_and_earlier_runs_do_not(self, folder, seconds, is_within):
        write_bytes(folder.below("plan.json"), GOLDEN.read_bytes())
        self.records(folder, {"run": 1, "seconds": 1e6}, {"run": 2, "seconds": seconds, "vcpus": 16.0})
        found = bill(folder, is_complete=True)
        assert found.vcpu_hours == pytest.approx(2.0 * seconds / 3600)
        assert found.cost == pytest.approx(0.05 * found.vcpu_hours)
        assert found.is_within is is_within
        assert bill(folder, is_complete=False).is_within is None

    def test_a_child_that_started_and_left_no_end_is_counted_apart(self, folder):
        self.records(folder, {"seconds": 10.0, "peak_memory": 2**28}, {"seconds": 5.0, "peak_memory": 2**27})
        for shard in range(3):
            write_start(folder, Child(shard), Start(1, shard, "job", 1, now()))
        found = bill(folder, is_complete=True)
        assert (found.children, found.lost, found.peak_memory) == (2, 1, 2**28)

    def test_what_killed_ones_took_at_most_is_reckoned_by_the_plan(self, folder):
        assert bill(folder, is_complete=True) is None
        write_bytes(folder.below("plan.json"), GOLDEN.read_bytes())
        of_plan = read_plan(folder)
        self.records(folder, {"run": of_plan.run, "seconds": 5.0, "attempt": 3})
        found = bill(folder, is_complete=True)
        assert found.lost == 2
        assert found.lost_vcpu_hours == pytest.approx(2 * of_plan.seconds_a_shard * of_plan.vcpus / 3600)
        assert found.lost_cost == pytest.approx(found.lost_vcpu_hours * of_plan.price)
        assert found.vcpu_hours == pytest.approx(5.0 * of_plan.vcpus / 3600)
        (said,) = shown_bill(found)
        assert "2 starts left no record of their end: by the plan at most " in str(said)
        assert str(said).endswith(", which are not counted.")

    @pytest.mark.parametrize("seconds", ["many", None, [1]])
    def test_a_damaged_record_is_named(self, folder, seconds):
        self.records(folder, {"seconds": seconds})
        with pytest.raises(MessageError, match="children"):
            bill(folder, is_complete=True)


def test_plans_of_the_first_version_are_read(tmp_path):
    folder = DataLocation.local(tmp_path)
    write_bytes(folder.below("plan.json"), GOLDEN.read_bytes())
    found = read_plan(folder)
    assert (found.engine, found.shards, found.vcpu_hours.mean) == ("batch", 10, 2.0)
    assert json.dumps(found.serialize()) == json.dumps(json.loads(GOLDEN.read_text()) | {"unsampled": {}})
    write_bytes(folder.below("plan.json"), GOLDEN.read_bytes().replace(b'"version": 1', b'"version": 3'))
    with pytest.raises(MessageError, match=r"plan\.json.*version.*Delete it, and plan again"):
        read_plan(folder)


def test_a_folder_that_is_at_work_is_not_planned(tmp_path):
    requests = requests_in(tmp_path, 3)
    submission = Detached(DataLocation.local(tmp_path / "submission"), 1)
    with submission._locked(), pytest.raises(TransientError, match="Something is at work"):
        plan(submission, requests)
