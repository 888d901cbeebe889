"""CoralNet's three methods, on processes of this machine and on AWS Batch."""

from contextlib import contextmanager
from datetime import timedelta
from enum import Enum

import pytest
from django.db import transaction
from django.test import override_settings, skipUnlessDBFeature
from django.utils import timezone
from helpers import JobCase, command_in_a_process
from noting import signals

from spacer_like.contrib.django.engine_settings import submission_in
from spacer_like.contrib.django.models import SpacerJob
from spacer_like.contrib.django.running import cancel, result_of, retry
from spacer_like.exceptions import ConfigError, MessageError
from spacer_like.messages import ExtractFeaturesReturnMsg
from spacer_like.testing.local_batch import LocalBatch


class Level(Enum):
    HIGH = "high"


class TheQueue(JobCase):
    def test_a_job_goes_in_and_its_result_comes_out(self):
        job = self.job("a", "b")
        self.queue.submit_job(job, 7, Level.HIGH)
        [row] = self.queue.get_collectable_jobs()
        assert (row.job_id, row.spec_level, row.engine, row.status) == ("7", "high", "local", "submitted")
        [result] = self.collected()
        assert result.ok
        assert result.original_job == job
        assert [type(one) for one in result.results] == [ExtractFeaturesReturnMsg] * 2
        assert [(name, key) for name, key, _ in self.sent] == [("succeeded", "7")]
        assert self.queue.collect_jobs() == ([], [])
        assert result_of(SpacerJob.objects.get()) == result

    def test_a_failure_is_a_class_and_a_sentence(self):
        self.queue.submit_job(self.job("a", image="absent.png"), 1)
        [result] = self.collected()
        row = SpacerJob.objects.get()
        assert (row.status, row.attempt) == ("failed", 1)
        assert row.error_class == "spacer_like.exceptions.DataNotFoundError"
        assert "absent.png" in row.error_message
        assert result.error_message == f"{row.error_class}: {row.error_message}"
        assert [name for name, *_ in self.sent] == ["failed"]

    def test_a_job_is_submitted_when_its_row_is_committed(self):
        with transaction.atomic():
            row = self.queue.submit_job(self.job("a"), 1)
            assert SpacerJob.objects.get().status == "waiting"
        row.refresh_from_db()
        assert row.status == "submitted"
        with transaction.atomic():
            self.queue.submit_job(self.job("b"), 2)
            transaction.set_rollback(True)
        assert SpacerJob.objects.count() == 1

    def test_an_equal_job_is_the_same_until_it_has_ended(self):
        first = self.queue.submit_job(self.job("a"), 1)
        assert self.queue.submit_job(self.job("a"), 1) == first
        with pytest.raises(MessageError, match="not ended yet, with the id '1' in place of '2'"):
            self.queue.submit_job(self.job("a"), 2)
        self.collected()
        assert self.queue.submit_job(self.job("a"), 2) != first

    def test_a_job_without_a_submission_is_submitted_again_after_half_an_hour(self):
        row = SpacerJob.objects.get(pk=self.queue.submit_job(self.job("a"), 1).pk)
        self.collected()
        for has_submission in (False, True):
            folder = row.folder if has_submission else row.folder.replace('"key": "', '"key": "/other')
            old = {"status": "waiting", "folder": folder.replace("/other", f"{self.folder}/other")}
            SpacerJob.objects.update(**old, updated=timezone.now() - timedelta(minutes=29))
            assert self.queue.collect_jobs() == ([], ["WAITING"])
            assert SpacerJob.objects.get().status == "waiting"
            SpacerJob.objects.update(updated=timezone.now() - timedelta(minutes=31))
            [result] = self.collected()
            assert result.ok

    def test_a_job_whose_processes_were_killed_is_begun_again(self):
        row = self.queue.submit_job(self.job("a", does="wait"), 1)
        self.wait_for(lambda: list(self.folder.glob("waiting-*")))
        row.refresh_from_db()
        submission_in(row.folder_loc, "local", "").end()
        (self.folder / "go").touch()
        [result] = self.collected()
        assert result.ok
        assert SpacerJob.objects.get().attempt == 2

    def test_a_submission_that_was_cancelled_elsewhere_is_not_begun_again(self):
        row = self.queue.submit_job(self.job("a", does="wait"), 1)
        submission_in(row.folder_loc, "local", "").cancel()
        [result] = self.collected()
        assert "was cancelled: retry the job" in result.error_message
        assert SpacerJob.objects.get().attempt == 1

    def test_cancelled_and_retried(self):
        row = self.queue.submit_job(self.job("a", does="wait"), 1)
        self.wait_for(lambda: list(self.folder.glob("waiting-*")))
        with pytest.raises(MessageError, match="changed meanwhile"):
            cancel(row)
        row.refresh_from_db()
        cancel(row)
        cancel(row)
        line = f"{row.error_class}: The job was cancelled."
        assert [(name, result.error_message) for name, _, result in self.sent] == [("failed", line)]
        # Whoever collects learns it too, once.
        [result], statuses = self.queue.collect_jobs()
        assert (result.error_message, statuses) == (line, ["CANCELLED"])
        assert self.queue.collect_jobs() == ([], [])
        (self.folder / "go").touch()
        row.refresh_from_db()
        retry(row)
        [result] = self.collected()
        assert result.ok
        row.refresh_from_db()
        for act in (cancel, retry):
            with pytest.raises(MessageError, match="succeeded"):
                act(row)

    def test_the_work_of_a_job_that_is_deleted_ends(self):
        row = self.queue.submit_job(self.job("a", does="wait"), 1)
        self.wait_for(lambda: list(self.folder.glob("waiting-*")))
        folder = SpacerJob.objects.get().folder_loc
        with transaction.atomic():
            SpacerJob.objects.all().delete()
            assert submission_in(folder, "local", "").is_at_work()
        assert not submission_in(folder, "local", "").is_at_work()
        assert row.pk

    def test_what_cannot_be_submitted_fails_when_it_is_collected(self):
        with override_settings(SPACER_JOBS={"FOLDER": "memory://jobs"}):
            self.queue.submit_job(self.job("a"), 1)
            [result] = self.collected()
        assert "keeps its work on this machine" in result.error_message
        assert [name for name, *_ in self.sent] == ["failed"]

    def test_settings_that_say_nothing_are_named(self):
        engines = {"high": {"engine": "local"}, "odd": {"engine": "kubernetes"}}
        for setting, level, sentence in (
            ({}, "", "needs a FOLDER"),
            ({"FOLDER": "a", "ENGINES": engines}, "low", "no engine for the level 'low', only for 'high', 'odd'"),
            ({"FOLDER": "a", "ENGINES": engines}, "odd", "must be one of local, batch, slurm"),
            ({"FOLDERS": "a"}, "", "a dictionary of ENGINES and FOLDER"),
        ):
            with override_settings(SPACER_JOBS=setting), pytest.raises(ConfigError, match=sentence):
                self.queue.submit_job(self.job("a"), 1, level)


