"""Django's tasks on the backend of jobs: those of Django 6, or of the package django-tasks."""

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from helpers import JobCase

from spacer_like.contrib.django.models import SpacerJob, digest_of_job
from spacer_like.contrib.django.running import cancel, result_of
from spacer_like.contrib.django.task_backend import (
    InvalidTask,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task,
    task_enqueued,
)
from spacer_like.contrib.django.tasks import run_message
from spacer_like.exceptions import DataNotFoundError, MessageError, SpacerInputError
from spacer_like.messages import ExtractFeaturesReturnMsg, JobMsg


def of_a_stranger(message):
    """A function that no engine would run."""


class TheBackend(JobCase):
    def test_a_task_is_a_job_and_its_id_the_digest(self):
        job = self.job("a", "b")
        result = run_message.enqueue(job.serialize())
        assert run_message.enqueue(message=job.serialize()).id == result.id == digest_of_job(job)
        row = SpacerJob.objects.get()
        assert (row.digest, row.job_id, row.spec_level) == (result.id, "", "")
        assert (result.status, result.attempts) == (TaskResultStatus.READY, 0)
        assert [JobMsg.deserialize(message) for message in result.args] == [job]
        assert run_message.get_result(result.id).status == TaskResultStatus.RUNNING
        self.collected()
        result.refresh()
        assert result.status == TaskResultStatus.SUCCESSFUL
        found = [ExtractFeaturesReturnMsg.deserialize(one) for one in result.return_value]
        assert found == result_of(row_of(result)).results
        assert (result.attempts, result.errors) == (1, [])
        assert result.enqueued_at < result.finished_at <= timezone.now()

    def test_a_job_that_the_queue_has_is_the_same(self):
        row = self.queue.submit_job(self.job("a"), 7)
        assert run_message.enqueue(self.job("a").serialize()).id == row.digest
        assert SpacerJob.objects.count() == 1

    def test_a_failure_has_a_class_and_a_sentence(self):
        result = run_message.enqueue(self.job("a", image="absent.png").serialize())
        self.collected()
        result.refresh()
        assert result.status == TaskResultStatus.FAILED
        [error] = result.errors
        assert error.exception_class is DataNotFoundError
        assert "absent.png" in error.traceback
        with pytest.raises(ValueError, match="failed"):
            _ = result.return_value

    def test_a_cancelled_job_has_failed(self):
        result = run_message.enqueue(self.job("a", does="wait").serialize())
        cancel(row_of(result))
        result.refresh()
        assert result.status == TaskResultStatus.FAILED
        assert [error.traceback for error in result.errors] == [
            "spacer_like.exceptions.SpacerInputError: The job was cancelled."
        ]

    def test_foreign_functions_priorities_times_and_queues_are_refused(self):
        with pytest.raises(InvalidTask, match=r"run_message alone, and not case_tasks\.of_a_stranger"):
            task(of_a_stranger)
        for wanted in ({"priority": 5}, {"run_after": timezone.now()}, {"queue_name": "absent"}):
            with pytest.raises(InvalidTask):
                run_message.using(**wanted)

    def test_what_is_no_job_message_is_refused(self):
        for message in ({}, {"task_name": "absent", "tasks": []}, [], self.job("a")):
            with pytest.raises(MessageError):
                run_message.enqueue(message)
        assert not SpacerJob.objects.exists()

    def test_a_queue_is_a_level(self):
        result = run_message.using(queue_name="high").enqueue(self.job("a").serialize())
        assert row_of(result).spec_level == "high"
        assert run_message.get_result(result.id).task.queue_name == "high"
        self.collected()

    def test_an_id_that_no_job_has_is_named(self):
        with pytest.raises(TaskResultDoesNotExist, match="absent"):
            run_message.get_result("absent")

    def test_a_task_is_gone_with_the_transaction(self):
        with transaction.atomic():
            run_message.enqueue(self.job("a").serialize())
            transaction.set_rollback(True)
        assert not SpacerJob.objects.exists()

    def test_the_signal_of_the_library_is_sent(self):
        ids = []

        def note(sender, task_result, **_):
            ids.append(task_result.id)

        task_enqueued.connect(note)
        self.addCleanup(task_enqueued.disconnect, note)
        result = run_message.enqueue(self.job("a").serialize())
        assert ids == [result.id]
        self.collected()

    async def test_it_is_awaited_too(self):
        result = await run_message.aenqueue(self.job("a").serialize())
        found = await run_message.aget_result(result.id)
        assert found.id == result.id

    def test_on_other_backends_the_worker_runs_the_job(self):
        [returned] = run_message.func(self.job("a").serialize())
        assert returned["runtime"] >= 0
        with pytest.raises(SpacerInputError, match=r"DataNotFoundError: .*absent\.png"):
            run_message.func(self.job("a", image="absent.png").serialize())

    def test_a_queue_without_an_engine_is_found_by_the_system_check(self):
        backend = run_message.get_backend()
        assert backend.check() == []
        with override_settings(SPACER_JOBS={"FOLDER": "a", "ENGINES": {"high": {"engine": "local"}}}):
            [error] = backend.check()
        assert "no engine for the level ''" in error.msg


def row_of(result):
    return SpacerJob.objects.get(digest=result.id)
