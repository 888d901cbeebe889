"""What is done for a submission that somebody watches: progress by shards, second children, and giving up."""

from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from spacer_like.engines import stragglers as rules
from spacer_like.engines.batch import Batch
from spacer_like.engines.child_records import Child, Children, Start, read_child_records
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding, read_copied
from spacer_like.engines.shard_progress import progress_of_shards
from spacer_like.engines.stragglers import stragglers
from spacer_like.engines.submitted import Submitted
from spacer_like.engines.twin import SUPERSEDED
from spacer_like.engines.watching import Watch, give_up
from spacer_like.exceptions import TransientError
from spacer_like.location import DataLocation
from spacer_like.testing.engine import SubmissionContract, wait_until
from spacer_like.testing.local_batch import LocalBatch

from .test_batch import requests_in, submission_in, unruly_is_allowed  # noqa: F401
from .test_dependencies import counted_in, merging

WHY = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job's memory is more than any machine of the queue has."


def children_of(*seconds, at_work=()):
    """Those of a run: the seconds of each that has ended, in the order of the shards; then of those at work."""
    children = Children(DataLocation("memory", "nowhere"), 1)
    begun = datetime.now(timezone.utc)
    for shard, one in enumerate([*seconds, *at_work]):
        started = (begun - timedelta(seconds=one)).isoformat()
        children.starts[Child(shard)] = Start(1, shard, "job", 1, started)
        if shard < len(seconds):
            children.ends[Child(shard)] = {
                "started": started,
                "seconds": one,
                "exit_code": 0,
                "notice": "",
                "interrupted": "",
            }
    return children


def shards_of(children, count, at_work=True, copied=()):
    states = {str(child.shard): "done" for child in children.ends}
    return progress_of_shards([[str(shard)] for shard in range(count)], states, children, at_work, copied)


class TestShards:
    def test_each_shard_has_a_state(self):
        children = children_of(10.0, at_work=[5.0])
        assert [one.state for one in shards_of(children, 3)] == ["done", "at work", "waiting"]
        assert [one.state for one in shards_of(children, 3, at_work=False)] == ["done", "incomplete", "incomplete"]
        assert [one.waiting for one in shards_of(children, 3)] == [0, 1, 1]
        first, second, third = shards_of(children, 3)
        assert (first.seconds, round(second.seconds), third.seconds) == (10.0, 5, None)

    def test_a_child_that_started_again_is_at_work(self):
        children = children_of(at_work=[5.0])
        children.ends[Child(0)] = {"started": "2026-11-28T10:00:00.000+00:00", "seconds": 1.0, "exit_code": 143}
        children.ends[Child(0)] |= {"notice": "", "interrupted": "Interrupted by SIGTERM."}
        (one,) = progress_of_shards([["digest"]], {}, children, at_work=True)
        assert (one.state, round(one.seconds), one.notice) == ("at work", 5, "Interrupted by SIGTERM.")


class TestStragglers:
    @pytest.mark.parametrize(
        ("ended", "at_work", "found"),
        [
            ([100.0, 200.0, 300.0], [601.0, 599.0], [3]),
            # The rule holds from the median of half of the shards.
            ([100.0, 200.0], [900.0, 900.0, 900.0], []),
            ([], [900.0], []),
            # A second child would take as long to start.
            ([1.0, 1.0], [59.0, 61.0], [3]),
        ],
    )
    def test_they_are_at_work_for_3_times_the_median_of_those_that_have_ended(self, ended, at_work, found):
        children = children_of(*ended, at_work=at_work)
        assert stragglers(shards_of(children, len(ended) + len(at_work)), children) == found

    def test_a_shard_gets_one_second_child(self):
        children = children_of(100.0, at_work=[900.0])
        assert stragglers(shards_of(children, 2, copied={1}), children) == []

    def test_children_that_were_interrupted_say_nothing_of_how_long_a_shard_takes(self):
        children = children_of(100.0, at_work=[900.0])
        children.ends[Child(0)]["exit_code"] = 143
        assert stragglers(shards_of(children, 2), children) == []


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(rules, "LEAST_SECONDS", 1.0)
    monkeypatch.setattr(rules, "TIMES_THE_MEDIAN", 0.1)


def watched(submission, **options):
    watch = Watch(submission, **options)
    wait_until(lambda: not watch.look().at_work, 60.0)
    return submission.counted(at_work=False)


def test_a_child_that_hangs_gets_a_second_one_and_the_first_to_end_wins(tmp_path, hasty):
    requests = requests_in(tmp_path, "", "wait once")
    with LocalBatch(at_once=2) as client:
        submission = submission_in(tmp_path, client, sharding=Sharding(1))
        submission.submit(requests)
        status = watched(submission)
        assert (status.done, status.failed) == (2, 0)
        assert read_copied(submission.folder, 1, 0)[1] == [1]
        assert len(submission.array_ids()) == 2
        # Both children end well, for arrays that wait for this one.
        assert [job["status"] for job in client.describe_jobs(submission.array_ids())["jobs"]] == ["SUCCEEDED"] * 2
    ends = {(one["shard"], one["copy"]): one for one in read_child_records(submission.folder)}
    assert ends[1, True]["requests"] == {"done": 1}
    assert (ends[1, False]["exit_code"], ends[1, False]["interrupted"]) == (0, SUPERSEDED)
    assert [one.has_copy for one in submission.shards(at_work=False)] == [False, True]