class TwoCollectors(JobCase):
    def test_each_job_ends_once_and_its_signal_is_sent_once(self):
        numbers = range(6)
        rows = [self.queue.submit_job(self.job(str(number)), number) for number in numbers]
        self.wait_for(lambda: len(list(self.folder.glob("*.npz"))) == len(numbers))
        before, ended = len(signals()), 0
        while ended < len(numbers):
            two = [command_in_a_process("collect_jobs") for _ in range(2)]
            ended += sum(int(process.communicate()[0].split()[0]) for process in two)
        assert sorted(signals()[before:]) == sorted(f"{row.pk} True" for row in rows)
        assert ended == len(numbers)
        assert {job.status for job in SpacerJob.objects.all()} == {"succeeded"}
        assert self.queue.collect_jobs() == ([], [])

    @skipUnlessDBFeature("has_select_for_update_skip_locked")
    def test_a_row_that_another_process_looks_after_is_left_to_it(self):
        row = self.queue.submit_job(self.job("a"), 1)
        self.wait_for(lambda: (self.folder / "a.npz").exists())
        self.wait_for(lambda: not submission_in(row.folder_loc, "local", "").is_at_work())
        with transaction.atomic():
            SpacerJob.objects.select_for_update().get()
            answer = command_in_a_process("collect_jobs").communicate(timeout=60)[0]
            assert answer == "0 ended by this call; of those looked at: 1 submitted.\n"
        answer = command_in_a_process("collect_jobs").communicate(timeout=60)[0]
        assert answer == "1 ended by this call; of those looked at: 1 succeeded.\n"


class CountingBatch(LocalBatch):
    """Batch that counts what it is asked."""

    def __init__(self, **options):
        super().__init__(**options)
        self.submitted, self.described = 0, []

    def submit_job(self, **request):
        self.submitted += 1
        return super().submit_job(**request)

    def describe_jobs(self, jobs):
        self.described.append(len(jobs))
        return super().describe_jobs(jobs)


class OnBatch(JobCase):
    @contextmanager
    def batch(self, **options):
        """Batch as the engine of all levels."""
        with CountingBatch(**options) as client:
            engine = {"engine": "batch", "queue": "queue", "definition": "definition", "client": client}
            with override_settings(SPACER_JOBS={"FOLDER": f"{self.folder}/jobs", "ENGINES": {"": engine}}):
                yield client

    def test_jobs_run_on_batch_though_children_are_killed_and_delivered_twice(self):
        with self.batch(twice=True, kill=0.5, seed=1) as client:
            for number in range(2):
                self.queue.submit_job(self.job(str(number)), number)
            rows = list(self.queue.get_collectable_jobs())
            assert len(client.describe_jobs([row.external_id for row in rows])["jobs"]) == 2
            assert all(result.ok for result in self.collected(2))

    def test_batch_is_asked_once_for_many_jobs(self):
        with self.batch() as client:
            for number in range(5):
                self.queue.submit_job(self.job(str(number), does="wait"), number)
            client.described.clear()
            assert self.queue.collect_jobs() == ([], ["SUBMITTED"] * 5)
            assert client.described == [5]
            (self.folder / "go").touch()
            assert all(result.ok for result in self.collected(5))

    def test_a_job_whose_id_was_lost_is_found_by_its_name(self):
        with self.batch() as client:
            row = self.queue.submit_job(self.job("a", does="wait"), 1)
            row.refresh_from_db()
            old = timezone.now() - timedelta(minutes=31)
            SpacerJob.objects.update(status="waiting", external_id="", updated=old)
            self.queue.collect_jobs()
            found = SpacerJob.objects.get()
            assert (found.status, found.external_id) == ("submitted", row.external_id)
            assert client.submitted == 1
            (self.folder / "go").touch()
            [result] = self.collected()
            assert result.ok