def test_second_children_are_found_by_their_name_where_the_watcher_died(tmp_path):
    with LocalBatch(at_once=0) as client:
        submission = submission_in(tmp_path, client, sharding=Sharding(1))
        submission.submit(requests_in(tmp_path, "", "", ""))
        submission.start_copies([0, 2])
        ids = submission.array_ids()
        loc = tmp_path / "submission/copies/1-0.json"
        loc.write_text(loc.read_text().replace(ids[1], "").replace('""', "null"))
        opened = ScheduledSubmission(submission.folder, submission.scheduler)
        assert opened.array_ids() == ids
        assert len(opened.array_states()) == 2
        opened.cancel()
        wait_until(lambda: not opened.is_at_work())


def test_both_children_of_a_shard_may_do_all_of_it(tmp_path):
    requests = requests_in(tmp_path, *[""] * 6)
    with LocalBatch(at_once=2) as client:
        submission = submission_in(tmp_path, client, sharding=Sharding(6))
        submission.submit(requests)
        submission.start_copies([0])
        SubmissionContract.wait(submission)
    assert (submission.status().done, submission.status().failed) == (6, 0)
    assert all(one["exit_code"] == 0 for one in read_child_records(submission.folder))


class TestGivingUp:
    def test_what_waits_for_a_machine_in_vain_is_cancelled_with_the_schedulers_reason(self, tmp_path):
        with LocalBatch(at_once=0, why=WHY) as client:
            submission = submission_in(tmp_path, client, sharding=Sharding(1))
            submission.submit(requests_in(tmp_path, "", ""))
            assert give_up(submission, 60.0) == ""
            status = watched(submission, give_up_after=0.2)
            assert (status.waiting, status.cancelled) == (2, True)
            assert submission.cancellation().endswith(f"waited for machines for more than 0.2 s. {WHY}")
            # As a person may wish after the queue was mended.
            assert submission.retry_failed() == 2
            assert submission.cancellation() == ""
            submission.cancel()

    def test_an_array_that_waits_for_another_one_has_no_say(self, tmp_path):
        counted = counted_in(tmp_path, 2)
        with LocalBatch(at_once=0, why=WHY) as client:
            submission = submission_in(tmp_path, client, sharding=Sharding(1))
            submission.submit([*counted, *merging(tmp_path, counted, 2)])
            assert len(submission.array_ids()) == 2
            assert watched(submission, give_up_after=0.2).cancelled

    def test_a_child_at_work_is_waited_for(self, tmp_path):
        with LocalBatch(at_once=1) as client:
            submission = submission_in(tmp_path, client, sharding=Sharding(1))
            submission.submit(requests_in(tmp_path, "wait", ""))
            wait_until(lambda: list(tmp_path.glob("waiting-*")))
            assert give_up(submission, 0.0) == ""
            (tmp_path / "go").touch()
            assert watched(submission).done == 2

    def test_an_engine_of_a_workflow_gives_up_too(self, tmp_path, monkeypatch):
        monkeypatch.setattr("spacer_like.engines.submitted._SECONDS_BETWEEN_LOOKS", 0.05)
        monkeypatch.setattr(Batch, "seconds_between_queries", 0.05)
        with LocalBatch(at_once=0, why=WHY) as client:
            options = {"queue": "queue", "definition": "definition", "client": client}
            folder = DataLocation.local(tmp_path / "submissions")
            engine = Submitted(folder, "batch", Sharding(1), give_up_after=0.1, **options)
            ((_, outcome),) = engine.outcomes(requests_in(tmp_path, ""))
        assert outcome.transient
        assert WHY in outcome.error_message


class Throttling:
    """A client of Batch that answers every second question with 429."""

    def __init__(self, client):
        self._client, self.asked = client, {}

    def __getattr__(self, name):
        def ask(**request):
            self.asked[name] = self.asked.get(name, 0) + 1
            if name == "describe_jobs" and self.asked[name] % 2:
                answer = {"Error": {"Code": "Slow", "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 429}}
                raise ClientError(answer, name)
            return getattr(self._client, name)(**request)

        return ask


class TestScheduler:
    def test_one_that_is_busy_is_asked_again(self, tmp_path, monkeypatch):
        monkeypatch.setattr("spacer_like.engines.watching._SECONDS_BETWEEN_TRIES", 0.01)
        with LocalBatch() as client:
            submission = submission_in(tmp_path, Throttling(client), sharding=Sharding(1))
            submission.submit(requests_in(tmp_path, ""))
            with pytest.raises(TransientError, match="AWS Batch does not describe the jobs now: Slow"):
                submission.status()
            assert watched(submission).done == 1

    def test_it_is_not_asked_while_results_come(self, tmp_path):
        with LocalBatch(at_once=1) as client:
            counting = Counting(client)
            submission = submission_in(tmp_path, counting, sharding=Sharding(4))
            submission.submit(requests_in(tmp_path, "", "wait"))
            submission.scheduler.seconds_between_queries = 0.0
            before = submission.status().done
            wait_until(lambda: len(list(tmp_path.glob("submission/results/*.json"))) == 1)
            assert before == 0
            asked = counting.described
            assert submission.status().at_work
            assert counting.described == asked
            assert submission.status().at_work
            assert counting.described == asked + 1
            (tmp_path / "go").touch()
            SubmissionContract.wait(submission)


class Counting:
    def __init__(self, client):
        self._client, self.described = client, 0

    def __getattr__(self, name):
        self.described += name == "describe_jobs"
        return getattr(self._client, name)
